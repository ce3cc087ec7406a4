"""Metrics in log lines: which are extracted, and that a malformed line has none."""

import json
from datetime import UTC, datetime
from typing import Any

import pytest

from dynconfig_lab.aws.embedded_metrics import embedded

AT = datetime(2027, 1, 1, tzinfo=UTC)


def line(directive: dict[str, Any] | None = None, **members: Any) -> str:
    wanted = {"Namespace": "Shop", "Dimensions": [["Colour"]], "Metrics": [{"Name": "Reads", "Unit": "Count"}]}
    about = {"Timestamp": int(AT.timestamp() * 1000), "CloudWatchMetrics": [{**wanted, **(directive or {})}]}
    return json.dumps({"_aws": about, "Colour": "red", "Reads": 2, **members})


def datum(value: float, dimensions: dict[str, str], unit: str = "Count", name: str = "Reads") -> dict[str, Any]:
    pairs = [{"Name": key, "Value": text} for key, text in dimensions.items()]
    return {"MetricName": name, "Dimensions": pairs, "Value": value, "Unit": unit, "Timestamp": AT}


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (line(), [datum(2.0, {"Colour": "red"})]),
        (line({"Dimensions": [[], ["Colour"]]}), [datum(2.0, {}), datum(2.0, {"Colour": "red"})]),
        (line({"Dimensions": [["Colour", "Size"]]}, Size="L"), [datum(2.0, {"Colour": "red", "Size": "L"})]),
        (line({"Metrics": [{"Name": "Reads"}]}), [datum(2.0, {"Colour": "red"}, "None")]),
        (line(Reads=[1, 2.5]), [datum(1.0, {"Colour": "red"}), datum(2.5, {"Colour": "red"})]),
        (line({"Dimensions": []}), [datum(2.0, {})]),
    ],
)
def test_metrics_are_extracted(text: str, expected: list[dict[str, Any]]) -> None:
    assert list(embedded(text)) == [("Shop", expected)]


@pytest.mark.parametrize(
    "text",
    [
        "",
        "plain text",
        "{not json",
        "[]",
        '{"colour": "red"}',
        '{"_aws": 3}',
        '{"_aws": {}}',
        '{"_aws": {"Timestamp": 1, "CloudWatchMetrics": [3]}}',
        line(Reads="two"),
        line(Reads=True),
        line(Reads=None),
        line(Reads=list(range(101))),
        line(Colour=3),
        line({"Dimensions": [["None"]]}),
        line({"Metrics": [{"Name": "None"}]}),
        line({"Metrics": [{"Name": "Reads"}] * 101}),
        line({"Dimensions": [["Colour"] * 31]}),
        line().replace(str(int(AT.timestamp() * 1000)), "1e300"),
    ],
)
def test_malformed_line_has_no_metrics(text: str) -> None:
    assert list(embedded(text)) == []
