"""What the role of a target needs follows from the rules that decide about the objects in it."""

from collections.abc import Iterable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.security.iam.evaluator import Decision, Request, decide

from dynconfig.api.allow import Usable
from dynconfig.api.target import AWSTargetSpec
from dynconfig.aws.permissions import operator_policy
from dynconfig.model.allowed import Allowed
from dynconfig.model.naming import Names
from dynconfig.model.resource import Owner
from dynconfig.validation.target_access import allowed_in
from dynconfig.validation.tenancy import Aspect, Tenant, Use, tenant_in

ACCOUNT, REGION = "123456789012", "eu-west-1"
FUNCTIONS = ["function", "attach"]
SELECTOR: dict[str, Any] = {"matchLabels": {"team": "a"}}


def spec(*rules: dict[str, Any], **more: Any) -> AWSTargetSpec:
    return AWSTargetSpec.model_validate({"region": REGION, "account": ACCOUNT, "allow": list(rules), **more})


def access(*rules: dict[str, Any], **more: Any) -> Allowed:
    return allowed_in(spec(*rules, **more))


def rule(*namespaces: str, **more: Any) -> dict[str, Any]:
    return {"namespaces": list(namespaces), **more}


@pytest.mark.parametrize(
    ("rules", "paths"),
    [
        ([rule("shop", "cart", paths=["/{namespace}", "/common/"])], ["/shop", "/common", "/cart"]),
        ([rule("*", paths=["/{namespace}/app"])], ["/*/app"]),
        ([{"namespaceSelector": SELECTOR, "paths": ["/teams/{namespace}"]}], ["/teams/*"]),
        ([rule("shop", namespaceSelector=SELECTOR, paths=["/{namespace}"])], ["/*"]),
        ([rule("shop", paths=["/shop", "/shop/eu", "/shopping"])], ["/shop", "/shopping"]),
        ([rule("shop", paths=["/", "/shop"])], ["/"]),
        # No path of an object has these characters, but IAM would read them as wildcards and variables.
        ([rule("shop", paths=["/*", "/a?", "/${aws:username}", "/a//b", "/shop"])], ["/shop"]),
        # Only a namespace that may have parameters needs its paths.
        ([rule("shop", paths=["/shop"]), rule("cart", paths=["/cart"], resources=["dashboard"])], ["/shop"]),
        ([rule("shop", paths=["/a"], resources=["dashboard"]), rule("shop", resources=["parameters"])], ["/a"]),
        ([], []),
    ],
)
def test_paths_are_those_of_the_rules(rules: list[dict[str, Any]], paths: list[str]) -> None:
    assert access(*rules).paths == paths


@pytest.mark.parametrize(
    ("rules", "usable"),
    [
        ([rule("shop")], "parameters alarms dashboard"),
        ([rule("shop", resources=["alarms"])], "alarms"),
        # Rules of a namespace add up, and a list replaces the default.
        ([rule("shop"), rule("shop", resources=["alarms"])], "alarms"),
        ([rule("shop"), rule("*", resources=["alarms"])], "alarms"),
        ([rule("shop"), rule("cart", resources=["function"])], "parameters alarms dashboard function"),
        # Whether the selector selects the namespace is not known.
        (
            [rule("shop"), {"namespaceSelector": SELECTOR, "resources": ["attach"]}],
            "parameters alarms dashboard attach",
        ),
        ([{"namespaceSelector": SELECTOR}, rule("shop", resources=["attach"])], "parameters alarms dashboard attach"),
        ([rule("shop", resources=[])], ""),
        ([], ""),
    ],
)
def test_only_resources_that_some_rule_allows_are_granted(rules: list[dict[str, Any]], usable: str) -> None:
    found = access(*({"paths": ["/a"], "names": ["team-*"], **each} for each in rules))
    granted = {
        "parameters": found.paths,
        "alarms": found.alarms,
        "dashboard": found.dashboards,
        "function": found.functions,
        "attach": found.attached_functions,
    }
    assert {name for name, value in granted.items() if value} == set(usable.split())


def test_target_for_parameters_needs_nothing_of_lambda_and_iam() -> None:
    boundary = f"arn:aws:iam::{ACCOUNT}:policy/boundary"
    role = {"assumeRole": {"roleArn": f"arn:aws:iam::{ACCOUNT}:role/dynconfig"}, "permissionsBoundary": boundary}
    policy = operator_policy(access(rule("shop", paths=["/a"], resources=["parameters"]), **role))
    services = {action.partition(":")[0] for statement in policy["Statement"] for action in statement["Action"]}
    assert services == {"ssm", "tag", "ec2", "sqs", "events"}
    found = access(rule("shop", resources=["function"]), **role)
    assert (found.boundary, found.operator_role) == (boundary, f"arn:aws:iam::{ACCOUNT}:role/dynconfig")


