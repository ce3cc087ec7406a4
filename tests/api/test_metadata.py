"""Validation of names as in the API server."""

import pytest

from dynconfig.api.metadata import name_fault, namespace_fault


@pytest.mark.parametrize("name", ["a", "my-app", "my.app-2", "0", "a" * 63])
def test_valid_names_are_accepted(name: str) -> None:
    assert name_fault(name) is None


@pytest.mark.parametrize(
    "name", ["", None, "My", "a_b", "-a", "a-", ".a", "a..b", "a.-b", "a" * 64, "a\n", "ä", 5, True, ["a"]]
)
def test_invalid_names_are_rejected(name: object) -> None:
    assert name_fault(name)


def test_namespace_must_not_contain_dots() -> None:
    assert namespace_fault("a-b") is None
    assert namespace_fault("a.b") is not None
