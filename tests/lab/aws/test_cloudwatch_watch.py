"""Alarms follow their metrics, by the clock and on request."""

import json
from collections.abc import Iterator
from typing import Any

import httpx2
import pytest
from tests.lab.aws.watching import ALARM_ARN, Watched

from dynconfig_lab.aws import AwsLab
from dynconfig_lab.aws.cloudwatch_alarm import LOCK, Alarm, State, alarms_of
from dynconfig_lab.aws.server import RemoteLab
from dynconfig_lab.processes import wait_until

pytestmark = pytest.mark.lab

PATIENCE = 10.0


@pytest.fixture(autouse=True)
def periods_as_declared(lab: AwsLab) -> Iterator[None]:
    yield
    lab.alarms(None)


def test_alarm_fires_on_breaching_data_and_returns_to_ok(watched: Watched) -> None:
    name = watched.alarm(Period=10)
    watched.put(4.0, 3.0)
    changed = watched.lab.evaluate_alarms()
    assert changed[f"{ALARM_ARN}:{name}"] == "ALARM"
    seen = watched.see(name)
    assert seen["StateReason"].startswith("Threshold Crossed: 1 datapoint [7.0 (")
    assert json.loads(seen["StateReasonData"])["recentDatapoints"] == [7.0]
    watched.lab.alarms(0.001)
    watched.lab.evaluate_alarms()
    assert watched.see(name)["StateReason"] == (
        "Threshold Crossed: no datapoints were received for 1 period and 1 missing datapoint was treated as [NonBreaching]."
    )


def test_data_of_each_period_is_evaluated_separately(watched: Watched) -> None:
    name = watched.alarm(EvaluationPeriods=2)
    watched.put(9.0)
    watched.put(1.0, seconds_ago=90)
    watched.lab.evaluate_alarms()
    assert watched.state(name) == "OK"
    watched.put(8.0, seconds_ago=90)
    watched.lab.evaluate_alarms()
    assert watched.state(name) == "ALARM"


def test_two_breaching_periods_of_three_are_enough_if_two_are_required(watched: Watched) -> None:
    name = watched.alarm(EvaluationPeriods=3, DatapointsToAlarm=2)
    for seconds_ago in (30, 150):
        watched.put(9.0, seconds_ago=seconds_ago)
    watched.put(0.0, seconds_ago=90)
    watched.lab.evaluate_alarms()
    assert watched.state(name) == "ALARM"


def test_only_data_of_exactly_its_metric_dimensions_and_unit_counts(watched: Watched) -> None:
    function = [{"Name": "FunctionName", "Value": "f"}]
    plain = watched.alarm()
    special = watched.alarm(Dimensions=function, Unit="Count")
    watched.put(9.0, Dimensions=function, Unit="Seconds")
    watched.lab.evaluate_alarms()
    assert [watched.state(name) for name in (plain, special)] == ["OK", "OK"]
    watched.put(9.0, Dimensions=function, Unit="Count")
    watched.lab.evaluate_alarms()
    assert [watched.state(name) for name in (plain, special)] == ["OK", "ALARM"]


def fires(watched: Watched, name: str) -> bool:
    """Whether the periodic evaluation has read the newest data."""
    watched.put(9.0)
    return watched.state(name) == "ALARM"


def test_failing_evaluation_of_one_alarm_does_not_affect_others(
    watched: Watched, caplog: pytest.LogCaptureFixture
) -> None:
    broken = Alarm("broken", "eu-west-1", {"Metrics": []}, True, 0.0, State("OK", "", 0.0, 0.0), 0.0)
    with LOCK:
        # The first to be evaluated.
        others = dict(alarms_of("eu-west-1"))
        alarms_of("eu-west-1").clear()
        alarms_of("eu-west-1").update({"broken": broken, **others})
    try:
        name = watched.alarm(Period=10)
        watched.lab.alarms(0.3)
        assert wait_until(lambda: fires(watched, name), PATIENCE)
    finally:
        with LOCK:
            alarms_of("eu-west-1").pop("broken")
    (logged, *_) = [record for record in caplog.records if record.levelname == "ERROR"]
    assert logged.getMessage() == "The lab itself failed at the alarm broken"
    assert logged.exc_info, "with a traceback"


@pytest.mark.parametrize(
    ("statistic", "threshold"),
    [
        ({"Statistic": "Sum"}, 14.5),
        ({"Statistic": "Average"}, 4.5),
        ({"Statistic": "Maximum"}, 9.5),
        ({"Statistic": "Minimum"}, 0.5),
        ({"Statistic": "SampleCount"}, 2.5),
        ({"Statistic": None, "ExtendedStatistic": "p50"}, 3.5),
    ],
    ids=str,
)
def test_each_statistic_is_compared(watched: Watched, statistic: dict[str, Any], threshold: float) -> None:
    # Each statistic of 1, 4 and 10 is half above its threshold.
    name = watched.alarm(**statistic, Threshold=threshold)
    above = watched.alarm(**statistic, Threshold=threshold + 1)
    watched.put(1.0, 4.0, 10.0)
    watched.lab.evaluate_alarms()
    assert [watched.state(name), watched.state(above)] == ["ALARM", "OK"]


