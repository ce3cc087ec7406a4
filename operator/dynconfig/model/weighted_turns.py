"""Weighted turns: each class of waiting work is served in proportion to its weight, so that none waits for ever. Pure."""

from collections.abc import Collection, Mapping
from typing import Generic, TypeVar

T = TypeVar("T")


class WeightedTurns(Generic[T]):
    """Smooth weighted round-robin: a class with weight w gets w of each sum-of-weights turns, evenly spread.

    Only waiting classes count: a class that waits alone gets every turn.
    https://github.com/nginx/nginx/commit/52327e0627f49dbda1e8db695e63a4b0af4448b1
    """

    def __init__(self, weights: Mapping[T, int]) -> None:
        self._weights = dict(weights)
        self._credits = dict.fromkeys(self._weights, 0)

    def next(self, waiting: Collection[T]) -> T:
        """Return the class whose turn is next. Raises ValueError if none is waiting."""
        return max(waiting, key=lambda item: (self._credits[item] + self._weights[item], self._weights[item]))

    def take(self, taken: T, waiting: Collection[T]) -> None:
        """Record that a class was served while those in `waiting`, itself included, waited."""
        for item in waiting:
            self._credits[item] += self._weights[item]
        self._credits[taken] -= sum(self._weights[item] for item in waiting)
