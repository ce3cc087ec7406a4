"""Short digests of texts that users choose: what is kept of an object does not grow with the length of its texts.

The key is drawn at process start and never leaves it, so that nobody can look for two texts of one digest. By chance, two of
a billion texts have the same one about once in forty starts, and two texts that are compared, once in 2^64.
"""

import hashlib
import secrets
from array import array
from bisect import bisect_left
from collections.abc import Iterable
from typing import TypeAlias

_BYTES = 8
_KEY = secrets.token_bytes(16)

Fingerprints: TypeAlias = "array[int]"
"""Sorted digests, each once: eight bytes a text."""


def fingerprint(text: str) -> int:
    """The digest of a text, in eight bytes; another one in each process."""
    digest = hashlib.blake2b(text.encode("utf-8", "surrogatepass"), digest_size=_BYTES, key=_KEY).digest()
    return int.from_bytes(digest, "big")


def fingerprints(texts: Iterable[str]) -> Fingerprints:
    """The digests of texts."""
    return array("Q", sorted({fingerprint(text) for text in texts}))


def contains(found: Fingerprints, wanted: int) -> bool:
    """Whether sorted digests have this one."""
    place = bisect_left(found, wanted)
    return place < len(found) and found[place] == wanted
