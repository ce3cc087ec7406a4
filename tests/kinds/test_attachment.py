"""What is particular about attachments: a person's own function gets an addition, and later has exactly that no more."""

from typing import Any

import pytest
from tests.kinds import functions
from tests.kinds.cases.attachment import ATTACHMENT, our_policies, prepare, spec, state, stranger
from tests.kinds.wire import answers, requests, without_environment
from tests.kinds.workshop import Workshop

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
def their_function(workshop: Workshop) -> None:
    prepare(workshop)


def settle(workshop: Workshop, declared: Any, errors: Any = None, **about: Any) -> Any:
    return workshop.settle(workshop.declare(declared, **about), ATTACHMENT.kinds(workshop), errors)


def refusal(workshop: Workshop, declared: Any, **about: Any) -> Any:
    """The error, and that nothing was written on its way."""
    before, kinds = state(workshop), workshop.kinds(Attachment)
    error = Engine(lambda _place: kinds).run(workshop.declare(declared, **about)).error
    assert state(workshop) == before
    return error


def detach(workshop: Workshop, **about: Any) -> None:
    workshop.settle(workshop.goodbye(spec(), **about), ATTACHMENT.kinds(workshop))


def test_only_layer_environment_policy_and_marks_are_added(workshop: Workshop) -> None:
    before = state(workshop)
    settle(workshop, spec())
    after = state(workshop)
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


def test_exactly_the_addition_is_taken_away_again(workshop: Workshop) -> None:
    before = state(workshop)
    settle(workshop, spec())
    detach(workshop)
    assert state(workshop) == before


def test_a_function_that_the_operator_made_is_not_taken_for_one_with_an_addition(workshop: Workshop) -> None:
    managed: Any = {"function": {}, "parameters": [{"name": "a", "value": "1"}]}
    workshop.settle(workshop.declare(managed), workshop.kinds(Role, Function))
    kinds = workshop.kinds(Function, Attachment)
    seen = Engine(lambda _place: kinds).observe(workshop.goodbye(managed))
    assert [type(resource) for resource in seen] == [Function]


def test_what_the_user_changed_meanwhile_stays(workshop: Workshop) -> None:
    settle(workshop, spec())
    functions.set_variables(workshop, "attached", THEIRS="2", NEW="3")
    functions.configure(workshop, "attached", MemorySize=512)
    assert settle(workshop, spec()).plan.is_empty
    settle(workshop, spec(cache={"size": 10}), generation=2)
    detach(workshop)
    assert functions.variables(workshop, "attached") == {"THEIRS": "2", "NEW": "3", "LOG_LEVEL": "INFO"}
    assert functions.of(workshop, "attached")["MemorySize"] == 512


def test_what_the_user_changes_at_the_same_moment_is_not_lost(workshop: Workshop) -> None:
    fault = Injected("PreconditionFailedException", "The Revision Id provided does not match", 1)
    workshop.lab.faults(Faults(errors={"lambda.UpdateFunctionConfiguration": fault}))
    errors: list[Any] = []
    with requests(workshop, "lambda", "UpdateFunctionConfiguration") as made:
        settle(workshop, spec(), errors)
    assert Conflict in {type(error) for error in errors}
    assert all(request["RevisionId"] for _operation, request in made)


def test_a_layer_of_ones_own_is_kept_changed_and_taken_away_by_what_the_tags_remember(workshop: Workshop) -> None:
    # The emulator knows the extension only; in this test another name stands for it.
    before, name = state(workshop), functions.LAYER
    settle(workshop, spec(extension={"layerArn": f"{name}:23"}))
    assert state(workshop)["layers"] == [f"{name}:23"]
    assert state(workshop)["tags"]["dynconfig.dev/attached-layer"] == f"{name}:23"
    settle(workshop, spec(), generation=2)
    assert state(workshop)["layers"] == [f"{EXTENSION}:{NEWEST_EXTENSION}"]
    detach(workshop)
    assert state(workshop) == before


def test_a_user_who_moves_the_function_to_another_role_leaves_no_policy_of_ours_behind(workshop: Workshop) -> None:
    settle(workshop, spec())
    functions.configure(workshop, "attached", Role=functions.role_arn(functions.OTHER_ROLE))
    settle(workshop, spec())
    assert our_policies(workshop) == {}
    assert len(our_policies(workshop, functions.OTHER_ROLE)) == 1
    detach(workshop)
    assert our_policies(workshop, functions.OTHER_ROLE) == {}


def test_a_role_that_was_changed_just_before_the_deletion_leaves_no_policy_either(workshop: Workshop) -> None:
    settle(workshop, spec())
    functions.configure(workshop, "attached", Role=functions.role_arn(functions.OTHER_ROLE))
    detach(workshop)
    assert our_policies(workshop) == our_policies(workshop, functions.OTHER_ROLE) == {}


def test_an_object_that_turns_to_another_function_with_the_same_role_keeps_its_right_to_read(
    workshop: Workshop,
) -> None:
    before = state(workshop)
    status = workshop.status(settle(workshop, spec()))
    functions.create(workshop, "attached-two")
    settle(workshop, spec(name="attached-two"), generation=2, status=status)
    assert len(our_policies(workshop)) == 1
    assert state(workshop) == {**before, "policies": state(workshop)["policies"]}
    assert "DYNCONFIG_PREFIX" in functions.variables(workshop, "attached-two")


def test_it_waits_for_an_update_of_the_user_that_is_under_way(workshop: Workshop) -> None:
    workshop.aws("lambda").update_function_configuration(FunctionName="attached", MemorySize=256)
    errors: list[Any] = []
    settle(workshop, spec(), errors)
    assert functions.of(workshop, "attached")["MemorySize"] == 256


