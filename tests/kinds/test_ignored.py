"""Fields that a team tunes by hand: set at creation, then neither drift nor corrected nor overwritten with another."""

from typing import Any

import pytest
from tests.kinds.workshop import Workshop

from dynconfig.kinds.parameter import Parameters

pytestmark = pytest.mark.lab

TUNED = {
    "description": ("Description", "by hand"),
    "tier": ("Tier", "Advanced"),
    "allowedPattern": ("AllowedPattern", "^.+$"),
    "policies": (
        "Policies",
        '[{"Attributes": {"After": "20", "Unit": "Days"}, "Type": "NoChangeNotification", "Version": "1.0"}]',
    ),
}


def spec(ignore: list[str], **more: Any) -> dict[str, Any]:
    return {"parameters": [{"name": "p", "value": "1", "description": "declared", "ignore": ignore, **more}]}


def metadata(workshop: Workshop) -> dict[str, Any]:
    name = [{"Key": "Name", "Values": [f"{workshop.path}/p"]}]
    return dict(workshop.aws().describe_parameters(ParameterFilters=name)["Parameters"][0])


@pytest.fixture
def kind(workshop: Workshop) -> Parameters:
    return workshop.parameters()


@pytest.mark.parametrize("field", TUNED)
def test_an_ignored_field_is_set_once_and_then_left_alone(workshop: Workshop, kind: Parameters, field: str) -> None:
    member, value = TUNED[field]
    tier = {"tier": "Advanced"} if field == "policies" else {}
    declared = spec([field], **tier)
    workshop.apply(workshop.declare(declared), kind)
    assert metadata(workshop)["Description"] == "declared"
    by_hand = {"Description": "declared", **({"Tier": "Advanced"} if tier else {}), member: value}
    workshop.put_by_hand("p", "1", **by_hand)
    tuned = metadata(workshop)[member]
    assert workshop.apply(workshop.declare(declared), kind).plan.is_empty
    changed = spec([field], **tier)
    changed["parameters"][0]["value"] = "2"
    workshop.apply(workshop.declare(changed, generation=2), kind)
    assert workshop.value("p") == "2"
    assert metadata(workshop)[member] == tuned
    assert workshop.apply(workshop.declare(changed, generation=2), kind).plan.is_empty
    assert metadata(workshop)[member] == tuned


def test_ignored_tags_are_left_alone_and_the_owner_is_not(workshop: Workshop, kind: Parameters) -> None:
    declared = {**spec(["tags"]), "tags": {"team": "shop"}}
    workshop.apply(workshop.declare(declared), kind)
    resource: dict[str, Any] = {"ResourceType": "Parameter", "ResourceId": f"{workshop.path}/p"}
    workshop.aws().add_tags_to_resource(**resource, Tags=[{"Key": "team", "Value": "theirs"}])
    asked = {"annotations": {"dynconfig.dev/reconcile-requested-at": "now"}}
    workshop.clock.now += 11
    assert workshop.apply(workshop.declare(declared, metadata=asked), kind).plan.is_empty
    assert workshop.tags("p")["team"] == "theirs"
    workshop.apply(workshop.declare({}, generation=2), kind)
    assert workshop.versions() == {}


def test_what_is_not_ignored_is_still_corrected(workshop: Workshop, kind: Parameters) -> None:
    workshop.apply(workshop.declare(spec(["description"])), kind)
    workshop.put_by_hand("p", "theirs", Description="by hand")
    outcome = workshop.apply(workshop.declare(spec(["description"])), kind)
    assert [because.field for step in outcome.applied for because in step.because] == ["value"]
    assert (workshop.value("p"), metadata(workshop)["Description"]) == ("1", "by hand")


def test_the_key_of_a_secret_may_be_somebody_elses(workshop: Workshop, kind: Parameters) -> None:
    workshop.secrets["db/password"] = "pw-1"
    reference = {"secretKeyRef": {"name": "db", "key": "password"}}
    declared = {"parameters": [{"name": "p", "valueFrom": reference, "ignore": ["kmsKeyId"]}]}
    workshop.apply(workshop.declare(declared), kind)
    kms = workshop.aws("kms")
    kms.create_alias(AliasName="alias/theirs", TargetKeyId=kms.create_key()["KeyMetadata"]["KeyId"])
    workshop.put_by_hand("p", "pw-1", Type="SecureString", KeyId="alias/theirs")
    assert workshop.apply(workshop.declare(declared), kind).plan.is_empty
    workshop.secrets["db/password"] = "pw-2"
    workshop.apply(workshop.declare(declared), kind)
    assert (workshop.value("p"), metadata(workshop)["KeyId"]) == ("pw-2", "alias/theirs")
