"""Attachments: a user's function gets additions, and detach removes exactly those."""

from typing import Any

import pytest
from tests.kinds import functions
from tests.kinds.aws_harness import AwsHarness
from tests.kinds.cases.attachment import ATTACHMENT, create_foreign, our_policies, prepare, spec, state
from tests.kinds.wire import answers, requests, without_environment

from dynconfig.engine.reconcile import Engine
from dynconfig.kinds.attachment.value import Attachment
from dynconfig.kinds.function.value import Function
from dynconfig.kinds.role import Role
from dynconfig.model.errors import AccessDenied, Conflict, NotOwned, NotPossible, SourceMissing
from dynconfig_lab.aws import Faults
from dynconfig_lab.aws.faults import Injected
from dynconfig_lab.aws.functions_store import NEWEST_EXTENSION
from dynconfig_lab.processes import wait_until

pytestmark = pytest.mark.lab

EXTENSION = "arn:aws:lambda:eu-west-1:015030872274:layer:AWS-Parameters-and-Secrets-Lambda-Extension-Arm64"


@pytest.fixture(autouse=True)
def their_function(harness: AwsHarness) -> None:
    prepare(harness)


def settle(harness: AwsHarness, declared: Any, errors: Any = None, **about: Any) -> Any:
    return harness.settle(harness.declare(declared, **about), ATTACHMENT.kinds(harness), errors)


def refusal(harness: AwsHarness, declared: Any, **about: Any) -> Any:
    """The error; asserts that nothing was written."""
    before, kinds = state(harness), harness.kinds(Attachment)
    error = Engine(lambda _place: kinds).run(harness.declare(declared, **about)).error
    assert state(harness) == before
    return error


def detach(harness: AwsHarness, **about: Any) -> None:
    harness.settle(harness.deletion(spec(), **about), ATTACHMENT.kinds(harness))


def test_only_layer_environment_policy_and_tags_are_added(harness: AwsHarness) -> None:
    before = state(harness)
    settle(harness, spec())
    after = state(harness)
    assert after["layers"] == [f"{EXTENSION}:{NEWEST_EXTENSION}"]
    assert {name: after["variables"][name] for name in before["variables"]} == before["variables"]
    added = after["variables"].keys() - before["variables"].keys()
    assert {name.split("_")[0] for name in added} == {"DYNCONFIG", "SSM", "PARAMETERS"}
    assert after["rest"] == before["rest"]
    assert len(after["policies"]) == len(before["policies"]) + 1
    assert after["tags"].keys() - before["tags"].keys() == {
        "dynconfig.dev/attached-by",
        "dynconfig.dev/attached-layer",
        "dynconfig.dev/attached-role",
        "dynconfig.dev/attached-variables",
    }


def test_detach_removes_exactly_what_was_added(harness: AwsHarness) -> None:
    before = state(harness)
    settle(harness, spec())
    detach(harness)
    assert state(harness) == before


def test_managed_function_is_not_mistaken_for_an_attached_one(harness: AwsHarness) -> None:
    managed: Any = {"function": {}, "parameters": [{"name": "a", "value": "1"}]}
    harness.settle(harness.declare(managed), harness.kinds(Role, Function))
    kinds = harness.kinds(Function, Attachment)
    seen = Engine(lambda _place: kinds).observe(harness.deletion(managed))
    assert [type(resource) for resource in seen] == [Function]


def test_user_changes_are_kept(harness: AwsHarness) -> None:
    settle(harness, spec())
    functions.set_variables(harness, "attached", THEIRS="2", NEW="3")
    functions.configure(harness, "attached", MemorySize=512)
    assert settle(harness, spec()).plan.is_empty
    settle(harness, spec(cache={"size": 10}), generation=2)
    detach(harness)
    assert functions.variables(harness, "attached") == {"THEIRS": "2", "NEW": "3", "LOG_LEVEL": "INFO"}
    assert functions.of(harness, "attached")["MemorySize"] == 512


