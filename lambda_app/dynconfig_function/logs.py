"""One line of JSON for each message: level, message, request id, revision, and names; never a value."""

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
    """Write one line to standard output, which Lambda hands over to CloudWatch Logs."""
    # In one write: what is written in two can become two log events.
    sys.stdout.write(json.dumps(document) + "\n")
    sys.stdout.flush()


def timestamp(now: float) -> str:
    """The time as Lambda wants to find it in a line: by RFC 3339."""
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(now))


class Logs:
    """Writes messages from the level of LOG_LEVEL up."""

    def __init__(self, identity: Identity, now: Callable[[], float]) -> None:
        self._revision = identity.revision
        self._least = _LEVELS.get(identity.log_level.upper(), _LEVELS["INFO"])
        self._now = now

    def write(self, level: str, message: str, request_id: str, **fields: object) -> None:
        """Write the message if its level is wanted."""
        if _LEVELS[level] < self._least:
            return
        head = {"timestamp": timestamp(self._now()), "level": level, "message": message}
        emit({**head, "requestId": request_id, "revision": self._revision, **fields})
