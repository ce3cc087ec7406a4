"""The metric data of the emulated CloudWatch, and its statistics.

https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/Statistics-definitions.html
"""

import bisect
import re
import threading
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from moto.cloudwatch.models import cloudwatch_backends

from dynconfig_lab.aws import accounts

# The memory of a lab that runs for days must stay bounded.
LARGEST_SERIES = 50_000

_SUMMARY = ("Sum", "SampleCount", "Minimum", "Maximum")
_PERCENTILE = re.compile(r"p(\d{1,2}(?:\.\d{1,10})?|100)")


@dataclass(frozen=True)
class Metric:
    """The identity of a series. Other dimensions make another metric."""

    namespace: str
    name: str
    dimensions: tuple[tuple[str, str], ...] = ()

    @classmethod
    def of(cls, document: Mapping[str, Any]) -> "Metric":
        """From the fields that all calls share."""
        pairs = sorted((item["Name"], item["Value"]) for item in document.get("Dimensions") or ())
        return cls(document["Namespace"], document["MetricName"], tuple(pairs))


@dataclass(frozen=True)
class Sample:
    """The content of one entry of PutMetricData."""

    at: float
    unit: str
    total: float
    count: float
    lowest: float
    highest: float
    values: tuple[tuple[float, float], ...] = ()
    """Each value and how often it came; empty where only a summary was put."""

    @classmethod
    def of(cls, datum: Mapping[str, Any], now: float) -> "Sample":
        """From an entry: one value, many with counts, or a summary."""
        at, unit = _seconds(datum.get("Timestamp"), now), datum.get("Unit") or "None"
        summary = datum.get("StatisticValues")
        if summary:
            total, count, lowest, highest = (float(summary[name]) for name in _SUMMARY)
            return cls(at, unit, total, count, lowest, highest)
        values = datum.get("Values") or [datum.get("Value", 0.0)]
        counts = datum.get("Counts") or [1.0] * len(values)
        pairs = tuple((float(value), float(count)) for value, count in zip(values, counts, strict=True))
        total, often = sum(value * count for value, count in pairs), sum(count for _, count in pairs)
        return cls(at, unit, total, often, min(pairs)[0], max(pairs)[0], pairs)


class Metrics:
    """All series of one region; thread-safe."""

    def __init__(self) -> None:
        self._series: dict[Metric, list[Sample]] = {}
        self._lock = threading.Lock()

    def put(self, namespace: str, data: Iterable[Mapping[str, Any]], now: float | None = None) -> None:
        """Store the entries of a PutMetricData."""
        at = time.time() if now is None else now
        with self._lock:
            for datum in data:
                series = self._series.setdefault(Metric.of({**datum, "Namespace": namespace}), [])
                bisect.insort(series, Sample.of(datum, at), key=_at)
                if len(series) > LARGEST_SERIES:
                    del series[: LARGEST_SERIES // 10]

    def between(self, metric: Metric, start: float, end: float, unit: str | None = None) -> list[Sample]:
        """The samples from start (inclusive) to end (exclusive), oldest first."""
        with self._lock:
            series = self._series.get(metric, [])
            found = series[bisect.bisect_left(series, start, key=_at) : bisect.bisect_left(series, end, key=_at)]
        return [sample for sample in found if unit is None or sample.unit == unit]

    def all(self) -> list[Metric]:
        """Every metric that has data."""
        with self._lock:
            return sorted(self._series, key=lambda metric: (metric.namespace, metric.name, metric.dimensions))


def metrics_of(region: str) -> Metrics:
    """Stored in moto's backend, so that a reset clears it."""
    kept: Metrics = cloudwatch_backends[accounts.current()][region].__dict__.setdefault("lab_metrics", Metrics())
    return kept


def statistic(samples: Sequence[Sample], name: str) -> float | None:
    """Sum, Average, Minimum, Maximum, SampleCount or a percentile such as p99; None without data."""
    if not samples:
        return None
    if is_percentile(name):
        return _percentile(samples, name)
    total, count = sum(sample.total for sample in samples), sum(sample.count for sample in samples)
    made: Mapping[str, Callable[[], float | None]] = {
        "Sum": lambda: total,
        "SampleCount": lambda: count,
        "Average": lambda: total / count if count else None,
        "Minimum": lambda: min(sample.lowest for sample in samples),
        "Maximum": lambda: max(sample.highest for sample in samples),
    }
    return made[name]()


def is_percentile(name: str) -> bool:
    """Whether it is a percentile."""
    return _PERCENTILE.fullmatch(name) is not None


def _percentile(samples: Sequence[Sample], name: str) -> float | None:
    """The smallest value that is at least as large as this percentage of all values."""
    pairs = sorted(pair for sample in samples for pair in sample.values)
    wanted = sum(count for _, count in pairs) * float(name[1:]) / 100
    seen = 0.0
    for value, count in pairs:
        seen += count
        if seen >= wanted:
            return value
    return None


def _at(sample: Sample) -> float:
    return sample.at


def _seconds(at: datetime | str | None, now: float) -> float:
    """A timestamp or its text as seconds since 1970."""
    if at is None:
        return now
    return (datetime.fromisoformat(at) if isinstance(at, str) else at).timestamp()
