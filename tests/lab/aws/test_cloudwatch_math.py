"""Metric math computes the series that dashboards and alarms expect."""

import pytest

from dynconfig_lab.aws.answers import AwsError
from dynconfig_lab.aws.cloudwatch_math import evaluate

TIMES = [0.0, 60.0, 120.0]
NAMED = {"hits": {0.0: 8.0, 60.0: 6.0}, "misses": {0.0: 2.0, 120.0: 5.0}, "none": {0.0: 0.0, 60.0: 0.0}}


@pytest.mark.parametrize(
    ("expression", "expected"),
    [
        ("hits", {0.0: 8.0, 60.0: 6.0}),
        ("hits + misses", {0.0: 10.0}),
        ("100 * hits / (hits + misses)", {0.0: 80.0}),
        ("-hits", {0.0: -8.0, 60.0: -6.0}),
        ("hits - 1", {0.0: 7.0, 60.0: 5.0}),
        ("10 - hits", {0.0: 2.0, 60.0: 4.0}),
        ("2", {0.0: 2.0, 60.0: 2.0, 120.0: 2.0}),
        ("hits / none", {}),
        ("hits / 0", {}),
        ("100 * SUM(hits) / SUM(none)", {}),
        ("1 / 0", {}),
        ("MAX([misses, 1 / 0])", {0.0: 2.0, 120.0: 5.0}),
        ("IF(none > 0, hits / none, 1)", {0.0: 1.0, 60.0: 1.0, 120.0: 1.0}),
        ("hits ** 400", {}),
        ("(0 - hits) ** 0.5", {}),
        ("none ** (0 - 1)", {}),
        ("SUM([hits, misses])", {0.0: 10.0, 60.0: 6.0, 120.0: 5.0}),
        ("SUM(METRICS())", {0.0: 10.0, 60.0: 6.0, 120.0: 5.0}),
        ("MAX([hits, misses])", {0.0: 8.0, 60.0: 6.0, 120.0: 5.0}),
        ("MIN([hits, misses])", {0.0: 2.0, 60.0: 6.0, 120.0: 5.0}),
        ("AVG([hits, misses])", {0.0: 5.0, 60.0: 6.0, 120.0: 5.0}),
        ("hits / SUM(hits)", {0.0: 8 / 14, 60.0: 6 / 14}),
        ("FILL(misses, 0)", {0.0: 2.0, 60.0: 0.0, 120.0: 5.0}),
        ("FILL(hits, 0) + FILL(misses, 0)", {0.0: 10.0, 60.0: 6.0, 120.0: 5.0}),
        ("hits > 7", {0.0: 1.0, 60.0: 0.0}),
        ("IF(hits > 7, hits, 0)", {0.0: 8.0, 60.0: 0.0, 120.0: 0.0}),
        ("IF(hits > 7, hits)", {0.0: 8.0}),
    ],
)
def test_expression_is_evaluated_point_by_point(expression: str, expected: dict[float, float]) -> None:
    assert evaluate(expression, NAMED, TIMES) == pytest.approx(expected)


@pytest.mark.parametrize(
    ("expression", "code"),
    [
        ("hits +", "ValidationError"),
        ("hits + 1" + "0" * 400, "ValidationError"),
        ("hits + \0", "ValidationError"),
        ("-" * 1500 + "hits", "ValidationError"),
        ("(" * 600 + "hits" + ")" * 600, "ValidationError"),
        ("unknown * 2", "ValidationError"),
        ("ANOMALY_DETECTION_BAND(hits, 2)", "NotEmulated"),
        ("SEARCH('{AWS/Lambda}', 'Sum', 300)", "NotEmulated"),
        ("METRICS()", "NotEmulated"),
        ("METRICS() + 1", "NotEmulated"),
        ("hits['a']", "NotEmulated"),
    ],
)
def test_invalid_expression_is_reported(expression: str, code: str) -> None:
    with pytest.raises(AwsError) as refused:
        evaluate(expression, NAMED, TIMES)
    assert refused.value.code == code
