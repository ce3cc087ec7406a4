"""What the operator tells Prometheus: calls to AWS, reconciles, drift, and how old its oldest knowledge is."""

from collections.abc import Callable

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

_BUCKETS = (0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 15.0, 60.0)


class Metrics:
    """The metrics of one operator."""

    def __init__(self, oldest: Callable[[], float], waiting: Callable[[], float]) -> None:
        self.registry = CollectorRegistry()
        self._calls = Counter(
            "dynconfig_aws_calls", "Calls to AWS.", ("service", "operation", "code"), registry=self.registry
        )
        self._reconciles = Histogram(
            "dynconfig_reconcile_seconds",
            "Time of one reconcile, by the reason it ended with.",
            ("reason",),
            buckets=_BUCKETS,
            registry=self.registry,
        )
        self._drift = Counter(
            "dynconfig_drift_detected", "Fields found changed in AWS.", ("namespace", "name"), registry=self.registry
        )
        self._told = Counter(
            "dynconfig_happened",
            "What Events were written about, for example RolledBack or DriftCorrected.",
            ("reason",),
            registry=self.registry,
        )
        Gauge(
            "dynconfig_oldest_observation_seconds",
            "Age of the least recent look at AWS among all objects.",
            registry=self.registry,
        ).set_function(oldest)
        Gauge(
            "dynconfig_objects_waiting", "Objects that are due and not served yet.", registry=self.registry
        ).set_function(waiting)

        self._events = Counter(
            "dynconfig_events",
            "Events that AWS sent: signal (a change by others), echo (an own write), other, unreadable.",
            ("outcome",),
            registry=self.registry,
        )
        self._listening = Gauge(
            "dynconfig_events_up", "Whether events of a region are received.", ("region",), registry=self.registry
        )
        self._answers = Histogram(
            "dynconfig_event_to_reconcile_seconds",
            "From the time of an event, which AWS gives to the second, to the end of the reconcile that it caused.",
            buckets=_BUCKETS,
            registry=self.registry,
        )

        self._unreadable = Counter(
            "dynconfig_unreadable_changes",
            "Changes that the API server sent and that were skipped, since they cannot be read.",
            ("kind",),
            registry=self.registry,
        )

        self._orphans = Gauge(
            "dynconfig_orphans",
            "AWS resources whose owner tag names an object that does not exist; counted every hour.",
            ("region",),
            registry=self.registry,
        )

    def orphans(self, region: str, count: int) -> None:
        """So many resources of objects that are gone are in a region."""
        self._orphans.labels(region).set(count)

    def unreadable(self, kind: str) -> None:
        """A change of an object of this kind, in the plural, was skipped."""
        self._unreadable.labels(kind).inc()

    def called(self, service: str, operation: str, code: str) -> None:
        """A call to AWS was made."""
        self._calls.labels(service, operation, code).inc()

    def reconciled(self, reason: str, seconds: float) -> None:
        """A reconcile ended."""
        self._reconciles.labels(reason).observe(seconds)

    def drifted(self, namespace: str, name: str, fields: int) -> None:
        """Drift was found."""
        if fields:
            self._drift.labels(namespace, name).inc(fields)

    def heard(self, outcome: str, count: int) -> None:
        """Events came."""
        self._events.labels(outcome).inc(count)

    def listening(self, region: str, *, is_up: bool | None) -> None:
        """Events of a region are heard, or are not; None where they are not wanted any more."""
        self._listening.labels(region).set(bool(is_up))
        if is_up is None:
            self._listening.remove(region)

    def answered(self, seconds: float) -> None:
        """A reconcile ended that an event caused."""
        self._answers.observe(max(0.0, seconds))

    def told(self, reason: str) -> None:
        """Something happened that an Event tells of."""
        self._told.labels(reason).inc()

    def forget(self, namespace: str, name: str) -> None:
        """The object is gone, and so are its series."""
        if (namespace, name) in self._drift._metrics:
            self._drift.remove(namespace, name)
