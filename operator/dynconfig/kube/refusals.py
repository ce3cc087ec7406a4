"""What the API server refuses about each object: logged as an error once, until it changes or is taken."""

import logging

from dynconfig.engine.fingerprint import fingerprint
from dynconfig.engine.work_queue import Key

log = logging.getLogger(__name__)


class Refusals:
    """Remembers the last refusal of each kind of write, by object, as a digest: some quote whatever was refused."""

    def __init__(self) -> None:
        self._last: dict[Key, dict[str, int]] = {}

    def log(self, key: Key, write: str, message: str) -> None:
        """Log that a kind of write was refused; the same message again is for debugging only."""
        known, found = self._last.setdefault(key, {}), fingerprint(message)
        log.log(logging.DEBUG if known.get(write) == found else logging.ERROR, "%s: %s", key, message)
        known[write] = found

    def end(self, key: Key, write: str) -> None:
        """The API server takes this kind of write."""
        self._last.get(key, {}).pop(write, None)

    def forget(self, key: Key) -> None:
        """The object is gone."""
        self._last.pop(key, None)
