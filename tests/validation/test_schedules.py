"""Validation of schedule expressions against the documentation of EventBridge Scheduler."""

import pytest

from dynconfig.validation import schedules

# The examples of https://docs.aws.amazon.com/scheduler/latest/UserGuide/schedule-types.html and of
# https://docs.aws.amazon.com/eventbridge/latest/userguide/eb-scheduled-rule-pattern.html
GOOD = [
    "rate(5 minutes)",
    "rate(1 hour)",
    "rate(1 day)",
    "cron(0 10 * * ? *)",
    "cron(15 12 * * ? *)",
    "cron(0 18 ? * MON-FRI *)",
    "cron(0 8 1 * ? *)",
    "cron(0/15 * * * ? *)",
    "cron(0/5 8-17 ? * MON-FRI *)",
    "cron(0/30 20-23,0-2 ? * MON-FRI *)",
    "cron(30 10 ? * 6L 2022-2023)",
    "cron(0 9 ? * 2#1 *)",
    "cron(0 8 L * ? *)",
    "cron(0 8 3W JAN,jul ? 2026/2)",
    "cron(*/10 * ? * sun *)",
    "at(2022-11-20T13:00:00)",
]


@pytest.mark.parametrize("expression", GOOD)
def test_documented_expressions_are_valid(expression: str) -> None:
    assert schedules.fault(expression) is None


@pytest.mark.parametrize(
    ("expression", "message"),
    [
        ("0 8 * * *", "six fields"),
        ("cron(0 8 * * *)", "has 5 fields"),
        ("cron(0 8 * * * *)", "requires ? in exactly one"),
        ("cron(0 8 ? * ? *)", "requires ? in exactly one"),
        ("cron(0 8 1 * MON *)", "requires ? in exactly one"),
        ("cron(60 8 * * ? *)", "minutes 60"),
        ("cron(0 24 * * ? *)", "hours 24"),
        ("cron(0 8 0 * ? *)", "day-of-month 0"),
        ("cron(0 8 32W * ? *)", "day-of-month 32W"),
        ("cron(0 8 * 13 ? *)", "month 13"),
        ("cron(0 8 * FOO ? *)", "JAN to DEC"),
        ("cron(0 8 ? * 0 *)", "day-of-week 0"),
        ("cron(0 8 ? * 2#6 *)", "day-of-week 2#6"),
        ("cron(0 8 * * ? 1969)", "year 1969"),
        ("cron(5-1 8 * * ? *)", "minutes 5-1"),
        ("cron(*/0 8 * * ? *)", "minutes */0"),
        ("cron(٣ 8 * * ? *)", "minutes"),
        ("rate(0 minutes)", "is not a valid rate"),
        ("rate(5 weeks)", "is not a valid rate"),
        ("at(2026-02-30T08:00:00)", "is not a valid time"),
        ("at(2026-02-03T08:00:00Z)", "is not a valid time"),
    ],
)
def test_invalid_expressions_are_rejected(expression: str, message: str) -> None:
    assert message in (schedules.fault(expression) or "")


@pytest.mark.parametrize(
    ("expression", "message"), [("rate(1 hours)", "rate(1 hour)"), ("rate(5 minute)", "rate(5 minutes)")]
)
def test_rate_with_the_wrong_plural_warns(expression: str, message: str) -> None:
    assert schedules.fault(expression) is None
    assert message in (schedules.advice(expression) or "")
    assert schedules.advice("rate(5 minutes)") is None
