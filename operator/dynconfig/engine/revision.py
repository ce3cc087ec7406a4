"""The revision: a short name of the versions that AWS holds, which changes when any value is written."""

import hashlib
from collections.abc import Iterable

from dynconfig.engine.resource import Resource, Versioned


def revision(resources: Iterable[Resource]) -> str:
    """Eight hexadecimal digits for the versions of these resources, in whatever order."""
    lines = sorted(f"{item.title}={item.version}" for item in resources if isinstance(item, Versioned))
    return hashlib.sha256("\n".join(lines).encode()).hexdigest()[:8]
