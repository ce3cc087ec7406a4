"""The paths that a namespace may use."""

import pytest

from dynconfig.api.spec import DynamicConfigSpec
from dynconfig.validation.tenancy import NOWHERE, describe_paths, is_path_allowed


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
def test_path_includes_everything_below(path: str, allowed: tuple[str, ...], answer: bool) -> None:
    assert is_path_allowed(path, allowed) is answer


@pytest.mark.parametrize("path", ["/-", "/-/mine", "/nowhere", "/."])
def test_nowhere_allows_no_path(path: str) -> None:
    assert DynamicConfigSpec.model_validate({"path": path})
    assert not is_path_allowed(path, NOWHERE)


def test_description_of_allowed_paths() -> None:
    assert describe_paths(("/shop", "/common")) == "paths below /shop, /common"
    assert describe_paths(NOWHERE) == "none"
