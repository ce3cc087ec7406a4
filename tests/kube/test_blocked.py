"""Objects that wait for a resource which another object owns."""

import pytest

from dynconfig.kube.moves import MOST_WANTED, BlockedObjects
from dynconfig.model.errors import NotOwned
from dynconfig.model.key import Key
from dynconfig.model.object_state import ObjectState

KEY, OTHER = Key("shop", "a"), Key("shop", "b")
HOME, ELSEWHERE = "eu-west-1", "us-east-1"
STATE = ObjectState[Key]()


@pytest.fixture
def blocked() -> BlockedObjects:
    found = BlockedObjects(STATE)
    found.record(KEY, HOME, NotOwned("taken", titles=["Function f", "Role r"]))
    return found


def test_object_is_found_by_any_resource_it_waits_for(blocked: BlockedObjects) -> None:
    assert set(blocked.waiting_for(HOME, ["Function f"])) == {KEY}
    assert set(blocked.waiting_for(HOME, ["Function other"])) == set()


def test_regions_are_distinguished_except_for_roles(blocked: BlockedObjects) -> None:
    assert set(blocked.waiting_for(ELSEWHERE, ["Function f"])) == set()
    assert set(blocked.waiting_for(ELSEWHERE, ["Role r"])) == {KEY}


def test_successful_reconcile_clears_the_wait(blocked: BlockedObjects) -> None:
    blocked.record(OTHER, HOME, NotOwned("taken", titles=["Function f"]))
    blocked.record(KEY, HOME, None)
    assert set(blocked.waiting_for(HOME, ["Function f", "Role r"])) == {OTHER}
    STATE.forget(OTHER)
    assert set(blocked.waiting_for(HOME, ["Function f"])) == set()


def test_functions_and_attachments_match_each_other(blocked: BlockedObjects) -> None:
    assert set(blocked.waiting_for(HOME, ["Attachment f"])) == {KEY}
    blocked.record(OTHER, HOME, NotOwned("taken", titles=["Attachment g"]))
    assert set(blocked.waiting_for(HOME, ["Function g"])) == {OTHER}


def test_object_that_waits_for_more_than_is_recorded_is_known_as_such() -> None:
    found = BlockedObjects(ObjectState[Key]())
    found.record(
        KEY, HOME, NotOwned("taken", titles=[f"Parameter /shop/{number}" for number in range(MOST_WANTED + 1)])
    )
    found.record(OTHER, HOME, NotOwned("taken", titles=["Parameter /shop/1"]))
    assert found.by_more == {KEY}
    found.record(KEY, HOME, None)
    assert found.by_more == set()
