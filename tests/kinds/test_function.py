"""Functions: Lambda applies updates asynchronously, and may fail afterwards."""

import io
import zipfile
from typing import Any

import pytest
from tests.kinds import functions
from tests.kinds.aws_harness import REQUESTED, AwsHarness
from tests.kinds.cases.function import many, spec
from tests.kinds.wire import answers, requests, without_environment

from dynconfig.cli import describe
from dynconfig.engine.reconcile import Engine
from dynconfig.kinds.attachment.value import Attachment
from dynconfig.kinds.function.value import Function, state
from dynconfig.kinds.log_group import LogGroup
from dynconfig.kinds.parameter.value import Parameter
from dynconfig.kinds.role import Role
from dynconfig.model.errors import AccessDenied, Conflict, NotOwned, NotPossible, Refused, RoleNotReady, Settling
from dynconfig_lab.aws import Faults
from dynconfig_lab.aws.faults import Injected
from dynconfig_lab.aws.functions_store import NEWEST_EXTENSION

pytestmark = pytest.mark.lab

APPROVED = {"annotations": {"dynconfig.dev/approve-generation": "2"}}
UPDATES = ("UpdateFunctionConfiguration", "UpdateFunctionCode")


@pytest.fixture(autouse=True)
def known_roles(harness: AwsHarness) -> None:
    functions.roles(harness)


def settle(harness: AwsHarness, declared: Any, errors: Any = None, **about: Any) -> Any:
    return harness.settle(harness.declare(declared, **about), harness.kinds(Function, Parameter), errors)


def refusal(harness: AwsHarness, declared: Any, **about: Any) -> Any:
    kinds = harness.kinds(Function, Parameter)
    return Engine(lambda _place: kinds).run(harness.declare(declared, **about)).error


def test_update_waits_for_the_previous_one(harness: AwsHarness) -> None:
    errors: list[Any] = []
    settle(harness, spec(), errors)
    settle(harness, {**many(), "function": {**spec()["function"], "memoryMiB": 512}}, errors, generation=2)
    # The first function of the lab may be created before its role is visible.
    assert {Settling} <= {type(error) for error in errors} <= {Settling, RoleNotReady}
    assert functions.of(harness, harness.name)["MemorySize"] == 512


def test_architecture_layer_and_code_change_together_in_two_writes(harness: AwsHarness) -> None:
    settle(harness, spec())
    with requests(harness, "lambda", *UPDATES) as made:
        settle(harness, spec(architecture="x86_64"), generation=2)
    assert [operation for operation, _request in made] == list(UPDATES)
    found = functions.of(harness, harness.name)
    assert found["Architectures"] == ["x86_64"]
    assert [layer["Arn"] for layer in found["Layers"]] == [f"{functions.LAYER}:{NEWEST_EXTENSION}"]


def test_function_whose_creation_failed_is_recreated(harness: AwsHarness) -> None:
    failing = ["Failed"]

    def fail(answer: dict[str, Any]) -> None:
        if failing:
            answer["Configuration"].update(State=failing.pop(), StateReason="no capacity")

    errors: list[Any] = []
    with answers(harness, "lambda", "GetFunction", fail), requests(harness, "lambda", "CreateFunction") as made:
        settle(harness, spec(), errors)
    assert len(made) == 2
    assert any(isinstance(error, Conflict) and "no capacity" in str(error) for error in errors)


def fail_for_ever(answer: dict[str, Any]) -> None:
    about = answer["Configuration"]
    if about.get("State") == "Active":
        about.update(State="Failed", StateReason="no capacity")


def fail_update(answer: dict[str, Any]) -> None:
    about = answer["Configuration"]
    if about.get("LastUpdateStatus") == "Successful" and about["MemorySize"] == 512:
        about.update(LastUpdateStatus="Failed", LastUpdateStatusReason="the key is disabled")


