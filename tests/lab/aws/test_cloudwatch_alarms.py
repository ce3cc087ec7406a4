"""Alarms are put, described, paged, enabled, tagged and deleted as in CloudWatch."""

import json
import uuid
from datetime import timedelta
from typing import Any

import pytest
from botocore.exceptions import ClientError
from tests.lab.aws.watching import ALARM_ARN, Watched

pytestmark = pytest.mark.lab

TIMES = ("AlarmConfigurationUpdatedTimestamp", "StateUpdatedTimestamp", "StateTransitionedTimestamp")
TOPIC = "arn:aws:sns:eu-west-1:123456789012:people"


def code(refused: pytest.ExceptionInfo[ClientError]) -> str:
    return str(refused.value.response["Error"]["Code"])


def names(answer: dict[str, Any]) -> list[str]:
    return [alarm["AlarmName"] for alarm in [*answer["CompositeAlarms"], *answer["MetricAlarms"]]]


# --- responses


def test_new_alarm_has_exactly_the_fields_of_aws(watched: Watched) -> None:
    name = watched.alarm(TreatMissingData=None)
    seen = watched.see(name)
    assert all(seen.pop(field) for field in TIMES)
    assert seen == {
        "AlarmName": name,
        "AlarmArn": f"{ALARM_ARN}:{name}",
        "ActionsEnabled": True,
        "OKActions": [],
        "AlarmActions": [],
        "InsufficientDataActions": [],
        "StateValue": "INSUFFICIENT_DATA",
        "StateReason": "Unchecked: Initial alarm creation",
        "Namespace": watched.namespace,
        "MetricName": "errors",
        "Dimensions": [],
        "Statistic": "Sum",
        "Period": 60,
        "EvaluationPeriods": 1,
        "Threshold": 5.0,
        "ComparisonOperator": "GreaterThanThreshold",
    }


def test_all_put_fields_are_described(watched: Watched) -> None:
    fields = {
        "AlarmDescription": "too many errors",
        "ActionsEnabled": False,
        "AlarmActions": [TOPIC],
        "OKActions": [TOPIC, "arn:aws:lambda:eu-west-1:123456789012:function:f"],
        "InsufficientDataActions": [TOPIC],
        "Statistic": None,
        "ExtendedStatistic": "p99.9",
        "Dimensions": [{"Name": "FunctionName", "Value": "f"}],
        "Unit": "Count",
        "EvaluationPeriods": 3,
        "DatapointsToAlarm": 2,
        "TreatMissingData": "breaching",
        "EvaluateLowSampleCountPercentile": "ignore",
    }
    seen = watched.see(watched.alarm(**fields))
    assert {name: seen.get(name) for name in fields} == fields


def test_update_replaces_all_but_state_and_tags(watched: Watched) -> None:
    name = watched.alarm(AlarmDescription="first", DatapointsToAlarm=1, Tags=[{"Key": "team", "Value": "a"}])
    watched.set(name, "ALARM")
    before = watched.see(name)
    watched.alarm(AlarmName=name, Threshold=7.0, Tags=[{"Key": "other", "Value": "b"}])
    after = watched.see(name)
    assert after["Threshold"] == 7.0
    assert "AlarmDescription" not in after
    assert "DatapointsToAlarm" not in after
    for field in ("StateValue", "StateReason", "StateUpdatedTimestamp", "StateTransitionedTimestamp"):
        assert after[field] == before[field]
    assert after["AlarmConfigurationUpdatedTimestamp"] > before["AlarmConfigurationUpdatedTimestamp"]
    tags = watched.cloudwatch.list_tags_for_resource(ResourceARN=after["AlarmArn"])["Tags"]
    assert tags == [{"Key": "team", "Value": "a"}]


# --- filters and pages


