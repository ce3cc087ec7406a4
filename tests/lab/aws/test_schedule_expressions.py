"""Schedule expressions: when they fire, and invalid ones."""

from datetime import UTC, datetime
from zoneinfo import ZoneInfo

import pytest

from dynconfig_lab.aws.cron import BadExpression
from dynconfig_lab.aws.schedule_expressions import parse

HOUR = 3600.0


def at(text: str, zone: str = "UTC") -> float:
    return datetime.fromisoformat(text).replace(tzinfo=ZoneInfo(zone)).timestamp()


@pytest.mark.parametrize(
    ("expression", "seconds"),
    [("rate(1 minute)", 60), ("rate(5 minutes)", 300), ("rate(1 hours)", 3600), ("rate(2 day)", 172800)],
)
def test_rate_fires_at_the_end_of_each_interval(expression: str, seconds: int) -> None:
    rate, zone = parse(expression), ZoneInfo("UTC")
    assert not rate.fires(1000.0, 1000.0 + seconds - 1, zone, 1000.0)
    assert rate.fires(1000.0 + seconds - 1, 1000.0 + seconds, zone, 1000.0)
    assert not rate.fires(1000.0 + seconds, 1000.0 + seconds + 1, zone, 1000.0)
    assert rate.fires(1000.0 + 2 * seconds - 1, 1000.0 + 2 * seconds, zone, 1000.0)
    # The first interval of a schedule written after the last check started before it.
    assert not rate.fires(0.0, 1001.0, zone, 1000.0)


@pytest.mark.parametrize(("zone", "hours"), [("UTC", 0), ("Europe/Berlin", 2), ("America/New_York", -4)])
def test_at_expression_uses_its_time_zone(zone: str, hours: int) -> None:
    moment, known = parse("at(2027-07-01T12:00:00)"), ZoneInfo(zone)
    due = datetime(2027, 7, 1, 12, tzinfo=UTC).timestamp() - hours * HOUR
    assert moment.fires(due - 1, due, known, 0.0)
    assert not moment.fires(due, due + 1, known, 0.0)
    assert not moment.fires(due - 2, due - 1, known, 0.0)


def test_cron_expression_follows_daylight_saving_time() -> None:
    daily, berlin = parse("cron(0 8 * * ? *)"), ZoneInfo("Europe/Berlin")
    for day, utc_hour in (("2027-03-27", 7), ("2027-03-29", 6)):
        due = at(f"{day}T{utc_hour:02}:00:00")
        assert daily.fires(due - 1, due, berlin, 0.0)
        assert not daily.fires(due - HOUR - 1, due - HOUR, berlin, 0.0)


def test_repeated_minute_counts_once() -> None:
    every, zone = parse("cron(* * * * ? *)"), ZoneInfo("UTC")
    start = at("2027-01-01T00:00:00")
    assert [every.fires(start + second, start + second + 1, zone, 0.0) for second in range(-1, 60)].count(True) == 2


def test_after_a_long_pause_only_the_last_hour_is_checked() -> None:
    daily, zone = parse("cron(0 8 * * ? *)"), ZoneInfo("UTC")
    assert not daily.fires(at("2027-01-01T00:00:00"), at("2027-01-01T12:00:00"), zone, 0.0)
    assert daily.fires(at("2027-01-01T00:00:00"), at("2027-01-01T08:30:00"), zone, 0.0)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "rate",
        "rate(10)",
        "rate(10 seconds)",
        "rate(10 minutess)",
        "rate(0 minutes)",
        "rate(-1 minutes)",
        "rate( 10 minutes)",
        "rate(10  minutes)",
        " rate(10 minutes)",
        "rate(10 minutes) ",
        "rate (10 minutes)",
        "cron(INVALID)",
        "cron(0 8 * * *)",
        "at(2021-12-31)",
        "at(2021-1-1T0:0:00)x",
        "at(2021-12-31T23:59:59Z)",
        "at(2021-13-31T23:59:59)",
        "every(5 minutes)",
    ],
)
def test_invalid_expression_is_rejected(text: str) -> None:
    with pytest.raises(BadExpression):
        parse(text)
