"""One caller at a time for each service: moto's state is shared by the whole process, and is not safe for threads."""

import threading
from collections import defaultdict

_guard = threading.Lock()
_locks: dict[str, "threading.RLock"] = defaultdict(threading.RLock)


def turn(service: str) -> "threading.RLock":
    """To be held while moto's state of a service is read or written."""
    with _guard:
        return _locks[service]
