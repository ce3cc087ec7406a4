"""The rule of a composite alarm is evaluated as in AWS, or rejected."""

import pytest

from dynconfig_lab.aws.answers import AwsError
from dynconfig_lab.aws.cloudwatch_expression import decide, parse

STATES = {"fires": "ALARM", "rests": "OK", "new": "INSUFFICIENT_DATA", "with (odd) name": "ALARM", 'a "quote"': "ALARM"}
ARN = "arn:aws:cloudwatch:eu-west-1:123456789012:alarm:fires"


@pytest.mark.parametrize(
    ("text", "state"),
    [
        ("TRUE", "ALARM"),
        ("FALSE", "OK"),
        ("ALARM(fires)", "ALARM"),
        ('ALARM("fires")', "ALARM"),
        (f"ALARM({ARN})", "ALARM"),
        (f'ALARM("{ARN}")', "ALARM"),
        ("ALARM(rests)", "OK"),
        ("OK(rests)", "ALARM"),
        ("INSUFFICIENT_DATA(new)", "ALARM"),
        ("OK(new)", "OK"),
        ('ALARM("with (odd) name")', "ALARM"),
        (r'ALARM("a \"quote\"")', "ALARM"),
        ("ALARM( fires )", "ALARM"),
        ("NOT ALARM(rests)", "ALARM"),
        ("NOT NOT ALARM(rests)", "OK"),
        ("ALARM(fires) AND OK(rests)", "ALARM"),
        ("ALARM(fires) AND NOT OK(rests)", "OK"),
        ("ALARM(rests) OR ALARM(fires)", "ALARM"),
        ("TRUE OR FALSE AND FALSE", "ALARM"),
        ("(TRUE OR FALSE) AND FALSE", "OK"),
        ("NOT (ALARM(rests) OR ALARM(fires))", "OK"),
        ("(ALARM(fires)OR(FALSE))AND(TRUE)", "ALARM"),
    ],
)
def test_rule_is_evaluated_from_the_states_of_its_alarms(text: str, state: str) -> None:
    assert decide(parse(text), STATES.__getitem__) == state


def test_each_alarm_of_a_rule_is_a_child_once_and_by_name() -> None:
    text = f'ALARM(b) OR NOT OK("a") AND (ALARM({ARN}) OR INSUFFICIENT_DATA(b))'
    assert parse(text).children == ("b", "a", "fires")


@pytest.mark.parametrize(
    "text",
    [
        "",
        " ALARM(a)",
        "ALARM(a) ",
        "ALARM",
        "ALARM(",
        "ALARM()",
        'ALARM("a)',
        "ALARM(a) AND",
        "AND ALARM(a)",
        "ALARM(a) ALARM(b)",
        "(ALARM(a)",
        "ALARM(a))",
        "NOT",
        "BROKEN(a)",
        "ALARM(a) XOR ALARM(b)",
        "TRUEISH",
        "a",
        " OR ".join(f"ALARM(a{number})" for number in range(101)),
        " AND ".join(["TRUE"] * 501),
    ],
)
def test_invalid_rule_is_rejected(text: str) -> None:
    with pytest.raises(AwsError) as refused:
        parse(text)
    assert refused.value.code == "ValidationError"
    assert refused.value.message.startswith("AlarmRule ")


def test_hundred_alarms_and_five_hundred_elements_are_accepted() -> None:
    assert len(parse(" OR ".join(f"ALARM(a{number})" for number in range(100))).children) == 100
    assert decide(parse(" AND ".join(["TRUE"] * 500)), STATES.__getitem__) == "ALARM"
