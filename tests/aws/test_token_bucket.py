"""What a token bucket allows, and its reaction to throttling by AWS."""

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dynconfig.aws.token_bucket import BURST_SECONDS, CALM_SECONDS, SLOWEST_RATE, Bucket


def starts(bucket: Bucket, count: int, now: float) -> list[float]:
    found: list[float] = []
    while len(found) < count:
        wait = bucket.wait(1.0, now)
        if wait == 0.0:
            bucket.take(now)
            found.append(now)
        now += wait
    return found


@given(rate=st.floats(0.5, 50), count=st.integers(2, 200))
def test_no_second_has_more_calls_than_the_burst_and_the_rate(rate: float, count: int) -> None:
    found = starts(Bucket(rate), count, 100.0)
    for index, first in enumerate(found):
        within = sum(first <= at < first + 1.0 - 1e-6 for at in found[index:])
        assert within <= max(1.0, BURST_SECONDS * rate) + rate + 1


@given(rate=st.floats(2.0, 50.0), delays=st.lists(st.floats(0.0, 0.2), min_size=200, max_size=200))
def test_calls_that_arrive_closer_together_than_they_were_sent_are_within_the_quota(
    rate: float, delays: list[float]
) -> None:
    bucket = Bucket(rate)
    sent = starts(bucket, 100, 100.0) + starts(bucket, 100, 500.0)
    tokens, before = rate, 0.0
    for at in sorted(at + delay for at, delay in zip(sent, delays, strict=True)):
        tokens = min(rate, tokens + (at - before) * rate)
        before = at
        assert tokens >= 1.0 - 1e-6
        tokens -= 1.0


@given(rate=st.floats(0.5, 50))
def test_waiting_calls_are_spaced_by_the_rate(rate: float) -> None:
    found = starts(Bucket(rate, tokens=0.0), 20, 0.0)
    assert all(later - earlier == pytest.approx(1 / rate) for earlier, later in pairwise(found))


def test_retries_that_did_not_wait_delay_later_calls() -> None:
    bucket = Bucket(2.0, filled_at=100.0)
    for _ in range(5):
        bucket.take(100.0)
    assert bucket.wait(1.0, 100.0) == pytest.approx(2.5)


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


@given(rate=st.floats(1.0, 100.0))
def test_halved_rate_is_restored_by_a_hundred_calls_and_not_exceeded(rate: float) -> None:
    bucket = Bucket(rate)
    bucket.throttled(100.0)
    for number in range(150):
        bucket.take(100.0 + number / 100)
        assert bucket.rate is not None
        assert bucket.rate <= rate
        assert (bucket.rate == pytest.approx(rate)) == (number >= 99)


def test_halved_rate_is_restored_by_time() -> None:
    bucket = Bucket(8.0)
    bucket.throttled(100.0)
    bucket.wait(1.0, 100.0 + CALM_SECONDS - 1.0)
    assert bucket.rate == 4.0
    bucket.wait(1.0, 100.0 + CALM_SECONDS + 1.0)
    assert bucket.rate == 8.0


@given(shares=st.lists(st.tuples(st.floats(0.0, 1.0), st.integers(0, 5), st.booleans()), min_size=1, max_size=20))
def test_rate_is_never_above_the_share_of_the_configured_rate(shares: list[tuple[float, int, bool]]) -> None:
    bucket, now = Bucket(8.0), 0.0
    for share, seconds, is_throttled in shares:
        bucket.set_share(share, now)
        if is_throttled:
            bucket.throttled(now)
        for _ in range(seconds):
            now += 1.0
            bucket.wait(1.0, now)
            assert bucket.rate is not None
            assert bucket.rate <= 8.0 * share
            assert bucket.tokens <= max(1.0, 8.0 * share)


@given(operations=st.lists(st.tuples(st.sampled_from(["wait", "take", "throttled", "share"]), st.floats(0.0, 5.0))))
def test_no_sequence_gets_more_calls_than_configured(operations: list[tuple[str, float]]) -> None:
    bucket, now, granted = Bucket(4.0, filled_at=100.0), 100.0, 0
    for operation, seconds in operations:
        now += seconds
        match operation:
            case "throttled":
                bucket.throttled(now)
            case "share":
                bucket.set_share(seconds / 5.0, now)
            case _:
                if bucket.wait(1.0, now) == 0.0:
                    bucket.take(now)
                    granted += 1
    assert granted <= 1 + BURST_SECONDS * 4.0 + 4.0 * (now - 100.0)
