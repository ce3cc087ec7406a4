"""What a source answers when it is asked for a parameter: the parameter, or why there is none."""

from __future__ import annotations

MASK = "•••"
SECURE = "SecureString"


class Parameter:
    """One parameter as Parameter Store has it."""

    __slots__ = ("type", "value", "version")

    def __init__(self, kind: str, value: str, version: int) -> None:
        self.type = kind
        self.value = value
        self.version = version

    def __repr__(self) -> str:
        return f"Parameter({self.type}, version {self.version})"


class Fault:
    """Why a parameter could not be read; a passing fault may be gone at the next try."""

    __slots__ = ("is_passing", "reason")

    def __init__(self, reason: str, *, is_passing: bool) -> None:
        self.reason = reason
        self.is_passing = is_passing


class SecretText(str):
    """The text of a SecureString: usable as any text, masked where a dict, a list or a traceback shows it."""

    __slots__ = ()

    def __repr__(self) -> str:
        return MASK
