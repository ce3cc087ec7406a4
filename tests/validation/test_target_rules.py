"""The rules of an AWSTarget: only they grant, and what they do not grant is denied with field and rule named."""

from typing import Any

import pytest

from dynconfig.api.spec import DynamicConfigSpec
from dynconfig.api.target import AWSTargetSpec
from dynconfig.model.declaration import Declaration
from dynconfig.model.errors import InvalidSpec, NotAllowed, PathNotAllowed
from dynconfig.model.resource import Owner
from dynconfig.model.target import Target
from dynconfig.validation.declare import declare
from dynconfig.validation.targets import parse_target
from dynconfig.validation.tenancy import Tenant, check, decisions, tenant_in

REGION, ACCOUNT = "eu-west-1", "210987654321"
TOPIC = f"arn:aws:sns:{REGION}:{ACCOUNT}:shop-alarms"
VALUE = [{"name": "a", "value": "1"}]
ALARMS = {"defaults": False}


def target(*allow: dict[str, Any]) -> AWSTargetSpec:
    return parse_target({"spec": {"region": REGION, "account": ACCOUNT, "allow": list(allow)}})


def tenant(*allow: dict[str, Any], namespace: str = "shop", labels: dict[str, str] | None = None) -> Tenant:
    return tenant_in("prod", target(*allow), namespace, labels)


def spec(path: str = "/shop", **more: Any) -> DynamicConfigSpec:
    return DynamicConfigSpec.model_validate({"path": path, **more})


def denied(found: Tenant, wanted: DynamicConfigSpec) -> dict[str, str]:
    """Why each denied field is denied."""
    decided = decisions(wanted, found, REGION, lambda _arn: False)
    return {each.use.field: each.why for each in decided if not each.is_allowed}


SHOP = {"namespaces": ["shop"], "paths": ["/{namespace}", "/shared/{namespace}"]}


@pytest.mark.parametrize(
    ("path", "is_allowed"),
    [
        ("/shop", True),
        ("/shop/a/b", True),
        ("/shared/shop/a", True),
        # A prefix of a level is no level.
        ("/shopping", False),
        ("/shared/shop-eu", False),
        ("/shared", False),
        ("/", False),
        # Parameter Store is case-sensitive.
        ("/Shop", False),
        ("/SHOP/a", False),
        # Directories for consoles and policies.
        ("/shop/../admin", False),
        ("/shop/..", False),
        ("/shop/./a", False),
        # Other spellings of the same path do not exist: the schema allows no other character.
        ("/shop/..a", True),
    ],
)
def test_path_has_to_be_below_an_allowed_one(path: str, is_allowed: bool) -> None:
    decided = tenant(SHOP)
    wanted = spec().model_copy(update={"path": path})
    assert ("spec.path" not in denied(decided, wanted)) is is_allowed


@pytest.mark.parametrize("path", ["/shop%2Fadmin", "/shop//admin", "/sh\u043ep", "/shop/", "shop", "/shop admin"])
def test_encoded_or_malformed_path_is_invalid(path: str) -> None:
    with pytest.raises(ValueError, match="path"):
        spec(path)


def test_empty_target_allows_nothing_to_nobody() -> None:
    why = denied(tenant(), spec(parameters=VALUE, alarms=ALARMS, dashboard=True))
    assert set(why) == {"spec.path", "spec.parameters", "spec.alarms", "spec.dashboard"}
    assert why["spec.path"] == "it may use none"
    assert why["spec.parameters"] == "no rule of AWSTarget prod selects it, so it may create nothing"


def test_rule_of_another_namespace_grants_nothing() -> None:
    assert set(denied(tenant(SHOP, namespace="cart"), spec("/cart"))) == {"spec.path"}
    assert set(denied(tenant(SHOP, namespace="shop-eu"), spec("/shop"))) == {"spec.path"}


def test_parameters_alarms_and_dashboard_are_the_default() -> None:
    wanted = spec(parameters=VALUE, alarms={}, dashboard=True, function={})
    why = denied(tenant(SHOP), wanted)
    assert why == {"spec.function": "a rule of AWSTarget prod without resources allows alarms, dashboard, parameters"}
    assert denied(tenant({**SHOP, "resources": ["parameters", "function", "alarms", "dashboard"]}), wanted) == {}


def test_listed_resources_replace_the_default() -> None:
    why = denied(tenant({**SHOP, "resources": ["parameters"]}), spec(parameters=VALUE, dashboard=True))
    assert why == {"spec.dashboard": "the rules of AWSTarget prod allow parameters"}


def test_rules_of_a_namespace_add_up() -> None:
    more = {"namespaceSelector": {"matchLabels": {"team": "a"}}, "paths": ["/more"], "resources": ["attach"]}
    found = tenant({**SHOP, "resources": ["parameters"]}, more, labels={"team": "a"})
    assert denied(found, spec("/more/x", parameters=VALUE)) == {}
    assert set(denied(tenant(SHOP, more, labels={"team": "b"}), spec("/more"))) == {"spec.path"}


