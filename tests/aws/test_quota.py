"""The rate limit of calls: what a token bucket allows, and its reaction to throttling by AWS."""

import re
from pathlib import Path

import pytest
from botocore import xform_name
from botocore.session import get_session
from tests.aws.virtual_threads import VirtualThreads
from tests.kinds.iam import actions

from dynconfig.aws.quota import AWS_GROUPS, LONGEST_DELAY, Caller, Quota, call_as, rate
from dynconfig.kinds import http_api
from dynconfig.kinds.registry import ALL
from dynconfig.model.errors import Throttled
from dynconfig.model.facts import Group
from dynconfig.model.key import Key

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
    with pytest.raises(
        Throttled, match=r"waiting for AWS quota of ssm.PutParameter \(0\.2/s\), less than 10 s"
    ) as refused:
        slow.acquire("r", "ssm.PutParameter")
    assert refused.value.delay is not None
    assert refused.value.delay >= 5.0


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


def test_share_applies_to_existing_and_new_buckets_at_once() -> None:
    time = Time()
    shared = quota(time, overrides={"put": 8.0})
    shared.acquire("r", "ssm.PutParameter")
    shared.set_share(0.25)
    for region in ("r", "other"):
        started = time.now
        for _ in range(22):
            shared.acquire(region, "ssm.PutParameter")
        # At two calls a second; the burst is one or two calls.
        assert time.now - started == pytest.approx(10.5, abs=0.6)


def test_full_share_restores_the_configured_rate() -> None:
    time = Time()
    shared = quota(time)
    shared.acquire("r", "ssm.PutParameter")
    shared.set_share(0.0)
    with pytest.raises(Throttled) as refused:
        shared.acquire("r", "ssm.PutParameter")
    assert refused.value.delay == LONGEST_DELAY
    shared.set_share(1.0)
    started = time.now
    for _ in range(20):
        shared.acquire("r", "ssm.PutParameter")
    assert time.now - started == pytest.approx(10.0, abs=1.1)


def test_share_above_one_is_rejected() -> None:
    with pytest.raises(ValueError, match="from 0 to 1"):
        quota(Time()).set_share(1.5)


@pytest.mark.parametrize("name", ["put", "ssm.PutParameter"])
def test_override_by_group_or_operation_replaces_the_limit(name: str) -> None:
    time = Time()
    fast = quota(time, overrides={name: 1000.0})
    for _ in range(500):
        fast.acquire("r", "ssm.PutParameter")
    assert time.waited < 1.0


def test_threads_never_take_the_same_token() -> None:
    time = VirtualThreads()
    shared = Quota(time, time.pause, groups=GROUPS)
    taken: list[float] = []

    def work() -> None:
        for _ in range(5):
            while True:
                try:
                    shared.acquire("r", "ssm.GetParameter")
                    break
                except Throttled as later:
                    time.pause(later.delay or 0.0)
            taken.append(time.now)

    for _ in range(8):
        time.start(work)
    time.run()
    elapsed = max(taken) - 1000.0
    assert len(taken) == 40
    assert len(taken) <= 10 + elapsed * 10 + 1


def test_object_that_was_turned_away_is_called_back_in_its_order() -> None:
    time = VirtualThreads()
    shared = Quota(time, time.pause, groups=GROUPS, workers=4)
    called: list[Key] = []
    shared.call_back = called.append
    turned_away: list[Key] = []

    def reconcile(key: Key) -> None:
        caller = Caller(key)
        with shared.reconcile(caller):
            caller.writes = 20
            try:
                for _ in range(20):
                    call_as(caller, lambda: shared.acquire("r", "ssm.PutParameter"))
            except Throttled:
                turned_away.append(key)

    keys = [Key("shop", f"o{number}") for number in range(4)]
    for number, key in enumerate(keys):
        time.start(lambda key=key: reconcile(key), time.now + number / 100)  # type: ignore[misc]
    time.run()
    assert turned_away == keys[1:]
    assert called == keys[1:2]


