"""The actions that Argo CD offers for an object: reconcile, suspend, resume."""

from typing import Any

import pytest
from tests.gitops import customization, lua, objects

from dynconfig.validation import declare

CASES = customization.load("actions/action_test.yaml")


@pytest.mark.parametrize("test", CASES["discoveryTests"], ids=lambda test: test["inputPath"])
def test_only_applicable_actions_are_offered(test: dict[str, Any]) -> None:
    offered = lua.run(customization.lua("actions/discovery.lua"), customization.load(f"actions/{test['inputPath']}"))
    assert offered == {item["name"]: {"disabled": item["disabled"]} for item in test["result"]}


@pytest.mark.parametrize("test", CASES["actionTests"], ids=lambda test: test["action"])
def test_action_changes_only_what_it_states(test: dict[str, str]) -> None:
    before, expected = (customization.load(f"actions/{test[key]}") for key in ("inputPath", "expectedOutputPath"))
    after = lua.run(customization.lua(f"actions/{test['action']}/action.lua"), before)
    assert lua.without_empty(after) == lua.without_empty(expected)
    assert before != expected


def test_every_action_has_a_test() -> None:
    assert {test["action"] for test in CASES["actionTests"]} == set(customization.ACTIONS)


def test_operator_detects_a_reconcile_request() -> None:
    before = objects.cases()["in_sync"].make()
    after = lua.run(customization.lua("actions/reconcile/action.lua"), before)
    assert not declare.is_requested(before)
    assert declare.is_requested(after)
