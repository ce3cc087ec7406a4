"""Logs rejected API writes: each as an error once per object, until the message changes or the write succeeds."""

import logging

from dynconfig.model.fingerprint import fingerprint
from dynconfig.model.key import Key
from dynconfig.model.object_state import ObjectState

log = logging.getLogger(__name__)


class Refusals:
    """Remembers a digest of the last rejection, by object and kind of write."""

    def __init__(self, state: ObjectState[Key]) -> None:
        self._last: dict[Key, dict[str, int]] = state.new_map()

    def log(self, key: Key, write: str, message: str) -> None:
        """Log a rejected write; a repeated message is logged at DEBUG."""
        known, found = self._last.setdefault(key, {}), fingerprint(message)
        log.log(logging.DEBUG if known.get(write) == found else logging.ERROR, "%s: %s", key, message)
        known[write] = found

    def clear(self, key: Key, write: str) -> None:
        """Forget the last rejection after a successful write."""
        self._last.get(key, {}).pop(write, None)
