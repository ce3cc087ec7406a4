"""The history of alarms for DescribeAlarmHistory.

https://docs.aws.amazon.com/AmazonCloudWatch/latest/APIReference/API_DescribeAlarmHistory.html
"""

import json
from collections import deque
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from moto.cloudwatch.models import cloudwatch_backends

from dynconfig_lab.aws import accounts
from dynconfig_lab.aws.answers import AwsError
from dynconfig_lab.aws.cloudwatch_alarm import Alarm, State

MOST_KEPT = 10_000
Item = dict[str, Any]


def state_changed(alarm: Alarm, previous: State) -> None:
    """Record a state change."""
    data = {"version": "1.0", "oldState": _state(previous, 1000), "newState": _state(alarm.state, 2500)}
    _add(alarm, "StateUpdate", f"Alarm updated from {previous.value} to {alarm.state.value}", data, alarm.state.at)


def configured(alarm: Alarm, verb: str, at: float) -> None:
    """Record that an alarm was created, updated or deleted."""
    data = {"version": "1.0", "type": "Delete" if verb == "deleted" else verb.capitalize().removesuffix("d")}
    _add(alarm, "ConfigurationUpdate", f'Alarm "{alarm.name}" {verb}', data, at)


def describe(region: str, request: Mapping[str, Any]) -> dict[str, Any]:
    """The response of DescribeAlarmHistory. Raises AwsError."""
    found = [item for item in _items(region) if _wanted(item, request)]
    if request.get("ScanBy", "TimestampDescending") == "TimestampDescending":
        found.reverse()
    token, size = request.get("NextToken") or "0", request.get("MaxRecords", 100)
    if not token.isdigit():
        raise AwsError("InvalidNextToken", "The next token is not valid.")
    start = int(token)
    more = {"NextToken": str(start + size)} if start + size < len(found) else {}
    return {"AlarmHistoryItems": found[start : start + size], **more}


def _wanted(item: Item, request: Mapping[str, Any]) -> bool:
    equal = {"AlarmName": item["AlarmName"], "HistoryItemType": item["HistoryItemType"]}
    return (
        all(request.get(name) in (None, value) for name, value in equal.items())
        and item["AlarmType"] in request.get("AlarmTypes", ["MetricAlarm"])
        and not ("StartDate" in request and item["Timestamp"] < request["StartDate"])
        and not ("EndDate" in request and item["Timestamp"] > request["EndDate"])
    )


def _add(alarm: Alarm, kind: str, summary: str, data: Mapping[str, Any], at: float) -> None:
    _items(alarm.region).append(
        {
            "AlarmName": alarm.name,
            "AlarmType": alarm.kind,
            "Timestamp": datetime.fromtimestamp(at, UTC),
            "HistoryItemType": kind,
            "HistorySummary": summary[:255],
            "HistoryData": json.dumps(data),
        }
    )


def _state(state: State, room: int) -> dict[str, Any]:
    data: dict[str, Any] = {"stateValue": state.value, "stateReason": state.reason[:300]}
    # An item has at most 4,095 characters.
    if state.data and len(state.data) <= room:
        data["stateReasonData"] = json.loads(state.data)
    return data


def _items(region: str) -> "deque[Item]":
    kept: deque[Item] = cloudwatch_backends[accounts.current()][region].__dict__.setdefault(
        "lab_history", deque(maxlen=MOST_KEPT)
    )
    return kept