def test_alarms_are_paged_by_fifty(watched: Watched) -> None:
    prefix = f"many-{uuid.uuid4()}"
    wanted = [f"{prefix}-{number:03}" for number in range(60)]
    for name in wanted:
        watched.names.append(name)
        watched.alarm(AlarmName=name)
    first = watched.cloudwatch.describe_alarms(AlarmNamePrefix=prefix)
    second = watched.cloudwatch.describe_alarms(AlarmNamePrefix=prefix, NextToken=first["NextToken"])
    assert names(first) + names(second) == wanted
    assert len(names(first)) == 50
    assert "NextToken" not in second
    pages = watched.cloudwatch.get_paginator("describe_alarms").paginate(
        AlarmNamePrefix=prefix, PaginationConfig={"PageSize": 25}
    )
    assert [len(names(page)) for page in pages] == [25, 25, 10]


def test_token_stays_valid_when_alarms_are_deleted(watched: Watched) -> None:
    prefix = f"going-{uuid.uuid4()}"
    for number in range(4):
        watched.names.append(f"{prefix}-{number}")
        watched.alarm(AlarmName=f"{prefix}-{number}")
    first = watched.cloudwatch.describe_alarms(AlarmNamePrefix=prefix, MaxRecords=2)
    watched.cloudwatch.delete_alarms(AlarmNames=names(first))
    second = watched.cloudwatch.describe_alarms(AlarmNamePrefix=prefix, MaxRecords=2, NextToken=first["NextToken"])
    assert names(second) == [f"{prefix}-2", f"{prefix}-3"]


@pytest.mark.parametrize("token", ["nonsense", "e30=", "W10="])
def test_unknown_token_is_rejected(watched: Watched, token: str) -> None:
    with pytest.raises(ClientError) as refused:
        watched.cloudwatch.describe_alarms(NextToken=token)
    assert code(refused) == "InvalidNextToken"


def test_composite_alarms_are_described_only_on_request(watched: Watched) -> None:
    metric = watched.alarm()
    both = [watched.composite(f"ALARM({metric})"), metric]
    assert names(watched.cloudwatch.describe_alarms(AlarmNames=both)) == [metric]
    only = watched.cloudwatch.describe_alarms(AlarmNames=both, AlarmTypes=["CompositeAlarm"])
    assert names(only) == both[:1]
    kinds = ["MetricAlarm", "CompositeAlarm"]
    assert names(watched.cloudwatch.describe_alarms(AlarmNames=both, AlarmTypes=kinds)) == both


def test_each_filter_finds_its_alarms(watched: Watched) -> None:
    quiet, loud = watched.alarm(), watched.alarm(OKActions=[f"{TOPIC}-{uuid.uuid4()}"])
    watched.set(loud, "ALARM")
    parent = watched.composite(f"ALARM({loud})")
    describe = watched.cloudwatch.describe_alarms
    assert names(describe(AlarmNames=[quiet, loud, "none"], StateValue="ALARM")) == [loud]
    assert names(describe(AlarmNames=[quiet, "none"])) == [quiet]
    assert names(describe(ActionPrefix=watched.see(loud)["OKActions"][0])) == [loud]
    assert names(describe(ChildrenOfAlarmName=parent)) == [loud]
    assert describe(ParentsOfAlarmName=loud)["CompositeAlarms"] == [
        {"AlarmName": parent, "AlarmArn": f"{ALARM_ARN}:{parent}"}
    ]


def test_alarms_are_found_by_their_metric(watched: Watched) -> None:
    dimensions = [{"Name": "a", "Value": "b"}]
    plain, special = watched.alarm(), watched.alarm(Dimensions=dimensions)
    wanted = {"Namespace": watched.namespace, "MetricName": "errors"}
    found = watched.cloudwatch.describe_alarms_for_metric(**wanted)["MetricAlarms"]
    assert [alarm["AlarmName"] for alarm in found] == [plain]
    found = watched.cloudwatch.describe_alarms_for_metric(**wanted, Dimensions=dimensions)["MetricAlarms"]
    assert [alarm["AlarmName"] for alarm in found] == [special]


# --- deletion


def test_unknown_names_do_not_prevent_deletion_of_other_alarms(watched: Watched) -> None:
    name = watched.alarm()
    watched.cloudwatch.delete_alarms(AlarmNames=["none", name])
    assert names(watched.cloudwatch.describe_alarms(AlarmNames=[name])) == []


