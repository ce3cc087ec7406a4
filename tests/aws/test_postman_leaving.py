"""What brings events goes with the last object of a region, and not before."""

import logging
from typing import Any

import pytest
from tests.aws.ear import PATIENCE, REGION
from tests.aws.round import Round

from dynconfig.aws.event_removal import remove_events
from dynconfig.aws.patterns import event_rules
from dynconfig.aws.postman import EMPTY_SECONDS, PostOffice
from dynconfig_lab.aws import Faults
from dynconfig_lab.aws.faults import Injected

pytestmark = pytest.mark.lab


def made(round_: Round) -> list[str]:
    """The names of the queue and the rules that there are."""
    rules = round_.aws("events").list_rules(NamePrefix=f"dynconfig-{round_.cluster}-")["Rules"]
    queues = round_.aws("sqs").list_queues(QueueNamePrefix=round_.queue).get("QueueUrls", [])
    return sorted([rule["Name"] for rule in rules] + [url.rpartition("/")[2] for url in queues])


def office(round_: Round, *, removes: bool = True) -> PostOffice:
    """An office whose only region is served."""
    found = PostOffice(lambda _region: round_.postman, removes=removes)
    found.serve(REGION)
    round_.ear.wait(lambda ear: ear.up[-1:] == [True])
    return found


def test_queue_and_rules_are_removed_a_minute_after_the_last_object(round_: Round) -> None:
    found = office(round_)
    assert len(made(round_)) == 4
    found.leave(REGION)
    round_.clock += EMPTY_SECONDS
    assert round_.postman.join(PATIENCE)
    assert made(round_) == []
    assert round_.ear.up == [True, None]
    assert not round_.ear.has_ended


def test_a_new_object_within_the_minute_keeps_them(round_: Round) -> None:
    found = office(round_)
    found.leave(REGION)
    found.serve(REGION)
    round_.clock += EMPTY_SECONDS
    name = round_.put("a")
    round_.ear.wait(lambda ear: ear.names == [name])
    assert len(made(round_)) == 4


def test_a_region_that_was_left_is_served_anew(round_: Round) -> None:
    found = office(round_)
    found.leave(REGION)
    round_.clock += EMPTY_SECONDS
    assert round_.postman.join(PATIENCE)
    round_.postman = round_.made()
    found.serve(REGION)
    round_.ear.wait(lambda ear: ear.up == [True, None, True])


def test_an_operator_of_some_namespaces_leaves_them_to_the_others(round_: Round) -> None:
    found = office(round_, removes=False)
    found.leave(REGION)
    round_.clock += EMPTY_SECONDS
    name = round_.put("a")
    round_.ear.wait(lambda ear: ear.names == [name])
    assert len(made(round_)) == 4


def test_a_removal_that_is_refused_is_reported_and_ends(round_: Round, caplog: pytest.LogCaptureFixture) -> None:
    found = office(round_)
    round_.lab.faults(Faults(errors={"events.RemoveTargets": Injected("AccessDeniedException", "not you")}))
    found.leave(REGION)
    round_.clock += EMPTY_SECONDS
    assert round_.postman.join(PATIENCE)
    assert any("cannot be removed" in record.message for record in caplog.records)
    assert not round_.ear.has_ended


def test_what_an_earlier_operator_left_is_removed_where_no_object_is(
    round_: Round, caplog: pytest.LogCaptureFixture
) -> None:
    office(round_)
    round_.postman.stop()
    assert round_.postman.join(PATIENCE)
    sqs: Any = round_.session.client("sqs", REGION)
    events: Any = round_.session.client("events", REGION)

    def remove(_region: str) -> list[str]:
        return list(remove_events(sqs, events, round_.cluster, round_.queue, event_rules(round_.cluster)))

    with caplog.at_level(logging.INFO):
        PostOffice(lambda _region: None, removes=False).sweep([REGION], remove)
        assert len(made(round_)) == 4
        PostOffice(lambda _region: None, removes=True).sweep([REGION], remove)
    assert made(round_) == []
    assert any(f"No object is in {REGION}; removed:" in record.message for record in caplog.records)
