"""Tells an object's own calls of AWS from those that the operator made for another object. Pure but for the clock.

Events of calls tell who made them, which is the operator for all of its objects alike: only what an object wrote in the
moment of the event is its own. What is not known any more, as after a restart, counts as somebody else's and costs a look.
"""

from collections import deque
from collections.abc import Callable, Iterable
from dataclasses import dataclass

from dynconfig.engine.agenda import Key
from dynconfig.engine.plan import Step
from dynconfig.engine.signals import Signal, without_arn

# Events tell the time to the second, and clocks differ a little.
SLACK_SECONDS = 2.0
# CloudTrail delivers within minutes.
# https://docs.aws.amazon.com/awscloudtrail/latest/userguide/get-and-view-cloudtrail-log-files.html
KEPT_SECONDS = 1800.0


@dataclass(frozen=True, slots=True, eq=False)
class _Walk:
    """One reconcile of an object that wrote."""

    key: Key
    began: float
    ended: float
    names: frozenset[str]
    """What it wrote to."""

    def made(self, signal: Signal) -> bool:
        is_within = self.began - SLACK_SECONDS <= signal.at <= self.ended + SLACK_SECONDS
        return is_within and not self.names.isdisjoint((*signal.resources, *signal.parameters))


class OwnCalls:
    """The recent walks of all objects; `now` in seconds since the epoch."""

    def __init__(self, now: Callable[[], float]) -> None:
        self._now = now
        self._walks: dict[Key, list[_Walk]] = {}
        self._order: deque[_Walk] = deque()

    def made(self, key: Key, steps: Iterable[Step], began: float) -> None:
        """A reconcile that began then has ended, after these steps, whatever came of them."""
        self._forget_old()
        names = frozenset(name for step in steps for name in _names(step))
        if names:
            walk = _Walk(key, began, self._now(), names)
            self._walks.setdefault(key, []).append(walk)
            self._order.append(walk)

    def is_of(self, key: Key, signal: Signal) -> bool:
        """Whether a call of the operator was made for this object."""
        return signal.is_operators and any(walk.made(signal) for walk in self._walks.get(key, ()))

    def _forget_old(self) -> None:
        while self._order and self._order[0].ended < self._now() - KEPT_SECONDS:
            old = self._order.popleft()
            self._walks[old.key].remove(old)
            if not self._walks[old.key]:
                del self._walks[old.key]


def _names(step: Step) -> Iterable[str]:
    """What events may call a resource: its name, and the end of its ARN."""
    yield step.resource.name
    arn = str(getattr(step.resource, "arn", ""))
    if arn:
        yield without_arn(arn)
