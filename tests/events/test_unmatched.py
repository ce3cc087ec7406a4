"""Events that concern no known object: few, for a short time, and never the texts of the messages that brought them."""

import json
from functools import partial
from types import SimpleNamespace
from typing import Any

import kopf
import pytest
from tests.events.test_index_cost import FEW, MANY, NAMES, in_one_namespace
from tests.events.test_resource_index import CART, HOME, SHOP, document
from tests.kube.test_kept_memory import kept_bytes
from tests.operations import calls_of

from dynconfig import handlers
from dynconfig.api.status import AUTHOR_LENGTH
from dynconfig.events.resource_index import ResourceIndex
from dynconfig.events.routing import EventRouter
from dynconfig.events.signals import LONGEST_NAME, Signal, parse
from dynconfig.events.unmatched import MOST_BYTES, MOST_UNMATCHED, UNMATCHED_SECONDS
from dynconfig.kube.targets import Targets
from dynconfig.model.declaration import Place
from dynconfig.model.key import Key
from dynconfig.model.object_state import ObjectState
from dynconfig.model.target import Target

ACCOUNT, EMOJI = "222222222222", "\N{PARTY POPPER}"
TARGETS = [Target(f"t{number}", HOME, ACCOUNT) for number in range(20)]
LONG = [EMOJI + f"{number:03}".ljust(LONGEST_NAME - 1, "x") for number in range(99)]


def message(
    *names: str, actor: str = "arn:aws:iam::222222222222:user/x", request: str = "r", source: str = "lambda"
) -> Signal:
    """The event of a call with names, as CloudTrail or an attacker sends it; each one with texts of its own."""
    detail: dict[str, Any] = {
        "eventSource": f"{source}.amazonaws.com",
        "eventName": "UpdateFunctionCode",
        "userIdentity": {"arn": actor},
        "requestID": request,
        "requestParameters": {"names": names},
    }
    about = {"detail-type": "AWS API Call via CloudTrail", "region": HOME, "account": ACCOUNT}
    found = parse(json.dumps({**about, "time": "2027-01-15T08:00:00Z", "detail": detail}, ensure_ascii=False))
    assert found is not None
    return found


class Routed:
    """A router, its clock, and what it requeued."""

    def __init__(self, index: ResourceIndex | None = None) -> None:
        self.now = 1000.0
        self.requeued = list[Key]()
        self.router = EventRouter(
            ResourceIndex(HOME) if index is None else index, self.requeued.append, lambda: self.now, ObjectState()
        )

    def receive(self, found: Signal, target: Target | None = None, shard: int = 0) -> None:
        """Route an event from the queue of a shard in a target."""
        bound = found.bound_to(Place(HOME, target))
        assert bound is not None
        self.router.route([bound], shard)

    def list_all(self, *keys: Key, target: Target | None = None) -> None:
        """List objects now that declare /shop/a."""
        for key in keys:
            found = document("/shop", "a")
            if target is not None:
                found["spec"]["target"] = target.name
                found["status"] = {"target": target.name, "account": ACCOUNT, "region": HOME}
            self.router._index.update(key, found)
            self.router.replay_unmatched(key)

    @property
    def kept(self) -> int:
        """The bytes that events take."""
        return kept_bytes(self.router._unmatched)


@pytest.mark.parametrize("source", ["lambda", "ssm"])
@pytest.mark.parametrize("shards", [1, 10])
@pytest.mark.parametrize("targets", [1, 20])
def test_messages_of_any_size_take_bounded_memory_in_all_queues_together(
    targets: int, shards: int, source: str
) -> None:
    found = Routed()
    for number in range(200):
        names = (EMOJI + f"n{number}".ljust(LONGEST_NAME - 1, "y"), *LONG)
        actor, request = EMOJI + f"a{number}".ljust(2000, "z"), EMOJI + f"r{number}".ljust(2000, "z")
        target, shard = TARGETS[number % targets], number // targets % shards
        found.receive(message(*names, actor=actor, request=request, source=source), target, shard)
    assert found.kept < 1.5 * MOST_BYTES
    assert found.router._unmatched.size <= MOST_BYTES


