"""The drift metric is published when drift starts and ends, not on each reconcile."""

from collections.abc import Mapping
from typing import Any

import pytest
from tests.engine.fake_kind import OWNER, FakeKind, declared, deletion

from dynconfig.engine.outcome import Outcome
from dynconfig.engine.reconcile import Engine
from dynconfig.model.errors import AccessDenied, DynConfigError, Throttled

NOON = 1.8e9 // 3600 * 3600.0
MINUTE = 60.0
REQUESTED: dict[str, Any] = {"alarms": {"defaults": False, "drift": True}}
APPLIED: dict[str, Any] = {"observedGeneration": 1, "appliedGeneration": 1}


class Shown:
    """What CloudWatch would have."""

    def __init__(self) -> None:
        self.points: list[tuple[str, dict[float, int]]] = []
        self.failure: DynConfigError | None = None

    def show(self, config: str, points: Mapping[float, int]) -> None:
        """Write it down, or fail as told."""
        if self.failure:
            raise self.failure
        self.points.append((config, dict(points)))

    def take(self) -> list[dict[float, int]]:
        """What was shown since the last time."""
        found = [points for _config, points in self.points]
        self.points.clear()
        return found


class Scene:
    """One object, what AWS has of it, and what is shown."""

    def __init__(self, **spec: Any) -> None:
        self.fake, self.shown, self.spec = FakeKind(), Shown(), spec
        self.versions: dict[str, int] = {}
        self.restart()
        self.look(NOON)
        assert self.shown.take() == [{NOON + MINUTE: 0}]

    def restart(self) -> None:
        """A process that remembers nothing."""
        self.engine = Engine(lambda _place: (self.fake,), drift_metric_of=lambda _place: self.shown)

    def look(self, now: float, **about: Any) -> Outcome:
        """One reconcile, and the report of what it left."""
        versions = [{"name": name, "version": version} for name, version in self.versions.items()]
        status = {**APPLIED, "parameters": versions} if versions else None
        declaration = declared({"a": "1", "b": "2"}, status=status, **{**REQUESTED, **self.spec, **about})
        outcome = self.engine.run(declaration, now=now)
        self.versions.update({name: t.version for name, t in self.fake.store.items() if t.value != "by hand"})
        return outcome


def test_drift_that_is_put_back_at_once_is_shown_for_its_minute() -> None:
    scene = Scene()
    scene.fake.by_hand("/app/a")
    scene.look(NOON + 3607.5)
    assert scene.shown.take() == [{NOON + 3607: 1, NOON + 3660: 0}]
    scene.look(NOON + 3700)
    assert scene.shown.take() == []


def test_drift_that_stands_is_shown_once_and_its_end_in_the_minute_that_follows() -> None:
    scene = Scene(driftPolicy="Report")
    for name in ("/app/a", "/app/b"):
        scene.fake.by_hand(name)
    scene.look(NOON + 10)
    # The first look had announced the end of whatever was there before.
    assert scene.shown.take() == [{NOON + 10: 2, NOON + 60: 2}]
    for later in (20, 700, 1300):
        scene.look(NOON + later)
    assert scene.shown.take() == []
    for name, value in (("/app/a", "1"), ("/app/b", "2")):
        scene.fake.by_hand(name, value)
    # The end of a minute is the beginning of the next.
    scene.look(NOON + 1320)
    assert scene.shown.take() == [{NOON + 1380: 0}]


def test_drift_that_comes_back_before_the_end_of_the_last_is_not_ended_by_it() -> None:
    scene = Scene(driftPolicy="Report")
    seen: dict[float, int] = {}
    for now, value in ((130, "by hand"), (140, "1"), (150, "by hand"), (160, "1"), (170, "by hand"), (175, "1")):
        scene.fake.by_hand("/app/a", value)
        scene.look(NOON + now)
        for points in scene.shown.take():
            for at, fields in points.items():
                period = (at - NOON) // MINUTE
                seen[period] = max(seen.get(period, 0), fields)
    # Each time the end that was announced was none, but for the last.
    assert seen == {2: 1, 3: 1, 4: 1, 5: 0}


def test_a_suspended_object_shows_its_drift_too() -> None:
    scene = Scene()
    scene.fake.by_hand("/app/a")
    scene.look(NOON + 70, suspend=True)
    assert scene.shown.take() == [{NOON + 70: 1}]


def test_what_could_not_be_shown_is_told_and_tried_again() -> None:
    scene = Scene(driftPolicy="Report")
    scene.fake.by_hand("/app/a")
    scene.shown.failure = Throttled("slowly")
    assert scene.look(NOON + 10).error is scene.shown.failure
    scene.shown.failure = AccessDenied("cloudwatch:PutMetricData")
    outcome = scene.look(NOON + 20)
    assert (outcome.error, outcome.applied, len(outcome.drift)) == (scene.shown.failure, (), 1)
    scene.shown.failure = None
    assert scene.look(NOON + 30).error is None
    assert scene.shown.take() == [{NOON + 30: 1, NOON + 60: 1}]


def test_another_fault_is_not_hidden_by_this_one() -> None:
    scene = Scene()
    scene.fake.by_hand("/app/a")
    scene.fake.failures["/app/a"] = AccessDenied("ssm:PutParameter")
    scene.shown.failure = Throttled("slowly")
    assert scene.look(NOON + 10).error is scene.fake.failures["/app/a"]


@pytest.mark.parametrize("is_drifted", [True, False])
def test_a_process_that_begins_shows_what_is(is_drifted: bool) -> None:
    scene = Scene(driftPolicy="Report")
    if is_drifted:
        scene.fake.by_hand("/app/a")
    scene.restart()
    scene.look(NOON + 10)
    scene.look(NOON + 20)
    assert scene.shown.take() == [{NOON + 10: 1, NOON + 60: 1} if is_drifted else {NOON + 60: 0}]


def test_nothing_is_shown_of_a_look_that_failed_nor_of_a_goodbye() -> None:
    scene = Scene()
    scene.fake.by_hand("/app/a", owner="cluster/shop/rival/uid-2")
    assert scene.look(NOON + 10).error
    scene.engine.run(deletion({"a": "1"}, **REQUESTED), now=NOON + 20)
    assert scene.shown.take() == []


def test_nothing_is_shown_unless_it_was_asked_for() -> None:
    scene = Scene()
    scene.fake.by_hand("/app/a")
    scene.look(NOON + 10, alarms={"defaults": False, "custom": []})
    assert scene.shown.take() == []
    scene.engine.forget(OWNER.uid)
    scene.look(NOON + 20)
    assert scene.shown.take() == [{NOON + 60: 0}]
