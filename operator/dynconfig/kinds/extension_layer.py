"""Which layer versions of the extension serve as well as the declared one. Pure.

A newer version does not make functions differ that have an older one: each keeps its own until it is below the table's.
"""

from typing import Protocol

ANY = "*"


class Layers(Protocol):
    """Where the extension's layer is, by architecture, in one place."""

    def oldest(self, architecture: str) -> str:
        """The ARN of the oldest version that is used; with ANY where no table has it. Pure."""

    def newest(self, architecture: str) -> str:
        """The ARN of the version that is added. Asks AWS; raises NotPossible where nobody knows one."""


def serves(found: str, oldest: str) -> bool:
    """Whether a layer version is the same layer as the oldest that is used, and no older."""
    name, _, version = found.rpartition(":")
    wanted, _, least = oldest.rpartition(":")
    return (
        _matches(name.split(":"), wanted.split(":"))
        and version.isdecimal()
        and (least == ANY or (least.isdecimal() and int(version) >= int(least)))
    )


def _matches(parts: list[str], wanted: list[str]) -> bool:
    return len(parts) == len(wanted) and all(one in (part, ANY) for part, one in zip(parts, wanted, strict=True))
