"""Shows in CloudWatch whether an object has drifted, for those who want an alarm on it: when drift comes, and when it goes.

The alarm keeps its state while nothing is shown, so that drift which stands for a week costs one call.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Protocol

from dynconfig.engine.declaration import Place
from dynconfig.engine.outcome import Outcome

# The period of the alarm, in seconds. What comes and goes within one counts as there, so that the end belongs to the next one.
PERIOD = 60


class Gauge(Protocol):
    """What shows the drift of one place."""

    def show(self, config: str, points: Mapping[float, int]) -> None:
        """So many fields of an object had drifted at each of these times, in seconds since the epoch."""


@dataclass(slots=True)
class _Shown:
    """What was shown of one object."""

    stands: bool | None
    """Whether there is drift; None where a process before this one knew."""
    end: float
    """The period that was shown to be free of drift."""
    ahead: float = 0.0
    """The period that was then shown to have drift all the same."""


class Gauges:
    """Remembers what was shown. What a process before this one showed is not known: it is shown once more."""

    def __init__(self, gauge_of: Callable[[Place], Gauge] | None) -> None:
        self._gauge_of = gauge_of
        self._shown: dict[str, _Shown] = {}

    def follow(self, outcome: Outcome) -> None:
        """Show what a reconcile found, where it is wanted and not shown. Raises whatever AWS answers."""
        declaration, uid = outcome.declaration, outcome.declaration.owner.uid
        if declaration.deleting or not (declaration.alarms and declaration.alarms.drift):
            self._shown.pop(uid, None)
            return
        if self._gauge_of is None or not outcome.was_observed:
            return
        next_period = (declaration.now // PERIOD + 1) * PERIOD
        shown = self._shown.get(uid) or _Shown(None, next_period)
        stands = bool(outcome.standing)
        fields = sum(len(step.because) for step in outcome.drift)
        # Drift that was put back at once is shown each time.
        if shown.stands == stands and (stands or not fields):
            return
        now = _Shown(stands, shown.end, shown.ahead)
        points = {declaration.now: fields} if fields else {}
        if stands and shown.end >= next_period:
            # An end was announced that is none.
            points[shown.end], now.ahead = fields, shown.end
        if not stands:
            now.end = max(next_period, shown.ahead + PERIOD)
            points[now.end] = 0
        self._gauge_of(declaration.place).show(declaration.owner.title, points)
        self._shown[uid] = now

    def forget(self, uid: str) -> None:
        """Drop what is remembered of an object that is gone."""
        self._shown.pop(uid, None)
