"""When an alarm fired, from the history that CloudWatch keeps."""

from collections.abc import Iterator
from contextlib import closing
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from botocore.stub import Stubber
from tests.lab.aws.clients import connect
from tests.lab.aws.watching import Watched

from dynconfig.aws.alarm_history import CloudWatchHistory
from dynconfig_lab.aws import AwsLab

pytestmark = pytest.mark.lab


@pytest.fixture
def cloudwatch(lab: AwsLab) -> Iterator[Any]:
    with closing(connect(lab.endpoint, "cloudwatch")) as client:
        yield client


@pytest.fixture
def watched(lab: AwsLab, cloudwatch: Any) -> Iterator[Watched]:
    found = Watched(lab, cloudwatch)
    yield found
    found.take_down()


def changed_at(watched: Watched, name: str) -> float:
    """When the current state of an alarm began."""
    at: datetime = watched.see(name)["StateTransitionedTimestamp"]
    return at.timestamp()


@pytest.mark.parametrize("is_composite", [False, True])
def test_first_firing_of_a_period_is_found_after_the_alarm_recovered(watched: Watched, *, is_composite: bool) -> None:
    child = watched.alarm()
    name = watched.composite(f'ALARM("{child}")') if is_composite else child
    watched.set(child, "OK")
    before = changed_at(watched, name)
    fired = []
    for state in ("ALARM", "OK", "ALARM", "OK"):
        watched.set(child, state)
        fired.append(changed_at(watched, name))
    history, end = CloudWatchHistory(watched.cloudwatch, page_size=1), fired[3]
    assert history.first_firing(name, before, end) == pytest.approx(fired[0], abs=1e-3)
    assert history.first_firing(name, fired[1], end) == pytest.approx(fired[2], abs=1e-3)
    assert history.first_firing(name, before - 60, before) is None
    assert history.first_firing(name, end, end + 60) is None


@pytest.mark.parametrize(
    ("data", "summary", "is_firing"),
    [
        ('{"newState": {"stateValue": "ALARM"}}', "", True),
        (
            '{"oldState": {"stateValue": "ALARM"}, "newState": {"stateValue": "OK"}}',
            "Alarm updated from ALARM to OK",
            False,
        ),
        ('{"version": "1.0", "oldState": {"stateVal', "Alarm updated from OK to ALARM", True),
        ('{"version": "1.0", "oldState": {"stateVal', "Alarm updated from ALARM to OK", False),
        ("[]", "Alarm updated from OK to ALARM", True),
    ],
)
def test_cut_history_item_is_read_from_its_summary(
    cloudwatch: Any, data: str, summary: str, *, is_firing: bool
) -> None:
    at = datetime(2026, 11, 1, tzinfo=UTC)
    item = {"Timestamp": at, "HistoryItemType": "StateUpdate", "HistoryData": data, "HistorySummary": summary or "x"}
    with Stubber(cloudwatch) as stub:
        stub.add_response("describe_alarm_history", {"AlarmHistoryItems": [item]})
        found = CloudWatchHistory(cloudwatch).first_firing(
            "a", (at - timedelta(1)).timestamp(), (at + timedelta(1)).timestamp()
        )
    assert found == (at.timestamp() if is_firing else None)
