"""The result of reading a parameter: the parameter, or a fault."""

from __future__ import annotations

MASK = "•••"
SECURE = "SecureString"


class Parameter:
    """One parameter in Parameter Store."""

    __slots__ = ("type", "value", "version")

    def __init__(self, kind: str, value: str, version: int) -> None:
        self.type = kind
        self.value = value
        self.version = version

    def __repr__(self) -> str:
        return f"Parameter({self.type}, version {self.version})"


class Fault:
    """Why a parameter could not be read. A transient fault may be gone at the next attempt."""

    __slots__ = ("is_transient", "reason")

    def __init__(self, reason: str, *, is_transient: bool) -> None:
        self.reason = reason
        self.is_transient = is_transient


class SecretText(str):
    """The value of a SecureString: a normal string, but masked in the repr of dicts, lists and tracebacks."""

    __slots__ = ()

    def __repr__(self) -> str:
        return MASK
