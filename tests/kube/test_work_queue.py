"""Order and fairness of the work queue."""

from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dynconfig.kube.work_queue import (
    MOST_TURNED_AWAY_OF_NAMESPACE,
    MOST_WEIGHT,
    Backlog,
    Priority,
    WorkQueue,
)
from dynconfig.model.key import Key
from dynconfig.model.size import LARGE

A, B, C = (Key("ns", name) for name in "abc")


def test_edits_precede_resyncs_and_earlier_precede_later() -> None:
    work_queue = WorkQueue()
    work_queue.add(A, 1.0, Priority.RESYNC)
    work_queue.add(B, 3.0, Priority.EDIT)
    work_queue.add(C, 2.0, Priority.EDIT)
    assert [work_queue.take(5.0), work_queue.take(5.0), work_queue.take(5.0), work_queue.take(5.0)] == [C, B, A, None]


def test_nothing_is_taken_before_its_time() -> None:
    work_queue = WorkQueue()
    work_queue.add(A, 2.0, Priority.EDIT)
    assert work_queue.take(1.9) is None
    assert work_queue.next_at() == 2.0
    assert work_queue.take(2.0) == A


def test_earlier_time_is_kept() -> None:
    work_queue = WorkQueue()
    work_queue.add(A, 600.0, Priority.RESYNC)
    work_queue.add(A, 1.0, Priority.EDIT)
    work_queue.add(A, 300.0, Priority.RESYNC)
    assert work_queue.take(1.0) == A
    work_queue.done(A)
    assert work_queue.take(1000.0) is None


def test_object_in_progress_is_not_taken_again() -> None:
    work_queue = WorkQueue()
    work_queue.add(A, 0.0, Priority.EDIT)
    assert work_queue.take(0.0) == A
    work_queue.add(A, 0.0, Priority.EDIT)
    assert work_queue.take(1.0) is None
    assert work_queue.waiting(1.0) == 0
    work_queue.done(A)
    assert work_queue.waiting(1.0) == 1
    assert work_queue.take(1.0) == A


def test_removed_object_is_not_taken() -> None:
    work_queue = WorkQueue()
    work_queue.add(A, 0.0, Priority.EDIT)
    work_queue.forget(A)
    assert work_queue.take(1.0) is None
    assert work_queue.next_at() is None


def test_namespaces_take_turns() -> None:
    work_queue = WorkQueue()
    for number in range(100):
        work_queue.add(Key("evil", f"o{number:03}"), 0.0, Priority.EDIT)
    work_queue.add(Key("shop", "late"), 5.0, Priority.EDIT)
    taken = [work_queue.take(9.0) for _ in range(3)]
    assert Key("shop", "late") in taken


def test_one_namespace_cannot_use_all_workers() -> None:
    work_queue = WorkQueue(workers=4)
    for number in range(9):
        work_queue.add(Key("evil", f"o{number}"), 0.0, Priority.EDIT)
    first = work_queue.take(1.0)
    assert first is not None
    assert work_queue.take(1.0) is not None
    assert work_queue.take(1.0) is not None
    assert work_queue.take(1.0) is None
    work_queue.add(Key("shop", "mine"), 1.0, Priority.RESYNC)
    assert work_queue.take(1.0) == Key("shop", "mine")
    work_queue.done(first)
    assert work_queue.take(1.0) is None
    work_queue.done(Key("shop", "mine"))
    assert work_queue.take(1.0) is not None