@pytest.mark.parametrize("namespace", ["shop", "shop-eu", "n" * 54, "n" * 63])
@pytest.mark.parametrize("name", ["a", "my.app", "m" * 60])
def test_default_names_of_a_namespace_are_covered(namespace: str, name: str) -> None:
    policy = operator_policy(access(rule(namespace, resources=["function"])))
    names = Names.of(Owner("cluster", namespace, name, "uid"), REGION, None, None)
    base = f"{REGION}:{ACCOUNT}"
    for action, resource in (
        ("lambda:GetFunction", f"arn:aws:lambda:{base}:function:{names.function}"),
        ("iam:GetRole", f"arn:aws:iam::{ACCOUNT}:role/{names.role}"),
        ("events:DescribeRule", f"arn:aws:events:{base}:rule/{names.rule}"),
        ("scheduler:GetSchedule", f"arn:aws:scheduler:{base}:schedule/default/{names.schedule}"),
    ):
        assert decide([policy], Request(action, resource)) is Decision.ALLOWED, resource


def test_names_and_layers_are_those_of_the_rules_in_the_region() -> None:
    layer = "arn:aws:lambda:{}:" + f"{ACCOUNT}:layer:base:*"
    about = {"names": ["{namespace}_*", "a?", "arn:x"], "layers": [layer.format(each) for each in ("*", "us-east-1")]}
    found = access(rule("shop", resources=FUNCTIONS, **about))
    assert found.functions == found.attached_functions == ["dynconfig-shop-*", "shop_*"]
    assert found.attached_roles == ["shop_*"]
    assert found.own_layers == [layer.format(REGION)]
    assert access(rule("*", resources=["function"])).functions == ["dynconfig-*"]
    # Each covers the other.
    assert access(rule("shop", resources=FUNCTIONS, names=["a*", "a**"])).attached_roles == ["a**"]


@pytest.mark.parametrize(
    ("key", "arn"),
    [
        ("alias/prod", f"arn:aws:kms:{REGION}:{ACCOUNT}:alias/prod"),
        ("1111-2222", f"arn:aws:kms:{REGION}:{ACCOUNT}:key/1111-2222"),
        (f"arn:aws:kms:{REGION}:999999999999:key/1", f"arn:aws:kms:{REGION}:999999999999:key/1"),
    ],
)
def test_default_key_is_usable(key: str, arn: str) -> None:
    assert access(rule("shop", paths=["/a"]), kmsKeyId=key).keys == [arn]
    without = operator_policy(access(rule("shop", resources=["dashboard"]), kmsKeyId=key))
    assert not any("kms:Decrypt" in statement["Action"] for statement in without["Statement"])


NAMESPACES = ["shop", "shop-eu", "cart"]
RULES = st.lists(
    st.fixed_dictionaries(
        {
            "namespaces": st.lists(st.sampled_from([*NAMESPACES, "*"]), max_size=2, unique=True),
            "paths": st.lists(st.sampled_from(["/{namespace}", "/a/{namespace}", "/a", "/shop", "/"]), max_size=2),
        },
        optional={
            "namespaceSelector": st.just(SELECTOR),
            "resources": st.lists(st.sampled_from([*Usable]), max_size=2, unique=True),
        },
    ).filter(lambda each: each["namespaces"] or "namespaceSelector" in each),
    max_size=4,
)
PATHS = ["/shop", "/shop-eu/x", "/cart", "/a/shop", "/a/cart", "/a", "/a/b/c", "/other"]
LABELS = ({"team": "a"}, {"team": "b"})


def may_put(tenants: Iterable[Tenant], path: str) -> bool:
    use = Use("spec.parameters", Aspect.RESOURCE, Usable.PARAMETERS)
    return any(each.may_use_path(path) and each.decide(use, lambda _arn: False).is_allowed for each in tenants)


@given(RULES)
def test_role_may_write_where_an_object_may_and_nowhere_else(rules: list[dict[str, Any]]) -> None:
    target = spec(*rules)
    policy = operator_policy(allowed_in(target))
    is_exact = not any("namespaceSelector" in each or "*" in each["namespaces"] for each in rules)
    tenants = [tenant_in("prod", target, name, labels) for name in (*NAMESPACES, "new") for labels in LABELS]
    for path in PATHS:
        request = Request("ssm:PutParameter", f"arn:aws:ssm:{REGION}:{ACCOUNT}:parameter{path}/name")
        is_allowed = decide([policy], request) is Decision.ALLOWED
        assert is_allowed or not may_put(tenants, path)
        assert not (is_exact and is_allowed) or may_put(tenants, path)
