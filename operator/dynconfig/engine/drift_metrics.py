"""The points of the drift metric in CloudWatch, for objects with a drift alarm. Pure: they follow from status and outcome.

The alarm keeps its state while no data is published, so an object without drift publishes nothing.
"""

from collections.abc import Mapping
from typing import Protocol

from dynconfig.api.alarms import DRIFT
from dynconfig.api.status import ConditionType
from dynconfig.engine.outcome import Outcome
from dynconfig.model.declaration import Declaration

# The period of the alarm, in seconds. Drift within a period counts for all of it, so its end belongs to the next period.
PERIOD = 60


class DriftMetricSink(Protocol):
    """Publishes the drift metric of one place."""

    def show(self, config: str, points: Mapping[float, int]) -> None:
        """Publish the number of drifted fields of an object, by time in seconds since the epoch."""


def drift_points(outcome: Outcome) -> Mapping[float, int]:
    """Return the number of drifted fields by time in seconds since the epoch; empty if there is nothing to publish.

    Lasting drift is published by every reconcile, its end once; both again after a failure.
    """
    declaration = outcome.declaration
    if declaration.deleting or not (declaration.alarms and declaration.alarms.drift) or not outcome.was_observed:
        return {}
    fields = sum(len(step.because) for step in outcome.drift)
    end = (declaration.now // PERIOD + 1) * PERIOD
    if outcome.uncorrected_drift:
        return {declaration.now: fields}
    if fields:
        return {declaration.now: fields, end: 0}
    return {} if _is_published(declaration) else {end: 0}


def _is_published(declaration: Declaration) -> bool:
    """Whether the last status proves that the absence of drift was published: a failure to publish it is an error in status."""
    previous = declaration.applied
    ready = previous.conditions.get(ConditionType.READY) if previous else None
    if previous is None or ready is None or ready.status != "True" or previous.drift:
        return False
    return ("Alarm", declaration.names.alarm(DRIFT)) in previous.titles
