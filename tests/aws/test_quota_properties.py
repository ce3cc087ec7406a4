"""What holds for the quota under any mix of objects, rates and throttling, and how much work one call is."""

import random
import sys
from collections import Counter
from collections.abc import Callable
from functools import partial
from types import FrameType

import pytest
from tests.aws.operator_model import PUT, REGION, OperatorModel, Work, keys
from tests.aws.virtual_threads import VirtualThreads

from dynconfig.aws.fair_queue import FairQueue
from dynconfig.aws.kept_places import MOST_PLACES_OF_NAMESPACE, KeptPlaces, Place
from dynconfig.aws.quota import Caller, Quota, call_as
from dynconfig.aws.token_bucket import Bucket
from dynconfig.kube.work_queue import Priority
from dynconfig.model.errors import Throttled
from dynconfig.model.facts import Group
from dynconfig.model.key import Key

ALARM = "cloudwatch.PutMetricAlarm"
OPERATIONS = (PUT, ALARM, "iam.PutRolePolicy", "lambda.UpdateFunctionCode", "events.PutRule")


# --- objects that call several services


def test_objects_whose_other_calls_go_to_other_services_leave_the_room_to_others() -> None:
    """Each makes one call of its five to this bucket, and then is busy elsewhere for long."""
    time = VirtualThreads()
    quota = Quota(time, time.pause, groups=(Group("put", (PUT,), 3.0),))
    waited: list[float] = []

    def reconcile(key: Key) -> None:
        caller = Caller(key)
        with quota.reconcile(caller):
            caller.writes = 5
            started = time.now
            call_as(caller, lambda: quota.acquire(REGION, PUT))
            waited.append(time.now - started)
            time.pause(30.0)

    for number in range(10):
        time.start(lambda number=number: reconcile(Key("shop", f"o{number}")), time.now + number)  # type: ignore[misc]
    time.run()
    assert len(waited) == 10
    assert max(waited) <= 0.5


class Objects:
    """Objects with a list of calls to several services, reconciled until all are made, each in a thread of its own."""

    def __init__(self, rate: float, workers: int = 32) -> None:
        self.time = VirtualThreads()
        groups = tuple(Group(operation, (operation,), rate) for operation in OPERATIONS)
        self.quota = Quota(self.time, self.time.pause, groups=groups, workers=workers)
        self.waits: dict[str, list[float]] = {}
        self.grants: dict[str, list[float]] = {operation: [] for operation in OPERATIONS}
        self.latency = 0.05

    def add(self, key: Key, calls: list[str], at: float = 0.0, *, is_background: bool = False) -> None:
        self.time.start(lambda: self._serve(key, list(calls), is_background), self.time.now + at)

    def _serve(self, key: Key, calls: list[str], is_background: bool) -> None:
        asked = self.time.now
        while calls:
            caller = Caller(key, is_background=is_background)
            delay = 0.0
            with self.quota.reconcile(caller):
                caller.writes = len(calls)
                ends = self.time.now + 15.0
                try:
                    while calls and self.time.now < ends:
                        call_as(caller, lambda: self.quota.acquire(REGION, calls[0]))
                        self.waits.setdefault(key.namespace, []).append(self.time.now - asked)
                        self.grants[calls.pop(0)].append(self.time.now)
                        self.time.pause(self.latency)
                        asked = self.time.now
                except Throttled as error:
                    # Without being called back, for the worst case.
                    delay = min(error.delay or 0.0, 5.0)
            self.time.pause(delay + 0.1)


@pytest.mark.parametrize("rate", [0.5, 1.0, 3.0, 10.0])
@pytest.mark.parametrize(
    "hostile",
    [[PUT] + 49 * [ALARM], 50 * [PUT, ALARM], 100 * [PUT], [PUT]],
    ids=["other services", "mixed", "large", "many"],
)
@pytest.mark.parametrize("is_background", [False, True])
def test_small_object_is_served_beside_any_objects_of_another_namespace(
    rate: float, hostile: list[str], is_background: bool
) -> None:
    objects = Objects(rate)
    for number in range(200 if len(hostile) == 1 else 24):
        objects.add(Key("hostile", f"o{number}"), hostile, at=number / 50, is_background=False)
    objects.add(Key("victim", "o"), 5 * [PUT], at=20.0, is_background=is_background)
    objects.time.run(objects.time.now + 20.0 + 60.0 + 30.0 / rate)
    assert len(objects.waits["victim"]) == 5
    # A call in three or four at the worst, or ten calls of the one that has its turn; and it may have been turned away.
    assert max(objects.waits["victim"]) <= 6.0 + 20.0 / rate
    assert sum(objects.waits["victim"]) <= 10.0 + 30.0 / rate


# --- any mix