def test_repeatedly_failing_creation_reports_the_reason_and_backs_off(harness: AwsHarness) -> None:
    kinds = harness.kinds(Function, Parameter)
    with answers(harness, "lambda", "GetFunction", fail_for_ever):
        with requests(harness, "lambda", "CreateFunction") as made, pytest.raises(Refused, match="no capacity"):
            harness.settle(harness.declare(spec()), kinds)
        assert len(made) == 2
        with requests(harness, "lambda", "CreateFunction") as made, pytest.raises(Refused, match="no capacity"):
            harness.settle(harness.declare(spec()), kinds)
        assert made == []
    harness.clock.now += 301
    harness.settle(harness.declare(spec()), kinds)


def test_failed_update_reports_the_reason_and_backs_off(
    harness: AwsHarness,
) -> None:
    settle(harness, spec())
    kinds, edited = harness.kinds(Function, Parameter), harness.declare(spec(memoryMiB=512), generation=2)
    with answers(harness, "lambda", "GetFunction", fail_update):
        with requests(harness, "lambda", *UPDATES) as made, pytest.raises(Refused, match="the key is disabled"):
            harness.settle(edited, kinds)
        assert len(made) == 2
        with requests(harness, "lambda", *UPDATES) as made, pytest.raises(Refused, match="the key is disabled"):
            harness.settle(edited, kinds)
        assert made == []
    requested = harness.declare(spec(memoryMiB=512), generation=2, metadata=REQUESTED)
    assert harness.settle(requested, kinds).is_complete


def test_edit_after_a_failed_update_is_applied_at_once(harness: AwsHarness) -> None:
    settle(harness, spec())
    kinds = harness.kinds(Function, Parameter)
    with answers(harness, "lambda", "GetFunction", fail_update):
        with pytest.raises(Refused):
            harness.settle(harness.declare(spec(memoryMiB=512), generation=2), kinds)
        assert harness.settle(harness.declare(spec(memoryMiB=1024), generation=3), kinds).is_complete


def test_environment_over_4_kb_is_rejected_before_the_write(harness: AwsHarness) -> None:
    large = {f"KEY_{number}": "x" * 1000 for number in range(4)}
    kinds = harness.kinds(Function, Parameter, Role, LogGroup)
    calls = harness.calls(lambda: Engine(lambda _place: kinds).run(harness.declare(spec(environment=large))))
    assert "lambda.CreateFunction" not in calls
    error = refusal(harness, spec(environment=large))
    assert isinstance(error, NotPossible)
    assert "spec.function.environment" in str(error)
    assert "xxx" not in str(error)


def package_of(harness: AwsHarness) -> zipfile.ZipFile:
    (kind,) = harness.kinds(Function)
    (desired,) = kind.desired(harness.declare(many()))
    return zipfile.ZipFile(io.BytesIO(desired.package.content))


def test_long_parameter_list_is_stored_in_the_package(harness: AwsHarness) -> None:
    settle(harness, many())
    assert "DYNCONFIG_PARAMETERS" not in functions.variables(harness, harness.name)
    with package_of(harness) as archive:
        assert "p/059" in archive.read("dynconfig_function/parameters.json").decode()
    settle(harness, spec(), generation=2, metadata=APPROVED)
    assert "DYNCONFIG_PARAMETERS" in functions.variables(harness, harness.name)


def test_package_is_updated_before_environment_shrinks(
    harness: AwsHarness,
) -> None:
    settle(harness, spec())
    with requests(harness, "lambda", *UPDATES) as made:
        settle(harness, many())
        settle(harness, spec(), generation=2, metadata=APPROVED)
    order = [operation for operation, _request in made]
    # A new revision is another configuration update.
    assert order.index("UpdateFunctionCode") < order.index("UpdateFunctionConfiguration")
    assert order[-1] == "UpdateFunctionCode"
    assert order.count("UpdateFunctionCode") == 2