def test_concurrent_user_changes_are_not_lost(harness: AwsHarness) -> None:
    fault = Injected("PreconditionFailedException", "The Revision Id provided does not match", 1)
    harness.lab.faults(Faults(errors={"lambda.UpdateFunctionConfiguration": fault}))
    errors: list[Any] = []
    with requests(harness, "lambda", "UpdateFunctionConfiguration") as made:
        settle(harness, spec(), errors)
    assert Conflict in {type(error) for error in errors}
    assert all(request["RevisionId"] for _operation, request in made)


def test_declared_layer_is_kept_replaced_and_removed_according_to_the_tags(harness: AwsHarness) -> None:
    # The emulator only knows the extension layer; in this test another name represents it.
    before, name = state(harness), functions.LAYER
    settle(harness, spec(extension={"layerArn": f"{name}:23"}))
    assert state(harness)["layers"] == [f"{name}:23"]
    assert state(harness)["tags"]["dynconfig.dev/attached-layer"] == f"{name}:23"
    settle(harness, spec(), generation=2)
    assert state(harness)["layers"] == [f"{EXTENSION}:{NEWEST_EXTENSION}"]
    detach(harness)
    assert state(harness) == before


def test_policy_is_removed_from_the_previous_role(harness: AwsHarness) -> None:
    settle(harness, spec())
    functions.configure(harness, "attached", Role=functions.role_arn(functions.OTHER_ROLE))
    settle(harness, spec())
    assert our_policies(harness) == {}
    assert len(our_policies(harness, functions.OTHER_ROLE)) == 1
    detach(harness)
    assert our_policies(harness, functions.OTHER_ROLE) == {}


def test_policy_is_removed_from_a_role_changed_just_before_deletion(harness: AwsHarness) -> None:
    settle(harness, spec())
    functions.configure(harness, "attached", Role=functions.role_arn(functions.OTHER_ROLE))
    detach(harness)
    assert our_policies(harness) == our_policies(harness, functions.OTHER_ROLE) == {}


def test_switching_to_a_function_with_the_same_role_keeps_read_access(
    harness: AwsHarness,
) -> None:
    before = state(harness)
    status = harness.status(settle(harness, spec()))
    functions.create(harness, "attached-two")
    settle(harness, spec(name="attached-two"), generation=2, status=status)
    assert len(our_policies(harness)) == 1
    assert state(harness) == {**before, "policies": state(harness)["policies"]}
    assert "DYNCONFIG_PREFIX" in functions.variables(harness, "attached-two")


def test_attach_waits_for_an_update_in_progress(harness: AwsHarness) -> None:
    harness.aws("lambda").update_function_configuration(FunctionName="attached", MemorySize=256)
    errors: list[Any] = []
    settle(harness, spec(), errors)
    assert functions.of(harness, "attached")["MemorySize"] == 256


def test_refresh_changes_only_the_revision(harness: AwsHarness) -> None:
    settle(harness, spec("1"))
    before = state(harness)
    settle(harness, spec("2"), generation=2)
    after = state(harness)
    changed = {name for name in after["variables"] if after["variables"][name] != before["variables"].get(name)}
    assert changed == {"DYNCONFIG_REVISION"}


def test_environment_missing_in_the_write_response_is_taken_from_the_request(harness: AwsHarness) -> None:
    (kind,) = harness.kinds(Attachment)
    (desired,) = kind.desired(harness.declare(spec()))
    with answers(harness, "lambda", "UpdateFunctionConfiguration", without_environment("AccessDeniedException")):
        written = kind.put(desired, None)
    assert written.target.own_variables == {"THEIRS": "1", "LOG_LEVEL": "INFO"}


@pytest.mark.parametrize("deletion", ["Delete", "Retain"])
def test_unreadable_environment_blocks_detach(harness: AwsHarness, deletion: str) -> None:
    settle(harness, spec())
    before, kinds = state(harness), harness.kinds(Attachment)
    declaration = harness.deletion({**spec(), "deletionPolicy": deletion})
    with answers(harness, "lambda", "GetFunction", without_environment("AccessDeniedException")):
        error = Engine(lambda _place: kinds).run(declaration).error
    # A reconcile that changes nothing does not need the environment.
    assert (type(error) is AccessDenied) is (deletion == "Delete")
    assert (state(harness) == before) is (deletion == "Delete")
    assert state(harness)["variables"] == before["variables"]


