"""The configuration as a mapping of strings that does not show its values when printed."""

from __future__ import annotations

from collections.abc import Mapping

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from dynconfig_function.cached_value import CachedValue


class Config(Mapping[str, str]):
    """A snapshot of the values by name relative to the prefix. Its representation contains names only."""

    __slots__ = ("_cached", "_values", "prefix")

    def __init__(self, prefix: str, cached: Mapping[str, CachedValue]) -> None:
        self.prefix = prefix
        self._cached = cached
        self._values = {name: value.text for name, value in cached.items()}

    def __getitem__(self, name: str) -> str:
        return self._values[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._values)

    def __len__(self) -> int:
        return len(self._values)

    def __repr__(self) -> str:
        return f"Config({self.prefix}: {', '.join(self)})"

    def is_secret(self, name: str) -> bool:
        """Return whether the value must not be shown: declared as SecureString, or one in Parameter Store."""
        return self._cached[name].is_secret

    def public(self) -> dict[str, str]:
        """Return the values that are not secret."""
        return {name: text for name, text in self._values.items() if not self.is_secret(name)}

    def details(self, now: float) -> dict[str, dict[str, object]]:
        """Return type, version and age of each parameter, without its value."""
        return {
            name: {"type": value.type, "version": value.version, "age_seconds": int(now - value.read_at)}
            for name, value in self._cached.items()
        }