def test_role_not_yet_visible_to_lambda_is_retried(harness: AwsHarness) -> None:
    errors: list[Any] = []
    declared = harness.declare({"function": {}})
    harness.settle(declared, harness.kinds(Role, Function), errors)
    assert RoleNotReady in {type(error) for error in errors}
    other = harness.declare({"function": {"name": f"{harness.name}-two"}}, owner=harness.owner("two", "uid-2"))
    kinds = harness.kinds(Role, Function)
    status = harness.status(Engine(lambda _place: kinds).run(other))
    ready = status["conditions"][0]
    assert (ready["status"], ready["reason"]) == ("Unknown", "RoleNotReady")
    assert {item["type"] for item in status["conditions"]} == {"Ready", "Reconciling"}


def test_refresh_changes_the_revision_only_if_parameters_change(harness: AwsHarness) -> None:
    settle(harness, spec("1"))
    first = functions.variables(harness, harness.name)["DYNCONFIG_REVISION"]
    settle(harness, spec("1", memoryMiB=512), generation=2)
    assert functions.variables(harness, harness.name)["DYNCONFIG_REVISION"] == first
    outcome = settle(harness, spec("2", memoryMiB=512), generation=3)
    second = functions.variables(harness, harness.name)["DYNCONFIG_REVISION"]
    assert second != first
    assert harness.status(outcome)["servedRevision"] == second == harness.status(outcome)["revision"]


def test_expire_does_not_update_the_function_if_parameters_change(harness: AwsHarness) -> None:
    expire = {"cache": {"onChange": "Expire"}}
    settle(harness, {**spec("1"), **expire})
    assert "DYNCONFIG_REVISION" not in functions.variables(harness, harness.name)
    with requests(harness, "lambda", *UPDATES) as made:
        settle(harness, {**spec("2"), **expire}, generation=2)
    assert made == []


def test_foreign_function_name_is_rejected_with_the_field(harness: AwsHarness) -> None:
    functions.create(harness, harness.name)
    error = refusal(harness, spec())
    assert isinstance(error, NotOwned)
    assert str(error).startswith(f"spec.function.name: function {harness.name} already exists and has no owner")
    assert functions.of(harness, harness.name)["Handler"] == "theirs.handler"


def test_missing_layer_is_rejected_with_the_field(harness: AwsHarness) -> None:
    kinds = harness.kinds(Parameter, LogGroup, Function)
    missing = "arn:aws:lambda:eu-west-1:111122223333:layer:none:1"
    with pytest.raises(Refused, match=r"^spec\.function\.extension\.layerArn: .*does not exist"):
        harness.settle(harness.declare(spec(extension={"layerArn": missing})), kinds)
    assert harness.value("one") == "1"
    assert harness.settle(harness.declare(spec(), generation=2), kinds).is_complete


@pytest.mark.parametrize(
    ("words", "field"),
    [
        ("The runtime parameter of python3.7 is no longer supported for creating", "spec.function.runtime: "),
        ("'MemorySize' value failed to satisfy constraint", "spec.function.memoryMiB: "),
        ("Lambda was unable to configure your environment variables", "spec.function.environment: "),
    ],
)
def test_lambda_error_names_the_field(harness: AwsHarness, words: str, field: str) -> None:
    harness.lab.faults(Faults(errors={"lambda.CreateFunction": Injected("InvalidParameterValueException", words)}))
    error = refusal(harness, spec())
    assert isinstance(error, Refused)
    assert str(error).startswith(field)


@pytest.mark.parametrize("code", ["AccessDeniedException", "InternalFailure"])
def test_function_with_unreadable_tags_is_not_taken_for_foreign(harness: AwsHarness, code: str) -> None:
    settle(harness, spec())

    def untold(answer: dict[str, Any]) -> None:
        answer.pop("Tags", None)
        answer["TagsError"] = {"ErrorCode": code, "Message": "not authorized to perform: lambda:ListTags"}

    with answers(harness, "lambda", "GetFunction", untold):
        error = refusal(harness, spec())
        assert isinstance(error, AccessDenied if code == "AccessDeniedException" else Conflict)
        assert "lambda:ListTags" in str(error)


