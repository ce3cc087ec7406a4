"""A message concerns only objects of the place from whose queue it came, whatever it says."""

import asyncio
import gc
import json
import threading
import time
from collections.abc import Callable, Sequence
from types import SimpleNamespace
from typing import Any

import kopf
import pytest
from tests.events.concerned import concerned
from tests.events.later import Later
from tests.events.recording_listener import FENCE, HERE, PATIENCE, REGION, RecordingListener

from dynconfig import handlers
from dynconfig.events.echoes import LATE_SECONDS, Echoes
from dynconfig.events.listener import TARGET_PAUSE_SECONDS, EventListener, EventListeners
from dynconfig.events.queue import MAX_MESSAGES, MessageBatch
from dynconfig.events.resource_index import ResourceIndex
from dynconfig.events.routing import EventPlaces, EventRouter
from dynconfig.events.signals import EVERYWHERE, Signal, Unreadable, parse
from dynconfig.events.unmatched import MOST_UNMATCHED
from dynconfig.kube.metrics import Metrics
from dynconfig.model.declaration import Place
from dynconfig.model.fence import Fence
from dynconfig.model.key import Key
from dynconfig.model.object_state import ObjectState
from dynconfig.model.target import Target
from dynconfig.model.writes import PUT

A, B = "111111111111", "222222222222"
AT_B = Place(REGION, Target("b", REGION, B, "arn:aws:iam::222222222222:role/dynconfig"))
HOME, IN_B, IN_C, BEFORE = Key("shop", "home"), Key("shop", "in-b"), Key("shop", "in-c"), Key("shop", "before")


def signal(region: str = REGION, account: str = B, **more: Any) -> Signal:
    return Signal(region, 0.0, PUT, **{"parameters": ("/shop/a",), "account": account, **more})


@pytest.mark.parametrize("region", [REGION, EVERYWHERE])
def test_signal_of_a_target_is_bound_to_it(region: str) -> None:
    bound = signal(region).bound_to(AT_B)
    assert bound is not None
    assert (bound.region, bound.target) == (AT_B.title, AT_B.target)


@pytest.mark.parametrize("forged", [signal(account=A), signal(account=""), signal("us-east-1"), signal(AT_B.title)])
def test_signal_about_another_account_or_region_concerns_nothing(forged: Signal) -> None:
    assert forged.bound_to(AT_B) is None


def test_signal_of_the_own_account_is_about_its_region_or_everywhere() -> None:
    own, everywhere = signal(account=A), signal(EVERYWHERE, A)
    assert (own.bound_to(HERE), everywhere.bound_to(HERE)) == (own, everywhere)
    assert signal("us-east-1", A).bound_to(HERE) is None


def index() -> ResourceIndex:
    """Objects that declare and report the same names at home, in two targets, and in a former account of a target."""
    found = ResourceIndex(REGION)
    listed = [{"kind": "Role", "name": "dynconfig-r"}]
    for key, target, account in ((HOME, "", ""), (IN_B, "b", B), (IN_C, "c", B), (BEFORE, "b", A)):
        place = {"target": target, "account": account} if target else {}
        status = {"region": REGION, "lastObservedTime": "2027-01-15T08:00:00Z", "resources": listed, **place}
        spec = {"path": "/shop", "parameters": [{"name": "a", "value": "1"}], **({"target": target} if target else {})}
        found.update(key, {"spec": spec, "status": status})
    return found


@pytest.mark.parametrize(
    ("place", "region", "keys"),
    [(HERE, REGION, {HOME}), (HERE, EVERYWHERE, {HOME}), (AT_B, REGION, {IN_B}), (AT_B, EVERYWHERE, {IN_B})],
)
def test_signal_concerns_the_objects_that_are_recorded_in_its_place(place: Place, region: str, keys: set[Key]) -> None:
    found = signal(region, parameters=() if region == EVERYWHERE else ("/shop/a",), resources=("dynconfig-r",))
    bound = found.bound_to(place)
    assert bound is not None
    assert set(concerned(index(), bound)) == keys


