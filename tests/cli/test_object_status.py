"""The rollout state of an object, from its status."""

from typing import Any

import pytest

from dynconfig.cli.object_status import ObjectStage, deleted, missing_operator, object_status
from dynconfig.model.timestamps import timestamp

NOW = 1_800_000_000.0


def condition(kind: str, status: str = "True", reason: str = "InSync", message: str = "All is well") -> dict[str, str]:
    return {"type": kind, "status": status, "reason": reason, "message": message}


def shown(*conditions: dict[str, str], generation: int = 2, observed: int = 2, **more: Any) -> dict[str, Any]:
    metadata = {"namespace": "shop", "name": "myapp", "generation": generation, **more.pop("metadata", {})}
    return {"metadata": metadata, "status": {"observedGeneration": observed, "conditions": list(conditions), **more}}


READY = condition("Ready")
WORKING = (condition("Ready", "Unknown", "Applying", "3 of 10 done"), condition("Reconciling"))
STALLED = (condition("Ready", "False", "NotOwned", "It belongs to b"), condition("Stalled"))


@pytest.mark.parametrize(
    ("document", "stage"),
    [
        (shown(READY), ObjectStage.READY),
        (shown(READY, condition("Drifted")), ObjectStage.READY),
        (shown(*WORKING), ObjectStage.WORKING),
        (shown(*STALLED), ObjectStage.STALLED),
        (shown(READY, observed=1), ObjectStage.WORKING),
        (shown(*STALLED, observed=1), ObjectStage.WORKING),
        (shown(READY, metadata={"deletionTimestamp": "2027-01-15T08:00:00Z"}), ObjectStage.WORKING),
        ({"metadata": {"namespace": "shop", "name": "myapp", "generation": 1}}, ObjectStage.WORKING),
    ],
)
def test_only_the_newest_generation_counts(document: dict[str, Any], stage: ObjectStage) -> None:
    assert object_status(document, NOW).stage is stage


def test_row_matches_the_status() -> None:
    status: dict[str, Any] = {"counts": {"summary": "3/10"}, "revision": "abc", "lastObservedTime": timestamp(NOW - 90)}
    found = object_status(shown(*WORKING, condition("Drifted"), **status), NOW)
    assert (found.title, found.in_sync, found.drifted, found.revision) == ("shop/myapp", "3/10", "yes", "abc")
    assert (found.observed, found.message) == ("90s", "Applying: 3 of 10 done")


@pytest.mark.parametrize(("seconds", "text"), [(0, "0s"), (119, "119s"), (120, "2m"), (7200, "2h"), (172800, "2d")])
def test_ages_are_short(seconds: int, text: str) -> None:
    assert object_status(shown(READY, lastObservedTime=timestamp(NOW - seconds)), NOW).observed == text


def test_unreconciled_object_is_reported_as_such() -> None:
    assert "Waiting for the operator to reconcile this edit" in object_status(shown(READY, observed=1), NOW).message
    unseen = {"metadata": {"namespace": "shop", "name": "myapp", "generation": 1}}
    assert "reconcile the object for the first time" in object_status(unseen, NOW).message
    for generation in (-1, 0):
        status = {"observedGeneration": generation}
        assert "reconcile the object for the first time" in object_status({**unseen, "status": status}, NOW).message


def test_deleted_object_is_reported_as_deleted() -> None:
    assert deleted("shop/myapp").stage is ObjectStage.GONE


def edited(seconds_ago: float, **more: Any) -> dict[str, Any]:
    """An object with an edit at that time that was not reconciled."""
    by_hand = {"manager": "kubectl", "time": timestamp(NOW - seconds_ago)}
    by_operator = {"manager": "dynconfig", "time": timestamp(NOW - 1), "subresource": "status"}
    created = {"creationTimestamp": timestamp(NOW - 9000), "managedFields": [by_hand, by_operator]}
    return shown(READY, observed=1, metadata={**created, **more})


@pytest.mark.parametrize(
    ("document", "words"),
    [
        (edited(10), ""),
        (edited(300), "not reconciled for 5m"),
        (edited(300, deletionTimestamp=timestamp(NOW - 5)), ""),
        (edited(9000, deletionTimestamp=timestamp(NOW - 120)), "not reconciled for 2m"),
        (shown(READY, lastObservedTime=timestamp(NOW - 4000)), ""),
        (shown(READY, lastObservedTime=timestamp(NOW - 7200)), "AWS was last observed 2h ago"),
        (
            {**shown(READY, lastObservedTime=timestamp(NOW - 4000)), "spec": {"resyncInterval": "1m"}},
            "AWS was last observed",
        ),
        ({**shown(READY, lastObservedTime=timestamp(NOW - 7200)), "spec": {"resyncInterval": "24h"}}, ""),
    ],
)
def test_missing_operator_is_suggested_only_if_likely(document: dict[str, Any], words: str) -> None:
    assert words in missing_operator(document, NOW)
    assert bool(missing_operator(document, NOW)) is bool(words)
    assert ("kubectl get pods" in object_status(document, NOW).message) is bool(words)
