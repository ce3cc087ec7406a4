"""Evaluates the datapoints of a metric alarm: its state, with AWS's rules for missing data and AWS's reason texts.
Pure.

https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/alarms-and-missing-data.html
"""

import json
import operator
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

# The number of additional periods that are read, in case some of the evaluated ones have no data.
SPARE_PERIODS = 2
# More datapoints do not fit into the reason fields.
MOST_SHOWN = 5
MOST_LISTED = 10

_BREACHES: Mapping[str, tuple[Callable[[float, float], bool], str]] = {
    "GreaterThanThreshold": (operator.gt, "greater than"),
    "GreaterThanOrEqualToThreshold": (operator.ge, "greater than or equal to"),
    "LessThanThreshold": (operator.lt, "less than"),
    "LessThanOrEqualToThreshold": (operator.le, "less than or equal to"),
}


@dataclass(frozen=True)
class Criteria:
    """The evaluation settings of an alarm."""

    comparison: str
    threshold: float
    periods: int
    to_alarm: int
    missing: str
    period: float
    statistic: str = ""
    unit: str = ""

    @classmethod
    def of(cls, alarm: Mapping[str, Any], period: float) -> "Criteria":
        """From the fields of PutMetricAlarm, with AWS's defaults."""
        periods = alarm["EvaluationPeriods"]
        return cls(
            comparison=alarm["ComparisonOperator"],
            threshold=alarm["Threshold"],
            periods=periods,
            to_alarm=alarm.get("DatapointsToAlarm", periods),
            missing=alarm.get("TreatMissingData", "missing"),
            period=period,
            statistic=alarm.get("Statistic") or alarm.get("ExtendedStatistic", ""),
            unit=alarm.get("Unit", ""),
        )

    def breaches(self, value: float) -> bool:
        """Whether a value is on the wrong side of the threshold."""
        return _BREACHES[self.comparison][0](value, self.threshold)


@dataclass(frozen=True)
class Datapoint:
    """The value of one period; None if it has no data."""

    at: float
    value: float | None = None
    count: float = 0.0


@dataclass(frozen=True)
class Verdict:
    """The evaluated state and its reason."""

    state: str
    reason: str
    data: str


def evaluate(criteria: Criteria, points: Sequence[Datapoint], state: str, now: float) -> Verdict | None:
    """The evaluation of the datapoints, newest first; None if the alarm keeps its current state.

    There are as many datapoints as evaluation periods plus SPARE_PERIODS.
    """
    real = [point for point in points if point.value is not None]
    listed = real[: criteria.periods]
    filled = criteria.periods - len(listed)
    found = _state(criteria, points, listed, filled)
    if found is None:
        return None
    reason = _reason(criteria, listed, filled, found, state)
    return Verdict(found, reason, _data(criteria, points, listed, now))


def _state(criteria: Criteria, points: Sequence[Datapoint], listed: Sequence[Datapoint], filled: int) -> str | None:
    breaching = sum(_breaches(criteria, point) for point in listed)
    if not listed:
        by_treatment = {"breaching": "ALARM", "notBreaching": "OK", "missing": "INSUFFICIENT_DATA"}
        return by_treatment.get(criteria.missing)
    if criteria.missing == "breaching":
        breaching += filled
    if breaching >= criteria.to_alarm:
        return "ALARM"
    if filled and criteria.missing in ("missing", "ignore") and _is_premature(criteria, points, listed):
        return "ALARM" if criteria.missing == "missing" else None
    return "OK"


def _is_premature(criteria: Criteria, points: Sequence[Datapoint], listed: Sequence[Datapoint]) -> bool:
    """Whether all existing datapoints breach, for at least as many periods as required."""
    oldest = points.index(listed[-1]) + 1
    return all(_breaches(criteria, point) for point in listed) and oldest >= criteria.to_alarm


def _breaches(criteria: Criteria, point: Datapoint) -> bool:
    return point.value is not None and criteria.breaches(point.value)


