"""Order and fairness of the work queue."""

from hypothesis import given
from hypothesis import strategies as st

from dynconfig.kube.work_queue import Priority, WorkQueue
from dynconfig.model.key import Key

A, B, C = (Key("ns", name) for name in "abc")


def test_changes_precede_routine_and_earlier_precede_later() -> None:
    work_queue = WorkQueue()
    work_queue.add(A, 1.0, Priority.ROUTINE)
    work_queue.add(B, 3.0, Priority.CHANGE)
    work_queue.add(C, 2.0, Priority.CHANGE)
    assert [work_queue.take(5.0), work_queue.take(5.0), work_queue.take(5.0), work_queue.take(5.0)] == [C, B, A, None]


def test_nothing_is_taken_before_its_time() -> None:
    work_queue = WorkQueue()
    work_queue.add(A, 2.0, Priority.CHANGE)
    assert work_queue.take(1.9) is None
    assert work_queue.next_at() == 2.0
    assert work_queue.take(2.0) == A


def test_earlier_time_is_kept() -> None:
    work_queue = WorkQueue()
    work_queue.add(A, 600.0, Priority.ROUTINE)
    work_queue.add(A, 1.0, Priority.CHANGE)
    work_queue.add(A, 300.0, Priority.ROUTINE)
    assert work_queue.take(1.0) == A
    work_queue.done(A)
    assert work_queue.take(1000.0) is None


def test_object_in_progress_is_not_taken_again() -> None:
    work_queue = WorkQueue()
    work_queue.add(A, 0.0, Priority.CHANGE)
    assert work_queue.take(0.0) == A
    work_queue.add(A, 0.0, Priority.CHANGE)
    assert work_queue.take(1.0) is None
    assert work_queue.waiting(1.0) == 0
    work_queue.done(A)
    assert work_queue.waiting(1.0) == 1
    assert work_queue.take(1.0) == A


def test_removed_object_is_not_taken() -> None:
    work_queue = WorkQueue()
    work_queue.add(A, 0.0, Priority.CHANGE)
    work_queue.forget(A)
    assert work_queue.take(1.0) is None
    assert work_queue.next_at() is None


moves = st.lists(
    st.one_of(
        st.tuples(st.just("add"), st.sampled_from([A, B, C]), st.integers(0, 20), st.sampled_from(list(Priority))),
        st.tuples(st.just("take")),
        st.tuples(st.just("pass"), st.integers(1, 5)),
    ),
    max_size=40,
)


@given(moves)
def test_no_request_is_lost_and_no_object_is_taken_twice(sequence: list[tuple[object, ...]]) -> None:
    """For any order of requests, turns and time: each request is served, and one worker at most has an object."""
    work_queue, now = WorkQueue(), 0.0
    running: set[Key] = set()
    owed: set[Key] = set()
    for move in sequence:
        match move:
            case ("add", Key() as key, int() as at, Priority() as priority):
                work_queue.add(key, float(at), priority)
                owed.add(key)
            case ("pass", int() as seconds):
                now += seconds
            case _:
                taken = work_queue.take(now)
                if taken is not None:
                    assert taken not in running
                    running.add(taken)
                    owed.discard(taken)
                elif running:
                    work_queue.done(running.pop())
    for key in running:
        work_queue.done(key)
    served: set[Key] = set()
    while (due := work_queue.take(1000.0)) is not None:
        served.add(due)
        work_queue.done(due)
    assert served == owed


def test_namespaces_take_turns() -> None:
    work_queue = WorkQueue()
    for number in range(100):
        work_queue.add(Key("evil", f"o{number:03}"), 0.0, Priority.CHANGE)
    work_queue.add(Key("shop", "late"), 5.0, Priority.CHANGE)
    taken = [work_queue.take(9.0) for _ in range(3)]
    assert Key("shop", "late") in taken


def test_one_namespace_cannot_use_all_workers() -> None:
    work_queue = WorkQueue(most_of_namespace=2)
    for number in range(9):
        work_queue.add(Key("evil", f"o{number}"), 0.0, Priority.CHANGE)
    first = work_queue.take(1.0)
    assert first is not None
    assert work_queue.take(1.0) is not None
    assert work_queue.take(1.0) is None
    work_queue.add(Key("shop", "mine"), 1.0, Priority.ROUTINE)
    assert work_queue.take(1.0) == Key("shop", "mine")
    work_queue.done(first)
    assert work_queue.take(1.0) is not None


def test_large_objects_are_limited_and_do_not_delay_small_ones() -> None:
    work_queue = WorkQueue()
    large = [Key("evil", f"large{number}") for number in range(9)]
    for key in (*large, Key("shop", "large")):
        work_queue.weigh(key, is_large=True)
        work_queue.add(key, 0.0, Priority.CHANGE)
    work_queue.add(Key("evil", "small"), 0.0, Priority.CHANGE)
    taken = [key for key in (work_queue.take(1.0) for _ in range(20)) if key is not None]
    assert sorted(map(str, taken)) == ["evil/large0", "evil/small", "shop/large"]
    for key in taken:
        work_queue.done(key)
    assert work_queue.take(1.0) == large[1]
