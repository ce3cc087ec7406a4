"""Watch objects and yield their status after each change."""

import time
from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass

from dynconfig.cli import cluster
from dynconfig.cli.files import Document
from dynconfig.cli.object_status import ObjectStatus, deleted, object_status
from dynconfig.cli.planning import title
from dynconfig.kube.reader import Reader
from dynconfig.kube.responses import ApiUnavailable, WatchExpired

# Seconds between watches, so that a server that ends each watch at once is not polled without a pause.
PAUSE = 1.0

# Without an operator an object does not change, but its status (age, warnings) does.
WATCH_SECONDS = 15.0

Rows = dict[str, ObjectStatus]
Found = dict[str, Document | None]
"""The objects by name; None for a deleted one."""


def snapshots(
    reader: Reader,
    names: Sequence[str],
    namespace: str | None,
    *,
    everywhere: bool,
    deadline: float,
    pause: float = PAUSE,
    now: Callable[[], float] = time.time,
) -> Iterator[Rows]:
    """Yield the status of the objects, now and after each change, until the deadline on the monotonic clock.

    `now` is the time of day, in seconds since the epoch.
    """
    wanted = {title(found) for found in cluster.objects(reader, names, namespace, everywhere=everywhere)}
    watcher = _Watcher(reader, frozenset(wanted), deadline, pause)
    found, version = watcher.listed()
    while True:
        shown = _shown(found, now())
        yield shown
        try:
            for changes in watcher.events(version):
                found = {**found, **changes}
                # When a watch ends without changes, the age of the last observation has still changed.
                if changes or _shown(found, now()) != shown:
                    shown = _shown(found, now())
                    yield shown
        except (WatchExpired, ApiUnavailable):
            found, version = watcher.relist()
            continue
        return


@dataclass(frozen=True, slots=True)
class _Watcher:
    """Watches objects until a deadline; tolerates an API server that is unavailable for a while."""

    reader: Reader
    wanted: frozenset[str]
    deadline: float
    pause: float

    def listed(self) -> tuple[Found, str]:
        """List the objects; return them and the resourceVersion to watch from."""
        listed, version = self.reader.objects(_common_namespace(self.wanted))
        there = {title(document): document for document in listed if title(document) in self.wanted}
        return {**dict.fromkeys(sorted(self.wanted)), **there}, version

    def relist(self) -> tuple[Found, str]:
        """List the objects after a watch was lost. Raises ApiUnavailable at the deadline."""
        while True:
            self._wait()
            try:
                return self.listed()
            except ApiUnavailable:
                if time.monotonic() >= self.deadline:
                    raise

    def events(self, version: str) -> Iterator[Found]:
        """Yield changes from consecutive watches, and an empty mapping at the end of each."""
        inside = _common_namespace(self.wanted)
        while (left := self.deadline - time.monotonic()) > 0:
            for event, document in self.reader.watch(inside, version, min(left, WATCH_SECONDS)):
                version = document["metadata"]["resourceVersion"]
                name = title(document)
                if name in self.wanted and event != "BOOKMARK":
                    yield {name: None if event == "DELETED" else document}
            yield {}
            self._wait()

    def _wait(self) -> None:
        time.sleep(max(0.0, min(self.pause, self.deadline - time.monotonic())))


def _shown(found: Found, now: float) -> Rows:
    return {
        name: deleted(name) if document is None else object_status(document, now) for name, document in found.items()
    }


def _common_namespace(titles: Collection[str]) -> str | None:
    """Return the namespace that all objects share, or None."""
    found = {name.partition("/")[0] for name in titles}
    return next(iter(found)) if len(found) == 1 else None
