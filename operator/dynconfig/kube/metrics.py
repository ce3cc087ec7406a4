"""Prometheus metrics: AWS calls and quotas, reconciles, the work queue, drift, events, Ready objects, oldest observation."""

from collections.abc import Callable, Iterator, Mapping, Sequence

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.registry import Collector

from dynconfig.kube.readiness import Readiness
from dynconfig.kube.work_queue import Backlog, Priority
from dynconfig.model.key import Key

_BUCKETS = (0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 15.0, 60.0)


class Metrics:
    """The metrics of one operator."""

    def __init__(
        self,
        oldest: Callable[[], float],
        backlogs: Callable[[], Mapping[Priority, Backlog]],
        quotas: Callable[[], Mapping[tuple[str, str], float]],
        readiness: Callable[[], Sequence[tuple[Key, Readiness]]] = tuple,
        most_objects: int = 0,
    ) -> None:
        """The callbacks are called when the metrics are read, in another thread than the event loop's.

        `oldest` returns the age of the least recent observation in seconds, `backlogs` the due objects of each priority,
        `quotas` the used part of the quota of each region and group of operations, and `readiness` the Ready conditions,
        of which at most `most_objects` are exported.
        """
        self.registry = CollectorRegistry()
        self._calls = Counter(
            "dynconfig_aws_calls", "AWS API calls.", ("service", "operation", "code"), registry=self.registry
        )
        self._reconciles = Histogram(
            "dynconfig_reconcile_seconds",
            "Duration of a reconcile, by the reason of its Ready condition.",
            ("reason",),
            buckets=_BUCKETS,
            registry=self.registry,
        )
        self._drifted: set[Key] = set()
        self._drift = Counter(
            "dynconfig_drift_detected", "Drifted fields detected.", ("namespace", "name"), registry=self.registry
        )
        self._kube_events = Counter(
            "dynconfig_kube_events",
            "Kubernetes Events recorded, by reason, for example RolledBack or DriftCorrected.",
            ("reason",),
            registry=self.registry,
        )
        Gauge(
            "dynconfig_oldest_observation_seconds",
            "Age of the least recent observation of AWS among all objects.",
            registry=self.registry,
        ).set_function(oldest)
        self.registry.register(_Saturation(backlogs, quotas))
        if most_objects:
            self.registry.register(_Objects(readiness, most_objects))
        self._events = Counter(
            "dynconfig_events",
            "AWS events received: signal (a change by others), echo (an own write), other, unreadable.",
            ("outcome",),
            registry=self.registry,
        )
        self._listening = Gauge(
            "dynconfig_events_up",
            "Whether the events of a shard from a region or target are being received.",
            ("region", "shard"),
            registry=self.registry,
        )
        self._event_latency = Histogram(
            "dynconfig_event_to_reconcile_seconds",
            "Time from an AWS event (in whole seconds) to the end of the reconcile that it triggered.",
            buckets=_BUCKETS,
            registry=self.registry,
        )

        self._leader = Gauge(
            "dynconfig_shard_leader", "Whether this replica serves a shard.", ("shard",), registry=self.registry
        )
        self._unreadable = Counter(
            "dynconfig_unreadable_changes",
            "Changes from the API server that were skipped because they cannot be parsed.",
            ("kind",),
            registry=self.registry,
        )

        self._orphans = Gauge(
            "dynconfig_orphans",
            "AWS resources whose owner tag names an object that does not exist; updated every hour.",
            ("region",),
            registry=self.registry,
        )

    def orphans(self, region: str, count: int) -> None:
        """Set the number of orphaned resources in a region."""
        self._orphans.labels(region).set(count)

    def unreadable(self, kind: str) -> None:
        """Count a skipped change of a kind, given in the plural."""
        self._unreadable.labels(kind).inc()

    def called(self, service: str, operation: str, code: str) -> None:
        """Count an AWS API call."""
        self._calls.labels(service, operation, code).inc()

    def reconciled(self, reason: str, seconds: float) -> None:
        """Record the reason and duration of a reconcile."""
        self._reconciles.labels(reason).observe(seconds)

    def drifted(self, key: Key, fields: int) -> None:
        """Count drifted fields of an object."""
        if fields:
            self._drifted.add(key)
            self._drift.labels(key.namespace, key.name).inc(fields)

    def events_received(self, outcome: str, count: int) -> None:
        """Count AWS events by outcome: signal, echo, other or unreadable."""
        self._events.labels(outcome).inc(count)

    def set_listening(self, place: str, shard: int, *, is_up: bool | None) -> None:
        """Set whether the events of a shard from a place are received; None removes the series."""
        self._listening.labels(place, str(shard)).set(bool(is_up))
        if is_up is None:
            self._listening.remove(place, str(shard))

    def set_leader(self, shard: int, *, is_leader: bool) -> None:
        """Set whether this replica serves a shard."""
        self._leader.labels(str(shard)).set(is_leader)

    def event_handled(self, seconds: float) -> None:
        """Record the time from an AWS event to the end of the reconcile that it triggered."""
        self._event_latency.observe(max(0.0, seconds))

    def kube_event(self, reason: str) -> None:
        """Count a Kubernetes Event."""
        self._kube_events.labels(reason).inc()

    def forget(self, key: Key) -> None:
        """Remove the series of a deleted object."""
        if key in self._drifted:
            self._drifted.discard(key)
            self._drift.remove(key.namespace, key.name)