def test_one_composite_alarm_is_deleted_at_a_time_and_before_its_children(watched: Watched) -> None:
    metric = watched.alarm()
    one, other = watched.composite(f"ALARM({metric})"), watched.composite("FALSE")
    for wrong in ([one, other], [metric]):
        with pytest.raises(ClientError) as refused:
            watched.cloudwatch.delete_alarms(AlarmNames=wrong)
        assert code(refused) == "ValidationError"
    assert watched.state(metric)
    watched.cloudwatch.delete_alarms(AlarmNames=[metric, one])
    assert names(watched.cloudwatch.describe_alarms(AlarmNames=[metric, one])) == []


def test_recreated_alarm_has_initial_state_and_no_old_tags(watched: Watched) -> None:
    name = watched.alarm(Tags=[{"Key": "team", "Value": "a"}])
    watched.set(name, "ALARM")
    watched.cloudwatch.delete_alarms(AlarmNames=[name])
    assert watched.cloudwatch.list_tags_for_resource(ResourceARN=f"{ALARM_ARN}:{name}")["Tags"] == []
    watched.alarm(AlarmName=name)
    assert watched.state(name) == "INSUFFICIENT_DATA"
    assert watched.cloudwatch.list_tags_for_resource(ResourceARN=f"{ALARM_ARN}:{name}")["Tags"] == []


# --- state, actions, history


def test_set_state_is_described_with_its_reason(watched: Watched) -> None:
    name = watched.alarm()
    fields = {"StateValue": "ALARM", "StateReason": "a person", "StateReasonData": '{"who": "me"}'}
    watched.cloudwatch.set_alarm_state(AlarmName=name, **fields)
    seen = watched.see(name)
    assert {field: seen[field] for field in fields} == fields
    since = seen["StateTransitionedTimestamp"]
    watched.set(name, "ALARM", "again")
    assert watched.see(name)["StateReason"] == "again"
    assert watched.see(name)["StateTransitionedTimestamp"] == since


def test_state_of_unknown_alarm_or_with_invalid_data_is_rejected(watched: Watched) -> None:
    wrong: list[tuple[dict[str, str], str]] = [
        ({"AlarmName": "none"}, "ResourceNotFound"),
        ({"StateValue": "BROKEN"}, "ValidationError"),
        ({"StateReasonData": "{nope"}, "InvalidFormat"),
    ]
    for fields, expected in wrong:
        usual = {"AlarmName": watched.alarm(), "StateValue": "OK", "StateReason": "x"}
        with pytest.raises(ClientError) as refused:
            watched.cloudwatch.set_alarm_state(**{**usual, **fields})
        assert code(refused) == expected


def test_actions_are_disabled_and_enabled(watched: Watched) -> None:
    name = watched.alarm()
    configured = watched.see(name)["AlarmConfigurationUpdatedTimestamp"]
    watched.cloudwatch.disable_alarm_actions(AlarmNames=[name, "none"])
    assert watched.see(name)["ActionsEnabled"] is False
    watched.cloudwatch.enable_alarm_actions(AlarmNames=[name])
    assert watched.see(name)["ActionsEnabled"] is True
    assert watched.see(name)["AlarmConfigurationUpdatedTimestamp"] == configured


def test_history_lists_newest_first(watched: Watched) -> None:
    name = watched.alarm()
    watched.set(name, "ALARM")
    watched.alarm(AlarmName=name, Threshold=1.0)
    found = watched.cloudwatch.describe_alarm_history(AlarmName=name)["AlarmHistoryItems"]
    assert [item["HistorySummary"] for item in found] == [
        f'Alarm "{name}" updated',
        "Alarm updated from INSUFFICIENT_DATA to ALARM",
        f'Alarm "{name}" created',
    ]
    states = watched.cloudwatch.describe_alarm_history(AlarmName=name, HistoryItemType="StateUpdate", MaxRecords=1)
    assert json.loads(states["AlarmHistoryItems"][0]["HistoryData"]) == {
        "version": "1.0",
        "oldState": {"stateValue": "INSUFFICIENT_DATA", "stateReason": "Unchecked: Initial alarm creation"},
        "newState": {"stateValue": "ALARM", "stateReason": "for a test"},
    }


