"""A rollback restores the text of a Secret as a secret, and a SecureString with the KMS key of its version."""

from collections.abc import Iterator
from typing import Any

import pytest
from tests.kinds.aws_harness import REGION, AwsHarness
from tests.kinds.test_rollback_after_recreate import BAKE, Life, _aws_now

from dynconfig.api.names import FROM_SECRET_TAG
from dynconfig.model.declaration import Declaration
from dynconfig.model.errors import InvalidSpec
from dynconfig.model.previous_status import PreviousStatus
from dynconfig.rollout.last_change import last_change
from dynconfig.status import kube_events
from dynconfig.validation.tenancy import Tenant
from dynconfig_lab.aws import Faults
from dynconfig_lab.aws.faults import Injected

pytestmark = pytest.mark.lab

CANARY = "canary-one"
OWN_KEY = "alias/restored"
SHOWN: dict[str, Any] = {
    "name": "shown",
    "type": "String",
    "valueFrom": {"secretKeyRef": {"name": "db", "key": "k", "allowPlaintext": True}},
}
SECURE: dict[str, Any] = {
    "name": "secure",
    "kmsKeyId": OWN_KEY,
    "valueFrom": {"secretKeyRef": {"name": "db", "key": "k"}},
}
PLAIN = ({"name": "shown", "value": "b"}, {"name": "secure", "value": "b"})


class Moving(Life):
    """An object whose values move from a Secret into spec."""

    parameters: tuple[dict[str, Any], ...] = (SHOWN, SECURE)

    def spec(self) -> dict[str, Any]:
        """The declared object."""
        return {"parameters": list(self.parameters), "rollout": {"bakeTime": "60s"}}

    def moved(self, *parameters: dict[str, Any], now: float) -> None:
        """Apply an edit of the parameters."""
        self.parameters = parameters
        self.edit("", now)

    def declaration(self, **about: Any) -> Declaration:
        """The declared object with the last status."""
        return self.harness.declare(self.spec(), generation=self.generation, status=self.status or None, **about)

    def last_change(self) -> Declaration:
        """The baking change of an object whose spec became invalid."""
        spec = {"path": self.harness.path, "rollout": {}}
        stored = {"metadata": {"generation": self.generation + 1}, "spec": spec, "status": self.status}
        owner = self.harness.owner()
        found = last_change(stored, owner=owner, default_region=REGION, tenant=Tenant(owner.namespace))
        assert found is not None
        return found


@pytest.fixture
def moving(harness: AwsHarness) -> Iterator[tuple[Moving, float]]:
    """An object with a stable generation whose values come from a Secret, and when it was written."""
    kms = harness.aws("kms")
    kms.create_alias(AliasName=OWN_KEY, TargetKeyId=kms.create_key()["KeyMetadata"]["KeyId"])
    harness.secrets["db/k"] = CANARY
    life, now = Moving(harness), _aws_now(harness)
    life.edit("", now)
    life.apply("", now + 10 * BAKE)
    assert life.reason == "InSync"
    try:
        yield life, now
    finally:
        kms.delete_alias(AliasName=OWN_KEY)


def history(harness: AwsHarness, name: str) -> list[dict[str, Any]]:
    """All versions of a parameter, decrypted."""
    answer = harness.aws().get_parameter_history(Name=f"{harness.path}/{name}", WithDecryption=True)
    return list(answer["Parameters"])


def fire(life: Moving) -> None:
    """Let the alarm fire after the change."""
    life.alarm.since = _aws_now(life.harness) + 5


def test_tag_edit_during_the_bake_time_creates_no_new_version(moving: tuple[Moving, float]) -> None:
    life, now = moving
    life.moved(*PLAIN, now=now + 3)
    versions = {name: len(history(life.harness, name)) for name in ("shown", "secure")}
    life.moved(*({**parameter, "tags": {"team": "b"}} for parameter in PLAIN), now=now + 4)
    assert {name: len(history(life.harness, name)) for name in ("shown", "secure")} == versions
    assert life.harness.tags("shown")["team"] == "b"
    assert life.harness.tags("shown")[FROM_SECRET_TAG] == "true"


@pytest.mark.parametrize("is_restarted", [False, True])
@pytest.mark.parametrize("is_valid", [True, False])
@pytest.mark.parametrize("status", ["known", "lost"])
def test_restored_text_of_a_secret_is_marked(
    moving: tuple[Moving, float], is_restarted: bool, is_valid: bool, status: str
) -> None:
    life, now = moving
    life.moved(*PLAIN, now=now + 3)
    assert life.reason == "Baking"
    assert life.harness.tags("shown")[FROM_SECRET_TAG] == "true"
    # Another edit of someone who may not read the Secret.
    life.moved({"name": "shown", "value": "b2"}, PLAIN[1], now=now + 4)
    assert life.harness.tags("shown")[FROM_SECRET_TAG] == "true"
    if is_restarted:
        life.restart()
    if status == "lost" and is_valid:
        life.status = {}
    before = PreviousStatus.of(life.status)
    fire(life)
    outcome = life.run(life.declaration() if is_valid else life.last_change(), now + 10)
    assert life.harness.value("shown") == CANARY
    assert life.harness.tags("shown")[FROM_SECRET_TAG] == "true"
    assert {item["name"].rpartition("/")[2]: item.get("secret") for item in life.status["parameters"]}["shown"] is True
    assert CANARY not in str(life.status) + str(kube_events.events_of(outcome, before, now + 10)) + str(outcome.plan)
    restored = history(life.harness, "secure")[-1]
    assert (restored["Value"], restored["Type"], restored["KeyId"]) == (CANARY, "SecureString", OWN_KEY)
    versions = life.harness.versions()
    if is_valid:
        assert life.run(life.declaration(), now + 11).is_complete
        assert life.harness.versions() == versions
        assert life.harness.tags("shown")[FROM_SECRET_TAG] == "true"