class _Saturation(Collector):
    """Reads the work queue and the quotas when the metrics are read."""

    def __init__(
        self,
        backlogs: Callable[[], Mapping[Priority, Backlog]],
        quotas: Callable[[], Mapping[tuple[str, str], float]],
    ) -> None:
        self._backlogs = backlogs
        self._quotas = quotas

    def describe(self) -> list[GaugeMetricFamily]:
        """Return the metrics without values: the callbacks may not be usable before the start."""
        return [*self._families()]

    def collect(self) -> Iterator[GaugeMetricFamily]:
        """Yield the metrics."""
        depth, oldest, used = self._families()
        for priority, backlog in self._backlogs().items():
            depth.add_metric((priority.name.lower(),), backlog.count)
            oldest.add_metric((priority.name.lower(),), backlog.oldest_seconds)
        for name, part in self._quotas().items():
            used.add_metric(name, part)
        yield from (depth, oldest, used)

    @staticmethod
    def _families() -> tuple[GaugeMetricFamily, GaugeMetricFamily, GaugeMetricFamily]:
        return (
            GaugeMetricFamily(
                "dynconfig_queue_depth",
                "Objects that are due and not being reconciled yet, by priority: edit, drift or resync.",
                labels=("priority",),
            ),
            GaugeMetricFamily(
                "dynconfig_queue_oldest_seconds",
                "How long the first of the objects in the queue has been due, by priority: edit, drift or resync.",
                labels=("priority",),
            ),
            GaugeMetricFamily(
                "dynconfig_quota_used_ratio",
                "Part of the AWS quota that the calls of the last ten seconds used, by region and group of operations.",
                labels=("region", "group"),
            ),
        )


class _Objects(Collector):
    """Reads the Ready conditions when the metrics are read, so that no series outlives its object, reason or shard."""

    def __init__(self, readiness: Callable[[], Sequence[tuple[Key, Readiness]]], most: int) -> None:
        self._readiness = readiness
        self._most = most

    def describe(self) -> list[GaugeMetricFamily]:
        """Return the metric without values: the callback may not be usable before the start."""
        return [self._family()]

    def collect(self) -> Iterator[GaugeMetricFamily]:
        """Yield the metric; if there are too many objects, those that are not Ready come first."""
        found = self._readiness()
        if len(found) > self._most:
            found = sorted(found, key=lambda item: (item[1].is_ready, item[0]))[: self._most]
        ready = self._family()
        for key, (is_ready, reason) in found:
            ready.add_metric((key.namespace, key.name, reason), float(is_ready))
        yield ready

    @staticmethod
    def _family() -> GaugeMetricFamily:
        return GaugeMetricFamily(
            "dynconfig_config_ready",
            "Whether an object is Ready, with the reason of its Ready condition.",
            labels=("namespace", "name", "reason"),
        )
