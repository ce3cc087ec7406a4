"""Large objects take turns: no backlog of others delays one by more than a turn of each namespace."""

from collections import Counter

from hypothesis import given
from hypothesis import strategies as st

from dynconfig.kube.work_queue import MOST_WEIGHT, Priority, WorkQueue
from dynconfig.model.key import Key
from dynconfig.model.size import LARGE

_BACKLOG = st.lists(
    st.tuples(
        st.sampled_from(list(Priority)), st.sampled_from([1, LARGE + 1, MOST_WEIGHT]), st.sampled_from([0.0, 1.0, 5.0])
    ),
    min_size=1,
    max_size=60,
)


@given(
    backlogs=st.lists(_BACKLOG, min_size=1, max_size=2),
    priority=st.sampled_from(list(Priority)),
    weight=st.sampled_from([LARGE + 1, MOST_WEIGHT]),
    workers=st.integers(1, 12),
    ends=st.lists(st.integers(0, 11), max_size=20),
)
def test_no_backlog_of_others_delays_a_large_object_by_more_than_their_turns(
    *,
    backlogs: list[list[tuple[Priority, int, float]]],
    priority: Priority,
    weight: int,
    workers: int,
    ends: list[int],
) -> None:
    """Objects of others, of any size and priority, are due again as soon as they end. Small ones take turns with large ones."""
    work_queue, victim, due = WorkQueue(workers), Key("victim", "large"), dict[Key, tuple[Priority, int]]()
    for namespace, backlog in enumerate(backlogs):
        for number, (of, size, at) in enumerate(backlog):
            key = Key(f"evil-{namespace}", f"{number}")
            due[key] = (of, size)
            work_queue.weigh(key, size)
            work_queue.add(key, at, of)
    running = [key for key in (work_queue.take(5.0) for _ in range(workers)) if key]
    work_queue.weigh(victim, weight)
    work_queue.add(victim, 6.0, priority)
    begun = list[Key]()
    while victim not in begun:
        # Some end early; but none takes for ever.
        ended = running.pop(ends.pop() % len(running) if ends else 0)
        work_queue.done(ended)
        work_queue.add(ended, 6.0, due[ended][0])
        assert len(begun) < 1000
        while len(running) < workers and (taken := work_queue.take(7.0)):
            begun.append(taken)
            running.append(taken)
    large = Counter(key.namespace for key in begun if key != victim and due[key][1] > LARGE)
    assert all(turns == 1 for turns in large.values())


def test_namespace_at_its_share_of_the_workers_keeps_no_large_object_of_others_from_beginning() -> None:
    work_queue = WorkQueue(workers=4)
    heavy, small = Key("evil", "heavy"), [Key("evil", f"small{number}") for number in range(9)]
    work_queue.weigh(heavy, MOST_WEIGHT)
    work_queue.weigh(Key("a", "large"), LARGE + 1)
    work_queue.add(Key("a", "large"), 0.0, Priority.EDIT)
    assert work_queue.take(0.0)
    for key in (*small, heavy):
        work_queue.add(key, 1.0, Priority.EDIT)
    assert [work_queue.take(1.0) for _ in range(3)] == [*small[:2], None]
    work_queue.weigh(Key("shop", "large"), LARGE + 1)
    work_queue.add(Key("shop", "large"), 2.0, Priority.RESYNC)
    assert work_queue.take(2.0) == Key("shop", "large")