@pytest.mark.parametrize("seed", range(12))
def test_each_write_of_any_mix_of_objects_is_made_once(seed: int) -> None:
    chance = random.Random(seed)  # noqa: S311 - not a secret
    rate = chance.choice([0.3, 0.7, 1.2, 3.0, 10.0])
    model = OperatorModel(
        rate,
        workers=chance.choice([4, 32]),
        latency=chance.choice([0.03, 0.5]),
        quota=rate * chance.choice([1.0, 1.0, 0.6]),
    )
    model.quota.throttled(REGION, PUT)
    total = round(60 * rate)
    calls = 0
    while calls < total:
        wanted = chance.choice([1, 2, 3, 4, 5, 10, 40])
        namespace = chance.choice(["hostile", "hostile", "hostile", "shop", f"n{chance.randrange(20)}"])
        model.request(
            Key(namespace, f"o{calls}"),
            wanted,
            at=chance.uniform(0.0, 20.0),
            priority=chance.choice([Priority.EDIT, Priority.RESYNC]),
        )
        calls += wanted
    model.run(600.0)
    assert all(not work.calls for work in model.work.values())
    assert len(model.arrivals) == calls


STEP = 0.02


@pytest.mark.parametrize("calls_before", [0, 25], ids=["background", "busy background"])
def test_objects_of_a_better_class_use_each_token_while_those_in_turns_are_busy_elsewhere(calls_before: int) -> None:
    """Those in turns fill the room of their class, and an object of a worse class waits for most of the burst."""
    bucket = Bucket(10.0)
    queue = FairQueue(bucket)
    worse, better = Key("batch", "resync"), [Key("shop", f"o{number}") for number in range(5)]

    def granted_at_once(key: Key, *, is_background: bool = False) -> None:
        bucket.tokens = bucket.capacity
        assert queue.ask(key, 0.0, demand=50, is_background=is_background) == 0.0

    for _ in range(calls_before):
        granted_at_once(worse, is_background=True)
    for number in range(15):
        granted_at_once(Key(f"n{number}", "active"))
    bucket.tokens = 0.0
    granted: Counter[str] = Counter()
    for step in range(1, round(1.9 / STEP)):
        for key in (worse, *better):
            granted[key.namespace] += queue.ask(key, step * STEP, demand=50, is_background=key is worse) == 0.0
    assert granted.total() >= 18
    assert granted["shop"] >= 3 * granted["batch"]


def asked_by_all(queue: FairQueue, waiting: dict[Key, int], now: float) -> int:
    """Let all threads ask twice; return how many got a token, and no longer wait."""
    before = len(waiting)
    for key in 2 * list(waiting):
        if key in waiting:
            wait = queue.ask(key, now, demand=waiting[key], is_background=key.name > "o15")
            assert wait >= 0.0
            if wait == 0.0:
                del waiting[key]
    return before - len(waiting)


@pytest.mark.parametrize("seed", range(20))
def test_some_object_gets_each_token_at_once(seed: int) -> None:
    """Threads that ask at random times: when all have asked and there is a token, one of them has got it."""
    chance = random.Random(seed)  # noqa: S311 - not a secret
    now, rate = 0.0, chance.choice([0.2, 0.5, 1.0, 1.3, 3.0, 20.0])
    queue = FairQueue(Bucket(rate))
    waiting: dict[Key, int] = {}
    for _ in range(100):
        now += chance.expovariate(2 * rate)
        if chance.random() < 0.02:
            queue.bucket.throttled(now)
        if len(waiting) < 12:
            waiting.setdefault(Key(f"n{chance.randrange(3)}", f"o{chance.randrange(20)}"), chance.choice([1, 3, 4, 50]))
        asked = list(waiting)
        chance.shuffle(asked)
        for key in asked:
            if chance.random() < 0.05:
                queue.leave(key, now, keep_for=chance.choice([None, 5.0]))
                del waiting[key]
        if not asked_by_all(queue, waiting, now) and waiting:
            # A part of the burst is kept for better classes.
            best = min(queue._class(queue._flows[key]) for key in waiting)
            assert queue.bucket.wait(1.0 + best / 2 * 0.9 * (queue.bucket.capacity - 1.0), now) > 0.0
        queue.expected_wait(Key("n0", "o0"), now, calls=chance.choice([None, 1, 100]))
        queue.take_next(now)


# --- objects that AWS throttles

THROTTLED = Key("shop", "throttled")


class WithThrottledObject(OperatorModel):
    """AWS throttles each call of one object, which backs off."""

    def __init__(self, rate: float) -> None:
        super().__init__(rate)
        self.turns: list[float] = []
        self.delays: list[float] = []

    def _reconcile(self, caller: Caller, work: Work) -> None:
        if caller.key != THROTTLED:
            super()._reconcile(caller, work)
            return
        self.turns.append(self.threads.now)
        caller.writes = 1
        self.quota.acquire(REGION, PUT)
        self.quota.keep_place(REGION, PUT)
        self.delays.append(0.5 * 2.0 ** len(self.delays))
        raise Throttled("Rate exceeded", delay=self.delays[-1])


