"""Reads that do not show the writes of the last seconds.

"Any change that you make in IAM (or other AWS services) takes time to become visible from all possible endpoints":
https://docs.aws.amazon.com/IAM/latest/UserGuide/troubleshoot.html#troubleshoot_general_eventual-consistency
"""

import threading
from collections import OrderedDict
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from dynconfig_lab.aws.answers import Answer
from dynconfig_lab.aws.calls import Call
from dynconfig_lab.aws.turns import turn

KEPT = 500
"""The number of different reads that are remembered."""
# The index of tags shows the resources of all services.
_INDEX = "resourcegroupstaggingapi"
_READS = ("Get", "List", "Describe")
# Messages are not resources, and identities do not change.
_NEVER = ("sqs", "sts")


@dataclass
class _Known:
    """A read that a caller has made, and its answers just before each later write."""

    service: str
    again: Callable[[], Answer]
    before: list[tuple[float, Answer]] = field(default_factory=list)


class StaleReads:
    """Answers reads with the state of AWS some seconds ago.

    A read is answered as of then if the same request was received before that state changed; else as of now.
    """

    def __init__(self, clock: Callable[[], float], seconds: Callable[[], float]) -> None:
        self._clock = clock
        self._seconds = seconds
        self._known: OrderedDict[str, _Known] = OrderedDict()
        self._lock = threading.RLock()

    def clear(self) -> None:
        """Forget all reads."""
        with self._lock:
            self._known.clear()

    def read(self, call: Call, content: str, again: Callable[[], Answer], *, is_stale: bool) -> Answer:
        """The answer to a read, as of some seconds ago if `is_stale`; `again` asks AWS as it is now."""
        seconds = self._seconds()
        if not seconds or call.service in _NEVER or not call.operation.startswith(_READS):
            return again()
        with self._lock:
            known = self._known.setdefault(content, _Known(call.service, again))
            self._known.move_to_end(content)
            while len(self._known) > KEPT:
                self._known.popitem(last=False)
            then = self._clock() - seconds
            known.before = [item for item in known.before if item[0] > then]
            return known.before[0][1] if known.before and is_stale else again()

    @contextmanager
    def writing(self, call: Call) -> Iterator[None]:
        """A write is made in this `with` block: what its service shows just before is remembered."""
        if not self._seconds():
            yield
            return
        with self._lock, turn(call.service):
            now = self._clock()
            for known in self._known.values():
                if known.service in (call.service, _INDEX):
                    known.before.append((now, known.again()))
            yield