def test_unreadable_environment_is_not_drift_and_does_not_block_deletion(
    harness: AwsHarness,
) -> None:
    settle(harness, spec())
    kinds = harness.kinds(Function, Attachment)
    engine = Engine(lambda _place: kinds)
    with (
        answers(harness, "lambda", "GetFunction", without_environment("AccessDeniedException")),
        requests(harness, "lambda", *UPDATES) as made,
    ):
        outcome = engine.run(harness.declare(spec()))
        assert isinstance(outcome.error, AccessDenied)
        assert outcome.drift == ()
        assert made == []
        harness.settle(harness.deletion(spec()), kinds)
    assert functions.listed(harness) == set()


@pytest.mark.parametrize(
    ("answer", "pending", "failed"),
    [
        ({}, "", ""),
        ({"State": "Active", "LastUpdateStatus": "Successful"}, "", ""),
        ({"State": "Inactive"}, "", ""),
        ({"State": "ActiveNonInvocable"}, "", ""),
        ({"State": "Pending"}, "is pending in Lambda", ""),
        ({"State": "Deleting"}, "is deleting in Lambda", ""),
        ({"State": "Active", "LastUpdateStatus": "InProgress"}, "is being updated by Lambda", ""),
        ({"State": "Failed", "StateReason": "why"}, "", "Failed: why"),
        ({"LastUpdateStatus": "Failed", "LastUpdateStatusReason": "why"}, "", "the last update failed: why"),
    ],
)
def test_states_are_parsed_as_pending_failed_or_settled(answer: dict[str, str], pending: str, failed: str) -> None:
    assert state(answer) == (pending, failed)


def test_new_layer_version_does_not_change_existing_functions(
    harness: AwsHarness, monkeypatch: pytest.MonkeyPatch
) -> None:
    harness.settle(harness.declare(spec()), harness.kinds(Function))
    before = functions.of(harness, harness.name)["Layers"]
    monkeypatch.setattr("dynconfig_lab.aws.ssm_public.NEWEST_EXTENSION", NEWEST_EXTENSION - 1)
    assert harness.settle(harness.declare(spec()), harness.kinds(Function)).plan.is_empty
    harness.settle(harness.declare(spec(memoryMiB=512), generation=2), harness.kinds(Function))
    assert functions.of(harness, harness.name)["MemorySize"] == 512
    assert functions.of(harness, harness.name)["Layers"] == before


def test_status_shows_the_used_layer(harness: AwsHarness) -> None:
    outcome = harness.settle(harness.declare(spec()), harness.kinds(Function))
    (entry,) = [item for item in harness.status(outcome)["resources"] if item["kind"] == "Function"]
    assert entry["layer"].endswith(f":{NEWEST_EXTENSION}")


def planned(harness: AwsHarness, declared: Any, **about: Any) -> list[str]:
    """The lines of a plan, computed in another process than the operator's."""
    kinds = harness.kinds(Function)
    plan = Engine(lambda _place: kinds).assess(harness.declare(declared, **about), 0.0).plan
    return [text for _sign, text in describe.lines(plan)]


def layer_of(harness: AwsHarness) -> str:
    (layer,) = functions.of(harness, harness.name)["Layers"]
    return str(layer["Arn"])


def test_plan_shows_the_layer_of_a_new_function(harness: AwsHarness) -> None:
    lines = planned(harness, spec())
    harness.settle(harness.declare(spec()), harness.kinds(Function))
    assert layer_of(harness).endswith(f":{NEWEST_EXTENSION}")
    assert f"layers: {layer_of(harness)}" in lines


def test_plan_shows_the_replacement_of_an_old_layer(harness: AwsHarness) -> None:
    harness.settle(harness.declare(spec()), harness.kinds(Function))
    newest = layer_of(harness)
    old = f"{newest.rpartition(':')[0]}:2"
    harness.aws("lambda").update_function_configuration(FunctionName=harness.name, Layers=[old])
    assert f"layers: {old} → {newest}" in planned(harness, spec())
    harness.settle(harness.declare(spec()), harness.kinds(Function))
    assert layer_of(harness) == newest
