"""The state of an alarm follows from its datapoints as AWS documents it, with AWS's reason texts."""

import json
from dataclasses import replace

import pytest

from dynconfig_lab.aws.cloudwatch_evaluation import SPARE_PERIODS, Criteria, Datapoint, Verdict, evaluate

NOW = 1_795_546_800.0
ABOVE_ONE = Criteria("GreaterThanThreshold", 1.0, 3, 3, "missing", 60, "Sum")
TREATMENTS = ("missing", "ignore", "breaching", "notBreaching")


def points(picture: str) -> list[Datapoint]:
    """Newest last, as in the documentation: 0 is OK, X breaches, - is missing."""
    values = {"0": 0.0, "X": 7.0, "-": None}
    newest_first = [values[mark] for mark in reversed(picture)]
    return [
        Datapoint(NOW - 60.0 * (age + 1), value, 0.0 if value is None else 1.0)
        for age, value in enumerate(newest_first)
    ]


def verdict(criteria: Criteria, picture: str, state: str = "OK") -> Verdict:
    found = evaluate(criteria, points(picture), state, NOW)
    assert found is not None
    return found


def states(picture: str, to_alarm: int) -> list[str]:
    """The state for each treatment; "kept" if the alarm keeps its state."""
    found = []
    for missing in TREATMENTS:
        outcome = evaluate(replace(ABOVE_ONE, missing=missing, to_alarm=to_alarm), points(picture), "OK", NOW)
        found.append("kept" if outcome is None else outcome.state)
    return found


# --- the two tables of the documentation


@pytest.mark.parametrize(
    ("picture", "expected"),
    [
        ("0-X-X", ["OK", "OK", "OK", "OK"]),
        ("0----", ["OK", "OK", "OK", "OK"]),
        ("-----", ["INSUFFICIENT_DATA", "kept", "ALARM", "OK"]),
        ("0XX-X", ["ALARM", "ALARM", "ALARM", "ALARM"]),
        ("--X--", ["ALARM", "kept", "ALARM", "OK"]),
    ],
)
def test_three_of_three_with_missing_data_is_as_documented(picture: str, expected: list[str]) -> None:
    assert states(picture, to_alarm=3) == expected


@pytest.mark.parametrize(
    ("picture", "expected"),
    [
        ("0-X-X", ["ALARM", "ALARM", "ALARM", "ALARM"]),
        ("00X0X", ["ALARM", "ALARM", "ALARM", "ALARM"]),
        ("0-X--", ["OK", "OK", "ALARM", "OK"]),
        ("----0", ["OK", "OK", "ALARM", "OK"]),
        ("---X-", ["ALARM", "kept", "ALARM", "OK"]),
    ],
)
def test_two_of_three_with_missing_data_is_as_documented(picture: str, expected: list[str]) -> None:
    assert states(picture, to_alarm=2) == expected


@pytest.mark.parametrize("picture", ["----X", "---X-"])
def test_one_late_breach_does_not_alarm_yet(picture: str) -> None:
    assert verdict(ABOVE_ONE, picture).state == "OK"


# --- comparison


@pytest.mark.parametrize(
    ("comparison", "breaching"),
    [
        ("GreaterThanThreshold", [False, False, True]),
        ("GreaterThanOrEqualToThreshold", [False, True, True]),
        ("LessThanThreshold", [True, False, False]),
        ("LessThanOrEqualToThreshold", [True, True, False]),
    ],
)
def test_each_comparison_operator_has_its_direction(comparison: str, breaching: list[bool]) -> None:
    criteria = replace(ABOVE_ONE, comparison=comparison)
    assert [criteria.breaches(value) for value in (0.5, 1.0, 1.5)] == breaching


def test_omitted_fields_have_the_defaults_of_aws() -> None:
    fields = {"ComparisonOperator": "LessThanThreshold", "Threshold": 2.0, "EvaluationPeriods": 4, "Statistic": "Sum"}
    assert Criteria.of(fields, 30) == Criteria("LessThanThreshold", 2.0, 4, 4, "missing", 30, "Sum")


