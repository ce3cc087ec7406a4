"""What is particular about attachments: a person's own function gets an addition, and later has exactly that no more."""

from typing import Any

import pytest
from tests.kinds import functions
from tests.kinds.aws_harness import AwsHarness
from tests.kinds.cases.attachment import ATTACHMENT, our_policies, prepare, spec, state, stranger
from tests.kinds.wire import answers, requests, without_environment

from dynconfig.engine.errors import AccessDenied, Conflict, NotOwned, NotPossible, SourceMissing
from dynconfig.engine.reconcile import Engine
from dynconfig.kinds.attachment_value import Attachment
from dynconfig.kinds.function_value import Function
from dynconfig.kinds.role import Role
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
    """The error, and that nothing was written on its way."""
    before, kinds = state(harness), harness.kinds(Attachment)
    error = Engine(lambda _place: kinds).run(harness.declare(declared, **about)).error
    assert state(harness) == before
    return error


def detach(harness: AwsHarness, **about: Any) -> None:
    harness.settle(harness.goodbye(spec(), **about), ATTACHMENT.kinds(harness))


def test_only_layer_environment_policy_and_marks_are_added(harness: AwsHarness) -> None:
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


def test_exactly_the_addition_is_taken_away_again(harness: AwsHarness) -> None:
    before = state(harness)
    settle(harness, spec())
    detach(harness)
    assert state(harness) == before


def test_a_function_that_the_operator_made_is_not_taken_for_one_with_an_addition(harness: AwsHarness) -> None:
    managed: Any = {"function": {}, "parameters": [{"name": "a", "value": "1"}]}
    harness.settle(harness.declare(managed), harness.kinds(Role, Function))
    kinds = harness.kinds(Function, Attachment)
    seen = Engine(lambda _place: kinds).observe(harness.goodbye(managed))
    assert [type(resource) for resource in seen] == [Function]


def test_what_the_user_changed_meanwhile_stays(harness: AwsHarness) -> None:
    settle(harness, spec())
    functions.set_variables(harness, "attached", THEIRS="2", NEW="3")
    functions.configure(harness, "attached", MemorySize=512)
    assert settle(harness, spec()).plan.is_empty
    settle(harness, spec(cache={"size": 10}), generation=2)
    detach(harness)
    assert functions.variables(harness, "attached") == {"THEIRS": "2", "NEW": "3", "LOG_LEVEL": "INFO"}
    assert functions.of(harness, "attached")["MemorySize"] == 512


def test_what_the_user_changes_at_the_same_moment_is_not_lost(harness: AwsHarness) -> None:
    fault = Injected("PreconditionFailedException", "The Revision Id provided does not match", 1)
    harness.lab.faults(Faults(errors={"lambda.UpdateFunctionConfiguration": fault}))
    errors: list[Any] = []
    with requests(harness, "lambda", "UpdateFunctionConfiguration") as made:
        settle(harness, spec(), errors)
    assert Conflict in {type(error) for error in errors}
    assert all(request["RevisionId"] for _operation, request in made)


def test_a_layer_of_ones_own_is_kept_changed_and_taken_away_by_what_the_tags_remember(harness: AwsHarness) -> None:
    # The emulator knows the extension only; in this test another name stands for it.
    before, name = state(harness), functions.LAYER
    settle(harness, spec(extension={"layerArn": f"{name}:23"}))
    assert state(harness)["layers"] == [f"{name}:23"]
    assert state(harness)["tags"]["dynconfig.dev/attached-layer"] == f"{name}:23"
    settle(harness, spec(), generation=2)
    assert state(harness)["layers"] == [f"{EXTENSION}:{NEWEST_EXTENSION}"]
    detach(harness)
    assert state(harness) == before


def test_a_user_who_moves_the_function_to_another_role_leaves_no_policy_of_ours_behind(harness: AwsHarness) -> None:
    settle(harness, spec())
    functions.configure(harness, "attached", Role=functions.role_arn(functions.OTHER_ROLE))
    settle(harness, spec())
    assert our_policies(harness) == {}
    assert len(our_policies(harness, functions.OTHER_ROLE)) == 1
    detach(harness)
    assert our_policies(harness, functions.OTHER_ROLE) == {}


def test_a_role_that_was_changed_just_before_the_deletion_leaves_no_policy_either(harness: AwsHarness) -> None:
    settle(harness, spec())
    functions.configure(harness, "attached", Role=functions.role_arn(functions.OTHER_ROLE))
    detach(harness)
    assert our_policies(harness) == our_policies(harness, functions.OTHER_ROLE) == {}


def test_an_object_that_turns_to_another_function_with_the_same_role_keeps_its_right_to_read(
    harness: AwsHarness,
) -> None:
    before = state(harness)
    status = harness.status(settle(harness, spec()))
    functions.create(harness, "attached-two")
    settle(harness, spec(name="attached-two"), generation=2, status=status)
    assert len(our_policies(harness)) == 1
    assert state(harness) == {**before, "policies": state(harness)["policies"]}
    assert "DYNCONFIG_PREFIX" in functions.variables(harness, "attached-two")


