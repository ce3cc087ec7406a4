"""The default alarms of a configuration, and how an override is completed from them. Pure."""

from collections.abc import Mapping
from typing import Any

from dynconfig.api.alarms import (
    LAMBDA_NAMESPACE,
    OWN_NAMESPACE,
    PERIOD,
    PERIODS,
    AlarmSpec,
    Comparison,
    MissingData,
    Statistic,
)

DURATION = "Duration"
# Lambda ends an invocation at its timeout, so a duration never exceeds it.
# https://docs.aws.amazon.com/lambda/latest/dg/configuration-timeout.html
SLOW_SHARE = 0.8
"""Share of the function's timeout above which a duration counts as too long."""
DEFAULTS: Mapping[str, Mapping[str, Any]] = {
    "Errors": {
        "metric": "Errors",
        "namespace": LAMBDA_NAMESPACE,
        "threshold": 5.0,
        "period_seconds": 300,
        "evaluation_periods": 2,
        "statistic": Statistic.SUM,
        "description": "The function fails",
    },
    "Duration": {
        "metric": "Duration",
        "namespace": LAMBDA_NAMESPACE,
        "threshold": 10000.0,
        "period_seconds": 300,
        "evaluation_periods": 3,
        "statistic": Statistic.AVERAGE,
        "description": "The function is slow, in milliseconds",
    },
    "FailedParameterRetrievals": {
        "metric": "FailedParameterRetrievals",
        "namespace": OWN_NAMESPACE,
        "threshold": 3.0,
        "period_seconds": 300,
        "evaluation_periods": 2,
        "statistic": Statistic.SUM,
        "description": "Parameters can be read neither from the extension nor from Parameter Store",
    },
    # A configuration that cannot be loaded does not recover by itself, so one minute is enough.
    "ConfigurationErrors": {
        "metric": "ConfigurationErrors",
        "namespace": OWN_NAMESPACE,
        "threshold": 0.0,
        "period_seconds": 60,
        "evaluation_periods": 1,
        "statistic": Statistic.SUM,
        "description": "The configuration cannot be loaded, because a parameter is missing or breaks its schema",
    },
}
"""Settings of each default alarm; the effective numbers are appended to its description. Missing data means that the function was
not called, so it does not breach. The Duration threshold of 10 seconds is for functions with an unknown timeout."""
_ALIKE = {"comparison": Comparison.GREATER, "treat_missing_data": MissingData.NOT_BREACHING}
_WORDS = {
    Comparison.GREATER: "above",
    Comparison.GREATER_OR_EQUAL: "at or above",
    Comparison.LESS: "below",
    Comparison.LESS_OR_EQUAL: "at or below",
}


def whole(alarm: AlarmSpec, timeout_seconds: int | None = None) -> AlarmSpec:
    """Return the alarm completed from the default alarm of the same name, for a function with this timeout."""
    if not alarm.is_default:
        return alarm
    given = alarm.model_dump(exclude_none=True, exclude_defaults=True)
    base = {**DEFAULTS[alarm.name], **_ALIKE}
    if alarm.extended_statistic:
        del base["statistic"]
    if alarm.name == DURATION and timeout_seconds is not None:
        base["threshold"] = timeout_seconds * 1000 * SLOW_SHARE
    found = AlarmSpec(**{**base, **given})
    return found if alarm.description else found.model_copy(update={"description": _described(found)})


def _described(alarm: AlarmSpec) -> str:
    """Describe when the alarm fires, with its effective numbers."""
    statistic = alarm.extended_statistic or alarm.statistic
    words = _WORDS[alarm.comparison or Comparison.GREATER]
    period, periods = alarm.period_seconds or PERIOD, alarm.evaluation_periods or PERIODS
    length = f"{period} s" if period % 60 else f"{period // 60} min"
    points = alarm.datapoints_to_alarm or periods
    where = f"in {points} of {periods} periods of {length}"
    return f"{alarm.description}: {statistic} of {alarm.metric} {words} {alarm.threshold:g} {where}."
