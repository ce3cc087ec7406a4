"""What brings events is checked every few minutes and at once when one is missing, repaired, and reported."""

import logging

import pytest
from tests.aws.ear import PATIENCE, REGION
from tests.aws.round import Round

from dynconfig.aws.patterns import event_rules
from dynconfig.engine.signals import PUT

pytestmark = pytest.mark.lab

DISABLED, DELETED, AIMLESS, FORBIDDEN = "disabled", "was missing", "target of rule", "policy of queue"


def disturb(round_: Round, how: str) -> None:
    """Somebody takes away a part of what brings events of parameters."""
    events, sqs, name = round_.aws("events"), round_.aws("sqs"), event_rules(round_.cluster)[0].name
    if how == DISABLED:
        events.disable_rule(Name=name)
    if how in (AIMLESS, DELETED):
        events.remove_targets(Rule=name, Ids=["operator"])
    if how == DELETED:
        events.delete_rule(Name=name)
    if how == FORBIDDEN:
        url = sqs.get_queue_url(QueueName=round_.queue)["QueueUrl"]
        sqs.set_queue_attributes(QueueUrl=url, Attributes={"Policy": ""})


@pytest.mark.parametrize("how", [DISABLED, DELETED, AIMLESS, FORBIDDEN])
def test_what_somebody_takes_away_is_repaired_within_minutes_and_reported(
    round_: Round, how: str, caplog: pytest.LogCaptureFixture
) -> None:
    round_.begin()
    disturb(round_, how)
    round_.clock += 181
    round_.ear.wait(lambda ear: ear.up == [True, False, True])
    name = round_.put("a")
    round_.ear.wait(lambda ear: ear.names == [name])
    (warning,) = (record.message for record in caplog.records if "did not arrive" in record.message)
    assert how in warning
    (repaired,) = round_.ear.repaired
    assert how in repaired


def test_a_check_that_finds_all_in_order_is_no_news(round_: Round, caplog: pytest.LogCaptureFixture) -> None:
    round_.begin()
    round_.clock += 181
    round_.ear.wait(lambda ear: ear.up == [True, True])
    assert not round_.ear.repaired
    assert not [record for record in caplog.records if record.levelno >= logging.WARNING]


def test_an_own_write_whose_event_does_not_come_is_a_reason_to_check_at_once(
    round_: Round, caplog: pytest.LogCaptureFixture
) -> None:
    round_.begin()
    disturb(round_, DISABLED)
    own = f"/{round_.cluster}/own"
    with round_.echoes.writing(REGION, PUT, [own]):
        round_.put("own")
    round_.now += 31
    round_.ear.wait(lambda ear: ear.up == [True, False, True])
    assert round_.ear.lost == [own]
    name = round_.put("a")
    round_.ear.wait(lambda ear: ear.names == [name])
    assert any(f"own write of parameter {own}" in record.message for record in caplog.records)
    assert any("was disabled" in record.message for record in caplog.records)


def test_with_a_given_queue_missing_events_are_reported_until_they_arrive_again(round_: Round) -> None:
    round_.begin()
    round_.postman.stop()
    assert round_.postman.join(PATIENCE)
    disturb(round_, DISABLED)
    round_.given = round_.aws("sqs").get_queue_url(QueueName=round_.queue)["QueueUrl"]
    round_.ear.up.clear()
    round_.postman = round_.made()
    round_.begin()
    with round_.echoes.writing(REGION, PUT, [f"/{round_.cluster}/own"]):
        round_.put("own")
    round_.now += 31
    round_.ear.wait(lambda ear: ear.up == [True, False])
    events = round_.aws("events")
    events.enable_rule(Name=event_rules(round_.cluster)[0].name)
    round_.put("a")
    round_.ear.wait(lambda ear: bool(ear.up[-1]))
    assert round_.ear.lost == [f"/{round_.cluster}/own"]
