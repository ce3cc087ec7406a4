"""Objects as they change, until everybody has seen enough."""

import time
from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass

from dynconfig import cluster
from dynconfig.engine.standing import Progress, gone, progress
from dynconfig.files import Document
from dynconfig.kube.reader import Reader
from dynconfig.kube.responses import ApiUnavailable, WatchExpired
from dynconfig.planning import title

# After a watch that ended, whatever ended it: a server that ends each at once is not asked without a pause.
PAUSE = 1.0

# Without an operator an object does not change, and what is to be said of it does.
WATCH_SECONDS = 15.0

Rows = dict[str, Progress]
Found = dict[str, Document | None]
"""The objects by name; None is one that is gone."""


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
    """How far the objects are, now and after each change; ends at the deadline, on the monotonic clock.

    `now` is the time of day, in seconds since the epoch.
    """
    wanted = {title(found) for found in cluster.objects(reader, names, namespace, everywhere=everywhere)}
    following = _Following(reader, frozenset(wanted), deadline, pause)
    found, version = following.listed()
    while True:
        shown = _shown(found, now())
        yield shown
        try:
            for news in following.events(version):
                found = {**found, **news}
                # A watch that ends without news is a moment to see what the time that passed has changed.
                if news or _shown(found, now()) != shown:
                    shown = _shown(found, now())
                    yield shown
        except (WatchExpired, ApiUnavailable):
            found, version = following.listed_again()
            continue
        return


@dataclass(frozen=True, slots=True)
class _Following:
    """Objects that are followed until a deadline, through an API server that may be away for a while."""

    reader: Reader
    wanted: frozenset[str]
    deadline: float
    pause: float

    def listed(self) -> tuple[Found, str]:
        """The objects, and the version to watch from."""
        listed, version = self.reader.objects(_common_namespace(self.wanted))
        there = {title(document): document for document in listed if title(document) in self.wanted}
        return {**dict.fromkeys(sorted(self.wanted)), **there}, version

    def listed_again(self) -> tuple[Found, str]:
        """What there is after a watch was lost. Raises ApiUnavailable at the deadline."""
        while True:
            self._wait()
            try:
                return self.listed()
            except ApiUnavailable:
                if time.monotonic() >= self.deadline:
                    raise

    def events(self, version: str) -> Iterator[Found]:
        """What changes, by one watch after the other; nothing at the end of each."""
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
    return {name: gone(name) if document is None else progress(document, now) for name, document in found.items()}


def _common_namespace(titles: Collection[str]) -> str | None:
    """The namespace of all objects, or None, for all namespaces."""
    found = {name.partition("/")[0] for name in titles}
    return next(iter(found)) if len(found) == 1 else None