def test_kept_event_refers_to_one_name_only() -> None:
    found = Routed()
    found.receive(message("/shop/a", *LONG))
    for number in range(MOST_UNMATCHED - 1):
        found.receive(message(f"n{number}"))
    assert found.kept < MOST_UNMATCHED * 2000


def test_texts_of_a_message_are_limited_before_they_are_kept() -> None:
    found = message("/shop/a", actor="a" * 2000, request="r" * 2000, source="ssm")
    assert len(found.actor) == AUTHOR_LENGTH
    assert found.request == ""


def test_floods_of_many_targets_displace_no_ordinary_events_of_others() -> None:
    found = Routed()
    found.receive(message("/shop/a", source="ssm"))
    found.receive(message("/shop/a", source="ssm"), TARGETS[0])
    for number in range(200):
        for target in TARGETS[1:]:
            found.receive(message(f"n{number}", *LONG[:10]), target, number % 10)
    found.list_all(SHOP)
    assert found.requeued == [SHOP]
    found.list_all(CART, target=TARGETS[0])
    assert found.requeued == [SHOP, CART]


def test_old_events_are_removed_with_the_next_one_of_any_queue() -> None:
    found = Routed()
    found.receive(message(*LONG), TARGETS[0], 1)
    before, found.now = found.kept, found.now + UNMATCHED_SECONDS
    found.receive(message("n"), TARGETS[1])
    assert found.kept < before / 100


def test_event_is_replayed_for_ten_minutes_from_its_receipt_however_often_it_is() -> None:
    found = Routed(ResourceIndex(HOME, targets=None))
    found.receive(message("/shop/a", source="ssm"), TARGETS[0])
    found.now += UNMATCHED_SECONDS - 1
    # One that writes elsewhere is not concerned.
    found.list_all(SHOP)
    assert not found.requeued
    found.list_all(CART, target=TARGETS[0])
    assert found.requeued == [CART]
    found.now += 1
    found.list_all(Key("shop", "late"), target=TARGETS[0])
    assert found.requeued == [CART]


def test_listed_object_is_replayed_the_events_that_concern_it_at_the_cost_of_its_own() -> None:
    counts = []
    for count in (FEW, MANY):
        found = Routed()
        found.receive(message(*(f"/shop/{name}" for name in NAMES[:5]), source="ssm"))
        found.router._index = in_one_namespace(count, lambda _number: NAMES)
        counts.append(calls_of(partial(found.router.replay_unmatched, CART)))
        assert set(found.requeued) == {CART}
        pending = found.router.take(CART)
        assert pending is not None
        assert set(pending.of) == {f"/shop/{name}" for name in NAMES[:5]}
    assert counts[0] == counts[1]


def test_replay_finds_the_same_as_the_event_would_have() -> None:
    written = document("/shop", "a")
    written["status"] = {"resources": [{"kind": "Role", "name": "dynconfig-r", "arn": "arn:aws:iam::1:role/x/of-arn"}]}
    for name, source in (("/shop/a", "ssm"), ("dynconfig-r", "iam"), ("of-arn", "iam"), ("of-arn", "lambda")):
        early, late = Routed(), Routed()
        late.router._index.update(SHOP, written)
        late.receive(message(name, source=source))
        early.receive(message(name, source=source))
        early.router._index.update(SHOP, written)
        early.router.replay_unmatched(SHOP)
        expected, found = late.router.take(SHOP), early.router.take(SHOP)
        assert expected is not None
        assert found == expected


def test_events_of_a_deleted_target_and_of_a_shard_that_was_given_up_are_forgotten() -> None:
    found, known, requeued = Routed(), Targets(), list[str]()
    controller = SimpleNamespace(router=found.router, objects=SimpleNamespace(requeue_target=requeued.append))
    known.on_change(partial(handlers._target_changed, kopf.Memo(controller=controller), known))
    for target in TARGETS[:2]:
        for shard in (0, 1):
            found.receive(message(*LONG[:10]), target, shard)
    kept = found.router._unmatched.size
    known.notify(TARGETS[0].name)
    assert requeued == [TARGETS[0].name]
    assert found.router._unmatched.size == kept / 2
    found.router.leave(1)
    assert found.router._unmatched.size == kept / 4
    found.router.leave(0)
    assert not found.router._unmatched
