"""Authorization of namespaces: denied by default."""

from dataclasses import replace
from typing import Any

import pytest

from dynconfig.api.allow import AllowRule, Policy
from dynconfig.api.spec import DynamicConfigSpec
from dynconfig.api.target import AWSTargetSpec
from dynconfig.model.errors import InvalidSpec, NotAllowed, PathNotAllowed
from dynconfig.validation.region_checks import check_allowed
from dynconfig.validation.tenancy import Decision, Tenant, check, decisions, tenant, tenant_in

HOME = "eu-west-1"
TOPIC = "arn:aws:sns:eu-west-1:123456789012:shop-alarms"
EXTENSION = "arn:aws:lambda:eu-west-1:015030872274:layer:AWS-Parameters-and-Secrets-Lambda-Extension:24"
LAYER = "arn:aws:lambda:eu-west-1:999999999999:layer:mine:1"
QUEUE = "arn:aws:sqs:eu-west-1:123456789012:shop-failed"


def shared(*rules: dict[str, Any], namespace: str = "shop", labels: dict[str, str] | None = None) -> Tenant:
    policy = Policy.model_validate({"allow": [{"paths": ["/{namespace}"], "namespaces": ["*"]}, *rules]})
    return tenant(policy, namespace, labels or {})


def about(spec: dict[str, Any], found: Tenant) -> dict[str, Decision]:
    parsed = DynamicConfigSpec.model_validate({"path": f"/{found.namespace}", **spec})
    return {each.use.field: each for each in decisions(parsed, found, HOME, lambda arn: arn == EXTENSION)}


def denied(spec: dict[str, Any], found: Tenant) -> set[str]:
    return {field for field, each in about(spec, found).items() if not each.is_allowed}


@pytest.mark.parametrize(
    ("namespace", "name", "is_own"),
    [
        ("shop", "dynconfig-shop-app", True),
        ("shop", "dynconfig-shop-eu-app", True),
        # Also a valid name in the namespace shop-eu.
        ("shop", "dynconfig-shop-eu_app", False),
        ("shop-eu", "dynconfig-shop-eu_app", True),
        ("shop-eu", "dynconfig-shop-eu-app", False),
        ("shop", "dynconfig-shop-app__0123abcd", False),
        ("shop", "dynconfig-shop-", False),
        ("shop", "dynconfig-shop", False),
        ("shop", "dynconfig-shopping-app", False),
        ("shop", "Dynconfig-shop-app", False),
        ("shop", "orders", False),
    ],
)
@pytest.mark.parametrize("field", ["name", "roleName"])
def test_namespace_has_its_own_names(namespace: str, name: str, is_own: bool, field: str) -> None:
    found = denied({"function": {field: name}}, shared(namespace=namespace))
    assert found == (set() if is_own else {f"spec.function.{field}"})


@pytest.mark.parametrize(
    ("spec", "field", "rule"),
    [
        ({"function": {"name": "orders"}}, "spec.function.name", {"names": ["order*"]}),
        ({"function": {"extension": {"layerArn": LAYER}}}, "spec.function.extension.layerArn", {"layers": [LAYER]}),
        ({"function": {"onFailure": QUEUE}}, "spec.function.onFailure", {"destinations": [QUEUE]}),
        (
            {"alarms": {"defaults": False, "notify": [TOPIC]}},
            "spec.alarms.notify",
            {"topics": [TOPIC.replace("shop", "{namespace}")]},
        ),
        ({"region": "us-east-1"}, "spec.region", {"regions": ["us-east-1"]}),
        (
            {"function": {"name": "dynconfig-shop-a", "mode": "Attach"}},
            "spec.function",
            {"resources": ["attach"]},
        ),
        (
            {"function": {"triggers": {"httpApi": {"authorization": "NONE"}}}},
            "spec.function.triggers.httpApi.authorization",
            {"resources": ["function", "publicHttpApi"]},
        ),
    ],
)
def test_shared_resources_require_a_rule(spec: dict[str, Any], field: str, rule: dict[str, Any]) -> None:
    assert denied(spec, shared()) == {field}
    assert denied(spec, shared({"namespaces": ["cart"], **rule})) == {field}
    assert denied(spec, shared({"namespaces": ["shop"], **rule})) == set()
    assert denied(spec, Tenant("shop")) == set()


