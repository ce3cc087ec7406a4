"""Names in AWS are derived from the object, valid and unique."""

import re
from typing import Any

import pytest
from botocore.session import get_session
from hypothesis import example, given
from hypothesis import strategies as st

from dynconfig.model.arns import DOMAINS, Arns, partition
from dynconfig.model.naming import LONGEST, Names, fitting
from dynconfig.model.resource import Owner

OWNER = Owner("cluster", "shop", "myapp", "uid-1")
LONG = Owner("cluster", "n" * 63, "m" * 63, "uid-1")


def all_names(owner: Owner, region: str = "eu-west-1", function: str | None = None) -> dict[str, str]:
    names = Names.of(owner, region, function, None)
    found: dict[str, Any] = {field: getattr(names, field) for field in Names.__dataclass_fields__}
    assert (found.pop("former") is not None) == (function is not None)
    others = {f"other_roles[{number}]": name for number, name in enumerate(found.pop("other_roles"))}
    return {**found, **others}


def test_names_begin_with_dynconfig_namespace_and_name() -> None:
    assert all_names(OWNER) == {
        "function": "dynconfig-shop-myapp",
        "role": "dynconfig-shop-myapp-eu-west-1-function",
        "scheduler_role": "dynconfig-shop-myapp-eu-west-1-schedule",
        "other_roles[0]": "dynconfig-shop-myapp-eu-west-1",
        "other_roles[1]": "dynconfig-shop-myapp-eu-west-1-scheduler",
        "log_group": "/aws/lambda/dynconfig-shop-myapp",
        "rule": "dynconfig-shop-myapp-parameters",
        "schedule": "dynconfig-shop-myapp",
        "http_api": "dynconfig-shop-myapp",
        "alarms": "dynconfig-shop-myapp/",
        "dashboard": "dynconfig-shop-myapp-eu-west-1",
        "topic": "dynconfig-shop-myapp-alarms",
    }


@pytest.mark.parametrize(
    ("namespace", "name", "function"),
    [
        ("shop", "my-app", "dynconfig-shop-my-app"),
        ("team-a", "myapp", "dynconfig-team-a_myapp"),
        ("team-a", "my-app", "dynconfig-team-a_my-app"),
    ],
)
def test_namespace_with_a_dash_is_separated_by_an_underscore(namespace: str, name: str, function: str) -> None:
    assert all_names(Owner("cluster", namespace, name, "uid-1"))["function"] == function


LABELS = st.from_regex(r"[ab1]([-ab1]{0,6}[ab1])?", fullmatch=True)
OBJECTS = st.tuples(LABELS, st.from_regex(r"[ab1]([-ab1.]{0,6}[ab1])?", fullmatch=True))


@given(OBJECTS, OBJECTS)
@example(("a-b", "c"), ("a", "b-c"))
def test_names_of_two_objects_differ(one: tuple[str, str], other: tuple[str, str]) -> None:
    mine, theirs = (all_names(Owner("cluster", *parts, "uid")) for parts in (one, other))
    assert one == other or not any(mine[field] == theirs[field] for field in mine)


def test_no_name_collides_with_a_sanitized_name() -> None:
    made = all_names(Owner("cluster", "a", "b.c", "uid"))["function"]
    digest = made[-8:]
    rivals = [("a", f"b-c-{digest}"), ("a-b-c", digest), ("a-b", f"c-{digest}"), ("a", f"b-c--{digest}")]
    assert made not in [all_names(Owner("cluster", *rival, "uid"))["function"] for rival in rivals]


def test_explicit_names_are_used_and_others_derived_from_the_function() -> None:
    names = Names.of(OWNER, "eu-west-1", "my-function", "my-role")
    assert (names.function, names.role, names.rule) == ("my-function", "my-role", "my-function-parameters")


@pytest.mark.parametrize("function", [None, "my-function", "dynconfig-mine", "f" * 64])
def test_alarms_topics_and_dashboards_always_have_the_prefix(function: str | None) -> None:
    names = Names.of(OWNER, "eu-west-1", function, None)
    for name in (names.alarm("Errors"), names.dashboard, names.topic):
        assert name.startswith("dynconfig-_" if function else "dynconfig-shop-myapp")


@pytest.mark.parametrize("function", ["dynconfig-shop-eu", "Dynconfig-shop-eu", "dynconfig-shop-" + "f" * 49])
def test_all_names_derived_from_a_name_like_a_default_one_are_reserved(function: str) -> None:
    names = Names.of(Owner("cluster", "evil", "myapp", "uid"), "eu-west-1", function, None)
    derived = (names.role, names.scheduler_role, names.rule, names.schedule, names.http_api, names.alarms)
    for name in (*derived, names.dashboard, names.topic):
        assert name.startswith(f"dynconfig-_{function[:40]}")
    assert max(map(len, (names.role, names.schedule, names.rule, names.dashboard))) <= LONGEST
    own = Names.of(Owner("cluster", "shop", "myapp", "uid"), "eu-west-1", function, None)
    assert (own.former is None) == function.startswith("dynconfig-")


