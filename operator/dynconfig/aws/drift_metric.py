"""The metric of drift in CloudWatch, which the alarm on drift watches."""

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from dynconfig.api.alarms import DRIFTED_FIELDS, OWN_NAMESPACE

if TYPE_CHECKING:
    from mypy_boto3_cloudwatch.client import CloudWatchClient


class DriftMetric:
    """Puts the metric of one place. A time may lie up to two hours ahead.

    https://docs.aws.amazon.com/AmazonCloudWatch/latest/APIReference/API_MetricDatum.html
    """

    def __init__(self, cloudwatch: "CloudWatchClient") -> None:
        self._cloudwatch = cloudwatch

    def show(self, config: str, points: Mapping[float, int]) -> None:
        """So many fields of an object had drifted at each of these times, in seconds since the epoch."""
        self._cloudwatch.put_metric_data(
            Namespace=OWN_NAMESPACE,
            MetricData=[
                {
                    "MetricName": DRIFTED_FIELDS,
                    "Dimensions": [{"Name": "Config", "Value": config}],
                    "Timestamp": datetime.fromtimestamp(at, UTC),
                    "Value": float(fields),
                    "Unit": "Count",
                }
                for at, fields in points.items()
            ],
        )
