"""Objects as they change, until everybody has seen enough."""

import time
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass

from dynconfig import cluster
from dynconfig.engine.standing import Progress, gone, progress
from dynconfig.files import Document
from dynconfig.kube.answers import ApiUnavailable, WatchExpired
from dynconfig.kube.reader import Reader
from dynconfig.planning import title

# After a watch that ended, whatever ended it: a server that ends each at once is not asked without a pause.
PAUSE = 1.0

Rows = dict[str, Progress]


def snapshots(
    reader: Reader,
    names: Sequence[str],
    namespace: str | None,
    *,
    everywhere: bool,
    deadline: float,
    pause: float = PAUSE,
) -> Iterator[Rows]:
    """How far the objects are, now and after each change; ends at the deadline, on the monotonic clock."""
    wanted = {title(found) for found in cluster.objects(reader, names, namespace, everywhere=everywhere)}
    following = _Following(reader, frozenset(wanted), deadline, pause)
    found, version = following.listed()
    while True:
        yield dict(found)
        try:
            for event, document in following.events(version):
                name = title(document)
                if name in wanted and event != "BOOKMARK":
                    found[name] = gone(name) if event == "DELETED" else progress(document, time.time())
                    yield dict(found)
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

    def listed(self) -> tuple[Rows, str]:
        """How far the objects are, and the version to watch from."""
        listed, version = self.reader.objects(_common_namespace(self.wanted))
        return {**{name: gone(name) for name in sorted(self.wanted)}, **_rows(listed, self.wanted)}, version

    def listed_again(self) -> tuple[Rows, str]:
        """What there is after a watch was lost. Raises ApiUnavailable at the deadline."""
        while True:
            self._wait()
            try:
                return self.listed()
            except ApiUnavailable:
                if time.monotonic() >= self.deadline:
                    raise

    def events(self, version: str) -> Iterator[tuple[str, Document]]:
        """What changes, by one watch after the other."""
        inside = _common_namespace(self.wanted)
        while (left := self.deadline - time.monotonic()) > 0:
            for event, document in self.reader.watch(inside, version, left):
                version = document["metadata"]["resourceVersion"]
                yield event, document
            self._wait()

    def _wait(self) -> None:
        time.sleep(max(0.0, min(self.pause, self.deadline - time.monotonic())))


def _rows(listed: Collection[Document], wanted: Collection[str]) -> Mapping[str, Progress]:
    now = time.time()
    return {title(document): progress(document, now) for document in listed if title(document) in wanted}


def _common_namespace(titles: Collection[str]) -> str | None:
    """The namespace of all objects, or None, for all namespaces."""
    found = {name.partition("/")[0] for name in titles}
    return next(iter(found)) if len(found) == 1 else None
