"""Two texts that differ, in little room: what is shown of them begins shortly before the first difference. Pure."""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass

LENGTH = 120
"""Characters of each text that status and Events show."""
MORE = "…"
_BEFORE = 40


@dataclass(frozen=True, slots=True)
class Brief:
    """What is declared and what is observed, each in at most LENGTH characters."""

    declared: str
    observed: str
    digest: str = ""
    """Of both texts in full, if one of them is shortened; else empty."""


def brief(declared: str, observed: str) -> Brief:
    """Both texts, shortened so that they differ visibly if they differ at all."""
    begin = _begin(declared, observed)
    shortened = _cut(declared, begin), _cut(observed, begin)
    digest = "" if shortened == (declared, observed) else _digest(declared, observed)
    return Brief(*shortened, digest)


def shortened(text: str) -> str:
    """The beginning of a text that is compared with nothing."""
    return _cut(text, 0)


def common(one: Sequence[str], other: Sequence[str]) -> int:
    """How many items, from the first on, are the same in both."""
    pairs = enumerate(zip(one, other, strict=False))
    return next((index for index, (left, right) in pairs if left != right), min(len(one), len(other)))


def _begin(one: str, other: str) -> int:
    """Where the shown part begins: at the start, unless the first difference is too far from it."""
    first = common(one, other)
    return 0 if max(len(one), len(other)) <= LENGTH or first < LENGTH - _BEFORE else first - _BEFORE


def _cut(text: str, begin: int) -> str:
    left = MORE if begin else ""
    room = LENGTH - len(left)
    rest = text[begin:]
    return left + (rest if len(rest) <= room else f"{rest[: room - 1]}{MORE}")


def _digest(declared: str, observed: str) -> str:
    # The length keeps apart what is the same only when joined.
    text = f"{len(declared)}\n{declared}{observed}"
    return hashlib.sha256(text.encode(errors="surrogatepass")).hexdigest()[:32]
