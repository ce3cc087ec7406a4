"""A rollback while spec is invalid restores the value of a parameter, and nothing else."""

from typing import Any

import pytest
from tests.kinds.aws_harness import REGION, AwsHarness
from tests.kinds.test_rollback_after_recreate import BAKE, Life, _aws_now

from dynconfig.rollout.last_change import last_change
from dynconfig.validation.tenancy import Tenant

pytestmark = pytest.mark.lab

# As declared in the object, with all fields beside the value.
PLAIN = {
    "name": "plain",
    "description": "A limit",
    "tags": {"team": "shop"},
    "allowedPattern": "^v[0-9]$",
    "tier": "Advanced",
}
LIST = {"name": "list", "type": "StringList"}
SECRET = {"name": "secret", "type": "SecureString", "kmsKeyId": "alias/own", "description": "A password"}
EXPIRING = {
    "name": "expiring",
    "tier": "Advanced",
    "policies": [{"type": "NoChangeNotification", "attributes": {"After": "20", "Unit": "Days"}}],
}


class AllFields(Life):
    """An object with parameters of all types, including a plaintext one with a value from a Secret."""

    def spec(self) -> dict[str, Any]:
        """The declared object."""
        reference = {"name": "db", "key": "password"}
        return {
            "parameters": [
                *({**item, "value": f"v{self.value}"} for item in (PLAIN, LIST, EXPIRING)),
                {**SECRET, "valueFrom": {"secretKeyRef": reference}},
                {
                    "name": "shown",
                    "type": "String",
                    "valueFrom": {"secretKeyRef": {**reference, "allowPlaintext": True}},
                },
            ],
            "rollout": {"bakeTime": "60s"},
        }


def described(harness: AwsHarness) -> dict[str, Any]:
    """All fields of the parameters in AWS except values, versions and times."""
    ssm, found = harness.aws(), dict[str, Any]()
    filters = [{"Key": "Name", "Option": "BeginsWith", "Values": [harness.path]}]
    for item in ssm.describe_parameters(ParameterFilters=filters)["Parameters"]:
        tags = ssm.list_tags_for_resource(ResourceType="Parameter", ResourceId=item["Name"])["TagList"]
        about = {key: item[key] for key in item if key not in ("Version", "LastModifiedDate")}
        found[item["Name"]] = (about, sorted((tag["Key"], tag["Value"]) for tag in tags))
    return found


@pytest.mark.parametrize("is_restarted", [False, True])
def test_rollback_restores_only_values(harness: AwsHarness, is_restarted: bool) -> None:
    kms = harness.aws("kms")
    kms.create_alias(AliasName="alias/own", TargetKeyId=kms.create_key()["KeyMetadata"]["KeyId"])
    try:
        life, now = AllFields(harness), _aws_now(harness)
        harness.secrets["db/password"] = "good"
        life.edit("1", now)
        # Regardless of how long the writes take on this machine.
        life.apply("1", now + 10 * BAKE)
        harness.secrets["db/password"] = "bad"
        life.edit("2", now + 3)
        assert life.reason == "Baking"
        before = described(harness)
        if is_restarted:
            life.restart()
        life.alarm.since = _aws_now(harness) + 5
        stored = {"metadata": {"generation": 3}, "spec": {"path": harness.path, "rollout": {}}, "status": life.status}
        owner = harness.owner()
        declaration = last_change(stored, owner=owner, default_region=REGION, tenant=Tenant(owner.namespace))
        assert declaration is not None
        assert life.run(declaration, now + 10).is_complete
        values = {name: harness.value(name) for name in ("plain", "list", "secret", "expiring", "shown")}
        assert values == {"plain": "v1", "list": "v1", "secret": "good", "expiring": "v1", "shown": "good"}
        assert described(harness) == before
        marked = {item["name"]: item.get("secret") for item in life.status["parameters"]}
        assert marked == {f"{harness.path}/{name}": True if name == "shown" else None for name in values}
    finally:
        kms.delete_alias(AliasName="alias/own")