def _reason(criteria: Criteria, listed: Sequence[Datapoint], filled: int, state: str, previous: str) -> str:
    if not listed:
        return _reason_of_nothing(criteria, state)
    decisive = [point for point in listed if _breaches(criteria, point) == (state == "ALARM")] or list(listed)
    is_transition = previous not in ("INSUFFICIENT_DATA", state)
    count = (
        f"{len(decisive)} out of the last {len(listed)} datapoints"
        if is_transition
        else _counted(len(decisive), "datapoint")
    )
    was = ("was" if len(decisive) == 1 else "were") + ("" if state == "ALARM" else " not")
    shown = ", ".join(f"{point.value} ({_when(point.at)})" for point in decisive[:MOST_SHOWN])
    side = f"{was} {_BREACHES[criteria.comparison][1]} the threshold ({criteria.threshold})"
    text = f"{count} [{shown}] {side}"
    if len(decisive) > MOST_SHOWN:
        text = f"{count} {side}. The most recent datapoints which crossed the threshold: [{shown}]"
    needed = criteria.to_alarm if state == "ALARM" else criteria.periods - criteria.to_alarm + 1
    transition = (
        f" (minimum {_counted(needed, 'datapoint')} for {previous} -> {state} transition)" if is_transition else ""
    )
    return f"Threshold Crossed: {text}{_treatment(criteria, filled)}{transition}."


def _treatment(criteria: Criteria, filled: int) -> str:
    if not filled or criteria.missing not in ("breaching", "notBreaching"):
        return ""
    was = "was" if filled == 1 else "were"
    return f" and {_counted(filled, 'missing datapoint')} {was} treated as [{_titled(criteria)}]"


def _reason_of_nothing(criteria: Criteria, state: str) -> str:
    count, was = criteria.periods, "was" if criteria.periods == 1 else "were"
    if state == "INSUFFICIENT_DATA":
        return f"Insufficient Data: {_counted(count, 'datapoint')} {was} unknown."
    return (
        f"Threshold Crossed: no datapoints were received for {_counted(count, 'period')} and "
        f"{_counted(count, 'missing datapoint')} {was} treated as [{_titled(criteria)}]."
    )


def _titled(criteria: Criteria) -> str:
    return "Breaching" if criteria.missing == "breaching" else "NonBreaching"


def _counted(number: int, noun: str) -> str:
    return f"{number} {noun if number == 1 else noun + 's'}"


def _data(criteria: Criteria, points: Sequence[Datapoint], listed: Sequence[Datapoint], now: float) -> str:
    """StateReasonData, a JSON string in events."""
    evaluated = listed or points[: criteria.periods]
    document: dict[str, Any] = {"version": "1.0", "queryDate": stamp(now)}
    if listed:
        document["startDate"] = stamp(listed[-1].at)
    if criteria.unit:
        document["unit"] = criteria.unit
    if criteria.statistic:
        document["statistic"] = criteria.statistic
    document["period"] = criteria.period
    document["recentDatapoints"] = [point.value for point in reversed(listed[:MOST_LISTED])]
    document["threshold"] = criteria.threshold
    document["evaluatedDatapoints"] = [_evaluated(point) for point in evaluated[:MOST_LISTED]]
    return json.dumps(document, separators=(",", ":"))


def _evaluated(point: Datapoint) -> dict[str, Any]:
    at = {"timestamp": stamp(point.at)}
    return at if point.value is None else {**at, "sampleCount": point.count, "value": point.value}


def stamp(at: float) -> str:
    """A timestamp in the format of alarms: with milliseconds and +0000."""
    return datetime.fromtimestamp(at, UTC).strftime("%Y-%m-%dT%H:%M:%S.%f")[:-3] + "+0000"


def _when(at: float) -> str:
    return datetime.fromtimestamp(at, UTC).strftime("%d/%m/%y %H:%M:%S")
