"""The times of queued objects: each is served once, not early, and leaves nothing behind."""

from collections.abc import Mapping

from hypothesis import given
from hypothesis import strategies as st

from dynconfig.kube.work_queue import FEW_OUTDATED, Priority, WorkQueue
from dynconfig.model.key import Key
from dynconfig.model.size import LARGE

A, B, C = (Key("ns", name) for name in "abc")
KEYS = st.sampled_from([A, B, C])


class Model:
    """A work queue, and what it owes to each object."""

    def __init__(self) -> None:
        self.work_queue, self.now = WorkQueue(), 0.0
        self.running: list[Key] = []
        self.owed: dict[Key, float] = {}

    def add(self, key: Key, at: float, priority: Priority) -> None:
        """Queue an object."""
        self.work_queue.add(key, at, priority)
        self.owed[key] = min(self.owed.get(key, at), at)

    def forget(self, key: Key) -> None:
        """Delete an object, even while it is in progress."""
        self.work_queue.forget(key)
        self.owed.pop(key, None)

    def weigh(self, key: Key) -> None:
        """Make an object large."""
        self.work_queue.weigh(key, LARGE + 1)

    def wait(self, seconds: int) -> None:
        """Let time pass."""
        self.now += seconds

    def take(self) -> bool:
        """Begin an object; return whether one could begin."""
        taken = self.work_queue.take(self.now)
        if taken is not None:
            assert taken not in self.running
            assert self.owed.pop(taken) <= self.now
            self.running.append(taken)
        elif not self.running:
            assert not self.work_queue.has_due
        scheduled = [at for key, at in self.owed.items() if at > self.now and key not in self.running]
        assert self.work_queue.next_at() == min(scheduled, default=None)
        return taken is not None

    def done(self) -> None:
        """End the object that began first."""
        if self.running:
            self.work_queue.done(self.running.pop(0))


@given(
    st.lists(
        st.one_of(
            st.tuples(st.just("add"), KEYS, st.integers(0, 20).map(float), st.sampled_from(list(Priority))),
            st.tuples(st.just("take")),
            st.tuples(st.just("done")),
            st.tuples(st.just("wait"), st.integers(1, 5)),
            st.tuples(st.just("forget"), KEYS),
            st.tuples(st.just("weigh"), KEYS),
        ),
        max_size=60,
    )
)
def test_each_request_is_served_once_and_not_early(moves: list[tuple[str, object]]) -> None:
    """For any order of requests, deletions, turns and time, with at most one worker for each object."""
    model = Model()
    for move, *values in moves:
        getattr(model, move)(*values)
    model.wait(1000)
    while model.running or model.take():
        model.done()
    assert not model.owed
    assert entries(model.work_queue) <= FEW_OUTDATED


def entries(work_queue: WorkQueue) -> int:
    """Count what the queue remembers about times."""
    reachable, found = [vars(work_queue)["_scheduled"], vars(work_queue)["_due"]], 0
    while reachable:
        item = reachable.pop()
        if isinstance(item, Mapping):
            reachable.extend(item.values())
        elif isinstance(item, list):
            found += len(item)
        else:
            reachable.extend(item.all)
    return found


def test_edits_leave_nothing_behind_until_the_next_resync() -> None:
    work_queue = WorkQueue()
    for edit in range(10_000):
        key = Key("ns", f"{edit % 50}")
        work_queue.add(key, float(edit), Priority.EDIT)
        assert work_queue.take(float(edit)) == key
        work_queue.done(key)
        work_queue.add(key, edit + 86_400.0, Priority.RESYNC)
        assert entries(work_queue) <= 2 * 50 + FEW_OUTDATED


def test_edits_leave_nothing_behind_while_large_objects_wait_for_a_slot() -> None:
    work_queue, first, other = WorkQueue(), Key("ns", "first"), Key("ns", "other")
    for key in (first, Key("ns", "blocked"), other):
        work_queue.weigh(key, LARGE + 1)
    work_queue.add(first, 0.0, Priority.RESYNC)
    assert work_queue.take(0.0) == first
    work_queue.add(Key("ns", "blocked"), 0.0, Priority.RESYNC)
    for at in range(1, 1_000):
        work_queue.weigh(other, LARGE + 1)
        work_queue.add(other, float(at), Priority.RESYNC)
        assert work_queue.take(float(at)) is None
        work_queue.forget(other)
        assert entries(work_queue) <= 2 * 2 + FEW_OUTDATED
    work_queue.done(first)
    assert work_queue.take(1_000.0) == Key("ns", "blocked")


def test_deleted_objects_are_removed_with_constant_effort() -> None:
    work_queue, compared = WorkQueue(), 0

    class Counted(str):
        """A name that counts how often it is compared or looked up."""

        __slots__ = ()

        def __hash__(self) -> int:
            nonlocal compared
            compared += 1
            return super().__hash__()

        def __eq__(self, other: object) -> bool:
            nonlocal compared
            compared += 1
            return super().__eq__(other)

    keys = [Key("ns", Counted(number)) for number in range(4_000)]
    for key in keys:
        work_queue.add(key, 86_400.0, Priority.RESYNC)
    compared = 0
    for key in keys:
        work_queue.forget(key)
    assert compared <= 20 * len(keys)
    assert entries(work_queue) <= FEW_OUTDATED


def test_object_that_is_created_again_is_served_once_at_its_own_time() -> None:
    work_queue = WorkQueue()
    work_queue.add(A, 5.0, Priority.RESYNC)
    work_queue.forget(A)
    assert work_queue.next_at() is None
    work_queue.add(A, 9.0, Priority.RESYNC)
    assert (work_queue.take(5.0), work_queue.has_due, work_queue.next_at()) == (None, False, 9.0)
    assert work_queue.take(9.0) == A
    work_queue.done(A)
    assert (work_queue.take(99.0), work_queue.next_at()) == (None, None)


def test_object_that_is_created_again_while_it_is_due_keeps_the_limit_of_large_objects() -> None:
    """What was queued of the small object must not start the large one."""
    work_queue, first = WorkQueue(workers=4), Key("ns", "first")
    work_queue.weigh(first, LARGE + 1)
    for key in (first, Key("ns", "b"), Key("ns", "c")):
        work_queue.add(key, 0.0, Priority.EDIT)
        assert work_queue.take(0.0) == key
    work_queue.add(A, 1.0, Priority.EDIT)
    assert work_queue.take(1.0) is None
    work_queue.forget(A)
    work_queue.weigh(A, LARGE + 1)
    work_queue.add(A, 1.0, Priority.EDIT)
    work_queue.done(Key("ns", "c"))
    assert work_queue.take(1.0) is None
    work_queue.done(first)
    assert work_queue.take(1.0) == A
