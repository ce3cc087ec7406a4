"""Metadata of parameters, read for several objects at once: DescribeParameters has the lowest quota of all reads."""

import threading
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from dynconfig.kinds.parameter.waiting_names import DESCRIBE_BATCH, WaitingNames
from dynconfig.model.errors import STOPPING, DynConfigError
from dynconfig.model.key import Key
from dynconfig.model.resource import Owner
from dynconfig.model.ttl_cache import TtlCache

if TYPE_CHECKING:
    from mypy_boto3_ssm.client import SSMClient

# An object returns within seconds after its metadata was read.
KEPT_SECONDS = 60.0


class Descriptions:
    """The metadata of the parameters of one place. Thread-safe."""

    def __init__(self, ssm: "SSMClient", clock: Callable[[], float], ready: Callable[[Key], object]) -> None:
        """Create it; `ready` is called with an object that was turned away, once its metadata was read with that of another."""
        self._ssm = ssm
        self._clock = clock
        self._ready = ready
        self._lock = threading.Lock()
        self._waiting = WaitingNames()
        self._found = TtlCache[str, Mapping[str, Any]](KEPT_SECONDS, clock)

    def read_ahead(self, owner: Owner, names: Sequence[str]) -> None:
        """Read metadata that is going to be needed; a call has room for names for which other objects were turned away.

        Raises Throttled, Unavailable; then, the calls of other objects read it. Other errors are raised by `of`.
        """
        key = Key(owner.namespace, owner.name)
        self._forget_waiting(key)
        for batch in batches(self._missing(names), DESCRIBE_BATCH):
            with self._lock:
                claimed = self._waiting.claim(batch, self._clock())
            # Two objects may wait for the same name.
            asked = dict.fromkeys((*batch, *(name for part in claimed for name in part.names)))
            try:
                found = self._described(tuple(asked))
            except STOPPING:
                with self._lock:
                    now = self._clock()
                    self._waiting.give_back(claimed, now)
                    self._waiting.add(key, batch, now)
                if not self._missing(batch):
                    # Another call has read it meanwhile.
                    self._forget_waiting(key)
                    continue
                raise
            except DynConfigError:
                with self._lock:
                    self._waiting.end(claimed)
                return
            for name, item in found.items():
                self._found.put(name, item)
            with self._lock:
                ready = self._waiting.end(claimed)
            for other in ready:
                self._ready(other)

    def _forget_waiting(self, key: Key) -> None:
        with self._lock:
            self._waiting.returned(key)

    def _missing(self, names: Sequence[str]) -> list[str]:
        return [name for name in names if self._found.get(name) is None]

    def of(self, versions: Mapping[str, int]) -> dict[str, Mapping[str, Any]]:
        """Return the metadata of at most fifty parameters, read ahead or now. Raises DynConfigError."""
        ahead = {name: found for name in versions if (found := self._found.get(name)) is not None}
        # It belongs to a version; each write creates a new one.
        ahead = {name: found for name, found in ahead.items() if found.get("Version", 0) >= versions[name]}
        self._found.forget(versions)
        missing = [name for name in versions if name not in ahead]
        return {**ahead, **(self._described(missing) if missing else {})}

    def forget(self, names: Iterable[str]) -> None:
        """Forget metadata that may have changed."""
        self._found.forget(names)

    def _described(self, names: Sequence[str]) -> dict[str, Mapping[str, Any]]:
        pages = self._ssm.get_paginator("describe_parameters").paginate(
            ParameterFilters=[{"Key": "Name", "Option": "Equals", "Values": list(names)}],
            PaginationConfig={"PageSize": DESCRIBE_BATCH},
        )
        return {item["Name"]: item for page in pages for item in page["Parameters"]}


def batches(items: Sequence[str], size: int) -> Iterator[list[str]]:
    """Split the items into lists of at most `size`."""
    for start in range(0, len(items), size):
        yield list(items[start : start + size])
