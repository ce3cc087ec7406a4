"""Drift is detected by events: it is corrected or reported in seconds, own writes cause no reconcile, and lost events
are tolerated."""

import signal
from typing import Any

import pytest
from tests.e2e.world import World

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(1800)]

SECONDS = 5.0


def queue(world: World) -> str:
    """The operator's queue."""
    (url,) = world.stack.aws("sqs").list_queues(QueueNamePrefix="dynconfig-")["QueueUrls"]
    return str(url)


def served(world: World, name: str) -> int:
    """The number of reconciles of an object in the operator's log."""
    return world.stack.operator_log.read_text().count(f" {world.namespace}/{name}: ")


def test_drift_is_corrected_in_seconds_and_its_author_named(world: World) -> None:
    world.wait_listening("ready")
    world.declare("swift", world.spec({"name": "a", "value": "1"}, {"name": "b", "value": "1"}))
    world.wait_ready("swift")
    world.put_by_hand("a", "2")
    world.wait("it is corrected", lambda: world.value("a") == "1", SECONDS)
    assert "value is 2, declared 1 (by arn:aws:iam::" in world.wait_event("swift", "DriftFound")
    world.wait_event("swift", "DriftCorrected")
    assert world.version("b") == 1


def test_reported_drift_is_in_status_within_seconds_and_is_removed_when_resolved(world: World) -> None:
    world.declare("reported", world.spec({"name": "a", "value": "1"}, driftPolicy="Report"))
    world.wait_ready("reported")
    observed = world.status("reported")["lastObservedTime"]
    world.put_by_hand("a", "2")
    world.wait("the drift is reported", lambda: world.condition("reported", "Drifted")[0] == "True", SECONDS)
    (drift,) = world.status("reported")["drift"]
    assert (drift["field"], drift["observed"]) == ("value", "2")
    assert drift["lastModifiedBy"].startswith("arn:aws:iam::")
    assert world.status("reported")["lastObservedTime"] == observed
    world.put_by_hand("a", "1")
    world.wait("the drift is resolved", lambda: "Drifted" not in world.conditions("reported"), SECONDS)
    assert [reason for reason, _ in world.events("reported")].count("DriftFound") == 1


def test_deleted_parameter_is_recreated_in_seconds(world: World) -> None:
    world.declare("back", world.spec({"name": "a", "value": "1"}))
    world.wait_ready("back")
    world.ssm.delete_parameter(Name=f"{world.path}/a")
    world.wait("it is back", lambda: world.value("a") == "1", SECONDS)
    assert " is missing" in world.wait_event("back", "DriftFound")


def test_own_writes_cause_no_reconcile(world: World) -> None:
    world.wait_listening("before")
    world.stack.lab.reset_calls()
    world.declare("idle", world.spec(*({"name": f"p{number}", "value": "1"} for number in range(10))))
    world.wait_ready("idle")
    world.edit("idle", {"spec": {"parameters": [{"name": f"p{number}", "value": "2"} for number in range(10)]}})
    world.wait_ready("idle")
    # Events are processed in order: after the reaction to this one, those of earlier writes have been ignored.
    world.put_by_hand("before", "2")
    world.wait("the marker was served", lambda: served(world, "before") == 3, SECONDS)
    assert served(world, "idle") == 2
    assert world.stack.calls()["ssm.PutParameter"] == 10 + 10 + 1 + 1


def test_foreign_write_right_after_our_own_is_not_mistaken_for_it(world: World) -> None:
    world.wait_listening("first")
    for number in range(3):
        world.declare(f"raced-{number}", world.spec({"name": f"r{number}", "value": "ours"}))
        world.wait("it is written", lambda number=number: world.value(f"r{number}") == "ours")  # type: ignore[misc]
        world.put_by_hand(f"r{number}", "theirs")
    for number in range(3):
        world.wait(
            "it is corrected",
            lambda number=number: world.value(f"r{number}") == "ours",  # type: ignore[misc]
            SECONDS,
        )


def test_lost_event_delays_detection_to_the_resync_at_most(world: World) -> None:
    world.wait_listening("received")
    world.declare("lost", world.spec({"name": "a", "value": "1"}, resyncInterval="10s"))
    world.wait_ready("lost")
    events, name = world.stack.aws("events"), world.listening_rule()
    targets = events.list_targets_by_rule(Rule=name)["Targets"]
    events.remove_targets(Rule=name, Ids=[target["Id"] for target in targets])
    world.put_by_hand("a", "2")
    events.put_targets(Rule=name, Targets=targets)
    world.wait("it is corrected", lambda: world.value("a") == "1", 25)


def test_deleted_queue_is_recreated(world: World) -> None:
    world.wait_listening("earlier")
    sqs: Any = world.stack.aws("sqs")
    sqs.delete_queue(QueueUrl=queue(world))
    world.wait("there is a queue", lambda: bool(sqs.list_queues(QueueNamePrefix="dynconfig-").get("QueueUrls")))
    world.wait_listening("later")


def test_changes_during_an_operator_outage_are_processed_after_its_restart(world: World) -> None:
    world.declare("absent", world.spec({"name": "a", "value": "1"}))
    world.wait_ready("absent")
    world.wait_listening("present")
    world.stack.operator.signal("operator", signal.SIGKILL)
    world.put_by_hand("a", "2")
    world.stack.operator.restart("operator")
    # The killed operator's poll may have received the event; it becomes visible again after some seconds.
    world.wait("it is corrected", lambda: world.value("a") == "1", 20)


def test_events_of_undeclared_parameters_cause_no_reconcile(world: World) -> None:
    world.wait_listening("only")
    for number in range(5):
        world.ssm.put_parameter(Name=f"{world.path}/stranger-{number}", Value="x", Type="String")
    world.put_by_hand("only", "2")
    world.wait("the marker was served", lambda: served(world, "only") >= 3, SECONDS)
    assert served(world, "only") == 3
