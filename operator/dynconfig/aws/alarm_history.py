"""The state changes of alarms that CloudWatch recorded."""

import json
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from mypy_boto3_cloudwatch.client import CloudWatchClient
    from mypy_boto3_cloudwatch.type_defs import AlarmHistoryItemTypeDef

# https://docs.aws.amazon.com/AmazonCloudWatch/latest/APIReference/API_DescribeAlarmHistory.html
PAGE = 100
# AWS does not say how it rounds the ends of a period.
SLACK_SECONDS = 1.0


class CloudWatchHistory:
    """Reads the history of the alarms of one place."""

    def __init__(self, cloudwatch: "CloudWatchClient", page_size: int = PAGE) -> None:
        self._cloudwatch = cloudwatch
        self._page_size = page_size

    def first_firing(self, name: str, since: float, until: float) -> float | None:
        """Return when an alarm first started to fire in a period; None if it did not. Times in seconds since the epoch."""
        pages = self._cloudwatch.get_paginator("describe_alarm_history").paginate(
            AlarmName=name,
            # Without it, the history of composite alarms is omitted.
            AlarmTypes=["MetricAlarm", "CompositeAlarm"],
            HistoryItemType="StateUpdate",
            StartDate=datetime.fromtimestamp(since - SLACK_SECONDS, UTC),
            EndDate=datetime.fromtimestamp(until + SLACK_SECONDS, UTC),
            ScanBy="TimestampAscending",
            PaginationConfig={"PageSize": self._page_size},
        )
        items = (item for page in pages for item in page["AlarmHistoryItems"])
        fired = (item["Timestamp"].timestamp() for item in items if _is_firing(item))
        return next((at for at in fired if since <= at <= until), None)


def _is_firing(item: "AlarmHistoryItemTypeDef") -> bool:
    """Whether the alarm started to fire. The summary decides if the data, which AWS limits to 4,095 characters, is cut.

    https://docs.aws.amazon.com/AmazonCloudWatch/latest/APIReference/API_AlarmHistoryItem.html
    """
    try:
        data: Any = json.loads(item.get("HistoryData", ""))
    except ValueError:
        data = None
    state = data.get("newState") if isinstance(data, Mapping) else None
    if isinstance(state, Mapping) and "stateValue" in state:
        return bool(state["stateValue"] == "ALARM")
    return item.get("HistorySummary", "").endswith(" to ALARM")
