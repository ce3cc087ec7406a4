"""Fairness between namespaces and objects under an AWS quota: the workers, the work queue and the quota in simulated time."""

import statistics
from itertools import pairwise

import pytest
from tests.aws.operator_model import OperatorModel, Work, keys

from dynconfig.aws.quota import MAX_WAIT_IN_ORDER_SECONDS
from dynconfig.kube.work_queue import Priority
from dynconfig.model.key import Key

RATES = pytest.mark.parametrize("rate", [3.0, 10.0])


def edits(model: OperatorModel, namespace: str = "shop", calls: int = 1, count: int = 16) -> list[Work]:
    """Edits of several objects, one after the other, once other objects are busy."""
    return [
        model.request(Key(namespace, f"edit{number}"), calls, at=20.0 + 5.0 * number + 0.31 * number)
        for number in range(count)
    ]


def times(works: list[Work]) -> list[float]:
    return [work.seconds for work in works]


@RATES
@pytest.mark.parametrize(
    ("objects", "calls"),
    [([Key("shop", "one")], 500), (keys("shop", 50), 10), ([Key(f"n{i}", "o") for i in range(50)], 10)],
)
def test_quota_is_used_and_kept(rate: float, objects: list[Key], calls: int) -> None:
    model = OperatorModel(rate)
    works = [model.request(key, calls) for key in objects]
    model.run()
    assert model.used >= 0.95
    assert model.throttled <= 0.01 * 500
    # Each object observes its resources when it asks for its first token, and when it has its turn.
    assert statistics.mean(work.observations for work in works) <= max(2.5, 500 / rate / 15 + 1 if calls == 500 else 0)


def test_quota_that_is_shared_with_other_callers_is_used_without_much_throttling() -> None:
    """AWS accepts less than what is configured, since others use the rest."""
    model = OperatorModel(10.0, quota=7.0)
    for key in keys("shop", 100):
        model.request(key, 10)
    model.run()
    assert model.used >= 0.7
    assert model.throttled <= 0.02 * 1000


@RATES
@pytest.mark.parametrize("calls", [1, 5])
@pytest.mark.parametrize("namespace", ["shop", "other"])
def test_small_edits_beside_a_large_object_take_at_most_half_as_long_again(
    rate: float, calls: int, namespace: str
) -> None:
    alone, beside = OperatorModel(rate), OperatorModel(rate)
    expected = edits(alone, calls=calls, count=10)
    alone.run(80.0)
    beside.request(Key(namespace, "large"), 1000)
    found = edits(beside, calls=calls, count=10)
    beside.run(80.0)
    # One of their calls may come just after one of the large object.
    assert statistics.median(times(found)) <= max(1.5 * statistics.median(times(expected)), 0.5)
    assert max(times(found)) <= 1.5 * max(times(expected)) + 2 / rate


@RATES
def test_one_write_of_a_namespace_does_not_wait_for_nine_busy_namespaces(rate: float) -> None:
    model = OperatorModel(rate)
    for number in range(9):
        model.request(Key(f"busy{number}", "large"), 200)
    found = edits(model)
    model.run(110.0)
    assert statistics.median(times(found)) <= 0.2 + 1 / rate
    assert max(times(found)) <= 0.5 + 5 / rate


@RATES
def test_namespace_with_many_objects_does_not_delay_others(rate: float) -> None:
    model = OperatorModel(rate)
    for key in keys("crowd", 300):
        model.request(key, 10)
    found = edits(model)
    model.run(110.0)
    assert max(times(found)) <= 0.5 + 1 / rate


def test_large_object_is_not_starved_by_a_steady_stream_of_edits() -> None:
    model = OperatorModel(10.0)
    large = model.request(Key("shop", "large"), 100)
    for number in range(600):
        model.request(Key(f"n{number % 7}", f"edit{number}"), 1, at=number / 10)
    model.run(60.0)
    assert large.calls <= 65
    assert model.used >= 0.95


def test_resync_is_not_starved_by_a_steady_stream_of_edits() -> None:
    model = OperatorModel(10.0, workers=4)
    resync = model.request(Key("shop", "resync"), 1, priority=Priority.RESYNC)
    for number in range(400):
        model.request(Key("shop", f"edit{number}"), 1, at=number / 20)
    model.run(30.0)
    assert resync.seconds <= 20.0


@RATES
def test_objects_of_a_namespace_are_done_in_their_order(rate: float) -> None:
    """An object that was turned away keeps its place."""
    model = OperatorModel(rate)
    works = [model.request(key, 10, at=number / 10) for number, key in enumerate(keys("shop", 40))]
    model.run()
    done = [work.done_at or 0.0 for work in works]
    overtaken = sum(later < earlier for earlier, later in pairwise(done))
    assert overtaken <= 4
    assert model.used >= 0.95


def test_thread_is_not_blocked_for_long() -> None:
    model = OperatorModel(3.0)
    works = [model.request(Key(f"n{number}", "o"), 10) for number in range(60)]
    model.run()
    assert max(wait for work in works for wait in work.waited) <= MAX_WAIT_IN_ORDER_SECONDS + 0.5