# --- reasons


def one_of_one(missing: str = "notBreaching") -> Criteria:
    return replace(ABOVE_ONE, periods=1, to_alarm=1, missing=missing)


@pytest.mark.parametrize(
    ("criteria", "picture", "before", "reason"),
    [
        (
            one_of_one(),
            "--X",
            "INSUFFICIENT_DATA",
            "Threshold Crossed: 1 datapoint [7.0 (24/11/26 18:59:00)] was greater than the threshold (1.0).",
        ),
        (
            replace(ABOVE_ONE, to_alarm=2),
            "0-X-X",
            "OK",
            (
                "Threshold Crossed: 2 out of the last 3 datapoints [7.0 (24/11/26 18:59:00), 7.0 (24/11/26 18:57:00)] were "
                "greater than the threshold (1.0) (minimum 2 datapoints for OK -> ALARM transition)."
            ),
        ),
        (
            one_of_one(),
            "--0",
            "ALARM",
            (
                "Threshold Crossed: 1 out of the last 1 datapoints [0.0 (24/11/26 18:59:00)] was not greater than the threshold "
                "(1.0) (minimum 1 datapoint for ALARM -> OK transition)."
            ),
        ),
        (
            one_of_one(),
            "---",
            "ALARM",
            "Threshold Crossed: no datapoints were received for 1 period and 1 missing datapoint was treated as [NonBreaching].",
        ),
        (
            replace(ABOVE_ONE, periods=2, to_alarm=2, missing="breaching"),
            "----",
            "OK",
            "Threshold Crossed: no datapoints were received for 2 periods and 2 missing datapoints were treated as [Breaching].",
        ),
        (one_of_one("missing"), "---", "OK", "Insufficient Data: 1 datapoint was unknown."),
        (replace(ABOVE_ONE, periods=2), "----", "OK", "Insufficient Data: 2 datapoints were unknown."),
    ],
)
def test_reason_has_the_text_of_aws(criteria: Criteria, picture: str, before: str, reason: str) -> None:
    assert verdict(criteria, picture, before).reason == reason


def test_reason_and_its_data_are_bounded_for_any_number_of_periods() -> None:
    found = verdict(replace(ABOVE_ONE, periods=100, to_alarm=100), "X" * (100 + SPARE_PERIODS))
    assert found.reason.startswith(
        "Threshold Crossed: 100 out of the last 100 datapoints were greater than the threshold (1.0). The most recent datapoints "
        "which crossed the threshold: [7.0 (24/11/26 18:59:00), "
    )
    assert len(found.reason) <= 1023
    assert len(found.data) <= 4000


def test_reason_data_lists_the_evaluated_periods() -> None:
    found = verdict(replace(ABOVE_ONE, to_alarm=2, unit="Count"), "0-X-X")
    assert json.loads(found.data) == {
        "version": "1.0",
        "queryDate": "2026-11-24T19:00:00.000+0000",
        "startDate": "2026-11-24T18:55:00.000+0000",
        "unit": "Count",
        "statistic": "Sum",
        "period": 60,
        "recentDatapoints": [0.0, 7.0, 7.0],
        "threshold": 1.0,
        "evaluatedDatapoints": [
            {"timestamp": "2026-11-24T18:59:00.000+0000", "sampleCount": 1.0, "value": 7.0},
            {"timestamp": "2026-11-24T18:57:00.000+0000", "sampleCount": 1.0, "value": 7.0},
            {"timestamp": "2026-11-24T18:55:00.000+0000", "sampleCount": 1.0, "value": 0.0},
        ],
    }


def test_periods_without_data_are_listed_without_values() -> None:
    found = json.loads(verdict(one_of_one(), "---").data)
    assert found["recentDatapoints"] == []
    assert found["evaluatedDatapoints"] == [{"timestamp": "2026-11-24T18:59:00.000+0000"}]
    assert "startDate" not in found
