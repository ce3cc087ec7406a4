"""Structured logs: one JSON line per message with level, request id, revision and names; never a value."""

from __future__ import annotations

import json
import sys
import time

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from dynconfig_function.settings import Identity

_LEVELS = {"DEBUG": 10, "INFO": 20, "WARN": 30, "WARNING": 30, "ERROR": 40}


def emit(document: Mapping[str, object]) -> None:
    """Write one line to standard output, which Lambda forwards to CloudWatch Logs."""
    # In a single write: two writes can become two log events.
    sys.stdout.write(json.dumps(document) + "\n")
    sys.stdout.flush()


def timestamp(now: float) -> str:
    """Return the time in RFC 3339 format, which Lambda expects."""
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(now))


class Logs:
    """Writes messages at or above LOG_LEVEL."""

    def __init__(self, identity: Identity, now: Callable[[], float]) -> None:
        self._revision = identity.revision
        self._least = _LEVELS.get(identity.log_level.upper(), _LEVELS["INFO"])
        self._now = now

    def write(self, level: str, message: str, request_id: str, **fields: object) -> None:
        """Write the message if its level is enabled."""
        if _LEVELS[level] < self._least:
            return
        head = {"timestamp": timestamp(self._now()), "level": level, "message": message}
        emit({**head, "requestId": request_id, "revision": self._revision, **fields})