def test_raised_share_calls_objects_back_early() -> None:
    time = VirtualThreads()
    shared = Quota(time, time.pause, groups=GROUPS, workers=4)
    shared.set_share(0.0)
    called: list[Key] = []
    shared.call_back = called.append
    caller = Caller(Key("shop", "myapp"))
    with shared.reconcile(caller), pytest.raises(Throttled):
        call_as(caller, lambda: shared.acquire("r", "ssm.PutParameter"))
    time.now += 5.0
    shared.set_share(1.0)
    assert called == [caller.key]


def test_waiting_threads_leave_workers_to_other_operations() -> None:
    time = VirtualThreads()
    shared = Quota(time, time.pause, groups=(Group("put", ("ssm.PutParameter",), 50.0),), workers=8)
    waiting = set[Key]()
    most = 0

    def reconcile(key: Key) -> None:
        nonlocal most
        caller = Caller(key)
        with shared.reconcile(caller):
            caller.writes = 50
            waiting.add(key)
            most = max(most, len(waiting))
            try:
                call_as(caller, lambda: shared.acquire("r", "ssm.PutParameter"))
            except Throttled:
                pass
            finally:
                waiting.discard(key)

    for number in range(40):
        time.start(lambda number=number: reconcile(Key(f"n{number}", "o")))  # type: ignore[misc]
    time.run()
    # Besides the one that is asking.
    assert 3 <= most <= 8 * 3 // 4 + 1


def test_wait_of_a_reconcile_is_reported_with_the_time_that_is_left() -> None:
    time = Time()
    slow = quota(time)
    caller = Caller(Key("shop", "myapp"))
    with slow.reconcile(caller):
        for _ in range(10):
            call_as(caller, lambda: slow.acquire("r", "ssm.PutParameter"))
        found = slow.longest_wait(caller, writes=480)
    assert found is not None
    assert str(found) == "waiting for AWS quota of ssm.PutParameter (2/s), about 4 min"
    assert found.seconds == pytest.approx(240.0, abs=10.0)


def test_reconcile_that_waited_less_than_a_second_reports_no_wait() -> None:
    fast = quota(Time())
    caller = Caller(Key("shop", "myapp"))
    with fast.reconcile(caller):
        for _ in range(2):
            call_as(caller, lambda: fast.acquire("r", "ssm.PutParameter"))
        assert fast.longest_wait(caller, writes=100) is None


def test_used_part_is_that_of_the_last_ten_seconds() -> None:
    time = Time()
    shared = quota(time)
    assert shared.used() == {}
    for _ in range(30):
        shared.acquire("r", "ssm.PutParameter")
    assert shared.used() == {("r", "put"): pytest.approx(1.0, abs=0.05)}
    time.now += 60.0
    assert shared.used() == {("r", "put"): 0.0}
    assert quota(time, is_limited=False).used() == {}


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


# --- rates of targets


def test_target_overrides_the_rates_of_its_account_and_region() -> None:
    quota = Quota(lambda: 0.0, lambda _seconds: None, overrides={"ssm.Get": 7.0})
    place = "210987654321/eu-west-1"

    def rates(place: str) -> list[float | None]:
        return [quota.rate(place, f"ssm.{operation}") for operation in ("PutParameter", "GetParameter")]

    usual = rates(place)
    assert usual == rates("eu-west-1") == [quota.rate("eu-west-1", "ssm.PutParameter"), 7.0]
    quota.set_overrides("prod", place, {"ssm.Put": 10.0, "ssm.GetParameter": 2.0})
    assert rates(place) == [10.0, 2.0]
    assert rates("eu-west-1") == usual
    quota.set_overrides("other", place, {"ssm.Put": 4.0})
    assert rates(place) == [4.0, 2.0]
    quota.set_overrides("other", place, {})
    assert rates(place) == [10.0, 2.0]
    quota.set_overrides("prod", "210987654321/us-east-1", {"ssm.Put": 5.0})
    assert (rates(place), rates("210987654321/us-east-1")[0]) == (usual, 5.0)
