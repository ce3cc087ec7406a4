"""The rate limit of calls: what a token bucket allows, and its reaction to throttling by AWS."""

import re
import threading
from itertools import pairwise
from pathlib import Path

import pytest
from botocore import xform_name
from botocore.session import get_session
from hypothesis import given
from hypothesis import strategies as st
from tests.kinds.iam import actions

from dynconfig.aws.quota import AWS_GROUPS, SLOWEST_RATE, Bucket, Quota, rate
from dynconfig.kinds import http_api
from dynconfig.kinds.registry import ALL
from dynconfig.model.errors import Throttled
from dynconfig.model.facts import Group

GROUPS = (Group("put", ("ssm.PutParameter",), 2.0), Group("get", ("ssm.GetParameter", "ssm.GetParameters"), 10.0))


class Time:
    """A clock that only waiting advances."""

    def __init__(self) -> None:
        self.now = 100.0
        self.waited = 0.0

    def __call__(self) -> float:
        return self.now

    def pause(self, seconds: float) -> None:
        self.now += seconds
        self.waited += seconds


def quota(time: Time, **more: object) -> Quota:
    return Quota(time, time.pause, groups=GROUPS, **more)  # type: ignore[arg-type]


def starts(bucket: Bucket, count: int, now: float) -> list[float]:
    found: list[float] = []
    while len(found) < count:
        wait = bucket.wait(now)
        if wait == 0.0:
            found.append(now)
        now += wait
    return found


@given(rate=st.floats(0.5, 50), count=st.integers(2, 200))
def test_no_second_has_more_calls_than_the_burst_and_the_rate(rate: float, count: int) -> None:
    found = starts(Bucket(rate), count, 0.0)
    for index, first in enumerate(found):
        within = sum(first <= at < first + 1.0 - 1e-6 for at in found[index:])
        assert within <= max(1.0, rate) + rate + 1


@given(rate=st.floats(0.5, 50))
def test_waiting_calls_are_spaced_by_the_rate(rate: float) -> None:
    found = starts(Bucket(rate, tokens=0.0), 20, 0.0)
    assert all(later - earlier == pytest.approx(1 / rate) for earlier, later in pairwise(found))


def test_operations_of_one_group_share_a_limit_and_regions_do_not() -> None:
    time = Time()
    shared = quota(time)
    for _ in range(12):
        shared.acquire("eu-west-1", "ssm.GetParameter")
    waited = time.waited
    assert waited > 0
    shared.acquire("us-east-1", "ssm.GetParameters")
    assert time.waited == waited
    shared.acquire("eu-west-1", "ssm.GetParameters")
    assert time.waited > waited


def test_distant_turn_releases_the_thread_with_the_delay() -> None:
    time = Time()
    slow = Quota(time, time.pause, groups=(Group("put", ("ssm.PutParameter",), 0.2),))
    slow.acquire("r", "ssm.PutParameter")
    with pytest.raises(Throttled, match=r"0\.2 calls a second") as refused:
        slow.acquire("r", "ssm.PutParameter")
    assert refused.value.delay == pytest.approx(5.0)


def test_throttling_halves_the_rate_once_a_second() -> None:
    bucket = Bucket(8.0)
    for _ in range(5):
        bucket.throttled(10.0)
    assert bucket.rate == 4.0
    bucket.throttled(11.5)
    assert bucket.rate == 2.0


def test_rate_never_falls_to_zero() -> None:
    bucket = Bucket(8.0)
    for second in range(100):
        bucket.throttled(second * 2.0)
    assert bucket.rate == SLOWEST_RATE


def test_rate_recovers_to_the_limit_and_no_further() -> None:
    bucket = Bucket(8.0)
    bucket.throttled(0.0)
    for second in range(1, 40):
        bucket.wait(float(second))
    assert bucket.rate == 8.0


def test_emulator_is_not_limited_until_it_throttles() -> None:
    time = Time()
    free = quota(time, is_limited=False)
    for _ in range(100):
        free.acquire("r", "ssm.PutParameter")
    assert time.waited == 0.0
    free.throttled("r", "ssm.PutParameter")
    for _ in range(100):
        free.acquire("r", "ssm.PutParameter")
    assert time.waited > 0.0


@pytest.mark.parametrize("name", ["put", "ssm.PutParameter"])
def test_override_by_group_or_operation_replaces_the_limit(name: str) -> None:
    time = Time()
    fast = quota(time, overrides={name: 1000.0})
    for _ in range(500):
        fast.acquire("r", "ssm.PutParameter")
    assert time.waited < 1.0


def test_threads_never_take_the_same_token() -> None:
    time, lock = Time(), threading.Lock()
    taken: list[float] = []

    def pause(seconds: float) -> None:
        with lock:
            time.now += seconds / 8

    shared = Quota(time, pause, groups=GROUPS)

    def work() -> None:
        for _ in range(5):
            while True:
                try:
                    shared.acquire("r", "ssm.GetParameter")
                    break
                except Throttled as later:
                    pause(later.delay or 0.0)
            with lock:
                taken.append(time.now)

    threads = [threading.Thread(target=work) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    elapsed = max(taken) - 100.0
    assert len(taken) == 40
    assert len(taken) <= 10 + elapsed * 10 + 1


def limited(service: str) -> set[str]:
    return {name for group in AWS_GROUPS for name in group.operations if name.startswith(f"{service}.")}


def test_every_call_of_lambda_has_a_quota() -> None:
    # Made by AWS on behalf of other calls.
    called = actions(*ALL, service="lambda") - {"lambda:ListTags"}
    calls = {action.replace(":", ".") for action in called}
    assert calls == limited("lambda")


def test_every_call_of_api_gateway_has_a_quota() -> None:
    names = {name.removeprefix("apigatewayv2.") for name in limited("apigatewayv2")}
    methods = {xform_name(name) for name in get_session().get_service_model("apigatewayv2").operation_names}
    code = (Path(http_api.__file__)).read_text()
    called = set(re.findall(r"_apis\.([a-z_]+)", code)) | set(re.findall(r'_all\("([a-z_]+)"', code))
    assert called & methods == {xform_name(name) for name in names}


@pytest.mark.parametrize(
    ("operation", "per_second"),
    [
        ("lambda.GetFunction", 100.0),
        ("lambda.GetPolicy", 15.0),
        ("lambda.UpdateFunctionCode", 15.0),
        ("apigatewayv2.GetRoutes", 10.0),
    ],
)
def test_quotas_of_lambda_and_api_gateway_are_those_of_aws(operation: str, per_second: float) -> None:
    assert rate(operation, {}) == per_second


def test_no_operation_is_in_two_groups() -> None:
    operations = [operation for group in AWS_GROUPS for operation in group.operations]
    assert len(operations) == len(set(operations))