def test_mark_is_removed_once_the_change_is_stable(moving: tuple[Moving, float]) -> None:
    life, now = moving
    life.moved(*PLAIN, now=now + 3)
    life.status = {}
    life.restart()
    life.apply("", now + 4)
    assert life.harness.tags("shown")[FROM_SECRET_TAG] == "true"
    assert life.reason == "Baking"
    life.apply("", now + 20 * BAKE)
    life.apply("", now + 20 * BAKE + 1)
    assert life.reason == "InSync"
    assert FROM_SECRET_TAG not in life.harness.tags("shown")
    life.apply("", now + 20 * BAKE + 2)
    assert all("secret" not in item for item in life.status["parameters"])
    assert life.harness.versions() == {"shown": 2, "secure": 2}


def test_mark_absent_in_aws_is_restored_with_the_text(moving: tuple[Moving, float]) -> None:
    life, now = moving
    life.moved(*PLAIN, now=now + 3)
    life.harness.aws().remove_tags_from_resource(
        ResourceType="Parameter", ResourceId=f"{life.harness.path}/shown", TagKeys=[FROM_SECRET_TAG]
    )
    life.status = {}
    life.restart()
    fire(life)
    life.run(life.declaration(), now + 10)
    assert life.harness.value("shown") == CANARY
    assert life.harness.tags("shown")[FROM_SECRET_TAG] == "true"


def test_restored_secret_has_the_key_of_its_version(moving: tuple[Moving, float]) -> None:
    life, now = moving
    life.harness.secrets["db/k"] = "other"
    life.moved(SHOWN, {key: value for key, value in SECURE.items() if key != "kmsKeyId"}, now=now + 3)
    assert history(life.harness, "secure")[-1]["KeyId"] == "alias/aws/ssm"
    fire(life)
    life.run(life.declaration(), now + 10)
    restored = history(life.harness, "secure")[-1]
    assert (restored["Value"], restored["KeyId"]) == (CANARY, OWN_KEY)


@pytest.mark.parametrize("is_decided", [False, True])
def test_secret_is_not_restored_with_another_key(moving: tuple[Moving, float], is_decided: bool) -> None:
    life, now = moving
    life.moved(*PLAIN, now=now + 3)
    fire(life)
    declared = life.declaration()
    if is_decided:
        assessment = life.engine.assess(declared, now + 10)
        assert assessment.rejection
        life.engine._rollbacks.reject(declared, assessment.rejection)
    life.restart()
    denied = Injected("AccessDeniedException", "not authorized")
    life.harness.lab.faults(Faults(errors={"ssm.GetParameterHistory": denied}))
    outcome = life.run(declared, now + 10)
    life.harness.lab.faults(Faults())
    assert [item["Type"] for item in history(life.harness, "secure")] == ["SecureString", "String"]
    if is_decided:
        assert "secure cannot be restored: its history" in str(outcome.error)
        assert life.harness.value("shown") == CANARY
    else:
        assert "no stable version of" in life.status["conditions"][0]["message"]


def test_text_of_a_secret_is_not_written_without_room_for_the_mark(moving: tuple[Moving, float]) -> None:
    life, now = moving
    tags = {f"t{number}": "x" for number in range(40)}
    # One tag for the owner leaves no room for the mark, which stays until the change is stable.
    life.parameters = ({**PLAIN[0], "tags": tags}, PLAIN[1])
    life.generation += 1
    about = {"tags": {f"o{number}": "x" for number in range(9)}}
    declared = life.harness.declare({**life.spec(), **about}, generation=life.generation, status=life.status)
    outcome = life.run(declared, now + 3)
    assert "shown has 49 tags, and its value comes from a Secret or may be restored" in str(outcome.error)
    assert life.harness.value("shown") == CANARY
    assert life.harness.tags("shown")[FROM_SECRET_TAG] == "true"


def test_stored_object_without_room_for_the_mark_is_invalid(harness: AwsHarness) -> None:
    tags = {f"t{number}": "x" for number in range(40)}
    spec = {"parameters": [{**SHOWN, "tags": tags}], "tags": {f"o{number}": "x" for number in range(9)}}
    with pytest.raises(InvalidSpec, match="takes its value from a Secret, 48"):
        harness.declare(spec)