@pytest.mark.parametrize(
    ("treated", "state"),
    [("missing", "INSUFFICIENT_DATA"), ("ignore", "INSUFFICIENT_DATA"), ("breaching", "ALARM"), ("notBreaching", "OK")],
)
def test_state_without_data_depends_on_treat_missing_data(watched: Watched, treated: str, state: str) -> None:
    name = watched.alarm(TreatMissingData=treated)
    watched.lab.evaluate_alarms()
    assert watched.state(name) == state


def test_alarm_on_an_expression_is_evaluated(watched: Watched) -> None:
    metric = {"Namespace": watched.namespace, "MetricName": "errors"}
    queries = [
        {"Id": "e1", "Expression": "m1 * 10", "Label": "tenfold"},
        {"Id": "m1", "MetricStat": {"Metric": metric, "Period": 60, "Stat": "Sum"}, "ReturnData": False},
    ]
    none = dict.fromkeys(("Namespace", "MetricName", "Statistic", "Period"))
    name = watched.alarm(**none, Metrics=queries, Threshold=15.0)
    watched.put(2.0)
    watched.lab.evaluate_alarms()
    seen = watched.see(name)
    assert seen["StateValue"] == "ALARM"
    assert seen["Metrics"] == queries
    assert "Period" not in seen
    assert "statistic" not in json.loads(seen["StateReasonData"])


def test_set_state_lasts_until_the_next_evaluation(watched: Watched) -> None:
    name = watched.alarm()
    watched.set(name, "ALARM")
    assert watched.state(name) == "ALARM"
    watched.lab.evaluate_alarms()
    assert watched.state(name) == "OK"


def test_alarms_are_evaluated_periodically(watched: Watched) -> None:
    watched.lab.alarms(0.5)
    name = watched.alarm(Period=3600)
    watched.put(9.0)
    assert wait_until(lambda: watched.state(name) == "ALARM", PATIENCE)
    assert wait_until(lambda: watched.state(name) == "OK", PATIENCE)


def test_alarm_is_not_evaluated_before_its_period_ends(watched: Watched) -> None:
    slow, quick = watched.alarm(Period=60), watched.alarm(Period=60)
    watched.put(9.0)
    watched.lab.alarms(0.3)
    assert wait_until(lambda: watched.state(quick) == "ALARM", PATIENCE)
    watched.lab.alarms(None)
    for name in (slow, quick):
        watched.set(name, "INSUFFICIENT_DATA")
    watched.put(9.0)
    # With periods of a minute nothing has become due; on request it is evaluated.
    assert [watched.state(name) for name in (slow, quick)] == ["INSUFFICIENT_DATA"] * 2
    watched.lab.evaluate_alarms()
    assert [watched.state(name) for name in (slow, quick)] == ["ALARM"] * 2


# --- the control interface


def test_length_of_periods_is_set_and_returned(lab: AwsLab, http: httpx2.Client) -> None:
    where = f"{lab.control_url}/alarms"
    assert http.get(where).json() == {"period_seconds": None}
    assert http.post(where, json={"period_seconds": 2}).json() == {"period_seconds": 2}
    assert http.get(where).json() == {"period_seconds": 2}
    mistakes: list[object] = [{"period_seconds": 0}, {"period_seconds": "2"}, {"period_seconds": True}, []]
    for wrong in mistakes:
        answer = http.post(where, json=wrong)
        assert answer.status_code == 400
        assert "period_seconds: has to be a number above 0" in answer.json()["error"]
    assert http.get(where).json() == {"period_seconds": 2}
    assert http.post(where, json={}).json() == {"period_seconds": None}


def test_lab_in_another_process_evaluates_on_request(lab: AwsLab, watched: Watched) -> None:
    remote = RemoteLab(lab.control_url)
    name = watched.alarm()
    watched.put(9.0)
    remote.alarms(30)
    assert remote.evaluate_alarms()[f"{ALARM_ARN}:{name}"] == "ALARM"
    remote.alarms(None)
    assert watched.state(name) == "ALARM"


def test_reset_clears_alarms_data_and_dashboards(lab: AwsLab, watched: Watched) -> None:
    name = watched.alarm()
    watched.put(9.0)
    watched.cloudwatch.put_dashboard(DashboardName=name, DashboardBody='{"widgets": []}')
    lab.clear()
    assert watched.cloudwatch.describe_alarms()["MetricAlarms"] == []
    assert watched.cloudwatch.list_metrics()["Metrics"] == []
    assert watched.cloudwatch.list_dashboards()["DashboardEntries"] == []
    assert watched.cloudwatch.describe_alarm_history()["AlarmHistoryItems"] == []
    assert lab.evaluate_alarms() == {}
