"""For how long one reconcile writes, and for how much longer if nothing else waits."""

import asyncio
from collections.abc import Callable

import pytest

from dynconfig.kube.requeue_policy import RequeuePolicy, Turn
from dynconfig.kube.work_queue import Priority, WorkQueue
from dynconfig.model.key import Key
from dynconfig.model.object_state import ObjectState
from dynconfig.model.size import LARGE

SECONDS = 15.0
KEY, OTHER = Key("shop", "large"), Key("shop", "other")


class Clock:
    """A manual clock."""

    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


def written_seconds(prepared: float, *, may_continue: Callable[[], bool] = lambda: True) -> int:
    """Return for how many seconds an object writes, with a write each second."""
    clock = Clock()
    turn = Turn(clock, SECONDS, began=clock.now, may_continue=may_continue)
    clock.now += prepared
    turn.planned()
    # The first write waits for its token.
    clock.now += 2.0
    seconds = 0
    while turn.has_time_left():
        clock.now += 1.0
        seconds += 1
    return seconds


@pytest.mark.parametrize(
    ("prepared", "expected"),
    [(0.01, 15), (0.25, 15), (0.5, 30), (1.0, 60), (2.5, 120), (60.0, 120)],
)
def test_object_that_takes_long_to_observe_writes_for_longer(prepared: float, expected: int) -> None:
    assert written_seconds(prepared) == expected


def test_object_writes_no_longer_while_others_wait() -> None:
    assert written_seconds(2.5, may_continue=lambda: False) == SECONDS


def test_object_stops_when_another_one_begins_to_wait() -> None:
    answers = iter([True] * 20 + [False])
    assert written_seconds(2.5, may_continue=lambda: next(answers)) == SECONDS + 20


def may_continue(change: Callable[[RequeuePolicy, WorkQueue], object]) -> bool:
    """Return whether the object in progress may continue after a change, while a worker is free."""

    async def act() -> bool:
        clock, queue = Clock(), WorkQueue()
        policy = RequeuePolicy(queue, clock, clock, ObjectState[Key]())
        policy.requeue(KEY)
        assert await policy.next() == KEY
        assert not policy.may_continue(KEY)
        free_worker = asyncio.create_task(policy.next())
        await asyncio.sleep(0)
        assert policy.may_continue(KEY)
        change(policy, queue)
        found = policy.may_continue(KEY)
        free_worker.cancel()
        return found

    return asyncio.run(act())


def test_object_continues_while_nothing_is_due() -> None:
    assert may_continue(lambda policy, _queue: policy.requeue_after(OTHER, 60.0, Priority.RESYNC))


def test_object_that_changed_does_not_continue() -> None:
    assert not may_continue(lambda policy, _queue: policy.requeue(KEY))


def test_object_does_not_continue_while_a_large_one_waits_for_it() -> None:
    def add_large(_policy: RequeuePolicy, queue: WorkQueue) -> None:
        for name in "abcdef":
            queue.weigh(Key(name, "large"), LARGE + 1)
            queue.add(Key(name, "large"), 0.0, Priority.EDIT)
        while queue.take(100.0):
            pass

    assert not may_continue(add_large)
