"""Which objects wait for a resource that another one owns."""

import pytest

from dynconfig.engine.errors import NotOwned
from dynconfig.engine.work_queue import Key
from dynconfig.kube.blocked import Blocked

KEY, OTHER = Key("shop", "a"), Key("shop", "b")
HOME, ELSEWHERE = "eu-west-1", "us-east-1"


@pytest.fixture
def blocked() -> Blocked:
    found = Blocked()
    found.served(KEY, HOME, NotOwned("taken", titles=["Function f", "Role r"]))
    return found


def test_an_object_is_found_by_any_resource_that_it_waits_for(blocked: Blocked) -> None:
    assert blocked.freed(HOME, ["Function f"]) == {KEY}
    assert blocked.freed(HOME, ["Function other"]) == set()


def test_regions_are_told_apart_but_for_roles(blocked: Blocked) -> None:
    assert blocked.freed(ELSEWHERE, ["Function f"]) == set()
    assert blocked.freed(ELSEWHERE, ["Role r"]) == {KEY}


def test_what_is_served_waits_no_longer(blocked: Blocked) -> None:
    blocked.served(OTHER, HOME, NotOwned("taken", titles=["Function f"]))
    blocked.served(KEY, HOME, None)
    assert blocked.freed(HOME, ["Function f", "Role r"]) == {OTHER}
    blocked.forget(OTHER)
    assert blocked.freed(HOME, ["Function f"]) == set()


def test_an_object_that_waits_for_a_function_is_found_whether_it_was_made_or_added_to(blocked: Blocked) -> None:
    assert blocked.freed(HOME, ["Attachment f"]) == {KEY}
    blocked.served(OTHER, HOME, NotOwned("taken", titles=["Attachment g"]))
    assert blocked.freed(HOME, ["Function g"]) == {OTHER}