@pytest.mark.parametrize("count", [4, 40])
def test_object_that_aws_throttles_backs_off_whatever_else_is_called_back(count: int) -> None:
    model = WithThrottledObject(10.0)
    model.request(THROTTLED, 1)
    works = [model.request(key, 400 // count) for key in keys("shop", count)]
    model.run(60.0)
    for delay, turn, following in zip(model.delays, model.turns, model.turns[1:], strict=False):
        assert following - turn >= delay
    assert len(model.turns) >= 5
    # Those that were turned away do not wait for it.
    assert max(work.seconds for work in works) <= 1.2 * 400 / 10.0


def test_object_that_aws_throttled_comes_back_to_its_place() -> None:
    queue = FairQueue(Bucket(1.0))
    throttled, later = Key("shop", "throttled"), Key("shop", "later")
    assert queue.ask(throttled, 0.0, demand=5) == 0.0
    queue.back_off(throttled, 0.0)
    assert queue.ask(later, 0.5, demand=5) > 0.0
    assert queue.ask(throttled, 1.0, demand=5) == 0.0


# --- the work of one call


def operations(work: Callable[[], object]) -> int:
    """Return how many lines and functions of Python some work executes."""
    executed = 0

    def trace(_frame: FrameType, _event: str, _argument: object) -> object:
        nonlocal executed
        executed += 1
        return trace

    sys.settrace(trace)  # type: ignore[arg-type]
    try:
        work()
    finally:
        sys.settrace(None)
    return executed


def with_places(count: int, namespaces: int) -> tuple[Quota, list[float]]:
    """A quota at which so many objects have been turned away."""
    time = [1000.0]
    quota = Quota(
        lambda: time[0], lambda seconds: time.__setitem__(0, time[0] + seconds), groups=(Group("put", (PUT,), 3.0),)
    )
    for number in range(count):
        turned_away(quota, Key(f"n{number % namespaces}", f"o{number}"))
    return quota, time


def turned_away(quota: Quota, key: Key, writes: int = 50) -> None:
    caller = Caller(key)
    with quota.reconcile(caller):
        caller.writes = writes
        try:
            for _ in range(2):
                call_as(caller, lambda: quota.acquire(REGION, PUT))
        except Throttled:
            pass


def works_with_places(count: int, namespaces: int) -> list[int]:
    """The operations of calls of new objects, of an object that comes back, and of the change of a share."""
    quota, time = with_places(count, namespaces)
    works = [operations(partial(turned_away, quota, Key(f"n{number}", f"new{number}"))) for number in range(20)]
    for _ in range(20):
        time[0] += 20.0
        works.append(operations(partial(turned_away, quota, Key("shop", "edit"), writes=1)))
    quota.forget(Key("n0", "o0"))
    return [*works, operations(partial(quota.set_share, 1.0))]


@pytest.mark.parametrize("of_each", [1, 100])
def test_work_of_a_call_does_not_grow_with_the_places(of_each: int) -> None:
    found = []
    for count in (100, 3000):
        works = works_with_places(count, count // of_each)
        found.append((max(works), sum(works)))
    (few_most, few), (many_most, many) = found
    assert many <= 1.2 * few
    assert many_most <= 1.5 * few_most


def test_places_of_a_namespace_are_bounded_and_others_still_get_theirs() -> None:
    places = KeptPlaces({0: 1})

    def add(namespace: str, order: int) -> bool:
        return places.add(Place(Key(namespace, f"o{order}"), order, (0, True), 10, since=0.0, until=100.0))

    kept = [add("crowd", order) for order in range(MOST_PLACES_OF_NAMESPACE + 200)]
    assert sum(kept) == MOST_PLACES_OF_NAMESPACE
    assert add("other", 1000)
    assert {places.take_next(1.0), places.take_next(1.0)} == {Key("crowd", "o0"), Key("other", "o1000")}


def test_forgetting_an_object_does_not_wait_for_threads_that_ask() -> None:
    """The event loop forgets objects."""
    quota, _time = with_places(10, 1)
    key = Key("n0", "o9")
    with quota._guard:
        quota.forget(key)
    quota.rate(REGION, PUT)
    assert key not in quota._queues[REGION, "put"]._kept


@pytest.mark.parametrize("rate", [3.0, 10.0])
def test_objects_that_were_turned_away_are_called_back_in_fair_order(rate: float) -> None:
    """A hundred objects of one namespace wait; one of another namespace comes later and does not wait for all of them."""
    model = OperatorModel(rate)
    for key in keys("crowd", 100):
        model.request(key, 10)
    found = model.request(Key("other", "o"), 10, at=10.0)
    model.run(100.0)
    assert found.seconds <= 5.0 + 40.0 / rate