@pytest.mark.parametrize("member", ["detail-type", "time", "region", "account", "detail", "operation", "name"])
@pytest.mark.parametrize(
    "value",
    [None, True, 0, 10**400, -1.5, "", "\ud800", "x" * 5000, [], [[]], {}, {"a": {}}, "0001-01-01T00:00:00-23:59"],
)
def test_no_message_stops_a_listener(member: str, value: object) -> None:
    detail: dict[str, Any] = {"operation": "Update", "name": "/a"}
    event: dict[str, Any] = {
        "detail-type": "Parameter Store Change",
        "time": "2027-01-15T08:00:00Z",
        "region": REGION,
        "account": B,
        "detail": detail,
    }
    (event if member in event else detail)[member] = value
    try:
        found = parse(json.dumps(event))
    except Unreadable:
        return
    bound = found.bound_to(AT_B) if found else None
    assert bound is None or set(concerned(index(), bound)) <= {IN_B}


class ScriptedQueue:
    """A queue of a target whose messages its administrator wrote."""

    is_external = False

    def __init__(self, *batches: MessageBatch) -> None:
        self.batches = list(batches)
        self.received_at: list[float] = []

    def ensure(self) -> tuple[str, ...]:
        """Repair nothing."""
        return ()

    def receive(self, *, wait: bool = True) -> MessageBatch:
        """Return the next batch."""
        self.received_at.append(time.monotonic())
        if wait and not self.batches:
            time.sleep(0.01)
        return self.batches.pop(0) if self.batches else MessageBatch()

    def delete(self, batch: MessageBatch) -> None:
        """All are received once."""


def listened(echoes: Echoes, *batches: MessageBatch) -> tuple[RecordingListener, ScriptedQueue]:
    """Let a listener of a target receive all batches."""
    recorded, script = RecordingListener(AT_B.location), ScriptedQueue(*batches)
    listener = EventListener(AT_B.location, script, echoes, recorded, lambda: 0.0)  # type: ignore[arg-type]
    listener.start()
    total = sum(len(batch.receipts) for batch in batches)
    recorded.wait(lambda recorded: sum(recorded.counts.values()) == total)
    listener.stop()
    assert listener.join(PATIENCE)
    return recorded, script


def test_batch_takes_no_memory_during_the_next_poll() -> None:
    """Ten messages take up to eight megabytes, and each target has a listener."""
    kept = list[MessageBatch]()

    class Batches(ScriptedQueue):
        def receive(self, *, wait: bool = True) -> MessageBatch:
            kept.extend(item for item in gc.get_objects() if isinstance(item, MessageBatch) and "big" in item.receipts)
            return MessageBatch(others=1, receipts=("big",))

    recorded, script = RecordingListener(AT_B.location), Batches()
    listener = EventListener(AT_B.location, script, Echoes(float), recorded, lambda: 0.0)  # type: ignore[arg-type]
    listener.start()
    recorded.wait(lambda recorded: recorded.counts.get("other", 0) > 2)
    listener.stop()
    assert listener.join(PATIENCE)
    assert not kept


def test_forged_messages_neither_use_up_own_writes_elsewhere_nor_count_as_their_arrival() -> None:
    now = [1000.0]
    echoes = Echoes(lambda: now[0])
    echoes.begin(REGION)
    with echoes.writing(REGION, PUT, ["/shop/a"]):
        pass
    forged = [Signal(REGION, 1000.0, PUT, ("/shop/a",), account=account) for account in (A, B, "")]
    recorded, _queue = listened(echoes, MessageBatch(tuple(forged), receipts=("1", "2", "3")))
    assert (recorded.counts, recorded.names) == ({"signal": 1, "echo": 0, "other": 2, "unreadable": 0}, ["/shop/a"])
    # The event of the own write has not arrived, and is known when it does.
    now[0] += LATE_SECONDS - 1
    assert echoes.is_echo(Signal(REGION, 1000.0, PUT, ("/shop/a",)))


def test_own_write_in_a_target_is_known_by_its_event() -> None:
    echoes = Echoes(time.time)
    echoes.begin(AT_B.title)
    recorded, script = RecordingListener(AT_B.location), ScriptedQueue()
    listener = EventListener(AT_B.location, script, echoes, recorded, lambda: 0.0)  # type: ignore[arg-type]
    listener.start()
    recorded.wait(lambda recorded: recorded.up == [True])
    with echoes.writing(AT_B.title, PUT, ["/shop/a"]):
        script.batches.append(
            MessageBatch((Signal(REGION, time.time(), PUT, ("/shop/a",), account=B),), receipts=("1",))
        )
    recorded.wait(lambda recorded: recorded.counts.get("echo") == 1)
    listener.stop()
    assert listener.join(PATIENCE)
    assert recorded.names == []


