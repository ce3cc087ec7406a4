"""Turns of classes in proportion to their weights."""

from collections import Counter

from hypothesis import given
from hypothesis import strategies as st

from dynconfig.model.weighted_turns import WeightedTurns

WEIGHTS = {"edit": 16, "drift": 4, "resync": 1}


def served(turns: WeightedTurns[str], waiting: list[str], count: int) -> list[str]:
    found = []
    for _ in range(count):
        found.append(turns.next(waiting))
        turns.take(found[-1], waiting)
    return found


def test_each_class_gets_its_part_evenly_spread() -> None:
    found = served(WeightedTurns(WEIGHTS), list(WEIGHTS), 42)
    assert Counter(found) == {"edit": 32, "drift": 8, "resync": 2}
    assert found[0] == "edit"
    assert found.index("resync") <= 21


def test_class_that_waits_alone_gets_every_turn() -> None:
    assert served(WeightedTurns(WEIGHTS), ["resync"], 3) == ["resync"] * 3


@given(st.lists(st.sets(st.sampled_from(sorted(WEIGHTS)), min_size=1), max_size=200))
def test_no_class_waits_longer_than_one_round(sequence: list[set[str]]) -> None:
    turns, waited = WeightedTurns(WEIGHTS), Counter[str]()
    for waiting in sequence:
        taken = turns.next(waiting)
        turns.take(taken, waiting)
        for item in waiting:
            waited[item] = 0 if item == taken else waited[item] + 1
        assert max(waited.values()) <= 2 * sum(WEIGHTS.values())
