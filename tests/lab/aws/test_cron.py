"""AWS's cron expressions: the minutes they match, and invalid ones."""

from datetime import datetime

import pytest

from dynconfig_lab.aws import cron


@pytest.mark.parametrize(
    ("fields", "matching", "other"),
    [
        ("0 8 * * ? *", "2027-03-05T08:00", "2027-03-05T08:01"),
        ("0/15 * * * ? *", "2027-03-05T03:45", "2027-03-05T03:50"),
        ("5/30 * * * ? *", "2027-03-05T03:35", "2027-03-05T03:30"),
        ("*/20 * * * ? *", "2027-03-05T03:40", "2027-03-05T03:10"),
        ("0 9-17 * * ? *", "2027-03-05T17:00", "2027-03-05T18:00"),
        ("0-30/10 12 * * ? *", "2027-03-05T12:20", "2027-03-05T12:40"),
        ("0 8,12 * * ? *", "2027-03-05T12:00", "2027-03-05T10:00"),
        ("0 8 1 * ? *", "2027-03-01T08:00", "2027-03-02T08:00"),
        ("0 8 L * ? *", "2028-02-29T08:00", "2028-02-28T08:00"),
        ("0 8 ? * MON-FRI *", "2027-03-05T08:00", "2027-03-06T08:00"),
        ("0 8 ? * 1 *", "2027-03-07T08:00", "2027-03-08T08:00"),
        ("0 8 ? * L *", "2027-03-06T08:00", "2027-03-07T08:00"),
        ("0 8 ? * 2#1 *", "2027-03-01T08:00", "2027-03-08T08:00"),
        ("0 8 ? * FRIL *", "2027-03-26T08:00", "2027-03-19T08:00"),
        # 6 March 2027 is a Saturday, 7 March a Sunday, and 1 May 2027 a Saturday.
        ("0 8 6W * ? *", "2027-03-05T08:00", "2027-03-06T08:00"),
        ("0 8 7W * ? *", "2027-03-08T08:00", "2027-03-07T08:00"),
        ("0 8 1W * ? *", "2027-05-03T08:00", "2027-04-30T08:00"),
        ("0 8 * JAN,jul ? *", "2027-07-05T08:00", "2027-06-05T08:00"),
        ("0 8 * 3/3 ? *", "2027-09-05T08:00", "2027-10-05T08:00"),
        ("0 8 * * ? 2027-2028", "2028-03-05T08:00", "2029-03-05T08:00"),
    ],
)
def test_expression_matches_its_minutes(fields: str, matching: str, other: str) -> None:
    expression = cron.parse(fields)
    assert expression.matches(datetime.fromisoformat(matching))
    assert not expression.matches(datetime.fromisoformat(other))


@pytest.mark.parametrize(
    "fields",
    [
        "",
        "INVALID",
        "0 8 * * ?",
        "0 8 * * ? * *",
        "0 8 * * * *",
        "0 8 ? * ? *",
        "60 8 * * ? *",
        "0 24 * * ? *",
        "0 8 0 * ? *",
        "0 8 32 * ? *",
        "0 8 * 13 ? *",
        "0 8 ? * 8 *",
        "0 8 ? * 0 *",
        "0 8 ? * 2#6 *",
        "0 8 * * ? 1969",
        "0 8 * * ? 2200",
        "5-1 8 * * ? *",
        "0/0 8 * * ? *",
        "a 8 * * ? *",
        "0  8 * * ? *",
        "0 8 35W * ? *",
    ],
)
def test_invalid_expression_is_rejected(fields: str) -> None:
    with pytest.raises(cron.BadExpression):
        cron.parse(fields)
