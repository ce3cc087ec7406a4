"""The errors of this package."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping

_NAMED = 20


class ConfigurationError(Exception):
    """The configuration is unavailable. Names the faulty parameters or settings, but never a value."""

    def __init__(self, problems: Mapping[str, str]) -> None:
        self.problems = dict(problems)
        named = [f"{name} {problem}" for name, problem in list(self.problems.items())[:_NAMED]]
        more = len(self.problems) - len(named)
        super().__init__("; ".join(named) + (f"; and {more} more" if more else ""))


class NotRefreshed(Exception):
    """A changed parameter could not be read yet; the cached value is still served. Retry later."""
