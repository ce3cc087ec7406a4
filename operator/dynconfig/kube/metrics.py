"""Prometheus metrics: AWS calls, reconciles, drift, events, and the age of the oldest observation."""

from collections.abc import Callable

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

from dynconfig.model.key import Key

_BUCKETS = (0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 15.0, 60.0)


class Metrics:
    """The metrics of one operator."""

    def __init__(self, oldest: Callable[[], float], waiting: Callable[[], float]) -> None:
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
        Gauge(
            "dynconfig_objects_waiting", "Objects that are due and not being reconciled yet.", registry=self.registry
        ).set_function(waiting)

        self._events = Counter(
            "dynconfig_events",
            "AWS events received: signal (a change by others), echo (an own write), other, unreadable.",
            ("outcome",),
            registry=self.registry,
        )
        self._listening = Gauge(
            "dynconfig_events_up",
            "Whether events from a region are being received.",
            ("region",),
            registry=self.registry,
        )
        self._event_latency = Histogram(
            "dynconfig_event_to_reconcile_seconds",
            "Time from an AWS event (in whole seconds) to the end of the reconcile that it triggered.",
            buckets=_BUCKETS,
            registry=self.registry,
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

    def set_listening(self, region: str, *, is_up: bool | None) -> None:
        """Set whether events from a region are received; None removes the series of the region."""
        self._listening.labels(region).set(bool(is_up))
        if is_up is None:
            self._listening.remove(region)

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
