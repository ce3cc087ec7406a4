"""Two environments side by side: parameters by their names below the path, other settings by their place in spec. Pure.

Secret values are only ever compared by a hash under a key that lives as long as the comparison.
"""

import hashlib
import hmac
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from dynconfig.engine.secret import MASK

UNKNOWN = "(not known)"


@dataclass(frozen=True, slots=True)
class Sealed:
    """A secret value of which nothing is left but whether another one is the same."""

    digest: bytes = field(repr=False)

    def __str__(self) -> str:
        return MASK


@dataclass(frozen=True, slots=True)
class Entry:
    """One parameter of an environment; a value of None could not be read."""

    type: str
    value: str | Sealed | None


@dataclass(frozen=True, slots=True)
class Environment:
    """One side of the comparison."""

    title: str
    entries: Mapping[str, Entry]
    settings: Mapping[str, str] | None = None
    """Everything in spec but its parameters, by its place; None where there is no spec to look at."""


@dataclass(frozen=True, slots=True)
class Contrast:
    """One thing in which two environments differ; a side that does not have it is None."""

    name: str
    left: str | None
    right: str | None


def sealed(text: str, key: bytes) -> Sealed:
    """A secret value, sealed under the key of this comparison."""
    return Sealed(hmac.digest(key, text.encode(), hashlib.sha256))


def contrasts(left: Environment, right: Environment) -> Iterator[Contrast]:
    """All that differs, by name."""
    for name in sorted({*left.entries, *right.entries}):
        yield from _entries(name, left.entries.get(name), right.entries.get(name))
    if left.settings is not None and right.settings is not None:
        for place in sorted({*left.settings, *right.settings}):
            before, after = left.settings.get(place), right.settings.get(place)
            if before != after:
                yield Contrast(place, before, after)


def _entries(name: str, left: Entry | None, right: Entry | None) -> Iterator[Contrast]:
    if left is None or right is None:
        yield Contrast(name, _shown(left), _shown(right))
        return
    if left.type != right.type:
        yield Contrast(f"{name} (type)", left.type, right.type)
    # What could not be read may be the same or not, which is worth a line.
    if left.value != right.value or left.value is None:
        yield Contrast(name, _shown(left), _shown(right))


def _shown(entry: Entry | None) -> str | None:
    if entry is None:
        return None
    return UNKNOWN if entry.value is None else str(entry.value)
