"""Names that wait for their metadata: namespaces take turns, and what waits is bounded."""

from collections import Counter

from hypothesis import given
from hypothesis import strategies as st

from dynconfig.kinds.parameter.waiting_names import (
    DESCRIBE_BATCH,
    MOST_NAMES_OF_NAMESPACE,
    WAITING_SECONDS,
    Waiting,
    WaitingNames,
)
from dynconfig.model.key import Key


def names(key: Key, count: int) -> list[str]:
    """The names of an object's parameters."""
    return [f"/{key}/{number}" for number in range(count)]


def read(claimed: list[Waiting]) -> Counter[str]:
    """Count the names of each namespace."""
    return Counter(part.key.namespace for part in claimed for _name in part.names)


def test_names_that_wait_too_long_are_dropped_while_calls_are_full() -> None:
    waiting = WaitingNames()
    for number in range(100):
        waiting.add(Key(f"ns-{number}", "a"), ["/a"], float(number))
    full = [f"/full/{number}" for number in range(DESCRIBE_BATCH)]
    assert waiting.claim(full, WAITING_SECONDS + 49.0) == []
    assert len(waiting) == 50
    waiting.add(Key("new", "a"), ["/a"], WAITING_SECONDS + 98.0)
    assert len(waiting) == 2


def test_each_object_and_namespace_has_a_limited_number_of_names() -> None:
    waiting = WaitingNames()
    for number in range(1_000):
        waiting.add(Key("ns", "edited"), [f"/{number}/{item}" for item in range(DESCRIBE_BATCH)], 0.0)
        assert len(waiting) == DESCRIBE_BATCH
    for number in range(1_000):
        key = Key("ns", f"o{number}")
        waiting.add(key, names(key, DESCRIBE_BATCH), 0.0)
    assert len(waiting) == MOST_NAMES_OF_NAMESPACE
    key = Key("other", "o")
    waiting.add(key, names(key, 5), 0.0)
    assert len(waiting) == MOST_NAMES_OF_NAMESPACE + 5


def test_names_of_one_namespace_do_not_delay_those_of_another() -> None:
    waiting, victim = WaitingNames(), Key("victim", "app")
    for number in range(20):
        key = Key("evil", f"o{number}")
        waiting.add(key, names(key, DESCRIBE_BATCH), 0.0)
    waiting.end(waiting.claim(["/evil/x"], 1.0))
    waiting.add(victim, names(victim, 5), 1.0)
    calls = [waiting.claim(["/evil/x"], 2.0) for _ in range(2)]
    assert victim in {part.key for call in calls for part in call}


def test_namespaces_take_turns_by_names_whatever_the_size_of_their_objects() -> None:
    waiting = WaitingNames()
    for number in range(20):
        key = Key("large", f"o{number}")
        waiting.add(key, names(key, DESCRIBE_BATCH), 0.0)
    for number in range(200):
        key = Key("small", f"o{number}")
        waiting.add(key, names(key, 5), 0.0)
    total = Counter[str]()
    for _call in range(12):
        # Most calls are turned away, too.
        waiting.give_back(waiting.claim(["/x"], 1.0), 1.0)
        claimed = waiting.claim(["/x"], 1.0)
        total += read(claimed)
        waiting.end(claimed)
        assert abs(total["large"] - total["small"]) <= DESCRIBE_BATCH
    assert total.total() == 12 * (DESCRIBE_BATCH - 1)


def test_namespace_that_waits_anew_is_not_ahead_of_those_that_waited() -> None:
    waiting = WaitingNames()
    for number in range(4):
        key = Key("shop", f"o{number}")
        waiting.add(key, names(key, DESCRIBE_BATCH), 0.0)
    waiting.end(waiting.claim([], 1.0))
    waiting.end(waiting.claim([], 1.0))
    evil = [Key("evil", f"o{number}") for number in range(20)]
    total = Counter[str]()
    for key in evil[:4]:
        waiting.add(key, names(key, DESCRIBE_BATCH), 2.0)
        claimed = waiting.claim([], 2.0)
        waiting.end(claimed)
        total += read(claimed)
    assert total == {"shop": 2 * DESCRIBE_BATCH, "evil": 2 * DESCRIBE_BATCH}


