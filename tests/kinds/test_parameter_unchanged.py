"""A resync of parameters in sync: one read for ten names detects any change."""

from collections.abc import Callable
from typing import Any

import pytest
from tests.kinds.aws_harness import AwsHarness
from tests.kinds.test_parameter import many, secret

from dynconfig.api import names
from dynconfig.kinds.parameter import cached
from dynconfig.kinds.parameter.parameters import CACHE_SECONDS, Parameters
from dynconfig.model.fingerprint import fingerprints

pytestmark = pytest.mark.lab

INDEX_SECONDS = 601
"""After this time the tag index is read again."""


def is_unchanged(harness: AwsHarness, kind: Parameters, *expected: str) -> bool:
    return kind.is_unchanged(harness.owner(), fingerprints(f"{harness.path}/{name}" for name in expected))


def in_sync(harness: AwsHarness, spec: dict[str, Any]) -> Parameters:
    """A kind that has observed what it wrote, with its tags."""
    kind = harness.parameters()
    harness.apply(harness.declare(spec), kind)
    harness.clock.pause(INDEX_SECONDS)
    harness.apply(harness.declare(spec), kind)
    return kind


def test_unchanged_parameters_take_one_call_per_ten(harness: AwsHarness) -> None:
    kind = in_sync(harness, many(20))
    expected = [f"p/{number}" for number in range(20)]
    calls = harness.calls(lambda: is_unchanged(harness, kind, *expected))
    assert calls == {"ssm.GetParameters": 2}
    assert is_unchanged(harness, kind, *expected)


def test_secrets_are_compared_without_decryption(harness: AwsHarness) -> None:
    kind = in_sync(harness, secret(harness))
    seen: list[bool] = []
    events = harness.session.client("ssm", "eu-west-1")._client.meta.events

    def see(params: dict[str, Any], **_more: Any) -> None:
        seen.append(params["WithDecryption"])

    events.register("provide-client-params.ssm.GetParameters", see)
    try:
        assert is_unchanged(harness, kind, "pw")
    finally:
        events.unregister("provide-client-params.ssm.GetParameters", see)
    assert seen == [False]
    harness.put_by_hand("pw", Type="SecureString")
    assert not is_unchanged(harness, kind, "pw")


def put(harness: AwsHarness) -> None:
    harness.put_by_hand("p/1", value="1")


def delete(harness: AwsHarness) -> None:
    harness.aws().delete_parameter(Name=f"{harness.path}/p/1")


def recreate(harness: AwsHarness) -> None:
    delete(harness)
    harness.aws().put_parameter(Name=f"{harness.path}/p/1", Value="other", Type="String")


def recreate_as_list(harness: AwsHarness) -> None:
    delete(harness)
    harness.aws().put_parameter(Name=f"{harness.path}/p/1", Value="1", Type="StringList")


def add_tag(harness: AwsHarness) -> None:
    tags = [{"Key": "team", "Value": "red"}]
    harness.aws().add_tags_to_resource(ResourceType="Parameter", ResourceId=f"{harness.path}/p/1", Tags=tags)


def remove_owner(harness: AwsHarness) -> None:
    keys = [names.OWNER_TAG]
    harness.aws().remove_tags_from_resource(ResourceType="Parameter", ResourceId=f"{harness.path}/p/1", TagKeys=keys)


def add_another(harness: AwsHarness) -> None:
    tags = [{"Key": names.OWNER_TAG, "Value": harness.owner().tag}]
    harness.aws().put_parameter(Name=f"{harness.path}/q", Value="1", Type="String", Tags=tags)


@pytest.mark.parametrize("change", [put, delete, recreate, recreate_as_list])
def test_changed_value_is_found_at_once(harness: AwsHarness, change: Callable[[AwsHarness], None]) -> None:
    kind = in_sync(harness, many(2))
    change(harness)
    assert not is_unchanged(harness, kind, "p/0", "p/1")


def test_secret_that_was_created_again_is_found(harness: AwsHarness, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its version is the same, and its value is not read; here, less time has passed than in life."""
    monkeypatch.setattr(cached, "DATE_SECONDS", 0.0)
    in_sync(harness, secret(harness))
    kind, name = harness.parameters(), f"{harness.path}/pw"
    harness.apply(harness.declare(secret(harness)), kind)
    assert is_unchanged(harness, kind, "pw")
    harness.aws().delete_parameter(Name=name)
    harness.aws().put_parameter(Name=name, Value="of someone else", Type="SecureString")
    assert not is_unchanged(harness, kind, "pw")


@pytest.mark.parametrize("change", [add_tag, remove_owner, add_another])
def test_changed_tags_are_found_with_the_next_index(harness: AwsHarness, change: Callable[[AwsHarness], None]) -> None:
    kind = in_sync(harness, many(2))
    change(harness)
    harness.clock.pause(INDEX_SECONDS)
    assert not is_unchanged(harness, kind, "p/0", "p/1")


def test_parameter_that_another_object_adopted_is_found_before_the_next_index(harness: AwsHarness) -> None:
    kind = in_sync(harness, many(2))
    put(harness)
    remove_owner(harness)
    heir = {"parameters": many(2)["parameters"][1:], "adoptionPolicy": "IfUnowned"}
    harness.apply(harness.declare(heir, owner=harness.owner("heir", "uid-2")), kind)
    assert harness.tags("p/1")[names.OWNER_TAG] == harness.owner("heir", "uid-2").tag
    assert not is_unchanged(harness, kind, "p/0", "p/1")


def test_nothing_is_known_after_a_restart_and_after_an_hour(harness: AwsHarness) -> None:
    kind = in_sync(harness, many(2))
    assert not is_unchanged(harness, harness.parameters(), "p/0", "p/1")
    harness.clock.pause(CACHE_SECONDS - INDEX_SECONDS - 1)
    assert is_unchanged(harness, kind, "p/0", "p/1")
    harness.clock.pause(2)
    assert not is_unchanged(harness, kind, "p/0", "p/1")


def test_changes_are_reported_by_the_observation_that_follows(harness: AwsHarness) -> None:
    kind = in_sync(harness, many(2))
    harness.put_by_hand("p/1")
    assert not is_unchanged(harness, kind, "p/0", "p/1")
    outcome = harness.apply(harness.declare(many(2)), kind)
    assert [step.resource.name for step in outcome.applied] == [f"{harness.path}/p/1"]
    assert harness.value("p/1") == "1"
