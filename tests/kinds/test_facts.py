"""The facts of the kinds agree with each other, and with what is wired."""

import pytest
from tests.kinds.aws_harness import AwsHarness
from tests.kinds.cases.all import CASES

from dynconfig.aws.facts import EVERYTHING, quota_groups
from dynconfig.kinds.registry import ALL
from dynconfig.model.facts import Facts, Group

titles = [facts.kind or facts.service for facts in EVERYTHING]


@pytest.mark.lab
def test_every_wired_kind_has_facts(harness: AwsHarness) -> None:
    assert sorted(facts.kind for facts in ALL) == sorted(kind.value.kind for kind in harness.kinds())


def test_every_kind_with_facts_has_a_contract_case() -> None:
    assert {facts.kind for facts in ALL} == {case.value.kind for case in CASES.values()}


def test_an_error_code_means_the_same_for_all_kinds() -> None:
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
def test_a_noun_comes_with_the_members_that_name_the_resource(facts: Facts) -> None:
    assert bool(facts.noun) == bool(facts.named_by)


def test_a_member_of_a_service_names_one_kind_of_resource() -> None:
    found: dict[tuple[str, str], str] = {}
    for facts in EVERYTHING:
        for member in facts.named_by:
            assert found.setdefault((facts.service, member), facts.noun) == facts.noun
