"""Short keyed digests of user-defined texts, so that memory per object does not grow with the length of its texts.

The key is random for each process and never leaves it, so collisions cannot be constructed. Two of a billion texts collide
by chance about once in forty starts; two given texts with a probability of 2^-64.
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
"""Sorted unique digests, eight bytes each."""


def fingerprint(text: str) -> int:
    """Return the 8-byte digest of a text, which differs between processes."""
    digest = hashlib.blake2b(text.encode("utf-8", "surrogatepass"), digest_size=_BYTES, key=_KEY).digest()
    return int.from_bytes(digest, "big")


def fingerprints(texts: Iterable[str]) -> Fingerprints:
    """Return the digests of texts."""
    return array("Q", sorted({fingerprint(text) for text in texts}))


def contains(found: Fingerprints, wanted: int) -> bool:
    """Whether sorted digests contain this one."""
    place = bisect_left(found, wanted)
    return place < len(found) and found[place] == wanted