# --- rejected before the first write


@pytest.mark.parametrize(
    ("code", "expected"), [("AccessDeniedException", AccessDenied), ("KMSDisabledException", Conflict)]
)
@pytest.mark.parametrize("attached", [False, True])
def test_unreadable_environment_is_not_modified(harness: AwsHarness, code: str, expected: type, attached: bool) -> None:
    if attached:
        settle(harness, spec())
    before, kinds = state(harness), harness.kinds(Attachment)
    with answers(harness, "lambda", "GetFunction", without_environment(code)):
        outcome = Engine(lambda _place: kinds).run(harness.declare(spec(cache={"size": 10})))
    assert isinstance(outcome.error, expected)
    assert "function attached: Lambda did not return its environment" in str(outcome.error)
    assert "the function's KMS key" in str(outcome.error)
    assert outcome.drift == ()
    assert state(harness) == before


def test_missing_function_is_named_and_waited_for(harness: AwsHarness) -> None:
    error = refusal(harness, spec(name="attached-nowhere"))
    assert isinstance(error, SourceMissing)
    assert str(error).startswith("spec.function.name: function attached-nowhere does not exist in eu-west-1")


@pytest.mark.parametrize(("name", "value"), [("SSM_PARAMETER_STORE_TTL", "301"), ("DYNCONFIG_TTL", "1")])
def test_conflicting_variables_are_named(harness: AwsHarness, name: str, value: str) -> None:
    functions.set_variables(harness, "attached", **{name: value})
    error = refusal(harness, spec())
    assert isinstance(error, NotPossible)
    assert f"spec.function.name: function attached already sets {name}" in str(error)


def test_container_image_is_rejected(harness: AwsHarness) -> None:
    def image(answer: dict[str, Any]) -> None:
        answer["Configuration"]["PackageType"] = "Image"

    with answers(harness, "lambda", "GetFunction", image):
        error = refusal(harness, spec())
    assert isinstance(error, NotPossible)
    assert "function attached is a container image" in str(error)


def test_other_architecture_is_rejected_with_the_field(harness: AwsHarness) -> None:
    error = refusal(harness, spec(architecture="x86_64"))
    assert isinstance(error, NotPossible)
    assert "has architecture arm64. Set spec.function.architecture: arm64" in str(error)


def test_too_large_environment_is_rejected(harness: AwsHarness) -> None:
    functions.set_variables(harness, "attached", LONG="x" * 3900)
    error = refusal(harness, spec())
    assert isinstance(error, NotPossible)
    assert "spec.function.name: function attached would need" in str(error)
    assert "xxx" not in str(error)


def test_function_attached_by_another_object_is_rejected_with_its_owner(harness: AwsHarness) -> None:
    create_foreign(harness)
    error = refusal(harness, spec())
    assert isinstance(error, NotOwned)
    assert f"attachment attached is owned by ns-{harness.number}/other" in str(error)


def test_first_owner_between_observe_and_tag_keeps_the_function(harness: AwsHarness) -> None:
    (kind,) = harness.kinds(Attachment)
    declaration = harness.declare(spec())
    (desired,) = kind.desired(declaration)
    create_foreign(harness)
    before = state(harness)
    with pytest.raises(Conflict, match="was deleted or claimed concurrently"):
        kind.put(desired, None)
    assert state(harness) == before


def test_policy_is_removed_if_the_function_was_deleted(harness: AwsHarness) -> None:
    kinds = ATTACHMENT.kinds(harness)
    engine = Engine(lambda _place: kinds)
    assert wait_until(lambda: engine.run(harness.declare(spec())).is_complete, 10)
    assert our_policies(harness)
    harness.aws("lambda").delete_function(FunctionName="attached")
    assert wait_until(lambda: engine.run(harness.deletion(spec())).is_complete, 10)
    assert our_policies(harness) == {}
