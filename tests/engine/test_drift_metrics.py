"""The drift metric is published while there is drift, and once after its end."""

from collections.abc import Mapping
from typing import Any

import pytest
from tests.engine.fake_kind import FakeKind, declared, deletion

from dynconfig.api.alarms import DRIFT
from dynconfig.engine.outcome import Outcome
from dynconfig.engine.reconcile import Engine
from dynconfig.model.errors import AccessDenied, DynConfigError, Throttled
from dynconfig.model.previous_status import PreviousStatus
from dynconfig.status import report

NOON = 1.8e9 // 3600 * 3600.0
MINUTE = 60.0
REQUESTED: dict[str, Any] = {"alarms": {"defaults": False, "drift": True}}


class Shown:
    """A fake CloudWatch."""

    def __init__(self) -> None:
        self.points: list[tuple[str, dict[float, int]]] = []
        self.failure: DynConfigError | None = None

    def show(self, config: str, points: Mapping[float, int]) -> None:
        """Record it, or fail as configured."""
        if self.failure:
            raise self.failure
        self.points.append((config, dict(points)))

    def take(self) -> list[dict[float, int]]:
        """The metric values since the last call."""
        found = [points for _config, points in self.points]
        self.points.clear()
        return found


class Scene:
    """One object with its status, its state in AWS, and its published metric values."""

    def __init__(self, **spec: Any) -> None:
        self.fake, self.shown, self.spec = FakeKind(), Shown(), spec
        self.status: dict[str, Any] = {}
        self.restart()
        self.reconcile(NOON)
        assert self.shown.take() == [{NOON + MINUTE: 0}]

    def restart(self) -> None:
        """A new process without state."""
        self.engine = Engine(lambda _place: (self.fake,), drift_metric_of=lambda _place: self.shown)

    def reconcile(self, now: float, **about: Any) -> Outcome:
        """Reconcile once and report the result."""
        declaration = declared({"a": "1", "b": "2"}, status=self.status or None, **{**REQUESTED, **self.spec, **about})
        outcome = self.engine.run(declaration, now=now)
        alarm = {"kind": "Alarm", "name": declaration.names.alarm(DRIFT), "arn": "arn"}
        previous = PreviousStatus.of(self.status)
        self.status = {**report.status(outcome, previous, now, None), "resources": [alarm]}
        return outcome


def test_drift_that_is_corrected_at_once_is_published_for_its_minute() -> None:
    scene = Scene()
    scene.fake.by_hand("/app/a")
    scene.reconcile(NOON + 3607.5)
    assert scene.shown.take() == [{NOON + 3607: 1, NOON + 3660: 0}]
    scene.reconcile(NOON + 3700)
    assert scene.shown.take() == []


def test_lasting_drift_is_published_by_each_reconcile_and_its_end_once_in_the_next_minute() -> None:
    scene = Scene(driftPolicy="Report")
    for name in ("/app/a", "/app/b"):
        scene.fake.by_hand(name)
    for later in (10, 700):
        scene.reconcile(NOON + later)
        assert scene.shown.take() == [{NOON + later: 2}]
    for name, value in (("/app/a", "1"), ("/app/b", "2")):
        scene.fake.by_hand(name, value)
    # The end of one minute is the start of the next.
    scene.reconcile(NOON + 1320)
    assert scene.shown.take() == [{NOON + 1380: 0}]
    for later in (1330, 1900):
        scene.reconcile(NOON + later)
    assert scene.shown.take() == []


def test_drift_of_a_suspended_object_is_published() -> None:
    scene = Scene()
    scene.fake.by_hand("/app/a")
    scene.reconcile(NOON + 70, suspend=True)
    assert scene.shown.take() == [{NOON + 70: 1}]


@pytest.mark.parametrize("ends", [False, True])
def test_failed_publication_is_reported_and_retried(ends: bool) -> None:
    scene = Scene(driftPolicy="Report")
    scene.fake.by_hand("/app/a")
    if ends:
        scene.reconcile(NOON + 5)
        scene.fake.by_hand("/app/a", "1")
        scene.shown.take()
    scene.shown.failure = Throttled("slowly")
    assert scene.reconcile(NOON + 10).error is scene.shown.failure
    scene.shown.failure = AccessDenied("cloudwatch:PutMetricData")
    outcome = scene.reconcile(NOON + 20)
    assert (outcome.error, outcome.applied, len(outcome.drift)) == (scene.shown.failure, (), 0 if ends else 1)
    scene.shown.failure = None
    assert scene.reconcile(NOON + 30).error is None
    assert scene.shown.take() == [{NOON + 60: 0} if ends else {NOON + 30: 1}]


def test_another_error_is_not_hidden_by_this_one() -> None:
    scene = Scene()
    scene.fake.by_hand("/app/a")
    scene.fake.failures["/app/a"] = AccessDenied("ssm:PutParameter")
    scene.shown.failure = Throttled("slowly")
    assert scene.reconcile(NOON + 10).error is scene.fake.failures["/app/a"]


@pytest.mark.parametrize("is_drifted", [True, False])
def test_new_process_publishes_only_persistent_drift(is_drifted: bool) -> None:
    scene = Scene(driftPolicy="Report")
    if is_drifted:
        scene.fake.by_hand("/app/a")
    scene.restart()
    scene.reconcile(NOON + 10)
    assert scene.shown.take() == ([{NOON + 10: 1}] if is_drifted else [])


def test_nothing_is_published_of_a_failed_observation_nor_of_a_deletion() -> None:
    scene = Scene()
    scene.fake.by_hand("/app/a", owner="cluster/shop/rival/uid-2")
    assert scene.reconcile(NOON + 10).error
    scene.engine.run(deletion({"a": "1"}, **REQUESTED), now=NOON + 20)
    assert scene.shown.take() == []


def test_nothing_is_published_without_the_alarm_and_the_state_once_it_is_declared() -> None:
    scene = Scene()
    scene.fake.by_hand("/app/a")
    scene.reconcile(NOON + 10, alarms={"defaults": False, "custom": []})
    assert scene.shown.take() == []
    scene.status["resources"] = []
    scene.reconcile(NOON + 20)
    assert scene.shown.take() == [{NOON + 60: 0}]
