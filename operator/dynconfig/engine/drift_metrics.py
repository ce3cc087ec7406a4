"""Publishes to CloudWatch when drift of an object starts and ends, for objects with a drift alarm.

The alarm keeps its state while no data is published, so drift that lasts a week costs one call.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Protocol

from dynconfig.engine.outcome import Outcome
from dynconfig.model.declaration import Place
from dynconfig.model.object_state import ObjectState

# The period of the alarm, in seconds. Drift within a period counts for all of it, so its end belongs to the next period.
PERIOD = 60


class DriftMetricSink(Protocol):
    """Publishes the drift metric of one place."""

    def show(self, config: str, points: Mapping[float, int]) -> None:
        """Publish the number of drifted fields of an object, by time in seconds since the epoch."""


@dataclass(slots=True)
class _Shown:
    """The published state of one object."""

    has_drift: bool | None
    """Whether drift was published; None if only an earlier process knows."""
    end: float
    """The period published as free of drift."""
    ahead: float = 0.0
    """The period that was then corrected to having drift."""


class DriftMetrics:
    """Remembers what was published. After a restart the state is published once more."""

    def __init__(self, drift_metric_of: Callable[[Place], DriftMetricSink] | None, state: ObjectState[str]) -> None:
        self._drift_metric_of = drift_metric_of
        self._shown: dict[str, _Shown] = state.new_map()

    def update(self, outcome: Outcome) -> None:
        """Publish the drift of a reconcile if the object has a drift alarm and it changed. Raises AWS errors."""
        declaration, uid = outcome.declaration, outcome.declaration.owner.uid
        if declaration.deleting or not (declaration.alarms and declaration.alarms.drift):
            self._shown.pop(uid, None)
            return
        if self._drift_metric_of is None or not outcome.was_observed:
            return
        next_period = (declaration.now // PERIOD + 1) * PERIOD
        shown = self._shown.get(uid) or _Shown(None, next_period)
        has_drift = bool(outcome.uncorrected_drift)
        fields = sum(len(step.because) for step in outcome.drift)
        # Drift that is corrected at once is published each time.
        if shown.has_drift == has_drift and (has_drift or not fields):
            return
        now = _Shown(has_drift, shown.end, shown.ahead)
        points = {declaration.now: fields} if fields else {}
        if has_drift and shown.end >= next_period:
            # The published end of drift turned out to be wrong.
            points[shown.end], now.ahead = fields, shown.end
        if not has_drift:
            now.end = max(next_period, shown.ahead + PERIOD)
            points[now.end] = 0
        self._drift_metric_of(declaration.place).show(declaration.owner.title, points)
        self._shown[uid] = now
