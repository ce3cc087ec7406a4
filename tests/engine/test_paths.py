"""Which paths a namespace may use."""

import pytest

from dynconfig.api.spec import DynamicConfigSpec
from dynconfig.engine.paths import NOWHERE, describe, is_allowed


@pytest.mark.parametrize(
    ("path", "allowed", "answer"),
    [
        ("/shop", ("/shop",), True),
        ("/shop/cart", ("/common", "/shop/"), True),
        ("/shopping", ("/shop",), False),
        ("/anything", (), True),
        ("/anything", ("/",), True),
    ],
)
def test_a_path_is_allowed_with_all_below_it(path: str, allowed: tuple[str, ...], answer: bool) -> None:
    assert is_allowed(path, allowed) is answer


@pytest.mark.parametrize("path", ["/-", "/-/mine", "/nowhere", "/."])
def test_who_may_use_nothing_may_use_no_path_that_there_is(path: str) -> None:
    assert DynamicConfigSpec.model_validate({"path": path})
    assert not is_allowed(path, NOWHERE)


def test_what_may_be_used_is_told() -> None:
    assert describe(("/shop", "/common")) == "paths below /shop, /common"
    assert describe(NOWHERE) == "none"