def test_full_queue_of_a_target_is_read_slowly() -> None:
    """Its administrator can fill it, and the objects of others are served by the same process."""
    full = MessageBatch(others=MAX_MESSAGES, receipts=("r",) * MAX_MESSAGES)
    _recorded, script = listened(Echoes(time.time), MessageBatch(), *[full] * 4)
    gaps = [later - earlier for earlier, later in zip(script.received_at[1:], script.received_at[2:5], strict=False)]
    assert min(gaps) >= TARGET_PAUSE_SECONDS


class Listeners:
    """Records starts and releases."""

    def __init__(self) -> None:
        self.started: list[Place] = []
        self.released: list[Place] = []
        self.places = EventPlaces(
            lambda place, _fence: self.started.append(place), lambda place, _fence: self.released.append(place.location)
        )


def test_target_with_another_role_is_the_same_place_and_one_in_another_account_is_not() -> None:
    found = Listeners()
    found.places.track(HOME, HERE, FENCE)
    found.places.track(IN_B, AT_B, FENCE)
    changed = Place(REGION, Target("b", REGION, B, "arn:aws:iam::222222222222:role/other"))
    for key in (IN_B, IN_C):
        found.places.track(key, changed, FENCE)
    assert {place.location for place in found.started} == {HERE, AT_B.location}
    assert found.released == []
    found.places.track(IN_C, Place(REGION, Target("b", REGION, A)), FENCE)
    found.places.forget(IN_B)
    assert found.released == [AT_B.location]
    assert found.places.objects(HERE, FENCE.shard) == (HOME,)
    assert found.places.objects(HERE, FENCE.shard + 1) == ()


def test_replica_that_gets_a_shard_back_still_knows_the_role() -> None:
    found = Listeners()
    found.places.track(IN_B, AT_B, FENCE)
    assert found.places.leave(IN_B) == AT_B
    assert found.released == []


def test_places_have_listeners_of_their_own() -> None:
    """Otherwise one whose role is denied would end, or delay, the events of others."""
    created: list[Place] = []

    def new(place: Place, _fence: Fence) -> None:
        created.append(place)

    listeners = EventListeners(new)
    for place in (HERE, AT_B, Place(REGION, Target("c", REGION, B)), Place(REGION, Target("b", REGION, A)), AT_B):
        listeners.start(place, FENCE)
    assert [place.title for place in created] == [
        REGION,
        f"target b ({B}/{REGION})",
        f"target c ({B}/{REGION})",
        f"target b ({A}/{REGION})",
    ]


def test_listener_waits_until_the_event_loop_has_handled_its_events() -> None:
    """Who administers the account of a target can fill its queue faster than events are handled."""
    handled, returned = list[Signal](), threading.Event()

    def route(signals: Sequence[Signal], shard: int, done: Callable[[], None]) -> None:
        assert shard == 0
        handled.extend(signals)
        done()

    router = SimpleNamespace(route=route)
    memo = kopf.Memo(controller=SimpleNamespace(router=router))

    async def act() -> None:
        handler = handlers._EventHandler(memo, Metrics(lambda: 0.0, dict, dict), asyncio.get_running_loop(), 0)

        def receive() -> None:
            handler.route([signal()])
            returned.set()

        thread = threading.Thread(target=receive)
        thread.start()
        # The event loop is busy.
        assert not returned.wait(0.2)
        assert handled == []
        await asyncio.to_thread(thread.join)

    asyncio.run(act())
    assert handled == [signal()]
    assert returned.is_set()


def test_events_of_one_target_displace_no_early_events_of_others() -> None:
    listed, requeued, later = index(), list[Key](), Later()
    router = EventRouter(ResourceIndex(REGION), requeued.append, float, ObjectState(), later=later)
    router.route([signal(account=A)])
    flood = signal(parameters=tuple(f"/shop/{number}" for number in range(MOST_UNMATCHED))).bound_to(AT_B)
    assert flood is not None
    router.route([flood])
    later.run()
    router._index = listed
    router.replay_unmatched(HOME)
    assert requeued == [HOME]