def test_unknown_labels_grant_nothing_and_keep_what_there_is() -> None:
    found = tenant({"namespaceSelector": {}, "paths": ["/shop"]}, labels=None)
    assert set(denied(found, spec())) == {"spec.path"}
    assert found.may_have_path("/shop")
    assert not tenant({"namespaceSelector": {}, "paths": ["/shop"]}, labels={}).may_have_path("/other")


def test_names_and_arns_need_a_rule_of_the_target() -> None:
    alarms = {"defaults": False, "notify": [TOPIC]}
    assert denied(tenant(SHOP), spec(alarms=alarms)) == {
        "spec.alarms.notify": "no rule of AWSTarget prod allows it in topics"
    }
    topics = [f"arn:aws:sns:{REGION}:{ACCOUNT}:{{namespace}}-*"]
    assert denied(tenant({**SHOP, "topics": topics}), spec(alarms=alarms)) == {}


def test_object_is_in_the_region_of_the_target() -> None:
    assert denied(tenant(SHOP), spec(region=REGION)) == {}
    assert denied(tenant(SHOP), spec(region="us-east-1")) == {"spec.region": "AWSTarget prod is in eu-west-1"}


def test_namespace_without_a_rule_does_not_learn_the_region_of_a_target() -> None:
    found = denied(tenant({**SHOP, "namespaces": ["other"]}), spec(region="us-east-1"))
    assert found["spec.region"] == "no rule of AWSTarget prod allows it in regions"


def test_denial_names_field_value_and_rule() -> None:
    with pytest.raises(
        PathNotAllowed, match="namespace shop may not use path /shopping; it may use paths below /shop, /shared/shop"
    ):
        check(spec("/shopping"), tenant(SHOP), REGION, lambda _arn: False)
    with pytest.raises(
        NotAllowed, match=r"spec\.function: namespace shop may not use function; a rule of AWSTarget prod"
    ):
        check(spec(function={}), tenant(SHOP), REGION, lambda _arn: False)


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"account": "1"}, "spec.account: "),
        (
            {"assumeRole": {"roleArn": "arn:aws:iam::123456789012:role/x"}},
            "assumeRole.roleArn must be a role of this account",
        ),
        ({"kmsKeyId": f"arn:aws:kms:us-east-1:{ACCOUNT}:key/1"}, "kmsKeyId must be a key of this region"),
        ({"allow": [{"paths": ["/shop"]}]}, "spec.allow[0]: a rule requires namespaces or namespaceSelector"),
        ({"allow": [{**SHOP, "regions": ["us-east-1"]}]}, "spec.allow[0].regions: "),
        ({"quota": {"ssm.Put": 0}}, "spec: quota must have rates above 0 only"),
    ],
)
def test_invalid_target_names_the_field(changed: dict[str, Any], message: str) -> None:
    with pytest.raises(InvalidSpec) as caught:
        parse_target({"spec": {"region": REGION, "account": ACCOUNT, **changed}})
    assert message in str(caught.value)


def declared(spec: dict[str, Any], **more: Any) -> Declaration:
    """The declaration of an object in a target with these settings."""
    found = Target.of("prod", parse_target({"spec": {"region": REGION, "account": ACCOUNT, "allow": [SHOP], **more}}))
    document = {
        "metadata": {"namespace": "shop", "name": "app", "uid": "u", "generation": 1},
        "spec": {"path": "/shop", **spec},
    }
    return declare(
        document,
        owner=Owner("c", "shop", "app", "u"),
        default_region=REGION,
        read=lambda _source: "x",
        tenant=tenant(SHOP),
        target=found,
    )


def test_object_is_in_the_place_of_its_target() -> None:
    found = declared({}, kmsKeyId="alias/prod").place
    assert (found.region, found.key, found.default_key) == (REGION, "target prod", "alias/prod")


def test_tags_of_the_object_and_the_parameter_take_precedence() -> None:
    parameters = [{"name": "a", "value": "1", "tags": {"c": "parameter"}}]
    found = declared(
        {"tags": {"b": "object", "c": "object"}, "parameters": parameters},
        tags={"a": "target", "b": "target", "c": "target"},
    )
    assert dict(found.tags) == {"a": "target", "b": "object", "c": "object"}
    assert dict(found.parameters[0].tags) == {"a": "target", "b": "object", "c": "parameter"}


def test_more_tags_than_aws_takes_are_refused() -> None:
    ours = {f"target-{number}": "" for number in range(30)}
    own = {f"own-{number}": "" for number in range(19)}
    assert len(declared({"tags": own, "parameters": VALUE}, tags=ours).parameters[0].tags) == 49
    with pytest.raises(
        InvalidSpec, match="parameter a: 50 tags with those of the object and of AWSTarget prod; the limit is 49"
    ):
        declared({"tags": {**own, "more": ""}, "parameters": VALUE}, tags=ours)
