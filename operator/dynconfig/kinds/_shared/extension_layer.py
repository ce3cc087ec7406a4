"""Which layer versions of the extension satisfy the declared one. Pure.

A new layer version causes no drift: a function keeps its version until it is older than the oldest supported one.
"""

from typing import Protocol

ANY = "*"


class Layers(Protocol):
    """The ARNs of the extension layer of one place, by architecture."""

    def oldest(self, architecture: str) -> str:
        """Return the ARN of the oldest supported version, with ANY for parts that are not in the table. Pure."""

    def newest(self, architecture: str) -> str:
        """Return the ARN of the newest version, from AWS. Raises NotPossible if none is known."""


def serves(found: str, oldest: str) -> bool:
    """Return whether a layer version is of the same layer as `oldest` and not older."""
    name, _, version = found.rpartition(":")
    wanted, _, least = oldest.rpartition(":")
    return (
        _matches(name.split(":"), wanted.split(":"))
        and version.isdecimal()
        and (least == ANY or (least.isdecimal() and int(version) >= int(least)))
    )


def _matches(parts: list[str], wanted: list[str]) -> bool:
    return len(parts) == len(wanted) and all(one in (part, ANY) for part, one in zip(parts, wanted, strict=True))
