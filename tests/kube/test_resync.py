"""Resyncs are jittered; after a restart only objects that may have missed changes are reconciled at once."""

import itertools
import random
from typing import Any

import pytest

from dynconfig import __version__
from dynconfig.api import names
from dynconfig.kube.resync import Listed, delay
from dynconfig.model.timestamps import timestamp

NOW = 1.8e9
OBSERVED = "2027-01-15T07:58:20Z"
AGE = 100.0


def document(**status: Any) -> dict[str, Any]:
    """An object that was in sync 100 s ago."""
    return {
        "metadata": {"generation": 2, "finalizers": [names.FINALIZER]},
        "spec": {"path": "/app", "resyncInterval": "10m", "parameters": [{"name": "a", "value": "1"}]},
        "status": {
            "observedGeneration": 2,
            "appliedGeneration": 2,
            "operatorVersion": __version__,
            "lastObservedTime": OBSERVED,
            "conditions": [{"type": "Ready", "status": "True"}],
            **status,
        },
    }


def first_reconcile(found: dict[str, Any]) -> tuple[float, float | None]:
    """Return seconds until the first reconcile, and when AWS was last observed."""
    listed = Listed.of(found)
    return listed.delay(NOW, 0.5), listed.observed


def test_object_in_sync_waits_for_its_resync() -> None:
    seconds, observed = first_reconcile(document())
    assert seconds == pytest.approx(600 - AGE)
    assert observed == NOW - AGE


@pytest.mark.parametrize(
    ("interval", "age", "seconds"),
    [("10m", 100, 500), ("10m", 700, 300), ("10m", 3500, 300), ("10m", 3700, 30), ("2h", 7300, 360)],
)
def test_overdue_object_that_may_have_been_observed_since_is_observed_within_its_interval(
    interval: str, age: int, seconds: float
) -> None:
    found = document(lastObservedTime=timestamp(NOW - age))
    found["spec"]["resyncInterval"] = interval
    assert Listed.of(found).delay(NOW, 0.5) == pytest.approx(seconds)


def test_default_interval_is_the_one_of_the_crd() -> None:
    found = document()
    del found["spec"]["resyncInterval"]
    assert first_reconcile(found) == first_reconcile(document())


def changed(**parts: dict[str, Any]) -> dict[str, Any]:
    found = document()
    for part, fields in parts.items():
        found[part] = {**found[part], **fields}
    return found


REFERENCE = {"name": "a", "valueFrom": {"configMapKeyRef": {"name": "c", "key": "k"}}}


@pytest.mark.parametrize(
    "found",
    [
        {**document(), "status": None},
        changed(status={"lastObservedTime": None}),
        changed(status={"conditions": [{"type": "Ready", "status": "Unknown"}]}),
        changed(status={"conditions": []}),
        changed(status={"observedGeneration": 1}),
        changed(status={"appliedGeneration": 1}),
        changed(status={"operatorVersion": "0.0.1"}),
        changed(metadata={"finalizers": []}),
        changed(metadata={"deletionTimestamp": "2027-01-15T07:58:20Z"}),
        changed(metadata={"annotations": {names.RECONCILE_REQUESTED_AT: "now"}}),
        changed(spec={"parameters": [REFERENCE]}),
        changed(status={"bake": {"generation": 2, "since": OBSERVED, "until": "2027-01-15T08:10:00Z"}}),
    ],
    ids=[
        "no status",
        "never observed",
        "not ready",
        "no conditions",
        "edited",
        "not applied",
        "another operator",
        "no finalizer",
        "going",
        "asked for",
        "from a ConfigMap",
        "baking",
    ],
)
def test_other_objects_are_reconciled_now(found: dict[str, Any]) -> None:
    assert first_reconcile(found)[0] == 0


def test_last_observed_time_is_reported_for_every_object() -> None:
    assert first_reconcile(changed(status={"observedGeneration": 1})) == (0.0, NOW - AGE)
    assert first_reconcile({**document(), "status": None}) == (0.0, None)


def test_resyncs_of_two_thousand_objects_after_a_restart_are_spread() -> None:
    chances = [random.Random(number).random() for number in range(2000)]  # noqa: S311 - not a secret
    for age in (100.0, 86400.0):
        delays = sorted(delay(600.0, age, chance) for chance in chances)
        busiest = max(sum(1 for _ in group) for _, group in itertools.groupby(delays, key=int))
        assert busiest < 80
        assert 0 <= delays[0] < delays[-1] <= 600 * 1.1


def test_clock_set_back_does_not_delay_a_resync() -> None:
    assert first_reconcile(document(lastObservedTime="2027-01-15T09:00:00Z"))[0] == pytest.approx(600)
