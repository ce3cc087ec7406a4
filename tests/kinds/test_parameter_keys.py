"""A KMS key that cannot be used concerns the parameters under it: they are named, written if declared, and deleted."""

from typing import Any

import pytest
from tests.kinds.workshop import REGION, Workshop

from dynconfig.api import names
from dynconfig.engine.errors import Refused
from dynconfig.engine.outcome import Outcome
from dynconfig.engine.reconcile import Engine
from dynconfig.files import Manifests
from dynconfig.kinds.parameter import Parameters
from dynconfig.planning import Known, Planned, Planner
from dynconfig.settings import Settings

pytestmark = pytest.mark.lab


def spec(workshop: Workshop, key: str, *, plain: str = "1", **secret: Any) -> dict[str, Any]:
    workshop.secrets.setdefault("db/password", "pw-canary")
    reference = {"secretKeyRef": {"name": "db", "key": "password"}}
    return {
        "parameters": [
            {"name": "plain", "value": plain},
            {"name": "other", "valueFrom": reference},
            {"name": "pw", "valueFrom": reference, "kmsKeyId": key, **secret},
        ]
    }


def disabled_key(workshop: Workshop) -> str:
    """Parameters are made, one of them under a key that is then disabled."""
    kms = workshop.aws("kms")
    key: str = kms.create_key()["KeyMetadata"]["KeyId"]
    workshop.apply(workshop.declare(spec(workshop, key)))
    kms.disable_key(KeyId=key)
    return key


def run(workshop: Workshop, kind: Parameters | None = None, **about: Any) -> Outcome:
    declared = about.pop("spec")
    return Engine(lambda _place: (kind or workshop.parameters(),)).run(workshop.declare(declared, **about))


def test_an_edit_beside_a_disabled_key_is_written_and_the_parameter_is_named(workshop: Workshop) -> None:
    key = disabled_key(workshop)
    outcome = run(workshop, spec=spec(workshop, key, plain="2"), generation=2)
    assert workshop.value("plain") == "2"
    assert [item.title for item in outcome.refused] == [f"Parameter {workshop.path}/pw"]
    assert isinstance(outcome.error, Refused)
    assert f"{workshop.path}/pw" in str(outcome.error)
    assert "pw-canary" not in str(outcome)


def test_another_key_repairs_what_cannot_be_read(workshop: Workshop) -> None:
    disabled_key(workshop)
    key = workshop.aws("kms").create_key()["KeyMetadata"]["KeyId"]
    outcome = run(workshop, spec=spec(workshop, key), generation=2)
    assert outcome.is_complete
    assert workshop.versions() == {"plain": 1, "other": 1, "pw": 2}
    assert run(workshop, spec=spec(workshop, key), generation=2).plan.is_empty


def test_a_key_that_is_enabled_again_is_noticed(workshop: Workshop) -> None:
    key, kind = disabled_key(workshop), workshop.parameters()
    assert run(workshop, kind, spec=spec(workshop, key)).refused
    workshop.aws("kms").enable_key(KeyId=key)
    assert run(workshop, kind, spec=spec(workshop, key)).is_complete
    assert workshop.versions()["pw"] == 1


def test_a_value_of_somebody_else_under_a_disabled_key_is_left_alone(workshop: Workshop) -> None:
    key = disabled_key(workshop)
    outcome = run(workshop, spec=spec(workshop, key, valuePolicy="CreateOnly"))
    assert outcome.is_complete
    assert workshop.versions()["pw"] == 1


def decryptions(workshop: Workshop) -> list[bool]:
    """Whether each read decrypts, from now on."""
    seen: list[bool] = []
    events = workshop.session.client("ssm", "eu-west-1")._client.meta.events
    for operation in ("GetParameters", "GetParameter", "GetParametersByPath", "GetParameterHistory"):
        events.register(
            f"provide-client-params.ssm.{operation}",
            lambda params, **_: seen.append(params.get("WithDecryption", False)),
        )
    return seen


def test_a_deletion_and_a_removal_decrypt_nothing(workshop: Workshop) -> None:
    key = disabled_key(workshop)
    seen, declared = decryptions(workshop), spec(workshop, key)
    declared["parameters"].pop()
    assert run(workshop, spec=declared, generation=2, status={"observedGeneration": 1}).is_complete
    assert set(workshop.versions()) == {"plain", "other"}
    seen.clear()
    workshop.apply(workshop.goodbye(spec(workshop, key)))
    assert workshop.versions() == {}
    assert seen
    assert not any(seen)


def plan(workshop: Workshop, declared: dict[str, Any], status: dict[str, Any] | None, generation: int = 1) -> Planned:
    """What `dynconfig plan` finds out about the object in a cluster: in a process of its own."""
    owner = workshop.owner()
    metadata = {"namespace": owner.namespace, "name": owner.name, "uid": owner.uid, "generation": generation}
    live = {
        "metadata": {**metadata, "finalizers": [names.FINALIZER]},
        "spec": {"path": workshop.path, **declared},
        "status": status,
    }
    engine = Engine(lambda _place: (workshop.parameters(),))
    known = Known(owner.cluster, live, lambda source: workshop.secrets[f"{source.name}/{source.key}"])
    found = Planner(Settings(is_emulated=True), engine, REGION).planned(live, Manifests((), (), {}), known)
    assert isinstance(found, Planned)
    return found


def test_a_plan_shows_nothing_where_the_operator_wrote_what_cannot_be_decrypted_any_more(workshop: Workshop) -> None:
    key = workshop.aws("kms").create_key()["KeyMetadata"]["KeyId"]
    kind, declared = workshop.parameters(), spec(workshop, key)
    status = workshop.status(run(workshop, kind, spec=declared))
    workshop.aws("kms").disable_key(KeyId=key)
    workshop.clock.now += 2 * 3600
    outcome = run(workshop, kind, spec=declared, status=status)
    assert outcome.is_complete
    assert outcome.plan.is_empty
    found = plan(workshop, declared, status)
    assert found.plan.is_empty
    assert found.not_compared == (f"{workshop.path}/pw",)


def test_a_plan_shows_what_the_operator_would_write_over_what_it_cannot_read(workshop: Workshop) -> None:
    key = disabled_key(workshop)
    declared = spec(workshop, key)
    outcome = run(workshop, spec=declared)
    found = plan(workshop, declared, workshop.status(outcome))
    assert found.not_compared == ()
    assert [item.title for item in outcome.refused] == [step.resource.title for step in found.plan.steps]
    (because,) = found.plan.steps[0].because
    assert (because.declared, because.observed) == ("•••", "•••  (cannot be read)")
