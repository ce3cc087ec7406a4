"""Compare two environments: parameters by their names below the path, other settings by their path in spec. Pure."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from dynconfig.model.secret import Secret

UNKNOWN = "(unknown)"


@dataclass(frozen=True, slots=True)
class Entry:
    """One parameter of an environment. Its value is None if it could not be read."""

    type: str
    value: str | Secret | None


@dataclass(frozen=True, slots=True)
class Environment:
    """One side of the comparison."""

    title: str
    entries: Mapping[str, Entry]
    settings: Mapping[str, str] | None = None
    """All fields of spec except parameters, by path; None if there is no spec."""


@dataclass(frozen=True, slots=True)
class Contrast:
    """One difference between two environments; None on the side where it is missing."""

    name: str
    left: str | None
    right: str | None


def contrasts(left: Environment, right: Environment) -> Iterator[Contrast]:
    """Yield all differences, sorted by name."""
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
    # A value that could not be read may differ, so it is reported.
    if left.value != right.value or left.value is None:
        yield Contrast(name, _shown(left), _shown(right))


def _shown(entry: Entry | None) -> str | None:
    if entry is None:
        return None
    return UNKNOWN if entry.value is None else str(entry.value)
