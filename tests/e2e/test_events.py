"""Drift is heard of by event: it is corrected or told in seconds, own writes wake nobody, and a lost event is no harm."""

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
    """How often an object was reconciled, as the operator's log has it."""
    return world.stack.operator_log.read_text().count(f" {world.namespace}/{name}: ")


def test_drift_is_corrected_in_seconds_and_its_author_named(world: World) -> None:
    world.wait_heard("ready")
    world.declare("swift", world.spec({"name": "a", "value": "1"}, {"name": "b", "value": "1"}))
    world.wait_ready("swift")
    world.put_by_hand("a", "2")
    world.wait("it is put back", lambda: world.value("a") == "1", SECONDS)
    assert "value is 2, declared 1 (by arn:aws:iam::" in world.wait_event("swift", "DriftFound")
    world.wait_event("swift", "DriftCorrected")
    assert world.version("b") == 1


def test_reported_drift_stands_in_status_within_seconds_and_goes_when_it_is_gone(world: World) -> None:
    world.declare("told", world.spec({"name": "a", "value": "1"}, driftPolicy="Report"))
    world.wait_ready("told")
    observed = world.status("told")["lastObservedTime"]
    world.put_by_hand("a", "2")
    world.wait("it is told", lambda: world.condition("told", "Drifted")[0] == "True", SECONDS)
    (drift,) = world.status("told")["drift"]
    assert (drift["field"], drift["observed"]) == ("value", "2")
    assert drift["lastModifiedBy"].startswith("arn:aws:iam::")
    assert world.status("told")["lastObservedTime"] == observed
    world.put_by_hand("a", "1")
    world.wait("it is gone", lambda: "Drifted" not in world.conditions("told"), SECONDS)
    assert [reason for reason, _ in world.events("told")].count("DriftFound") == 1


def test_a_parameter_that_was_deleted_is_back_in_seconds(world: World) -> None:
    world.declare("back", world.spec({"name": "a", "value": "1"}))
    world.wait_ready("back")
    world.ssm.delete_parameter(Name=f"{world.path}/a")
    world.wait("it is back", lambda: world.value("a") == "1", SECONDS)
    assert "exists is no, declared yes" in world.wait_event("back", "DriftFound")


def test_own_writes_wake_nobody(world: World) -> None:
    world.wait_heard("before")
    world.stack.lab.reset_calls()
    world.declare("quiet", world.spec(*({"name": f"p{number}", "value": "1"} for number in range(10))))
    world.wait_ready("quiet")
    world.edit("quiet", {"spec": {"parameters": [{"name": f"p{number}", "value": "2"} for number in range(10)]}})
    world.wait_ready("quiet")
    # Events come in order: when this one was answered, those of the writes before it were passed over.
    world.put_by_hand("before", "2")
    world.wait("the marker was served", lambda: served(world, "before") == 3, SECONDS)
    assert served(world, "quiet") == 2
    assert world.stack.calls()["ssm.PutParameter"] == 10 + 10 + 1 + 1


def test_a_write_of_others_right_after_ours_is_not_taken_for_ours(world: World) -> None:
    world.wait_heard("first")
    for number in range(3):
        world.declare(f"raced-{number}", world.spec({"name": f"r{number}", "value": "ours"}))
        world.wait("it is written", lambda number=number: world.value(f"r{number}") == "ours")  # type: ignore[misc]
        world.put_by_hand(f"r{number}", "theirs")
    for number in range(3):
        world.wait(
            "it is put back",
            lambda number=number: world.value(f"r{number}") == "ours",  # type: ignore[misc]
            SECONDS,
        )


def test_a_lost_event_costs_no_more_than_the_time_to_the_resync(world: World) -> None:
    world.wait_heard("heard")
    world.declare("lost", world.spec({"name": "a", "value": "1"}, resyncInterval="10s"))
    world.wait_ready("lost")
    events, name = world.stack.aws("events"), world.listening_rule()
    targets = events.list_targets_by_rule(Rule=name)["Targets"]
    events.remove_targets(Rule=name, Ids=[target["Id"] for target in targets])
    world.put_by_hand("a", "2")
    events.put_targets(Rule=name, Targets=targets)
    world.wait("it is put back", lambda: world.value("a") == "1", 25)


def test_a_queue_that_went_away_is_made_anew(world: World) -> None:
    world.wait_heard("earlier")
    sqs: Any = world.stack.aws("sqs")
    sqs.delete_queue(QueueUrl=queue(world))
    world.wait("there is a queue", lambda: bool(sqs.list_queues(QueueNamePrefix="dynconfig-").get("QueueUrls")))
    world.wait_heard("later")


def test_what_changed_while_the_operator_was_away_is_heard_of_when_it_is_back(world: World) -> None:
    world.declare("absent", world.spec({"name": "a", "value": "1"}))
    world.wait_ready("absent")
    world.wait_heard("present")
    world.stack.operator.signal("operator", signal.SIGKILL)
    world.put_by_hand("a", "2")
    world.stack.operator.restart("operator")
    # The poll that died with the operator may have taken the event; it comes again after some seconds.
    world.wait("it is put back", lambda: world.value("a") == "1", 20)


def test_events_of_what_nobody_declares_wake_nobody(world: World) -> None:
    world.wait_heard("only")
    for number in range(5):
        world.ssm.put_parameter(Name=f"{world.path}/stranger-{number}", Value="x", Type="String")
    world.put_by_hand("only", "2")
    world.wait("the marker was served", lambda: served(world, "only") >= 3, SECONDS)
    assert served(world, "only") == 3
