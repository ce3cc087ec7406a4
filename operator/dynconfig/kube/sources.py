"""Reads referenced Secrets and ConfigMaps, and watches the metadata of all for changes."""

import asyncio
import logging
import random
from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from contextlib import closing
from typing import Any

from dynconfig.kube.client import FORBIDDEN, ApiRefused, ApiUnavailable, Kube, WatchExpired
from dynconfig.kube.references import References, SourceRef
from dynconfig.kube.responses import DELETED, UNREADABLE, source_text
from dynconfig.kube.skipped_changes import SkippedChanges
from dynconfig.model.declaration import ReadSource, Source
from dynconfig.model.errors import DynConfigError

log = logging.getLogger(__name__)

# A watch that ends sooner is treated as a failure.
MIN_WATCH_SECONDS = 1.0
FIRST_PAUSE = 2.0
LONGEST_PAUSE = 60.0
# Each may have 1 MiB, and other objects read at the same time.
MAX_CONCURRENT_READS = 4

Sleep = Callable[[float], Awaitable[None]]


async def read(kube: Kube, namespace: str, sources: Sequence[Source]) -> ReadSource:
    """Fetch each Secret and ConfigMap once; return a function that returns the referenced texts or raises their error."""
    wanted: dict[tuple[str, str], list[Source]] = {}
    for source in dict.fromkeys(sources):
        wanted.setdefault((source.kind, source.name), []).append(source)
    found = dict[Source, str | DynConfigError | None]()

    async def fetch(refs: Iterator[tuple[str, str]]) -> None:
        for kind, name in refs:
            keys = {source.key for source in wanted[kind, name]}
            document = await kube.source(kind, namespace, name, keys)
            found.update((source, _text(source, document)) for source in wanted[kind, name])

    # A task for each of a thousand names would need more memory than their texts.
    with closing(ref for ref in sorted(wanted)) as refs:
        await asyncio.gather(*(fetch(refs) for _ in range(MAX_CONCURRENT_READS)))

    def text(source: Source) -> str | None:
        result = found[source]
        if isinstance(result, DynConfigError):
            raise result.with_traceback(None)
        return result

    return text


def _text(source: Source, document: Mapping[str, Any] | None) -> str | DynConfigError | None:
    try:
        return source_text(source, document)
    except DynConfigError as error:
        return error


class WatchBackoff:
    """Delays between watches: none after a successful watch, an exponential backoff after failures."""

    def __init__(self, first: float = FIRST_PAUSE, longest: float = LONGEST_PAUSE) -> None:
        self._first = first
        self._longest = longest
        self._failures = 0

    def delay(self, lived: float, *, is_failed: bool) -> float:
        """Return the delay in seconds after a watch that lasted `lived` seconds."""
        if lived >= MIN_WATCH_SECONDS:
            self._failures = 0
            if not is_failed:
                return 0.0
        self._failures += 1
        longest = min(self._first * 2 ** min(self._failures - 1, 10), self._longest)
        return random.uniform(longest / 2, longest)  # noqa: S311 - not a secret


async def watch(
    kube: Kube,
    references: References,
    kind: str,
    namespace: str | None,
    sleep: Sleep = asyncio.sleep,
    *,
    unreadable: Callable[[str], None] = lambda _kind: None,
) -> None:
    """Watch the metadata of all Secrets or ConfigMaps until cancelled.

    A denied watch is retried, too: an API server that has just started may not have loaded its roles yet.
    """
    backoff, loop, version, was_denied = WatchBackoff(), asyncio.get_running_loop(), "", False
    skipped = SkippedChanges(lambda: unreadable(f"{kind}s"))
    while True:
        began, is_failed = float("inf"), False
        try:
            version = version or await _list(kube, references, kind, namespace)
            began = loop.time()
            async with skipped.expiring():
                version = await _follow(kube, references, kind, namespace, version, skipped=skipped.add)
            was_denied = False
        except WatchExpired:
            version = ""
        except (ApiUnavailable, ApiRefused) as error:
            version, is_failed = "", True
            is_denied = isinstance(error, ApiRefused) and error.status == FORBIDDEN
            if not is_denied:
                log.warning("Watch of %ss failed, retrying: %s", kind, error)
            elif not was_denied:
                log.warning("Cannot watch %ss; changes are detected at the resync only: %s", kind, error)
            was_denied = is_denied
        await sleep(backoff.delay(loop.time() - began, is_failed=is_failed))


async def _list(kube: Kube, references: References, kind: str, namespace: str | None) -> str:
    version, present = "", set[SourceRef]()
    async with kube.metadata_pages(kind, namespace) as pages:
        async for page in pages:
            version = page["metadata"]["resourceVersion"]
            async for item in page["items"]:
                ref = _ref(kind, item["metadata"])
                if references.is_referenced(ref):
                    present.add(ref)
                    references.changed(ref, item["metadata"]["resourceVersion"])
    references.remove_missing(kind, namespace, present)
    return version


async def _follow(
    kube: Kube,
    references: References,
    kind: str,
    namespace: str | None,
    version: str,
    *,
    skipped: Callable[[], None],
) -> str:
    """Report all changes until the server closes the watch; return the resourceVersion to continue from."""
    watch = kube.watch_metadata(kind, namespace, version)
    async for event, document in watch.changes():
        if event == UNREADABLE:
            log.error("Skipped a change of one of the %ss that cannot be parsed; listing all of them soon", kind)
            skipped()
            continue
        metadata = document["metadata"]
        references.changed(_ref(kind, metadata), "" if event == DELETED else metadata["resourceVersion"])
    return watch.version


def _ref(kind: str, metadata: Mapping[str, Any]) -> SourceRef:
    return kind, metadata["namespace"], metadata["name"]
