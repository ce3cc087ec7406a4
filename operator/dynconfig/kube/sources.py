"""Reads the Secrets and ConfigMaps that an object refers to, and hears of their changes without reading the others."""

import asyncio
import logging
import random
from collections.abc import Awaitable, Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import closing
from typing import Any

from dynconfig.engine.declaration import ReadSource, Source
from dynconfig.engine.errors import DynConfigError
from dynconfig.engine.fingerprint import Fingerprints, fingerprint, fingerprints
from dynconfig.engine.work_queue import Key
from dynconfig.kube.client import FORBIDDEN, ApiRefused, ApiUnavailable, Kube, WatchExpired
from dynconfig.kube.responses import UNREADABLE, source_text

log = logging.getLogger(__name__)

# A watch that ends sooner brought nothing that a list had not brought.
WORTHWHILE_SECONDS = 1.0
FIRST_PAUSE = 2.0
LONGEST_PAUSE = 60.0
# Each may have a megabyte, and others want to read as well.
READ_AT_ONCE = 4

Sleep = Callable[[float], Awaitable[None]]

Place = tuple[str, str, str]
"""Kind, namespace and name of a Secret or ConfigMap."""


async def read(kube: Kube, namespace: str, sources: Sequence[Source]) -> ReadSource:
    """Fetch every Secret and ConfigMap once, and keep of it the texts that are referred to, each decoded once."""
    wanted: dict[tuple[str, str], list[Source]] = {}
    for source in dict.fromkeys(sources):
        wanted.setdefault((source.kind, source.name), []).append(source)
    found = dict[Source, str | DynConfigError | None]()

    async def fetch(places: Iterator[tuple[str, str]]) -> None:
        for kind, name in places:
            document = await kube.source(kind, namespace, name)
            found.update((source, _text(source, document)) for source in wanted[kind, name])

    # A task for each of a thousand names would take more memory than what they hold.
    with closing(place for place in sorted(wanted)) as places:
        await asyncio.gather(*(fetch(places) for _ in range(READ_AT_ONCE)))

    def text(source: Source) -> str | None:
        answer = found[source]
        if isinstance(answer, DynConfigError):
            raise answer.with_traceback(None)
        return answer

    return text


def _text(source: Source, document: Mapping[str, Any] | None) -> str | DynConfigError | None:
    try:
        return source_text(source, document)
    except DynConfigError as error:
        return error


class References:
    """Which objects refer to which Secret or ConfigMap, and at which version that was last seen."""

    def __init__(self, wake: Callable[[Key], None]) -> None:
        self._wake = wake
        self._of: dict[Key, Fingerprints] = {}
        """Digests of places: an object may refer to a thousand with long names."""
        self._by: dict[int, tuple[Key, ...]] = {}
        self._versions: dict[int, tuple[str, str, str]] = {}
        """Kind and namespace of what was seen, and its version."""

    def note(self, key: Key, sources: Iterable[Source]) -> None:
        """Note what an object refers to now."""
        places = fingerprints(_title((source.kind, key.namespace, source.name)) for source in sources)
        if self._of.get(key) == places:
            return
        self.forget(key)
        if places:
            self._of[key] = places
        for place in places:
            self._by[place] = (*self._by.get(place, ()), key)

    def forget(self, key: Key) -> None:
        """The object is gone, or is about to be noted anew."""
        for place in self._of.pop(key, ()):
            others = tuple(other for other in self._by.pop(place) if other != key)
            if others:
                self._by[place] = others
            else:
                self._versions.pop(place, None)

    def is_wanted(self, place: Place) -> bool:
        """Whether an object refers to it now."""
        return fingerprint(_title(place)) in self._by

    def changed(self, place: Place, version: str) -> None:
        """Something was seen at a version; wakes those who refer to it if that version is news."""
        self._seen(fingerprint(_title(place)), place[0], place[1], version)

    def missing(self, kind: str, namespace: str | None, present: set[Place]) -> None:
        """A full list was read: what is referred to and not in it has gone."""
        there = {fingerprint(_title(place)) for place in present}
        for place, (known, where, _version) in tuple(self._versions.items()):
            if known == kind and namespace in (None, where) and place not in there:
                self._seen(place, known, where, "")

    def _seen(self, place: int, kind: str, namespace: str, version: str) -> None:
        found = (kind, namespace, version)
        if place not in self._by or self._versions.get(place) == found:
            return
        self._versions[place] = found
        for key in self._by[place]:
            self._wake(key)


class Pauses:
    """Between two watches: none after one that lived, ever longer ones after those that came to nothing."""

    def __init__(self, first: float = FIRST_PAUSE, longest: float = LONGEST_PAUSE) -> None:
        self._first = first
        self._longest = longest
        self._vain = 0

    def after(self, lived: float, *, is_failed: bool) -> float:
        """Seconds to wait after a watch that lived so long."""
        if lived >= WORTHWHILE_SECONDS:
            self._vain = 0
            if not is_failed:
                return 0.0
        self._vain += 1
        longest = min(self._first * 2 ** min(self._vain - 1, 10), self._longest)
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
    """Follow all Secrets or ConfigMaps by their metadata, for ever.

    What the API server denies is asked for again as well: one that has just started does not know its roles yet.
    """
    pauses, loop, version, was_denied = Pauses(), asyncio.get_running_loop(), "", False
    while True:
        began, is_failed = float("inf"), False
        try:
            version = version or await _list(kube, references, kind, namespace)
            began = loop.time()
            version = await _follow(kube, references, kind, namespace, version, unreadable=unreadable)
            was_denied = False
        except WatchExpired:
            version = ""
        except (ApiUnavailable, ApiRefused) as error:
            version, is_failed = "", True
            is_denied = isinstance(error, ApiRefused) and error.status == FORBIDDEN
            if not is_denied:
                log.warning("Watching of %ss is interrupted: %s", kind, error)
            elif not was_denied:
                log.warning("%ss cannot be watched, so their changes are seen at the resync only: %s", kind, error)
            was_denied = is_denied
        await sleep(pauses.after(loop.time() - began, is_failed=is_failed))


async def _list(kube: Kube, references: References, kind: str, namespace: str | None) -> str:
    version, present = "", set[Place]()
    async for page in kube.metadata_pages(kind, namespace):
        version = page["metadata"]["resourceVersion"]
        for item in page["items"]:
            place = _place(kind, item["metadata"])
            if references.is_wanted(place):
                present.add(place)
                references.changed(place, item["metadata"]["resourceVersion"])
    references.missing(kind, namespace, present)
    return version


async def _follow(
    kube: Kube,
    references: References,
    kind: str,
    namespace: str | None,
    version: str,
    *,
    unreadable: Callable[[str], None],
) -> str:
    """Report all changes until the server ends the watch; answers the version to go on from."""
    async for event, document in kube.watch_metadata(kind, namespace, version):
        if event == UNREADABLE:
            log.error("A change of one of the %ss cannot be read and is skipped", kind)
            unreadable(f"{kind}s")
            continue
        metadata = document["metadata"]
        version = metadata["resourceVersion"]
        if event != "BOOKMARK":
            references.changed(_place(kind, metadata), "" if event == "DELETED" else version)
    return version


def _title(place: Place) -> str:
    return "/".join(place)


def _place(kind: str, metadata: Mapping[str, Any]) -> Place:
    return kind, metadata["namespace"], metadata["name"]
