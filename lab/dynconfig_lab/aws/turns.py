"""One caller at a time for each service: moto's state is shared by the whole process and is not thread-safe."""

import threading
from collections import defaultdict

_guard = threading.Lock()
_locks: dict[str, "threading.RLock"] = defaultdict(threading.RLock)


def turn(service: str) -> "threading.RLock":
    """The lock for reading and writing moto's state of a service."""
    with _guard:
        return _locks[service]
