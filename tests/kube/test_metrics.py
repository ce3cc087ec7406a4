"""What Prometheus is told, by the names that alarms and boards rely on."""

import pytest

from dynconfig.kube.metrics import Metrics


@pytest.fixture
def metrics() -> Metrics:
    return Metrics(lambda: 12.0, lambda: 3.0)


def value(metrics: Metrics, name: str, /, **labels: str) -> float | None:
    return metrics.registry.get_sample_value(name, labels)


def test_drift_is_counted_by_field_and_goes_with_its_object(metrics: Metrics) -> None:
    metrics.drifted("shop", "myapp", 2)
    metrics.drifted("shop", "myapp", 1)
    metrics.drifted("shop", "calm", 0)
    assert value(metrics, "dynconfig_drift_detected_total", namespace="shop", name="myapp") == 3
    assert value(metrics, "dynconfig_drift_detected_total", namespace="shop", name="calm") is None
    metrics.forget("shop", "myapp")
    metrics.forget("shop", "calm")
    assert value(metrics, "dynconfig_drift_detected_total", namespace="shop", name="myapp") is None


def test_a_deaf_region_is_seen(metrics: Metrics) -> None:
    metrics.listening("eu-west-1", is_up=True)
    metrics.listening("us-east-1", is_up=False)
    assert value(metrics, "dynconfig_events_up", region="eu-west-1") == 1
    assert value(metrics, "dynconfig_events_up", region="us-east-1") == 0


def test_events_are_counted_by_what_they_were(metrics: Metrics) -> None:
    metrics.heard("echo", 2)
    metrics.heard("signal", 0)
    assert value(metrics, "dynconfig_events_total", outcome="echo") == 2
    assert value(metrics, "dynconfig_events_total", outcome="signal") == 0


def test_the_time_from_event_to_reconcile_is_never_below_nothing(metrics: Metrics) -> None:
    for seconds in (0.4, -0.2):
        metrics.answered(seconds)
    assert value(metrics, "dynconfig_event_to_reconcile_seconds_count") == 2
    assert value(metrics, "dynconfig_event_to_reconcile_seconds_sum") == pytest.approx(0.4)


def test_the_age_of_the_oldest_look_and_the_queue_are_told(metrics: Metrics) -> None:
    assert value(metrics, "dynconfig_oldest_observation_seconds") == 12
    assert value(metrics, "dynconfig_objects_waiting") == 3
