"""Excerpts of two differing texts, beginning shortly before the first difference. Pure."""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass

from dynconfig.model.secret import Secret

LENGTH = 120
"""Maximum length of each text in status and Events."""
MORE = "…"
_BEFORE = 40


@dataclass(frozen=True, slots=True)
class Brief:
    """Declared and observed text, each with at most LENGTH characters."""

    declared: str
    observed: str
    digest: str = ""
    """Digest of both full texts if one of them is shortened; else empty."""


def brief(declared: str, observed: str) -> Brief:
    """Shorten both texts so that their first difference is visible."""
    begin = _begin(declared, observed)
    shortened = _cut(declared, begin), _cut(observed, begin)
    digest = "" if shortened == (declared, observed) else _digest(declared, observed)
    return Brief(*shortened, digest)


def shortened(text: str) -> str:
    """Return the beginning of a text."""
    return _cut(text, 0)


def common(one: Sequence[str], other: Sequence[str]) -> int:
    """Return the length of the common prefix."""
    pairs = enumerate(zip(one, other, strict=False))
    return next((index for index, (left, right) in pairs if left != right), min(len(one), len(other)))


def _begin(one: str, other: str) -> int:
    """Return where the excerpt begins: at 0, unless the first difference is too far from it."""
    first = common(one, other)
    return 0 if max(len(one), len(other)) <= LENGTH or first < LENGTH - _BEFORE else first - _BEFORE


def _cut(text: str, begin: int) -> str:
    left = MORE if begin else ""
    room = LENGTH - len(left)
    rest = text[begin:]
    return left + (rest if len(rest) <= room else f"{rest[: room - 1]}{MORE}")


def _digest(declared: str, observed: str) -> str:
    # The length distinguishes pairs with the same concatenation.
    text = f"{len(declared)}\n{declared}{observed}"
    return hashlib.sha256(text.encode(errors="surrogatepass")).hexdigest()[:32]


def shown(value: object) -> str:
    """Return a value as shortened text; secrets are masked."""
    return shortened(in_full(value))


def in_full(value: object) -> str:
    """Return a value as full text; secrets are masked."""
    if isinstance(value, Secret):
        return str(value)
    if isinstance(value, tuple):
        return ", ".join(inner if isinstance(inner, str) else "=".join(inner) for inner in value)
    return "" if value is None else str(value)
