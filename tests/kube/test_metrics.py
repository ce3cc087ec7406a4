"""Prometheus metrics, under the names that alerts and dashboards use."""

import pytest

from dynconfig.kube.metrics import Metrics
from dynconfig.kube.readiness import Readiness
from dynconfig.kube.work_queue import Backlog, Priority
from dynconfig.model.key import Key


@pytest.fixture
def metrics() -> Metrics:
    backlogs = {Priority.EDIT: Backlog(2, 1.5), Priority.DRIFT: Backlog(), Priority.RESYNC: Backlog(1, 60.0)}
    return Metrics(lambda: 12.0, lambda: backlogs, lambda: {("eu-west-1", "ssm.Put"): 0.5})


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
    metrics.set_listening("eu-west-1", 0, is_up=True)
    metrics.set_listening("us-east-1", 0, is_up=False)
    assert value(metrics, "dynconfig_events_up", region="eu-west-1", shard="0") == 1
    assert value(metrics, "dynconfig_events_up", region="us-east-1", shard="0") == 0


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


def test_oldest_observation_is_exported(metrics: Metrics) -> None:
    assert value(metrics, "dynconfig_oldest_observation_seconds") == 12


def test_work_queue_is_exported_by_priority(metrics: Metrics) -> None:
    assert value(metrics, "dynconfig_queue_depth", priority="edit") == 2
    assert value(metrics, "dynconfig_queue_depth", priority="drift") == 0
    assert value(metrics, "dynconfig_queue_oldest_seconds", priority="resync") == 60


def test_used_part_of_each_quota_is_exported(metrics: Metrics) -> None:
    assert value(metrics, "dynconfig_quota_used_ratio", region="eu-west-1", group="ssm.Put") == 0.5


def test_metrics_can_be_created_before_the_controller() -> None:
    def not_started() -> None:
        raise AttributeError("controller")

    Metrics(lambda: 0.0, not_started, not_started, not_started, 1)  # type: ignore[arg-type]


def test_kubernetes_events_are_counted_by_reason(metrics: Metrics) -> None:
    metrics.kube_event("RolledBack")
    metrics.kube_event("RolledBack")
    assert value(metrics, "dynconfig_kube_events_total", reason="RolledBack") == 2


def ready_series(most: int) -> dict[tuple[str, str], float]:
    """Name and reason of each exported object, of three."""
    found = [
        (Key("shop", "a"), Readiness(is_ready=True, reason="InSync")),
        (Key("shop", "b"), Readiness(is_ready=False, reason="InvalidSpec")),
        (Key("cart", "c"), Readiness(is_ready=True, reason="InSync")),
    ]
    metrics = Metrics(lambda: 0.0, dict, dict, lambda: found, most)
    return {
        (sample.labels["name"], sample.labels["reason"]): sample.value
        for metric in metrics.registry.collect()
        for sample in metric.samples
        if sample.name == "dynconfig_config_ready"
    }


def test_each_object_is_exported_with_the_reason_of_its_ready_condition() -> None:
    assert ready_series(3) == {("a", "InSync"): 1, ("b", "InvalidSpec"): 0, ("c", "InSync"): 1}


def test_objects_that_are_not_ready_are_exported_first_if_there_are_too_many() -> None:
    assert ready_series(1) == {("b", "InvalidSpec"): 0}
    assert ready_series(2) == {("b", "InvalidSpec"): 0, ("c", "InSync"): 1}


def test_series_by_object_can_be_turned_off() -> None:
    assert ready_series(0) == {}