def test_it_waits_for_an_update_of_the_user_that_is_under_way(harness: AwsHarness) -> None:
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


def test_an_environment_that_the_answer_to_a_write_does_not_tell_is_what_was_sent(harness: AwsHarness) -> None:
    (kind,) = harness.kinds(Attachment)
    (desired,) = kind.desired(harness.declare(spec()))
    with answers(harness, "lambda", "UpdateFunctionConfiguration", without_environment("AccessDeniedException")):
        written = kind.put(desired, None)
    assert written.target.own_variables == {"THEIRS": "1", "LOG_LEVEL": "INFO"}


@pytest.mark.parametrize("deletion", ["Delete", "Retain"])
def test_an_environment_that_lambda_does_not_tell_is_not_taken_apart(harness: AwsHarness, deletion: str) -> None:
    settle(harness, spec())
    before, kinds = state(harness), harness.kinds(Attachment)
    goodbye = harness.goodbye({**spec(), "deletionPolicy": deletion})
    with answers(harness, "lambda", "GetFunction", without_environment("AccessDeniedException")):
        error = Engine(lambda _place: kinds).run(goodbye).error
    # Who leaves all as it is need not know what there is.
    assert (type(error) is AccessDenied) is (deletion == "Delete")
    assert (state(harness) == before) is (deletion == "Delete")
    assert state(harness)["variables"] == before["variables"]


# --- refused before anything is written


@pytest.mark.parametrize(
    ("code", "expected"), [("AccessDeniedException", AccessDenied), ("KMSDisabledException", Conflict)]
)
@pytest.mark.parametrize("attached", [False, True])
def test_an_environment_that_lambda_does_not_tell_is_left_as_it_is(
    harness: AwsHarness, code: str, expected: type, attached: bool
) -> None:
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


def test_a_function_that_does_not_exist_is_waited_for_and_named(harness: AwsHarness) -> None:
    error = refusal(harness, spec(name="attached-nowhere"))
    assert isinstance(error, SourceMissing)
    assert str(error).startswith("spec.function.name: function attached-nowhere does not exist in eu-west-1")


@pytest.mark.parametrize(("name", "value"), [("SSM_PARAMETER_STORE_TTL", "301"), ("DYNCONFIG_TTL", "1")])
def test_variables_that_contradict_the_declaration_are_named(harness: AwsHarness, name: str, value: str) -> None:
    functions.set_variables(harness, "attached", **{name: value})
    error = refusal(harness, spec())
    assert isinstance(error, NotPossible)
    assert f"spec.function.name: function attached already sets {name}" in str(error)


def test_a_container_image_is_refused(harness: AwsHarness) -> None:
    def image(answer: dict[str, Any]) -> None:
        answer["Configuration"]["PackageType"] = "Image"

    with answers(harness, "lambda", "GetFunction", image):
        error = refusal(harness, spec())
    assert isinstance(error, NotPossible)
    assert "function attached is a container image" in str(error)


def test_another_architecture_is_refused_with_the_field(harness: AwsHarness) -> None:
    error = refusal(harness, spec(architecture="x86_64"))
    assert isinstance(error, NotPossible)
    assert "has architecture arm64. Set spec.function.architecture: arm64" in str(error)


def test_an_environment_that_would_be_too_long_is_refused(harness: AwsHarness) -> None:
    functions.set_variables(harness, "attached", LONG="x" * 3900)
    error = refusal(harness, spec())
    assert isinstance(error, NotPossible)
    assert "spec.function.name: function attached would need" in str(error)
    assert "xxx" not in str(error)


def test_a_function_that_somebody_else_is_attached_to_is_refused_with_the_owner(harness: AwsHarness) -> None:
    stranger(harness)
    error = refusal(harness, spec())
    assert isinstance(error, NotOwned)
    assert f"attachment attached is owned by ns-{harness.number}/other" in str(error)


def test_whoever_comes_first_between_look_and_mark_keeps_the_function(harness: AwsHarness) -> None:
    (kind,) = harness.kinds(Attachment)
    declaration = harness.declare(spec())
    (desired,) = kind.desired(declaration)
    stranger(harness)
    before = state(harness)
    with pytest.raises(Conflict, match="was deleted or claimed concurrently"):
        kind.put(desired, None)
    assert state(harness) == before


def test_a_function_that_its_user_has_deleted_leaves_no_policy_on_the_role(harness: AwsHarness) -> None:
    kinds = ATTACHMENT.kinds(harness)
    engine = Engine(lambda _place: kinds)
    assert wait_until(lambda: engine.run(harness.declare(spec())).is_complete, 10)
    assert our_policies(harness)
    harness.aws("lambda").delete_function(FunctionName="attached")
    assert wait_until(lambda: engine.run(harness.goodbye(spec())).is_complete, 10)
    assert our_policies(harness) == {}