def test_history_is_filtered_by_time_and_type_and_survives_the_alarm(watched: Watched) -> None:
    name = watched.alarm()
    both = watched.composite(f'ALARM("{name}")')
    for state in ("OK", "ALARM", "OK"):
        watched.set(name, state)

    def changes(of: str, **about: Any) -> list[dict[str, Any]]:
        found = watched.cloudwatch.describe_alarm_history(
            AlarmName=of, HistoryItemType="StateUpdate", ScanBy="TimestampAscending", **about
        )
        items: list[dict[str, Any]] = found["AlarmHistoryItems"]
        return items

    found = changes(name)
    assert [item["HistorySummary"].removeprefix("Alarm updated from ") for item in found] == [
        "INSUFFICIENT_DATA to OK",
        "OK to ALARM",
        "ALARM to OK",
    ]
    fired = found[1]["Timestamp"]
    # A response is rounded to milliseconds.
    around = timedelta(milliseconds=1)
    assert fired in [item["Timestamp"] for item in changes(name, StartDate=fired - around, EndDate=fired + around)]
    assert changes(name, EndDate=found[0]["Timestamp"] - around) == []
    assert changes(name, StartDate=found[2]["Timestamp"] + around) == []
    assert watched.see(name)["StateTransitionedTimestamp"] == found[2]["Timestamp"]
    assert changes(both) == []
    composite = changes(both, AlarmTypes=["MetricAlarm", "CompositeAlarm"])
    assert [item["HistorySummary"].rpartition(" ")[2] for item in composite] == ["OK", "ALARM", "OK"]
    watched.take_down()
    assert changes(name) == found


# --- tags


def test_tags_are_added_changed_and_removed(watched: Watched) -> None:
    cloudwatch, arn = watched.cloudwatch, f"{ALARM_ARN}:{watched.alarm(Tags=[{'Key': 'a', 'Value': '1'}])}"
    cloudwatch.tag_resource(ResourceARN=arn, Tags=[{"Key": "a", "Value": "2"}, {"Key": "b", "Value": "3"}])
    cloudwatch.untag_resource(ResourceARN=arn, TagKeys=["b", "none"])
    assert cloudwatch.list_tags_for_resource(ResourceARN=arn)["Tags"] == [{"Key": "a", "Value": "2"}]


@pytest.mark.parametrize("part", ["/", ":", "/a:b/"])
def test_alarm_name_may_contain_slashes_and_colons(watched: Watched, part: str) -> None:
    name = watched.name() + f"{part}errors"
    watched.names.append(name)
    arn = f"{ALARM_ARN}:{watched.alarm(AlarmName=name)}"
    watched.cloudwatch.tag_resource(ResourceARN=arn, Tags=[{"Key": "a", "Value": "1"}])
    assert watched.cloudwatch.list_tags_for_resource(ResourceARN=arn)["Tags"] == [{"Key": "a", "Value": "1"}]


def test_invalid_tags_are_rejected(watched: Watched) -> None:
    cloudwatch, arn = watched.cloudwatch, f"{ALARM_ARN}:{watched.alarm()}"
    many = [{"Key": str(number), "Value": ""} for number in range(51)]
    cases: list[tuple[str, list[dict[str, str]], str]] = [
        (arn, [{"Key": "aws:a", "Value": ""}], "InvalidParameterValue"),
        (arn, many, "InvalidParameterValue"),
        (f"{ALARM_ARN}:none", many[:1], "ResourceNotFoundException"),
    ]
    for where, tags, expected in cases:
        with pytest.raises(ClientError) as refused:
            cloudwatch.tag_resource(ResourceARN=where, Tags=tags)
        assert code(refused) == expected
