"""Where the resources of an object are: in its target, or with the operator's own identity, for as long as there are any."""

from typing import Any

import pytest

from dynconfig.api.target import AWSTargetSpec
from dynconfig.model.declaration import Place
from dynconfig.model.stored import target_of
from dynconfig.model.target import Target

PARAMETERS = [{"name": "/a/b", "version": 1}]
ROLE = "arn:aws:iam::210987654321:role/dynconfig"


@pytest.mark.parametrize(
    ("spec", "status", "expected"),
    [
        ({}, {}, "default"),
        ({"target": "prod"}, {}, "prod"),
        ({"target": "prod"}, {"parameters": PARAMETERS}, "prod"),
        # Written before there was a default target, or while it was another one.
        ({}, {"parameters": PARAMETERS}, ""),
        ({}, {"parameters": PARAMETERS, "target": "before"}, "before"),
        ({}, {"resources": [{"kind": "Dashboard", "name": "x"}], "target": "before"}, "before"),
        # The place is recorded before the first write, and decides until the object is gone.
        ({}, {"target": "before"}, "before"),
        # Stored objects may have any shape.
        ({"target": 3}, {}, "default"),
        ({"target": "No Name"}, {}, "default"),
    ],
)
def test_resources_stay_where_they_are(spec: dict[str, Any], status: dict[str, Any], expected: str) -> None:
    assert target_of({"spec": spec, "status": status}, "default") == expected


def test_object_without_any_target_is_as_before() -> None:
    assert target_of({"spec": {}}, "") == ""
    assert Place("eu-west-1").key == "eu-west-1"
    assert Place("eu-west-1").default_key == ""


def spec(**more: Any) -> AWSTargetSpec:
    return AWSTargetSpec.model_validate({"region": "eu-west-1", "account": "210987654321", **more})


def test_places_of_targets_differ_from_each_other_and_from_regions() -> None:
    places = [Place("eu-west-1", Target.of(name, spec())) for name in ("a", "b", "eu-west-1")]
    assert len({place.key for place in (*places, Place("eu-west-1"))}) == 4


def test_rules_keys_and_tags_of_a_target_do_not_change_its_credentials() -> None:
    before = Target.of("prod", spec(assumeRole={"roleArn": ROLE}))
    after = Target.of(
        "prod",
        spec(assumeRole={"roleArn": ROLE}, kmsKeyId="alias/prod", tags={"a": "b"}, allow=[{"namespaces": ["*"]}]),
    )
    assert before.identity == after.identity
    assert before.identity != Target.of("prod", spec(assumeRole={"roleArn": ROLE, "externalId": "xy"})).identity


@pytest.mark.parametrize("cluster", ["blue", "0b7c7e1a-5a3e-4b1d-9e0f-0c7f5d9a1b2c", "a b/c", "x" * 200])
def test_session_name_is_one_that_aws_accepts(cluster: str) -> None:
    name = Target.of("prod", spec()).session_name(cluster)
    assert 2 <= len(name) <= 64
    assert all(character.isalnum() or character in "_=,.@-" for character in name)