def test_refresh_changes_only_the_revision(workshop: Workshop) -> None:
    settle(workshop, spec("1"))
    before = state(workshop)
    settle(workshop, spec("2"), generation=2)
    after = state(workshop)
    changed = {name for name in after["variables"] if after["variables"][name] != before["variables"].get(name)}
    assert changed == {"DYNCONFIG_REVISION"}


def test_an_environment_that_the_answer_to_a_write_does_not_tell_is_what_was_sent(workshop: Workshop) -> None:
    (kind,) = workshop.kinds(Attachment)
    (desired,) = kind.desired(workshop.declare(spec()))
    with answers(workshop, "lambda", "UpdateFunctionConfiguration", without_environment("AccessDeniedException")):
        written = kind.put(desired, None)
    assert written.host.own_variables == {"THEIRS": "1", "LOG_LEVEL": "INFO"}


@pytest.mark.parametrize("deletion", ["Delete", "Retain"])
def test_an_environment_that_lambda_does_not_tell_is_not_taken_apart(workshop: Workshop, deletion: str) -> None:
    settle(workshop, spec())
    before, kinds = state(workshop), workshop.kinds(Attachment)
    goodbye = workshop.goodbye({**spec(), "deletionPolicy": deletion})
    with answers(workshop, "lambda", "GetFunction", without_environment("AccessDeniedException")):
        error = Engine(lambda _place: kinds).run(goodbye).error
    # Who leaves all as it is need not know what there is.
    assert (type(error) is AccessDenied) is (deletion == "Delete")
    assert (state(workshop) == before) is (deletion == "Delete")
    assert state(workshop)["variables"] == before["variables"]


# --- refused before anything is written


@pytest.mark.parametrize(
    ("code", "expected"), [("AccessDeniedException", AccessDenied), ("KMSDisabledException", Conflict)]
)
@pytest.mark.parametrize("attached", [False, True])
def test_an_environment_that_lambda_does_not_tell_is_left_as_it_is(
    workshop: Workshop, code: str, expected: type, attached: bool
) -> None:
    if attached:
        settle(workshop, spec())
    before, kinds = state(workshop), workshop.kinds(Attachment)
    with answers(workshop, "lambda", "GetFunction", without_environment(code)):
        outcome = Engine(lambda _place: kinds).run(workshop.declare(spec(cache={"size": 10})))
    assert isinstance(outcome.error, expected)
    assert "function attached: Lambda did not return its environment" in str(outcome.error)
    assert "the function's KMS key" in str(outcome.error)
    assert outcome.drift == ()
    assert state(workshop) == before


def test_a_function_that_does_not_exist_is_waited_for_and_named(workshop: Workshop) -> None:
    error = refusal(workshop, spec(name="attached-nowhere"))
    assert isinstance(error, SourceMissing)
    assert str(error).startswith("spec.function.name: function attached-nowhere does not exist in eu-west-1")


@pytest.mark.parametrize(("name", "value"), [("SSM_PARAMETER_STORE_TTL", "301"), ("DYNCONFIG_TTL", "1")])
def test_variables_that_contradict_the_declaration_are_named(workshop: Workshop, name: str, value: str) -> None:
    functions.set_variables(workshop, "attached", **{name: value})
    error = refusal(workshop, spec())
    assert isinstance(error, NotPossible)
    assert f"spec.function.name: function attached already sets {name}" in str(error)


def test_a_container_image_is_refused(workshop: Workshop) -> None:
    def image(answer: dict[str, Any]) -> None:
        answer["Configuration"]["PackageType"] = "Image"

    with answers(workshop, "lambda", "GetFunction", image):
        error = refusal(workshop, spec())
    assert isinstance(error, NotPossible)
    assert "function attached is a container image" in str(error)


def test_another_architecture_is_refused_with_the_field(workshop: Workshop) -> None:
    error = refusal(workshop, spec(architecture="x86_64"))
    assert isinstance(error, NotPossible)
    assert "has architecture arm64. Set spec.function.architecture: arm64" in str(error)


def test_an_environment_that_would_be_too_long_is_refused(workshop: Workshop) -> None:
    functions.set_variables(workshop, "attached", LONG="x" * 3900)
    error = refusal(workshop, spec())
    assert isinstance(error, NotPossible)
    assert "spec.function.name: function attached would need" in str(error)
    assert "xxx" not in str(error)


def test_a_function_that_somebody_else_is_attached_to_is_refused_with_the_owner(workshop: Workshop) -> None:
    stranger(workshop)
    error = refusal(workshop, spec())
    assert isinstance(error, NotOwned)
    assert f"attachment attached is owned by ns-{workshop.number}/other" in str(error)


def test_whoever_comes_first_between_look_and_mark_keeps_the_function(workshop: Workshop) -> None:
    (kind,) = workshop.kinds(Attachment)
    declaration = workshop.declare(spec())
    (desired,) = kind.desired(declaration)
    stranger(workshop)
    before = state(workshop)
    with pytest.raises(Conflict, match="was deleted or claimed concurrently"):
        kind.put(desired, None)
    assert state(workshop) == before


def test_a_function_that_its_user_has_deleted_leaves_no_policy_on_the_role(workshop: Workshop) -> None:
    kinds = ATTACHMENT.kinds(workshop)
    engine = Engine(lambda _place: kinds)
    assert wait_until(lambda: engine.run(workshop.declare(spec())).is_complete, 10)
    assert our_policies(workshop)
    workshop.aws("lambda").delete_function(FunctionName="attached")
    assert wait_until(lambda: engine.run(workshop.goodbye(spec())).is_complete, 10)
    assert our_policies(workshop) == {}