@pytest.mark.parametrize("attackers", [1, 2, 3])
def test_last_quarter_of_the_workers_is_left_to_namespaces_with_few_objects_in_progress(attackers: int) -> None:
    work_queue, others = WorkQueue(workers=8), [Key("shop", "a"), Key("shop", "b"), Key("shop", "c")]
    evil = [f"evil-{number}" for number in range(attackers)]
    for number in range(9):
        for namespace in evil:
            work_queue.add(Key(namespace, f"o{number}"), 0.0, Priority.EDIT)
    taken = [key for key in (work_queue.take(1.0) for _ in range(20)) if key]
    assert Counter(key.namespace for key in taken) == dict.fromkeys(evil, 6 // attackers)
    for key in others:
        work_queue.add(key, 1.0, Priority.RESYNC)
    # Its third object waits, as those of the attackers do.
    assert [work_queue.take(1.0) for _ in range(3)] == [*others[:2], None]
    work_queue.done(others[0])
    assert work_queue.take(1.0) == others[2]


@pytest.mark.parametrize("workers", [1, 2, 3, 4, 16])
def test_all_workers_are_used_by_many_namespaces(workers: int) -> None:
    work_queue = WorkQueue(workers)
    for number in range(workers):
        work_queue.add(Key(f"ns-{number}", "only"), 0.0, Priority.EDIT)
    assert None not in [work_queue.take(1.0) for _ in range(workers)]


def test_large_objects_are_limited_and_do_not_delay_small_ones() -> None:
    work_queue = WorkQueue()
    large = [Key("evil", f"large{number}") for number in range(9)]
    for key in (*large, Key("shop", "large")):
        work_queue.weigh(key, LARGE + 1)
        work_queue.add(key, 0.0, Priority.EDIT)
    work_queue.add(Key("evil", "small"), 0.0, Priority.EDIT)
    taken = [key for key in (work_queue.take(1.0) for _ in range(20)) if key is not None]
    assert sorted(map(str, taken)) == ["evil/large0", "evil/small", "shop/large"]
    for key in taken:
        work_queue.done(key)
    assert work_queue.take(1.0) == large[1]


def test_heavy_objects_are_not_processed_together() -> None:
    work_queue, namespaces = WorkQueue(), ("a", "b", "c")
    for namespace in namespaces:
        work_queue.weigh(Key(namespace, "heavy"), 2_900_000)
        work_queue.add(Key(namespace, "heavy"), 0.0, Priority.EDIT)
    for namespace in namespaces:
        assert work_queue.take(1.0) == Key(namespace, "heavy")
        assert work_queue.take(1.0) is None
        work_queue.done(Key(namespace, "heavy"))


def test_large_object_is_processed_beside_a_heavy_one() -> None:
    work_queue, heavy, large = WorkQueue(), Key("a", "heavy"), Key("b", "large")
    work_queue.weigh(heavy, 10 * MOST_WEIGHT)
    work_queue.weigh(large, LARGE + 1)
    for key in (heavy, large):
        work_queue.add(key, 0.0, Priority.EDIT)
    assert work_queue.take(1.0) == heavy
    assert work_queue.take(1.0) is None, "it is heavier than all that may be processed together"
    work_queue.weigh(heavy, MOST_WEIGHT - 2 * LARGE)
    work_queue.done(heavy)
    work_queue.add(heavy, 1.0, Priority.EDIT)
    assert {work_queue.take(1.0), work_queue.take(1.0)} == {heavy, large}


def test_lighter_objects_do_not_overtake_a_heavy_one_for_ever() -> None:
    work_queue, heavy = WorkQueue(), Key("shop", "heavy")
    work_queue.weigh(heavy, MOST_WEIGHT)
    for namespace in ("a", "b"):
        for number in range(9):
            key = Key(namespace, f"large{number}")
            work_queue.weigh(key, LARGE + 1)
            work_queue.add(key, 0.0, Priority.EDIT)
    running = [work_queue.take(1.0), work_queue.take(1.0)]
    work_queue.add(heavy, 1.0, Priority.EDIT)
    later = list[Key]()
    while heavy not in later:
        ended = running.pop(0)
        assert ended
        work_queue.done(ended)
        begun = [key for key in (work_queue.take(2.0), work_queue.take(2.0)) if key]
        running += begun
        later += begun
    assert len(later) <= 3, "at most one turn of each other namespace"


@pytest.mark.parametrize("priority", Priority)
@pytest.mark.parametrize("is_mixed", [False, True], ids=["only heavy", "beside small ones"])
def test_heavy_object_is_served_beside_a_stream_of_lighter_ones(priority: Priority, *, is_mixed: bool) -> None:
    """Whatever their priority, and if its namespace takes turns with small objects, too."""
    work_queue, heavy = WorkQueue(), Key("shop", "heavy")
    work_queue.weigh(heavy, MOST_WEIGHT)
    light = [Key(namespace, f"large{number}") for namespace in ("a", "b") for number in range(3)]
    for key in light:
        work_queue.weigh(key, LARGE + 1)
        work_queue.add(key, 0.0, priority)
    running = [work_queue.take(1.0), work_queue.take(1.0)]
    work_queue.add(heavy, 1.0, Priority.EDIT)
    begun = list[Key]()
    for number in range(50):
        ended = running.pop(0)
        assert ended
        work_queue.done(ended)
        if ended in light:
            work_queue.add(ended, 1.0, priority)
        if is_mixed:
            work_queue.add(Key("shop", f"small{number}"), 1.0, Priority.EDIT)
        while taken := work_queue.take(2.0):
            running.append(taken)
            begun.append(taken)
        if heavy in begun:
            break
    assert heavy in begun
    assert len([key for key in begun if key in light]) <= 3


def test_object_that_grows_while_it_is_due_counts_as_large() -> None:
    work_queue, grown = WorkQueue(), [Key(f"ns{number}", "grows") for number in range(5)]
    for key in (*grown, Key("other", "small")):
        work_queue.add(key, 0.0, Priority.EDIT)
    assert work_queue.take(1.0) == grown[0]
    for key in grown[1:]:
        work_queue.weigh(key, MOST_WEIGHT)
        work_queue.add(key, 1.0, Priority.EDIT)
    begun = [work_queue.take(2.0) for _ in range(5)]
    assert sorted(map(str, filter(None, begun))) == ["ns1/grows", "other/small"]


def test_reservation_ends_with_its_object() -> None:
    work_queue, heavy, later = WorkQueue(), Key("shop", "heavy"), Key("b", "large")
    for key, weight in ((Key("a", "large"), LARGE + 1), (heavy, MOST_WEIGHT), (later, LARGE + 1)):
        work_queue.weigh(key, weight)
        work_queue.add(key, 0.0, Priority.EDIT)
    assert work_queue.take(1.0) == Key("a", "large")
    assert work_queue.take(1.0) is None
    work_queue.forget(heavy)
    assert work_queue.take(1.0) == later


def test_priorities_take_weighted_turns_so_that_none_is_starved() -> None:
    work_queue = WorkQueue()
    for number in range(300):
        for priority in Priority:
            work_queue.add(Key("shop", f"{priority.name}{number}"), 0.0, priority)
    taken = Counter[str]()
    for _ in range(210):
        key = work_queue.take(1.0)
        assert key is not None
        taken[key.name.rstrip("0123456789")] += 1
        work_queue.done(key)
    assert taken == {"EDIT": 160, "DRIFT": 40, "RESYNC": 10}


def test_priority_without_room_does_not_block_others() -> None:
    work_queue = WorkQueue(workers=4)
    for key in (A, B, C):
        work_queue.add(key, 0.0, Priority.EDIT)
        assert work_queue.take(0.0) == key
    work_queue.add(Key("ns", "d"), 0.0, Priority.EDIT)
    resync = Key("other", "o")
    work_queue.add(resync, 0.0, Priority.RESYNC)
    assert work_queue.take(1.0) == resync


def test_namespace_with_large_and_small_objects_has_one_turn() -> None:
    work_queue = WorkQueue()
    for number in range(4):
        large = Key("mixed", f"large{number}")
        work_queue.weigh(large, LARGE + 1)
        work_queue.add(large, 0.0, Priority.EDIT)
        work_queue.add(Key("mixed", f"small{number}"), 0.0, Priority.EDIT)
        work_queue.add(Key("shop", f"o{number}"), 0.0, Priority.EDIT)
    taken = [work_queue.take(1.0) for _ in range(4)]
    assert [key.namespace for key in taken if key] == ["mixed", "shop"] * 2


def test_priority_of_an_object_in_progress_is_known_until_it_is_done() -> None:
    work_queue = WorkQueue()
    work_queue.add(A, 0.0, Priority.RESYNC)
    work_queue.add(A, 0.0, Priority.DRIFT)
    assert work_queue.take(0.0) == A
    assert work_queue.priority(A) is Priority.DRIFT


def test_backlog_counts_due_objects_and_the_age_of_the_oldest_by_priority() -> None:
    work_queue = WorkQueue()
    work_queue.add(A, 1.0, Priority.EDIT)
    work_queue.add(B, 4.0, Priority.EDIT)
    work_queue.add(C, 20.0, Priority.RESYNC)
    assert work_queue.backlogs(10.0) == {
        Priority.EDIT: Backlog(2, 9.0),
        Priority.DRIFT: Backlog(),
        Priority.RESYNC: Backlog(),
    }
    assert work_queue.take(10.0) == A
    assert work_queue.backlogs(10.0)[Priority.EDIT] == Backlog(1, 6.0)


@given(
    st.lists(
        st.tuples(st.sampled_from("abcd"), st.integers(0, 9), st.sampled_from(list(Priority))), min_size=1, max_size=60
    )
)
def test_waiting_namespace_is_served_within_one_round_of_its_priority(
    requests: list[tuple[str, int, Priority]],
) -> None:
    """For any backlog: between two turns of one namespace, every other one that waits with this priority has a turn."""
    work_queue = WorkQueue()
    for namespace, number, priority in requests:
        work_queue.add(Key(namespace, f"{priority.name}{number}"), 0.0, priority)
    waiting = {(priority, namespace) for namespace, _number, priority in requests}
    left = Counter(dict.fromkeys(waiting, 0))
    for namespace, _number, priority in set(requests):
        left[priority, namespace] += 1
    passed: dict[tuple[Priority, str], set[str]] = {item: set() for item in waiting}
    while (key := work_queue.take(1.0)) is not None:
        priority = work_queue.priority(key)
        work_queue.done(key)
        taken = (priority, key.namespace)
        for other in waiting:
            if other[0] is priority and other != taken and left[other]:
                assert key.namespace not in passed[other]
                passed[other].add(key.namespace)
        passed[taken] = set()
        left[taken] -= 1
    assert not any(left.values())


def turned_away(work_queue: WorkQueue, count: int, at: float) -> list[Key]:
    """Take so many objects, each of which is turned away until a time."""
    found = []
    for _ in range(count):
        key = work_queue.take(1.0)
        if key is None:
            break
        work_queue.turned_away(key)
        work_queue.add(key, at, Priority.RESYNC)
        work_queue.done(key)
        found.append(key)
    return found


def test_no_further_resync_begins_while_many_wait_for_a_quota() -> None:
    work_queue = WorkQueue()
    for number in range(3 * MOST_TURNED_AWAY_OF_NAMESPACE):
        work_queue.add(Key("ns", f"{number:03}"), 0.0, Priority.RESYNC)
    waiting = turned_away(work_queue, 3 * MOST_TURNED_AWAY_OF_NAMESPACE, 100.0)
    assert len(waiting) == MOST_TURNED_AWAY_OF_NAMESPACE
    # Those that are called back continue, and then others begin.
    work_queue.add(waiting[5], 2.0, Priority.RESYNC)
    assert work_queue.take(2.0) == waiting[5]
    assert work_queue.take(2.0) == Key("ns", f"{MOST_TURNED_AWAY_OF_NAMESPACE:03}")
    assert work_queue.take(2.0) is not None
    work_queue.done(waiting[5])


def test_edits_and_drift_begin_while_resyncs_wait_for_a_quota() -> None:
    work_queue = WorkQueue()
    for number in range(MOST_TURNED_AWAY_OF_NAMESPACE + 1):
        work_queue.add(Key("ns", f"{number:03}"), 0.0, Priority.RESYNC)
    turned_away(work_queue, MOST_TURNED_AWAY_OF_NAMESPACE, 100.0)
    work_queue.add(B, 0.0, Priority.DRIFT)
    work_queue.add(A, 0.0, Priority.EDIT)
    assert [work_queue.take(1.0), work_queue.take(1.0), work_queue.take(1.0)] == [A, B, None]


def test_edit_that_is_turned_away_keeps_no_resync_from_beginning() -> None:
    work_queue = WorkQueue()
    for number in range(MOST_TURNED_AWAY_OF_NAMESPACE):
        work_queue.add(Key("ns", f"{number:03}"), 0.0, Priority.EDIT)
    assert len(turned_away(work_queue, MOST_TURNED_AWAY_OF_NAMESPACE, 100.0)) == MOST_TURNED_AWAY_OF_NAMESPACE
    work_queue.add(A, 0.0, Priority.RESYNC)
    assert work_queue.take(1.0) == A


def test_large_objects_that_are_turned_away_return() -> None:
    work_queue = WorkQueue()
    keys = [Key("ns", f"{number:03}") for number in range(MOST_TURNED_AWAY_OF_NAMESPACE + 1)]
    for key in keys:
        work_queue.weigh(key, LARGE + 1)
        work_queue.add(key, 0.0, Priority.RESYNC)
    assert len(turned_away(work_queue, len(keys), 100.0)) == len(keys)
    assert work_queue.take(100.0) == keys[0]


def test_forgotten_objects_do_not_wait_for_a_quota() -> None:
    work_queue = WorkQueue()
    for number in range(MOST_TURNED_AWAY_OF_NAMESPACE + 1):
        work_queue.add(Key("ns", f"{number:03}"), 0.0, Priority.RESYNC)
    waiting = turned_away(work_queue, MOST_TURNED_AWAY_OF_NAMESPACE, 100.0)
    assert work_queue.take(1.0) is None
    work_queue.forget(waiting[0])
    assert work_queue.take(1.0) == Key("ns", f"{MOST_TURNED_AWAY_OF_NAMESPACE:03}")
    assert work_queue.take(200.0) == waiting[1]


def test_turned_away_object_that_is_deleted_or_moved_meanwhile_is_not_counted() -> None:
    """Its reconcile ends after it was forgotten, and does not queue it again."""
    work_queue = WorkQueue()
    for number in range(MOST_TURNED_AWAY_OF_NAMESPACE):
        work_queue.add(Key("ns", f"{number:03}"), 0.0, Priority.RESYNC)
    while (key := work_queue.take(1.0)) is not None:
        work_queue.forget(key)
        work_queue.turned_away(key)
        work_queue.done(key)
    work_queue.add(A, 1.0, Priority.RESYNC)
    assert work_queue.take(1.0) == A


def test_large_objects_that_wait_for_a_slot_keep_no_small_one_from_beginning() -> None:
    work_queue = WorkQueue()
    large = [Key("ns", f"{number:03}") for number in range(2 * MOST_TURNED_AWAY_OF_NAMESPACE)]
    for key in large:
        work_queue.weigh(key, LARGE + 1)
        work_queue.add(key, 0.0, Priority.RESYNC)
    assert turned_away(work_queue, len(large), 2.0) == large
    work_queue.add(A, 2.0, Priority.RESYNC)
    assert {work_queue.take(2.0), work_queue.take(2.0)} == {A, large[0]}


@given(
    states=st.lists(
        st.tuples(
            st.sampled_from(list(Priority)),
            st.booleans(),
            st.sampled_from(["runs", "is turned away for long", "is turned away and due again", "is forgotten"]),
        ),
        max_size=3 * MOST_TURNED_AWAY_OF_NAMESPACE,
    ),
    is_large=st.booleans(),
)
def test_no_objects_of_one_namespace_keep_a_resync_of_another_from_beginning(
    *, states: list[tuple[Priority, bool, str]], is_large: bool
) -> None:
    """For any number of objects in any state."""
    work_queue, fate = WorkQueue(workers=8), {}
    for number, (priority, large, state) in enumerate(states):
        key = Key("evil", f"{number:03}")
        work_queue.weigh(key, LARGE + large)
        work_queue.add(key, 0.0, priority)
        fate[key] = state
    while (taken := work_queue.take(1.0)) is not None:
        state = fate.pop(taken)
        if state == "is forgotten":
            work_queue.forget(taken)
        if state != "runs":
            work_queue.turned_away(taken)
        if state.startswith("is turned away"):
            work_queue.add(taken, 2.0 if state.endswith("again") else 100.0, work_queue.priority(taken))
        if state != "runs":
            work_queue.done(taken)
    victim = Key("victim", "app")
    work_queue.weigh(victim, LARGE + is_large)
    work_queue.add(victim, 2.0, Priority.RESYNC)
    # Two workers are left to it, whatever the others do.
    begun = [work_queue.take(2.0) for _ in range(8)]
    assert victim in begun
