"""What a state change of an alarm emits: an event, a notification and a function payload. Pure.

https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/cloudwatch-and-eventbridge.html
"""

import json
import uuid
from collections.abc import Mapping
from datetime import UTC, datetime
from functools import cache
from typing import Any

import botocore.session

from dynconfig_lab.aws import accounts
from dynconfig_lab.aws.cloudwatch_alarm import Alarm, State
from dynconfig_lab.aws.cloudwatch_evaluation import stamp

Document = dict[str, Any]

ACTIONS_OF = {"OK": "OKActions", "ALARM": "AlarmActions", "INSUFFICIENT_DATA": "InsufficientDataActions"}


def event(alarm: Alarm, previous: State) -> Document:
    """CloudWatch Alarm State Change, as EventBridge delivers it."""
    return {
        "version": "0",
        "id": str(uuid.uuid4()),
        "detail-type": "CloudWatch Alarm State Change",
        "source": "aws.cloudwatch",
        "account": accounts.current(),
        "time": datetime.fromtimestamp(alarm.state.at, UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
        "region": alarm.region,
        "resources": [alarm.alarm_arn],
        "detail": {
            "alarmName": alarm.name,
            "configuration": configuration(alarm),
            "previousState": previous.to_json(),
            "state": alarm.state.to_json(),
        },
    }


def payload(alarm: Alarm, previous: State) -> Document:
    """The payload for a function that is an action of the alarm."""
    return {
        "source": "aws.cloudwatch",
        "alarmArn": alarm.alarm_arn,
        "accountId": accounts.current(),
        "time": stamp(alarm.state.at),
        "region": alarm.region,
        "alarmData": {
            "alarmName": alarm.name,
            "state": alarm.state.to_json(),
            "previousState": previous.to_json(),
            "configuration": configuration(alarm),
        },
    }


def configuration(alarm: Alarm) -> Document:
    """The configuration of an alarm in the format of events."""
    described = {"description": alarm.fields["AlarmDescription"]} if "AlarmDescription" in alarm.fields else {}
    if alarm.is_composite:
        return {**described, "alarmRule": alarm.fields["AlarmRule"]}
    return {**described, "metrics": [_query(query) for query in alarm.queries]}


def subject(alarm: Alarm) -> str:
    """The subject of a notification."""
    return f'{alarm.state.value}: "{alarm.name}" in {region_name(alarm.region)}'


def notification(alarm: Alarm, previous: State) -> str:
    """The message sent to a topic."""
    document: Document = {
        "AlarmName": alarm.name,
        "AlarmDescription": alarm.fields.get("AlarmDescription"),
        "AWSAccountId": accounts.current(),
        "AlarmConfigurationUpdatedTimestamp": stamp(alarm.configured_at),
        "NewStateValue": alarm.state.value,
        "NewStateReason": alarm.state.reason,
        "StateChangeTime": stamp(alarm.state.at),
        "Region": region_name(alarm.region),
        "AlarmArn": alarm.alarm_arn,
        "OldStateValue": previous.value,
        **{name: list(alarm.fields.get(name) or ()) for name in ACTIONS_OF.values()},
    }
    if alarm.is_composite:
        return json.dumps({**document, "AlarmRule": alarm.fields["AlarmRule"]})
    return json.dumps({**document, "Trigger": _trigger(alarm)})


@cache
def region_name(region: str) -> str:
    """The display name of a region, for example Europe (Ireland)."""
    endpoints: Any = botocore.session.get_session().get_component("data_loader").load_data("endpoints")
    named = (part["regions"][region]["description"] for part in endpoints["partitions"] if region in part["regions"])
    return str(next(named, region))


def _query(query: Mapping[str, Any]) -> Document:
    described: Document = {"id": query["Id"], "returnData": query.get("ReturnData", True)}
    if "Expression" in query:
        label = {"label": query["Label"]} if "Label" in query else {}
        return {**described, "expression": query["Expression"], **label}
    measured = query["MetricStat"]
    metric = {
        "namespace": measured["Metric"]["Namespace"],
        "name": measured["Metric"]["MetricName"],
        "dimensions": {item["Name"]: item["Value"] for item in measured["Metric"].get("Dimensions") or ()},
    }
    return {**described, "metricStat": {"metric": metric, "period": measured["Period"], "stat": measured["Stat"]}}


def _trigger(alarm: Alarm) -> Document:
    fields = alarm.fields
    described: Document = {
        "Period": alarm.period,
        "EvaluationPeriods": fields["EvaluationPeriods"],
        "ComparisonOperator": fields["ComparisonOperator"],
        "Threshold": fields["Threshold"],
        "TreatMissingData": fields.get("TreatMissingData", ""),
        "EvaluateLowSampleCountPercentile": fields.get("EvaluateLowSampleCountPercentile", ""),
    }
    if "DatapointsToAlarm" in fields:
        described["DatapointsToAlarm"] = fields["DatapointsToAlarm"]
    if "Metrics" in fields:
        return {**described, "Metrics": fields["Metrics"]}
    statistic = (
        {"StatisticType": "Statistic", "Statistic": fields["Statistic"].upper()}
        if "Statistic" in fields
        else {"StatisticType": "ExtendedStatistic", "ExtendedStatistic": fields["ExtendedStatistic"]}
    )
    dimensions = [{"value": item["Value"], "name": item["Name"]} for item in fields.get("Dimensions") or ()]
    named = {"MetricName": fields["MetricName"], "Namespace": fields["Namespace"], "Unit": fields.get("Unit")}
    return {**named, **statistic, "Dimensions": dimensions, **described}