def test_own_resources_require_no_rule() -> None:
    spec = {
        "parameters": [{"name": "a", "value": "1"}],
        "function": {"extension": {"layerArn": EXTENSION}, "triggers": {"httpApi": {}, "schedule": "rate(1 day)"}},
        "alarms": {},
        "dashboard": True,
        "region": HOME,
    }
    assert denied(spec, shared()) == set()


def test_rule_may_restrict_the_default_resources() -> None:
    spec = {"parameters": [{"name": "a", "value": "1"}], "function": {}, "alarms": {}}
    only = shared({"namespaces": ["shop"], "resources": ["parameters"]})
    assert denied(spec, only) == {"spec.function", "spec.alarms"}
    both = shared({"namespaces": ["shop"], "resources": ["parameters"]}, {"namespaces": ["*"], "resources": ["alarms"]})
    assert denied(spec, both) == {"spec.function"}


@pytest.mark.parametrize(
    ("selector", "is_selected"),
    [
        ({}, True),
        ({"matchLabels": {"team": "a"}}, True),
        ({"matchLabels": {"team": "b"}}, False),
        ({"matchLabels": {"team": "a", "tier": "1"}}, False),
        ({"matchExpressions": [{"key": "team", "operator": "In", "values": ["a", "b"]}]}, True),
        ({"matchExpressions": [{"key": "team", "operator": "NotIn", "values": ["a"]}]}, False),
        ({"matchExpressions": [{"key": "tier", "operator": "NotIn", "values": ["a"]}]}, True),
        ({"matchExpressions": [{"key": "team", "operator": "Exists"}]}, True),
        ({"matchExpressions": [{"key": "tier", "operator": "Exists"}]}, False),
        ({"matchExpressions": [{"key": "tier", "operator": "DoesNotExist"}]}, True),
        ({"matchLabels": {"team": "a"}, "matchExpressions": [{"key": "team", "operator": "DoesNotExist"}]}, False),
    ],
)
def test_rule_selects_namespaces_by_their_labels(selector: dict[str, Any], is_selected: bool) -> None:
    found = shared({"namespaceSelector": selector, "regions": ["us-east-1"]}, labels={"team": "a"})
    assert denied({"region": "us-east-1"}, found) == (set() if is_selected else {"spec.region"})


@pytest.mark.parametrize("operator", ["NotIn", "DoesNotExist"])
def test_unknown_labels_are_not_treated_as_no_labels(operator: str) -> None:
    expression = {"key": "untrusted", "operator": operator, **({"values": ["true"]} if operator == "NotIn" else {})}
    rule = {"namespaceSelector": {"matchExpressions": [expression]}, "regions": ["us-east-1"]}
    policy = Policy.model_validate({"allow": [{"namespaces": ["shop"], "paths": ["/shop"]}, rule]})
    assert denied({"region": "us-east-1"}, tenant(policy, "shop", None)) == {"spec.region"}
    assert denied({"region": "us-east-1"}, tenant(policy, "shop", {})) == set()


@pytest.mark.parametrize(
    ("path", "is_allowed"), [("/shop", True), ("/shop/a", True), ("/shopping", False), ("/cart", False)]
)
def test_allowed_path_includes_everything_below(path: str, is_allowed: bool) -> None:
    assert (denied({"path": path}, shared()) == set()) is is_allowed
    assert shared().may_use_path(path) is is_allowed


def test_no_path_is_allowed_by_default() -> None:
    found = tenant(Policy(), "shop", {})
    with pytest.raises(PathNotAllowed, match="namespace shop may not use path /shop; it may use none"):
        check(DynamicConfigSpec(path="/shop"), found, HOME, lambda _arn: False)
    assert not found.may_use_path("/shop")


def test_denied_path_does_not_hide_other_denials() -> None:
    spec = DynamicConfigSpec.model_validate({"path": "/cart", "function": {"name": "orders"}})
    with pytest.raises(PathNotAllowed, match=r"may not use path /cart; .*spec\.function\.name: .* may not use orders"):
        check(spec, shared(), HOME, lambda _arn: False)


def test_decision_names_the_allowed_path() -> None:
    found = about({"path": "/shop/a"}, shared())["spec.path"]
    assert (found.is_allowed, found.why) == (True, "/shop is allowed")


def test_paths_of_rules_and_of_the_setting_add_up() -> None:
    rule = AllowRule(namespaces=["shop"], paths=["/b/{namespace}"])
    found = tenant(Policy(allow=[rule]), "shop", {}, allowed_paths=("/a",))
    assert [found.may_use_path(path) for path in ("/a", "/b/shop", "/b", "/c")] == [True, True, False, False]


