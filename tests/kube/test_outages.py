"""While AWS is unavailable, one object probes each second; after the first success, all waiting objects resume."""

import asyncio
from dataclasses import replace

import pytest
from tests.engine.fake_kind import FakeKind, declared

from dynconfig.engine.outcome import Outcome
from dynconfig.kube.requeue_policy import FIRST_BACKOFF, RequeuePolicy
from dynconfig.kube.work_queue import WorkQueue
from dynconfig.model.declaration import Place
from dynconfig.model.errors import Conflict, Throttled, Unavailable
from dynconfig.model.key import Key
from dynconfig.model.object_state import ObjectState

AWAY = Unavailable("AWS is unavailable")
KEYS = [Key("shop", f"app{number}") for number in range(20)]


class Operator:
    """Reconciles due objects while AWS is unavailable for some time, in steps of 0.1 seconds."""

    def __init__(self) -> None:
        self.seconds = 0.0
        self.work_queue = WorkQueue()
        self.state = ObjectState[Key]()
        now = lambda: 1.8e9 + self.seconds  # noqa: E731
        self.times = RequeuePolicy(self.work_queue, lambda: self.seconds, now, self.state)
        self.away: tuple[float, float] = (0.0, 0.0)
        self.broken: set[Key] = set()
        self.reads: list[tuple[float, Key]] = []
        self.ready: dict[Key, float] = {}

    def run(self, until: float, place: str = "eu-west-1") -> None:
        while self.seconds < until:
            while self.work_queue.waiting(self.seconds):
                self._serve(asyncio.run(asyncio.wait_for(self.times.next(), 5)), place)
            self.seconds = round(self.seconds + 0.1, 1)

    def _serve(self, key: Key, place: str) -> None:
        self.reads.append((self.seconds, key))
        start, end = self.away
        fails = start <= self.seconds < end or key in self.broken
        if not fails:
            self.ready.setdefault(key, self.seconds)
        self.times.schedule_next(key, unavailable(place) if fails else in_sync(place))
        self.times.done(key)

    def looks_between(self, start: float, end: float) -> int:
        return sum(start <= at < end for at, _key in self.reads)


def unavailable(place: str = "eu-west-1") -> Outcome:
    return Outcome(replace(declared({"a": "1"}), place=Place(place)), stopped=AWAY)


def in_sync(place: str = "eu-west-1") -> Outcome:
    return FakeKind().engine().run(replace(declared({"a": "1"}), place=Place(place)))


def started() -> Operator:
    operator = Operator()
    for key in KEYS:
        operator.times.requeue(key)
    return operator


@pytest.mark.parametrize("seconds", [1.5, 20.0, 600.0])
def test_all_objects_recover_soon_after_an_outage(seconds: float) -> None:
    operator = started()
    operator.away = (0.0, seconds)
    operator.run(seconds + 6)
    assert set(operator.ready) == set(KEYS)
    assert max(operator.ready.values()) <= seconds + 5


def test_one_object_probes_each_second_during_an_outage() -> None:
    operator = started()
    operator.away = (0.0, 50.0)
    operator.run(50)
    assert operator.looks_between(1, 50) <= 50
    assert len({key for at, key in operator.reads if at >= 1}) > 10, "not the same one each time"


def test_recovery_from_a_second_outage_is_as_fast() -> None:
    operator = started()
    operator.away = (0.0, 20.0)
    operator.run(25)
    operator.ready.clear()
    for key in KEYS:
        operator.times.requeue(key)
    operator.away = (25.0, 60.0)
    operator.run(66)
    assert max(operator.ready.values()) <= 65


def test_single_failing_object_is_retried_with_increasing_delays() -> None:
    operator = started()
    operator.broken = {KEYS[0]}
    for _ in range(300):
        operator.times.requeue(KEYS[1])
        operator.run(operator.seconds + 1)
    assert sum(key == KEYS[0] for _at, key in operator.reads) < 20


def test_success_in_another_place_does_not_end_the_outage() -> None:
    operator = Operator()
    for key in KEYS[:3]:
        operator.times.schedule_next(key, unavailable("eu-west-1"))
    operator.times.schedule_next(KEYS[3], in_sync("us-east-1"))
    assert operator.work_queue.waiting(0.5) == 0
    operator.times.schedule_next(KEYS[4], in_sync("eu-west-1"))
    assert operator.work_queue.waiting(0.5) == 3


def test_another_object_probes_if_the_probe_is_deleted() -> None:
    operator = Operator()
    operator.away = (0.0, 10.0)
    for key in KEYS[:3]:
        operator.times.schedule_next(key, unavailable())
    operator.state.forget(KEYS[0])
    operator.run(16)
    assert set(operator.ready) == {KEYS[1], KEYS[2]}
    assert max(operator.ready.values()) <= 15


@pytest.mark.parametrize("error", [Conflict("busy"), Throttled("slow")])
def test_progress_resets_the_backoff(error: Conflict | Throttled) -> None:
    operator, key = Operator(), KEYS[0]
    for _ in range(12):
        operator.times.requeue(key)
        assert asyncio.run(asyncio.wait_for(operator.times.next(), 5)) == key
        fake = FakeKind(failures={"/app/b": error})
        operator.times.schedule_next(key, fake.engine().run(declared({"a": "1", "b": "2"})))
        operator.times.done(key)
        due = operator.work_queue.next_at()
        assert due is not None
        assert due <= FIRST_BACKOFF
