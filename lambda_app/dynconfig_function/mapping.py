"""The configuration as its user sees it: a mapping of texts that shows no value unless it is asked for one."""

from __future__ import annotations

from collections.abc import Mapping

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from dynconfig_function.held import Held


class Config(Mapping[str, str]):
    """The values of one moment by name relative to the prefix; names only when printed, logged or serialised."""

    __slots__ = ("_held", "_values", "prefix")

    def __init__(self, prefix: str, held: Mapping[str, Held]) -> None:
        self.prefix = prefix
        self._held = held
        self._values = {name: value.text for name, value in held.items()}

    def __getitem__(self, name: str) -> str:
        return self._values[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._values)

    def __len__(self) -> int:
        return len(self._values)

    def __repr__(self) -> str:
        return f"Config({self.prefix}: {', '.join(self)})"

    def is_secret(self, name: str) -> bool:
        """Whether the value must not be shown: declared a SecureString, or one in Parameter Store."""
        return self._held[name].is_secret

    def public(self) -> dict[str, str]:
        """The values that may be shown."""
        return {name: text for name, text in self._values.items() if not self.is_secret(name)}

    def details(self, now: float) -> dict[str, dict[str, object]]:
        """Type, version and age of each parameter; no value."""
        return {
            name: {"type": value.type, "version": value.version, "age_seconds": int(now - value.read_at)}
            for name, value in self._held.items()
        }
