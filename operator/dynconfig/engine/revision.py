"""The revision: a short name of the versions that AWS holds, which changes when any value is written."""

import hashlib
from collections.abc import Iterable, Mapping

from dynconfig.engine.resource import Resource, Versioned

NOTHING_UNREAD: Mapping[str, int | None] = {}


def revision(resources: Iterable[Resource], unread: Mapping[str, int | None] = NOTHING_UNREAD) -> str:
    """Eight hexadecimal digits for the versions of these resources, in whatever order.

    `unread` has by title the last known versions of those that could not be read.
    """
    versions = {item.title: item.version for item in resources if isinstance(item, Versioned)}
    known = {title: version for title, version in unread.items() if version is not None}
    lines = sorted(f"{title}={version}" for title, version in {**known, **versions}.items())
    return hashlib.sha256("\n".join(lines).encode()).hexdigest()[:8]
