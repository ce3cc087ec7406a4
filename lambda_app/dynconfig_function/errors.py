"""The errors of this package: the configuration cannot be had, or a change cannot be read yet."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping

_NAMED = 20


class ConfigurationError(Exception):
    """Says what is wrong with which parameter or setting; never holds a value."""

    def __init__(self, problems: Mapping[str, str]) -> None:
        self.problems = dict(problems)
        named = [f"{name} {problem}" for name, problem in list(self.problems.items())[:_NAMED]]
        more = len(self.problems) - len(named)
        super().__init__("; ".join(named) + (f"; and {more} more" if more else ""))


class NotRefreshed(Exception):
    """A change could not be read, and may be at the next try; what was held before still serves."""
