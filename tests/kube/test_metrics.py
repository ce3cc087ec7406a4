"""Prometheus metrics, under the names that alerts and dashboards use."""

import pytest

from dynconfig.kube.metrics import Metrics
from dynconfig.model.key import Key


@pytest.fixture
def metrics() -> Metrics:
    return Metrics(lambda: 12.0, lambda: 3.0)


def value(metrics: Metrics, name: str, /, **labels: str) -> float | None:
    return metrics.registry.get_sample_value(name, labels)


def test_drift_is_counted_by_field_and_removed_with_its_object(metrics: Metrics) -> None:
    metrics.drifted(Key("shop", "myapp"), 2)
    metrics.drifted(Key("shop", "myapp"), 1)
    metrics.drifted(Key("shop", "calm"), 0)
    assert value(metrics, "dynconfig_drift_detected_total", namespace="shop", name="myapp") == 3
    assert value(metrics, "dynconfig_drift_detected_total", namespace="shop", name="calm") is None
    metrics.forget(Key("shop", "myapp"))
    metrics.forget(Key("shop", "calm"))
    assert value(metrics, "dynconfig_drift_detected_total", namespace="shop", name="myapp") is None


def test_region_without_events_is_exported_as_down(metrics: Metrics) -> None:
    metrics.set_listening("eu-west-1", is_up=True)
    metrics.set_listening("us-east-1", is_up=False)
    assert value(metrics, "dynconfig_events_up", region="eu-west-1") == 1
    assert value(metrics, "dynconfig_events_up", region="us-east-1") == 0


def test_aws_events_are_counted_by_outcome(metrics: Metrics) -> None:
    metrics.events_received("echo", 2)
    metrics.events_received("signal", 0)
    assert value(metrics, "dynconfig_events_total", outcome="echo") == 2
    assert value(metrics, "dynconfig_events_total", outcome="signal") == 0


def test_event_latency_is_never_negative(metrics: Metrics) -> None:
    for seconds in (0.4, -0.2):
        metrics.event_handled(seconds)
    assert value(metrics, "dynconfig_event_to_reconcile_seconds_count") == 2
    assert value(metrics, "dynconfig_event_to_reconcile_seconds_sum") == pytest.approx(0.4)


def test_oldest_observation_and_waiting_objects_are_exported(metrics: Metrics) -> None:
    assert value(metrics, "dynconfig_oldest_observation_seconds") == 12
    assert value(metrics, "dynconfig_objects_waiting") == 3


def test_kubernetes_events_are_counted_by_reason(metrics: Metrics) -> None:
    metrics.kube_event("RolledBack")
    metrics.kube_event("RolledBack")
    assert value(metrics, "dynconfig_kube_events_total", reason="RolledBack") == 2
