"""What mode Attach added to a function, as status records it. Pure."""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class Attached:
    """The parts of an attachment that the function had when it was last observed."""

    layer: str = ""
    """The layer version that was added; empty if none."""
    role: str = ""
    """The role that has the read policy."""
    variables: Mapping[str, str] = field(default_factory=dict)
    """Digests of the values that were added, by the name of the variable."""


def digest(value: str) -> str:
    """Return a short digest of the value of a variable."""
    return hashlib.sha256(value.encode()).hexdigest()[:16]
