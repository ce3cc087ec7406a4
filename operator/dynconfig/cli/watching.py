"""Objects as they change, until everybody has seen enough."""

import time
from collections.abc import Collection, Iterator, Mapping, Sequence

from dynconfig import cluster
from dynconfig.engine.standing import Progress, gone, progress
from dynconfig.files import Document
from dynconfig.kube.answers import WatchExpired
from dynconfig.kube.reader import Reader
from dynconfig.planning import title


def snapshots(
    reader: Reader, names: Sequence[str], namespace: str | None, *, everywhere: bool, deadline: float
) -> Iterator[dict[str, Progress]]:
    """How far the objects are, now and after each change; ends at the deadline, on the monotonic clock."""
    wanted = {title(found) for found in cluster.objects(reader, names, namespace, everywhere=everywhere)}
    inside = _common_namespace(wanted)
    while True:
        listed, version = reader.objects(inside)
        found = {name: gone(name) for name in sorted(wanted)}
        found.update(_rows(listed, wanted))
        yield dict(found)
        try:
            while (left := deadline - time.monotonic()) > 0:
                for event, document in reader.watch(inside, version, left):
                    version = document["metadata"]["resourceVersion"]
                    if title(document) in wanted and event != "BOOKMARK":
                        name = title(document)
                        found[name] = gone(name) if event == "DELETED" else progress(document, time.time())
                        yield dict(found)
        except WatchExpired:
            continue
        return


def _rows(listed: Collection[Document], wanted: Collection[str]) -> Mapping[str, Progress]:
    now = time.time()
    return {title(document): progress(document, now) for document in listed if title(document) in wanted}


def _common_namespace(titles: Collection[str]) -> str | None:
    """The namespace of all objects, or None, for all namespaces."""
    found = {name.partition("/")[0] for name in titles}
    return next(iter(found)) if len(found) == 1 else None
