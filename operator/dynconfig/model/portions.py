"""Work in small portions, with pauses: however much there is, the event loop belongs to others most of the time."""

import asyncio
from collections.abc import Callable, Hashable
from typing import Generic, TypeVar

SLICE = 100
"""Units of work in one step of the event loop."""
PORTION = 25
"""How many of them belong to one namespace, before the next one takes its turn."""
PAUSE_SECONDS = 0.01
"""Between two steps."""

Later = Callable[[float, Callable[[], None]], object]
"""Calls a function after so many seconds."""

W = TypeVar("W", bound=Hashable)


def later(seconds: float, work: Callable[[], None]) -> object:
    """Call a function on the running event loop after so many seconds."""
    return asyncio.get_running_loop().call_later(seconds, work)


class Portions(Generic[W]):
    """Pieces of work that are not done yet: each is in progress once, and namespaces take turns. For one event loop."""

    def __init__(
        self,
        work: Callable[[W, int, int], tuple[int, int | None]],
        later: Later = later,
        *,
        ended: Callable[[W], None] = lambda _piece: None,
        begins_at_once: bool = True,
    ) -> None:
        """Create it with a function that does some of a piece of work, from a position on and at most so many units of it.

        It returns how many it has done, and the position to continue from; None at the end. The first position is 0. `ended`
        is called after the end of each piece, also if it failed. `begins_at_once`: `add` does the first step, if nothing else
        is in progress.
        """
        self._work = work
        self._later = later
        self._ended = ended
        self._begins_at_once = begins_at_once
        self._next: dict[str, dict[W, int]] = {}
        """The position to continue from, by piece of work and namespace."""
        self._again: set[W] = set()
        """Pieces that were added once more after they had begun: they are done again."""
        self._is_scheduled = False

    def add(self, namespace: str, piece: W, position: int = 0) -> None:
        """Do a piece of work, from a position on; if it has begun already, all of it is done once more."""
        pieces = self._next.setdefault(namespace, {})
        if pieces.setdefault(piece, position) > position:
            self._again.add(piece)
        if self._is_scheduled:
            return
        if self._begins_at_once:
            self._continue()
        else:
            self._schedule()

    def _continue(self) -> None:
        # What is added meanwhile is done in the next step.
        self._is_scheduled, left = True, SLICE
        try:
            while left > 0 and self._next:
                namespace = next(iter(self._next))
                # It moves to the end, and so does its piece of work.
                pieces = self._next[namespace] = self._next.pop(namespace)
                try:
                    left -= self._do_some(pieces, min(left, PORTION))
                finally:
                    # A piece that failed is not tried again, and keeps no other from being done.
                    if not pieces:
                        del self._next[namespace]
        finally:
            self._schedule()

    def _schedule(self) -> None:
        self._is_scheduled = bool(self._next)
        if self._is_scheduled:
            self._later(PAUSE_SECONDS, self._continue)

    def _do_some(self, pieces: dict[W, int], limit: int) -> int:
        """Do at most so many units of one piece of work; return their number, at least 1."""
        piece = next(iter(pieces))
        try:
            done, position = self._work(piece, pieces.pop(piece), limit)
        except BaseException:
            self._again.discard(piece)
            self._ended(piece)
            raise
        if position is not None:
            pieces[piece] = position
        elif piece in self._again:
            self._again.remove(piece)
            pieces[piece] = 0
        else:
            self._ended(piece)
        return max(done, 1)
