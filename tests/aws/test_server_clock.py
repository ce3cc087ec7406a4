"""AWS's clock is read from its responses, whatever this machine's clock shows."""

from email.utils import formatdate

import pytest
from tests.emulated import emulated_aws
from tests.kinds.aws_harness import unlimited

from dynconfig.aws.server_clock import ServerClock

NOON = 1_800_000_000.0


def test_own_clock_is_used_until_aws_has_responded() -> None:
    assert ServerClock(lambda: 5.0).now(NOON) == NOON


def test_time_continues_from_the_last_response() -> None:
    times = [100.0]
    clock = ServerClock(lambda: times[0])
    clock.answered(formatdate(NOON, usegmt=True))
    times[0] += 90.5
    assert clock.now(0.0) == NOON + 90.5


@pytest.mark.parametrize(("later", "shown"), [(10.0, 10.0), (-5.0, 0.0), (-31.0, -31.0), (7200.0, 7200.0)])
def test_late_response_does_not_set_the_clock_back_and_another_clock_does(later: float, shown: float) -> None:
    clock = ServerClock(lambda: 0.0)
    clock.answered(formatdate(NOON, usegmt=True))
    clock.answered(formatdate(NOON + later, usegmt=True))
    assert clock.now(0.0) == NOON + shown


def test_invalid_date_is_ignored() -> None:
    clock = ServerClock(lambda: 0.0)
    clock.answered("")
    clock.answered("soon")
    assert clock.now(NOON) == NOON


@pytest.mark.lab
def test_every_response_of_aws_sets_the_clock() -> None:
    with emulated_aws() as lab:
        session = unlimited(lab, lambda *_: None)
        assert session.server_clock.now(0.0) == 0.0
        client = session.client("ssm", "eu-west-1")
        client.put_parameter(Name="/clock/a", Value="1", Type="String")
        written = client.get_parameter(Name="/clock/a")["Parameter"]["LastModifiedDate"].timestamp()
        assert abs(session.server_clock.now(0.0) - written) < 30