def test_wildcard_does_not_match_a_colon() -> None:
    layer = "arn:aws:lambda:eu-west-1:999999999999:layer:shop-base"
    found = shared({"namespaces": ["shop"], "layers": [layer.replace("base", "*") + ":1"]})
    for arn, is_granted in ((f"{layer}:1", True), (f"{layer}:2", False), (f"{layer}:x:1", False)):
        assert (denied({"function": {"extension": {"layerArn": arn}}}, found) == set()) is is_granted


def test_every_denial_is_reported_with_advice() -> None:
    spec = DynamicConfigSpec.model_validate(
        {"path": "/shop", "region": "us-east-1", "function": {"name": "orders", "onFailure": QUEUE}}
    )
    with pytest.raises(NotAllowed) as refused:
        check(spec, shared(), HOME, lambda _arn: False)
    message = str(refused.value)
    for text in ("spec.region", "spec.function.name", "orders", "spec.function.onFailure", QUEUE, "dynconfig can"):
        assert text in message


@pytest.mark.parametrize(
    "rule",
    [
        {"paths": ["/a"]},
        {"namespaces": ["shop"], "topics": ["arn:aws:sns:eu-west-1:*:shop"]},
        {"namespaces": ["shop"], "destinations": ["*"]},
        {"namespaces": ["shop"], "paths": ["a"]},
        {"namespaces": ["shop"], "resources": ["everything"]},
        {"namespaces": ["shop"], "path": ["/a"]},
        {"namespaceSelector": {"matchExpressions": [{"key": "a", "operator": "In"}]}},
    ],
)
def test_invalid_rule_is_rejected(rule: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="validation error"):
        Policy.model_validate({"allow": [rule]})


RULES: dict[str, list[dict[str, Any]]] = {
    "nothing": [],
    "path": [{"paths": ["/app"]}],
    "all": [{"paths": ["/app"], "regions": ["us-east-1"], "resources": ["parameters"]}],
    "other resources": [{"paths": ["/app"], "regions": ["us-east-1"], "resources": ["function", "alarms"]}],
    "in two rules": [
        {"paths": ["/app"], "resources": ["function"]},
        {"regions": ["us-*"], "resources": ["parameters"]},
    ],
    "no resources": [{"paths": ["/app"], "resources": []}],
    "another path": [{"paths": ["/apple"], "regions": ["us-east-1"]}],
}


def in_policy(rules: list[dict[str, Any]], regions: tuple[str, ...]) -> Tenant:
    policy = Policy.model_validate({"allow": [{"namespaces": ["shop"], **rule} for rule in rules]})
    return tenant(policy, "shop", {}, (), regions)


def in_target(rules: list[dict[str, Any]]) -> Tenant:
    allow = [{"namespaces": ["shop"], **{name: rule[name] for name in rule if name != "regions"}} for rule in rules]
    spec = {"region": "us-east-1", "account": "210987654321", "allow": allow}
    return tenant_in("prod", AWSTargetSpec.model_validate(spec), "shop", {})


@pytest.mark.parametrize("path", ["/app", "/app/a", "/app/../shop", "/apple"])
@pytest.mark.parametrize("region", [HOME, "us-east-1", "us-west-2"])
@pytest.mark.parametrize("rules", RULES.values(), ids=RULES)
def test_right_to_parameters_is_that_of_an_object_with_parameters(
    rules: list[dict[str, Any]], region: str, path: str
) -> None:
    """The checks of a spec and of a hand-over agree."""
    kinds = [(HOME, regions, in_policy(rules, regions)) for regions in ((), (HOME,), (HOME, "us-east-1"))]
    kinds += [(HOME, regions, Tenant("shop", paths=("/app",), regions=regions)) for regions in ((), (HOME,))]
    for default, regions, found in (*kinds, ("us-east-1", (), in_target(rules))):
        spec = {"path": path, "region": region, "parameters": [{"name": "a", "value": "1"}]}
        try:
            check(DynamicConfigSpec.model_validate(spec), found, default, lambda _arn: False)
            check_allowed(region, regions)
        except (NotAllowed, PathNotAllowed, InvalidSpec):
            expected = False
        else:
            expected = True
        needed = "" if region == default else region
        assert found.may_write_parameters(path, needed) is expected
        assert found.may_have_parameters(path, needed) is expected
        unknown = replace(found, is_known=False)
        assert unknown.may_write_parameters(path, needed) is expected
        assert unknown.may_have_parameters(path, needed)
