"""The declared facts of the kinds are consistent with each other and with the wired kinds."""

import json
import os
from pathlib import Path
from typing import Any

import pytest
from tests.kinds.aws_harness import AwsHarness
from tests.kinds.cases.all import CASES
from tests.kinds.iam import actions

from dynconfig.aws.facts import EVERYTHING, quota_groups
from dynconfig.kinds.registry import ALL, MODULES, in_order
from dynconfig.model.facts import Facts, Group

GOLDEN = Path(__file__).parent / "golden" / "facts.json"
titles = [facts.kind or facts.service for facts in EVERYTHING]


@pytest.mark.lab
def test_every_wired_kind_has_facts(harness: AwsHarness) -> None:
    assert sorted(facts.kind for facts in ALL) == sorted(kind.value.kind for kind in harness.kinds())


@pytest.mark.lab
def test_kinds_are_created_after_those_that_they_need(harness: AwsHarness) -> None:
    names = [kind.value.kind for kind in harness.kinds()]
    assert names[:4] == ["Parameter", "Role", "LogGroup", "Function"]
    needs = [(kind.value.kind, name) for kind in harness.kinds() for name in getattr(kind, "needs", ())]
    assert [pair for pair in needs if names.index(pair[0]) < names.index(pair[1])] == []


@pytest.mark.lab
def test_order_of_creation_follows_from_needs_alone(harness: AwsHarness) -> None:
    kinds = harness.kinds()
    reversed_ = in_order(reversed(kinds))
    assert len(reversed_) == len(MODULES)
    names = [kind.value.kind for kind in reversed_]
    assert names.index("Topic") < names.index("Alarm") < names.index("CompositeAlarm")
    assert names.index("Role") < names.index("Function") < names.index("HttpApi") < names.index("Permission")


def summary(facts: Facts) -> dict[str, Any]:
    source = facts.event_source
    return {
        "service": facts.service,
        "noun": facts.noun,
        "indexedAs": facts.indexed_as,
        "events": {"source": source.name, "calls": list(source.calls)} if source else None,
        "actions": sorted(actions(facts)),
        "errors": {code: error.__name__ for code, error in sorted(facts.errors.items())},
        "quotas": {group.name: group.per_second for group in facts.quotas},
    }


def test_kind_names_and_other_facts_do_not_change_unnoticed() -> None:
    found = {facts.kind: summary(facts) for facts in sorted(ALL, key=lambda facts: facts.kind)}
    if os.environ.get("GOLDEN") == "write":
        GOLDEN.write_text(json.dumps(found, indent=2) + "\n")
    assert found == json.loads(GOLDEN.read_text()), "run `make golden`, and review the diff"


def test_every_kind_with_facts_has_a_contract_case() -> None:
    assert {facts.kind for facts in ALL} == {case.value.kind for case in CASES.values()}


def test_error_code_has_one_meaning_for_all_kinds() -> None:
    found: dict[str, object] = {}
    for facts in EVERYTHING:
        for code, error in facts.errors.items():
            assert found.setdefault(code, error) is error, code


def test_operations_of_a_quota_group_are_merged_and_have_one_rate() -> None:
    one, other = (Facts(kind=kind, service="s", grants=(), quotas=(Group("g", (kind,), 1.0),)) for kind in ("a", "b"))
    assert quota_groups((one, other)) == (Group("g", ("a", "b"), 1.0),)
    rates = {(group.name, group.per_second) for facts in EVERYTHING for group in facts.quotas}
    assert len(rates) == len({name for name, _rate in rates})


@pytest.mark.parametrize("facts", EVERYTHING, ids=titles)
def test_quotas_are_those_of_the_service(facts: Facts) -> None:
    services = {operation.partition(".")[0] for group in facts.quotas for operation in group.operations}
    assert services <= {facts.service}


@pytest.mark.parametrize("facts", EVERYTHING, ids=titles)
def test_noun_has_the_members_that_name_the_resource(facts: Facts) -> None:
    assert bool(facts.noun) == bool(facts.named_by)


def test_member_of_a_service_names_one_kind_of_resource() -> None:
    found: dict[tuple[str, str], str] = {}
    for facts in EVERYTHING:
        for member in facts.named_by:
            assert found.setdefault((facts.service, member), facts.noun) == facts.noun