def test_declared_names_below_the_prefix_of_the_namespace_are_derived_as_default_names_are() -> None:
    names = Names.of(OWNER, "eu-west-1", "dynconfig-shop-other", None)
    assert (names.alarms, names.rule) == ("dynconfig-shop-other/", "dynconfig-shop-other-parameters")
    assert names.former is None


def test_topic_keeps_the_name_under_which_it_is_owned() -> None:
    names = Names.of(OWNER, "eu-west-1", "my-function", None)
    assert names.topic == "dynconfig-_my-function-alarms"
    kept = names.keeping({("Topic", "dynconfig-my-function-alarms")})
    assert kept.topic == "dynconfig-my-function-alarms"
    assert kept.alarms == names.alarms
    assert set(kept.topics) == set(names.topics) == {kept.topic, names.topic}
    assert kept.keeping(()) == names


def test_alarm_prefixes_do_not_overlap() -> None:
    mine, longer = (
        Names.of(Owner("cluster", "shop", name, "uid"), "eu-west-1", None, None) for name in ("my", "my-app")
    )
    assert not longer.alarm("Errors").startswith(mine.alarms)
    assert mine.alarm("app-Errors") != longer.alarm("Errors")


def test_names_that_are_too_long_are_shortened_and_stay_unique() -> None:
    twin = Owner("cluster", "n" * 63, "m" * 62 + "x", "uid-1")
    for field, name in all_names(LONG).items():
        assert len(name.removeprefix("/aws/lambda/").removesuffix("/")) <= LONGEST
        assert re.fullmatch(r"(/aws/lambda/)?[a-zA-Z0-9_-]+/?", name)
        assert name != all_names(twin)[field]


def test_names_are_deterministic() -> None:
    assert all_names(LONG) == all_names(LONG)
    assert all_names(LONG)["function"].startswith("dynconfig-nnn")


@pytest.mark.parametrize(("one", "other"), [("a.b", "a-b"), ("x" * 65, "x" * 66), ("a b", "a_b")])
def test_sanitized_and_shortened_names_are_unique(one: str, other: str) -> None:
    assert fitting(one) != fitting(other)
    assert len({fitting(one), fitting(other), one, other}) >= 3


def test_roles_differ_by_region() -> None:
    assert all_names(OWNER, "eu-west-1")["role"] != all_names(OWNER, "us-east-1")["role"]


def test_roles_differ_case_insensitively() -> None:
    one, other = (all_names(OWNER, function=name) for name in ("MyApp", "myapp"))
    assert one["role"].lower() != other["role"].lower()
    assert one["scheduler_role"].lower() != other["scheduler_role"].lower()
    assert one["role"].startswith("MyApp-eu-west-1")


@pytest.mark.parametrize(
    ("region", "expected"), [("eu-west-1", "aws"), ("cn-north-1", "aws-cn"), ("us-gov-west-1", "aws-us-gov")]
)
def test_arns_are_of_the_partition_of_the_region(region: str, expected: str) -> None:
    arns = Arns(region, lambda: "123456789012")
    assert partition(region) == expected
    assert arns.role("r") == f"arn:{expected}:iam::123456789012:role/dynconfig/r"
    assert arns.function("f") == f"arn:{expected}:lambda:{region}:123456789012:function:f"
    assert arns.rule("r") == f"arn:{expected}:events:{region}:123456789012:rule/r"
    assert arns.http_calls("id") == f"arn:{expected}:execute-api:{region}:123456789012:id/*/*"
    assert arns.parameters("/a/b") == f"arn:{expected}:ssm:{region}:123456789012:parameter/a/b/*"


def _partitions() -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = get_session().get_component("data_loader").load_data("partitions")["partitions"]
    return found


@pytest.mark.parametrize("about", _partitions(), ids=lambda about: about["id"])
def test_every_region_of_aws_is_in_its_partition_and_every_domain_is_known(about: dict[str, Any]) -> None:
    regions = [region for region in about["regions"] if not region.endswith("-global")]
    assert {partition(region) for region in regions} == {about["id"]}
    assert {about["outputs"][name] for name in ("dnsSuffix", "dualStackDnsSuffix")} <= set(DOMAINS)


@pytest.mark.parametrize(
    ("region", "expected"),
    [
        ("eu-west-1", "ssm.eu-west-1.amazonaws.com"),
        ("us-gov-west-1", "ssm.us-gov-west-1.amazonaws.com"),
        ("cn-north-1", ["ssm.cn-north-1.amazonaws.com", "ssm.cn-north-1.amazonaws.com.cn"]),
        ("eusc-de-east-1", ["ssm.eusc-de-east-1.amazonaws.com", "ssm.eusc-de-east-1.amazonaws.eu"]),
    ],
)
def test_via_service_has_all_domains(region: str, expected: object) -> None:
    assert Arns(region, lambda: "1").via("ssm") == expected


def test_account_is_looked_up_lazily() -> None:
    asked: list[str] = []

    def account() -> str:
        asked.append("sts")
        return "1"

    arns = Arns("eu-west-1", account)
    assert asked == []
    assert arns.log_group("/aws/lambda/f") == "arn:aws:logs:eu-west-1:1:log-group:/aws/lambda/f"
    assert asked == ["sts"]
