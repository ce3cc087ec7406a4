"""Ignored fields: set at creation, then neither drift nor corrected nor overwritten."""

from typing import Any

import pytest
from tests.kinds.aws_harness import AwsHarness

from dynconfig.kinds.parameter.parameters import Parameters

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


def metadata(harness: AwsHarness) -> dict[str, Any]:
    name = [{"Key": "Name", "Values": [f"{harness.path}/p"]}]
    return dict(harness.aws().describe_parameters(ParameterFilters=name)["Parameters"][0])


@pytest.fixture
def kind(harness: AwsHarness) -> Parameters:
    return harness.parameters()


@pytest.mark.parametrize("field", TUNED)
def test_ignored_field_is_set_only_at_creation(harness: AwsHarness, kind: Parameters, field: str) -> None:
    member, value = TUNED[field]
    tier = {"tier": "Advanced"} if field == "policies" else {}
    declared = spec([field], **tier)
    harness.apply(harness.declare(declared), kind)
    assert metadata(harness)["Description"] == "declared"
    by_hand = {"Description": "declared", **({"Tier": "Advanced"} if tier else {}), member: value}
    harness.put_by_hand("p", "1", **by_hand)
    tuned = metadata(harness)[member]
    assert harness.apply(harness.declare(declared), kind).plan.is_empty
    changed = spec([field], **tier)
    changed["parameters"][0]["value"] = "2"
    harness.apply(harness.declare(changed, generation=2), kind)
    assert harness.value("p") == "2"
    assert metadata(harness)[member] == tuned
    assert harness.apply(harness.declare(changed, generation=2), kind).plan.is_empty
    assert metadata(harness)[member] == tuned


def test_ignored_tags_are_kept_but_the_owner_tag_is_corrected(harness: AwsHarness, kind: Parameters) -> None:
    declared = {**spec(["tags"]), "tags": {"team": "shop"}}
    harness.apply(harness.declare(declared), kind)
    resource: dict[str, Any] = {"ResourceType": "Parameter", "ResourceId": f"{harness.path}/p"}
    harness.aws().add_tags_to_resource(**resource, Tags=[{"Key": "team", "Value": "theirs"}])
    requested = {"annotations": {"dynconfig.dev/reconcile-requested-at": "now"}}
    harness.clock.now += 11
    assert harness.apply(harness.declare(declared, metadata=requested), kind).plan.is_empty
    assert harness.tags("p")["team"] == "theirs"
    harness.apply(harness.declare({}, generation=2), kind)
    assert harness.versions() == {}


def test_fields_not_ignored_are_corrected(harness: AwsHarness, kind: Parameters) -> None:
    harness.apply(harness.declare(spec(["description"])), kind)
    harness.put_by_hand("p", "theirs", Description="by hand")
    outcome = harness.apply(harness.declare(spec(["description"])), kind)
    assert [because.field for step in outcome.applied for because in step.because] == ["value"]
    assert (harness.value("p"), metadata(harness)["Description"]) == ("1", "by hand")


def test_ignored_kms_key_is_kept(harness: AwsHarness, kind: Parameters) -> None:
    harness.secrets["db/password"] = "pw-1"
    reference = {"secretKeyRef": {"name": "db", "key": "password"}}
    declared = {"parameters": [{"name": "p", "valueFrom": reference, "ignore": ["kmsKeyId"]}]}
    harness.apply(harness.declare(declared), kind)
    kms = harness.aws("kms")
    kms.create_alias(AliasName="alias/theirs", TargetKeyId=kms.create_key()["KeyMetadata"]["KeyId"])
    harness.put_by_hand("p", "pw-1", Type="SecureString", KeyId="alias/theirs")
    assert harness.apply(harness.declare(declared), kind).plan.is_empty
    harness.secrets["db/password"] = "pw-2"
    harness.apply(harness.declare(declared), kind)
    assert (harness.value("p"), metadata(harness)["KeyId"]) == ("pw-2", "alias/theirs")
