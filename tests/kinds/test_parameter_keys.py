"""An unusable KMS key affects only its parameters: they are reported, written if declared, and deleted."""

from typing import Any

import pytest
from tests.kinds.aws_harness import REGION, AwsHarness

from dynconfig.api import names
from dynconfig.cli.accounts import Accounts, ClusterTargets
from dynconfig.cli.files import Manifests
from dynconfig.cli.planning import ClusterState, Planned, Planner
from dynconfig.engine.outcome import Outcome
from dynconfig.engine.reconcile import Engine
from dynconfig.kinds.parameter import cached
from dynconfig.kinds.parameter.parameters import Parameters
from dynconfig.model.errors import Refused
from dynconfig.settings import Settings

pytestmark = pytest.mark.lab


def spec(harness: AwsHarness, key: str, *, plain: str = "1", **secret: Any) -> dict[str, Any]:
    harness.secrets.setdefault("db/password", "pw-canary")
    reference = {"secretKeyRef": {"name": "db", "key": "password"}}
    return {
        "parameters": [
            {"name": "plain", "value": plain},
            {"name": "other", "valueFrom": reference},
            {"name": "pw", "valueFrom": reference, "kmsKeyId": key, **secret},
        ]
    }


def disabled_key(harness: AwsHarness) -> str:
    """Create parameters, one of them under a key that is then disabled."""
    kms = harness.aws("kms")
    key: str = kms.create_key()["KeyMetadata"]["KeyId"]
    harness.apply(harness.declare(spec(harness, key)))
    kms.disable_key(KeyId=key)
    return key


def run(harness: AwsHarness, kind: Parameters | None = None, **about: Any) -> Outcome:
    declared = about.pop("spec")
    return Engine(lambda _place: (kind or harness.parameters(),)).run(harness.declare(declared, **about))


def test_disabled_key_affects_only_its_parameter(harness: AwsHarness) -> None:
    key = disabled_key(harness)
    outcome = run(harness, spec=spec(harness, key, plain="2"), generation=2)
    assert harness.value("plain") == "2"
    assert [item.title for item in outcome.refused] == [f"Parameter {harness.path}/pw"]
    assert isinstance(outcome.error, Refused)
    assert f"{harness.path}/pw" in str(outcome.error)
    assert "pw-canary" not in str(outcome)


def test_changing_the_key_repairs_an_unreadable_parameter(harness: AwsHarness) -> None:
    disabled_key(harness)
    key = harness.aws("kms").create_key()["KeyMetadata"]["KeyId"]
    outcome = run(harness, spec=spec(harness, key), generation=2)
    assert outcome.is_complete
    assert harness.versions() == {"plain": 1, "other": 1, "pw": 2}
    assert run(harness, spec=spec(harness, key), generation=2).plan.is_empty


def test_reenabled_key_is_detected(harness: AwsHarness) -> None:
    key, kind = disabled_key(harness), harness.parameters()
    assert run(harness, kind, spec=spec(harness, key)).refused
    harness.aws("kms").enable_key(KeyId=key)
    assert run(harness, kind, spec=spec(harness, key)).is_complete
    assert harness.versions()["pw"] == 1


def test_parameter_created_again_under_a_disabled_key_is_unreadable(
    harness: AwsHarness, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its version is the same; here, less time has passed than in life."""
    monkeypatch.setattr(cached, "DATE_SECONDS", 0.0)
    kms = harness.aws("kms")
    key = kms.create_key()["KeyMetadata"]["KeyId"]
    declared, name = spec(harness, key), f"{harness.path}/pw"
    harness.apply(harness.declare(declared))
    kind = harness.parameters()
    assert run(harness, kind, spec=declared).plan.is_empty
    tags = harness.aws().list_tags_for_resource(ResourceType="Parameter", ResourceId=name)["TagList"]
    harness.aws().delete_parameter(Name=name)
    harness.aws().put_parameter(Name=name, Value="of someone else", Type="SecureString", KeyId=key, Tags=tags)
    kms.disable_key(KeyId=key)
    assert [item.title for item in run(harness, kind, spec=declared).refused] == [f"Parameter {name}"]


def test_unmanaged_value_under_a_disabled_key_is_kept(harness: AwsHarness) -> None:
    key = disabled_key(harness)
    outcome = run(harness, spec=spec(harness, key, valuePolicy="CreateOnly"))
    assert outcome.is_complete
    assert harness.versions()["pw"] == 1


def decryptions(harness: AwsHarness) -> list[bool]:
    """Record whether each read decrypts."""
    seen: list[bool] = []
    events = harness.session.client("ssm", "eu-west-1")._client.meta.events
    for operation in ("GetParameters", "GetParameter", "GetParametersByPath", "GetParameterHistory"):
        events.register(
            f"provide-client-params.ssm.{operation}",
            lambda params, **_: seen.append(params.get("WithDecryption", False)),
        )
    return seen


def test_deletion_and_removal_decrypt_nothing(harness: AwsHarness) -> None:
    key = disabled_key(harness)
    seen, declared = decryptions(harness), spec(harness, key)
    declared["parameters"].pop()
    assert run(harness, spec=declared, generation=2, status={"observedGeneration": 1}).is_complete
    assert set(harness.versions()) == {"plain", "other"}
    seen.clear()
    harness.apply(harness.deletion(spec(harness, key)))
    assert harness.versions() == {}
    assert seen
    assert not any(seen)


def plan(harness: AwsHarness, declared: dict[str, Any], status: dict[str, Any] | None, generation: int = 1) -> Planned:
    """The result of `dynconfig plan` for an object in a cluster, in a process of its own."""
    owner = harness.owner()
    metadata = {"namespace": owner.namespace, "name": owner.name, "uid": owner.uid, "generation": generation}
    live = {
        "metadata": {**metadata, "finalizers": [names.FINALIZER]},
        "spec": {"path": harness.path, **declared},
        "status": status,
    }
    engine = Engine(lambda _place: (harness.parameters(),))
    known = ClusterState(owner.cluster, live, lambda source: harness.secrets[f"{source.name}/{source.key}"])
    settings = Settings(is_emulated=True)
    planner = Planner(settings, engine, REGION, Accounts(settings, ClusterTargets()))
    found = planner.planned(live, Manifests((), (), {}), known)
    assert isinstance(found, Planned)
    return found


def test_plan_is_empty_for_an_unreadable_value_the_operator_wrote(harness: AwsHarness) -> None:
    key = harness.aws("kms").create_key()["KeyMetadata"]["KeyId"]
    kind, declared = harness.parameters(), spec(harness, key)
    status = harness.status(run(harness, kind, spec=declared))
    harness.aws("kms").disable_key(KeyId=key)
    harness.clock.now += 2 * 3600
    outcome = run(harness, kind, spec=declared, status=status)
    assert outcome.is_complete
    assert outcome.plan.is_empty
    found = plan(harness, declared, status)
    assert found.plan.is_empty
    assert found.not_compared == (f"{harness.path}/pw",)


def test_plan_shows_the_overwrite_of_an_unreadable_value(harness: AwsHarness) -> None:
    key = disabled_key(harness)
    declared = spec(harness, key)
    outcome = run(harness, spec=declared)
    found = plan(harness, declared, harness.status(outcome))
    assert found.not_compared == ()
    assert [item.title for item in outcome.refused] == [step.resource.title for step in found.plan.steps]
    (because,) = found.plan.steps[0].because
    assert (because.declared, because.observed) == ("•••", "•••  (cannot be read)")
