"""The revision: a short hash of all parameter versions in AWS, which changes with every write of a value."""

import hashlib
from collections.abc import Iterable, Mapping

from dynconfig.model.resource import Resource, Versioned

NOTHING_UNREAD: Mapping[str, int | None] = {}


def revision(resources: Iterable[Resource], unread: Mapping[str, int | None] = NOTHING_UNREAD) -> str:
    """Return eight hexadecimal digits for the versions of these resources, independent of their order.

    `unread` has the last known versions, by title, of resources that could not be read.
    """
    versions = {item.title: item.version for item in resources if isinstance(item, Versioned)}
    known = {title: version for title, version in unread.items() if version is not None}
    lines = sorted(f"{title}={version}" for title, version in {**known, **versions}.items())
    return hashlib.sha256("\n".join(lines).encode()).hexdigest()[:8]
