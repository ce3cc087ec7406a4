"""Long work is done in small portions, by turns, and completely."""

from collections import Counter

import pytest
from tests.events.later import Later

from dynconfig.model.portions import PORTION, SLICE, Portions


class Work:
    """Pieces of work with sizes; records who did how many units in each step."""

    def __init__(self, sizes: dict[str, int], *, begins_at_once: bool = True) -> None:
        self.sizes, self.later, self.done, self.ended = sizes, Later(), Counter[str](), list[str]()
        self.portions = Portions[str](self.work, self.later, ended=self.ended.append, begins_at_once=begins_at_once)

    def work(self, piece: str, at: int, limit: int) -> tuple[int, int | None]:
        if piece == "bad":
            raise ValueError(piece)
        count = min(limit, self.sizes[piece] - at)
        self.done[piece] += count
        return count, at + count if at + count < self.sizes[piece] else None

    def step(self) -> Counter[str]:
        """Do the next step; return the units of each piece."""
        before = self.done.copy()
        self.later.steps.pop(0)()
        return self.done - before


def test_step_is_limited_and_namespaces_take_turns() -> None:
    found = Work({"large": 10 * SLICE, "other": 10, "third": 2 * PORTION})
    found.portions.add("evil", "large")
    assert found.done == {"large": SLICE}
    found.portions.add("shop", "other")
    found.portions.add("cart", "third")
    assert found.done == {"large": SLICE}
    step = found.step()
    assert step.total() == SLICE
    assert step["other"] == 10
    assert step["third"] >= PORTION
    found.later.run()
    assert found.done == found.sizes
    assert sorted(found.ended) == sorted(found.sizes)


def test_piece_that_is_added_again_is_done_again_only_if_it_has_begun() -> None:
    found = Work({"large": 2 * SLICE}, begins_at_once=False)
    found.portions.add("shop", "large")
    found.portions.add("shop", "large", SLICE)
    assert not found.done
    found.step()
    found.portions.add("shop", "large")
    found.later.run()
    assert found.done == {"large": 4 * SLICE}
    assert found.ended == ["large"]


def test_piece_can_begin_later_than_at_its_beginning() -> None:
    found = Work({"large": SLICE})
    found.portions.add("shop", "large", SLICE - 3)
    assert found.done == {"large": 3}


def test_piece_that_fails_stops_no_other() -> None:
    found = Work({"large": 2 * SLICE, "more": SLICE})
    found.portions.add("shop", "large")
    for namespace in ("shop", "evil"):
        found.portions.add(namespace, "bad")
    found.portions.add("shop", "more")
    for _ in range(2):
        with pytest.raises(ValueError, match="bad"):
            found.step()
    found.later.run()
    assert found.done == found.sizes
    assert sorted(found.ended) == ["bad", "bad", "large", "more"]