def test_names_are_claimed_again_in_the_same_order_after_a_call_that_was_not_made() -> None:
    waiting = WaitingNames()
    for number in range(30):
        key = Key(f"ns-{number % 3}", f"o{number}")
        waiting.add(key, names(key, 7), 0.0)
    before = waiting.claim(["/x"], 1.0)
    waiting.give_back(before, 1.0)
    assert len(waiting) == 30 * 7
    after = waiting.claim(["/x"], 1.0)
    assert {part.key for part in after[:-1]} == {part.key for part in before[:-1]}


def test_object_that_has_returned_does_not_wait_again_after_a_call_that_was_not_made() -> None:
    waiting, key = WaitingNames(), Key("ns", "a")
    waiting.add(key, names(key, 5), 0.0)
    claimed = waiting.claim([], 1.0)
    waiting.returned(key)
    waiting.give_back(claimed, 1.0)
    assert len(waiting) == 0
    assert waiting.end(claimed) == set()


def test_names_of_a_call_that_lasted_too_long_are_dropped() -> None:
    waiting, key = WaitingNames(), Key("ns", "a")
    waiting.add(key, names(key, 5), 0.0)
    waiting.give_back(waiting.claim([], 1.0), WAITING_SECONDS)
    assert len(waiting) == 0


KEYS = st.builds(Key, st.sampled_from("abc"), st.sampled_from("xyz"))
MOVES = st.lists(
    st.one_of(
        st.tuples(st.just("add"), KEYS, st.integers(1, DESCRIBE_BATCH)),
        st.tuples(st.just("returned"), KEYS, st.just(0)),
        st.tuples(st.just("claim"), KEYS, st.integers(0, DESCRIBE_BATCH)),
        st.tuples(st.just("give_back"), KEYS, st.just(0)),
        st.tuples(st.just("end"), KEYS, st.just(0)),
        st.tuples(st.just("wait"), KEYS, st.integers(1, 200)),
    ),
    max_size=60,
)


class Model:
    """Names that wait, and the calls in progress."""

    def __init__(self) -> None:
        self.waiting, self.now = WaitingNames(), 0.0
        self.calls: list[list[Waiting]] = []

    def add(self, key: Key, count: int) -> None:
        """Turn an object away."""
        self.waiting.add(key, names(key, count), self.now)

    def returned(self, key: Key, _count: int) -> None:
        """Let it return."""
        self.waiting.returned(key)

    def claim(self, _key: Key, count: int) -> None:
        """Begin a call with so many names of its own."""
        self.calls.append(self.waiting.claim([f"/own/{number}" for number in range(count)], self.now))
        claimed = [name for part in self.calls[-1] for name in part.names]
        assert len(claimed) == len(set(claimed)) <= DESCRIBE_BATCH - count
        assert all(part.since > self.now - WAITING_SECONDS for part in self.calls[-1])

    def give_back(self, _key: Key, _count: int) -> None:
        """End a call that was turned away."""
        if self.calls:
            self.waiting.give_back(self.calls.pop(0), self.now)

    def end(self, _key: Key, _count: int) -> None:
        """End a call that was made."""
        if self.calls:
            self.waiting.end(self.calls.pop(0))

    def wait(self, _key: Key, seconds: int) -> None:
        """Let time pass."""
        self.now += seconds


@given(MOVES)
def test_nothing_is_left_when_all_has_been_read(moves: list[tuple[str, Key, int]]) -> None:
    """For any order of calls that overlap, are made or turned away: what waits is read, and each call fits."""
    model = Model()
    for move, key, count in moves:
        getattr(model, move)(key, count)
        assert len(model.waiting) <= 9 * DESCRIBE_BATCH
    for call in model.calls:
        model.waiting.give_back(call, model.now)
    for _call in range(9):
        model.waiting.end(model.waiting.claim([], model.now))
    assert len(model.waiting) == 0
