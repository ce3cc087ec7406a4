"""Attachments to functions deployed by CDK, SAM or Terraform: own settings, and removals by deployments."""

from dataclasses import replace
from typing import Any

import pytest
from tests.kinds import functions
from tests.kinds.aws_harness import AwsHarness
from tests.kinds.cases.attachment import ATTACHMENT, our_policies, prepare, repolicy, spec, state
from tests.kinds.test_attachment import EXTENSION, detach, settle
from tests.kinds.wire import requests

from dynconfig.api import names
from dynconfig.engine.reconcile import Engine
from dynconfig.kube.resync import POLLED
from dynconfig.model.declaration import Declaration
from dynconfig.model.errors import Conflict, NotOwned, Refused, Settling
from dynconfig.model.plan import AnyKind
from dynconfig_lab.aws.functions_store import NEWEST_EXTENSION

pytestmark = pytest.mark.lab

CDK_LAYER = f"{functions.LAYER}-Arm64:11"
# What aws-cdk-lib's ParamsAndSecretsLayerVersion sets by default.
# https://docs.aws.amazon.com/cdk/api/v2/docs/aws-cdk-lib.aws_lambda.ParamsAndSecretsOptions.html
CDK_VARIABLES = {
    "PARAMETERS_SECRETS_EXTENSION_CACHE_ENABLED": "true",
    "PARAMETERS_SECRETS_EXTENSION_CACHE_SIZE": "1000",
    "PARAMETERS_SECRETS_EXTENSION_HTTP_PORT": "2773",
    "PARAMETERS_SECRETS_EXTENSION_LOG_LEVEL": "info",
    "PARAMETERS_SECRETS_EXTENSION_MAX_CONNECTIONS": "3",
    "SECRETS_MANAGER_TIMEOUT_MILLIS": "0",
    "SECRETS_MANAGER_TTL": "300",
    "SSM_PARAMETER_STORE_TIMEOUT_MILLIS": "0",
    "SSM_PARAMETER_STORE_TTL": "300",
}


@pytest.fixture(autouse=True)
def their_function(harness: AwsHarness) -> None:
    prepare(harness)


def tags(harness: AwsHarness) -> dict[str, str]:
    return dict(state(harness)["tags"])


def deployed(harness: AwsHarness, layers: list[str], variables: dict[str, str]) -> None:
    """Deploy the function with only its own settings."""
    functions.configure(harness, "attached", Layers=layers, Environment={"Variables": variables})


def test_first_attach_takes_one_update_and_no_conflict(harness: AwsHarness) -> None:
    errors: list[Any] = []
    with requests(harness, "lambda", "UpdateFunctionConfiguration", "TagResource", "UntagResource") as made:
        settle(harness, spec(), errors)
    assert [operation for operation, _request in made] == ["TagResource", "UpdateFunctionConfiguration"]
    assert {type(error) for error in errors} <= {Settling}


def test_newer_layer_is_recorded_before_it_is_added(harness: AwsHarness) -> None:
    settle(harness, spec(extension={"layerArn": CDK_LAYER}))
    errors: list[Any] = []
    with requests(harness, "lambda", "UpdateFunctionConfiguration", "TagResource") as made:
        settle(harness, spec(), errors, generation=2)
    assert {type(error) for error in errors} <= {Settling}
    tagged, updated, *_rest = made
    assert tagged[1]["Tags"]["dynconfig.dev/attached-layer"] == f"{EXTENSION}:{NEWEST_EXTENSION}"
    assert tagged[1]["Tags"]["dynconfig.dev/attached-layer-before"] == CDK_LAYER
    assert updated[0] == "UpdateFunctionConfiguration"
    assert names.ATTACHED_LAYER_BEFORE_TAG not in tags(harness)


@pytest.mark.parametrize("survived", [0, 1, 2])
def test_detach_cleans_up_after_a_kill_during_layer_replacement(harness: AwsHarness, survived: int) -> None:
    before = state(harness)
    settle(harness, spec(extension={"layerArn": functions.LAYER + ":23"}))
    harness.watch.kill_after(survived, ATTACHMENT.writes)
    with pytest.raises(KeyboardInterrupt):
        settle(harness, spec(), generation=2)
    harness.watch.left = None
    detach(harness)
    assert state(harness) == before


def test_function_with_its_own_extension_gets_and_loses_only_the_rest(harness: AwsHarness) -> None:
    deployed(harness, [CDK_LAYER], {"STAGE": "prod", **CDK_VARIABLES})
    before = state(harness)
    assert settle(harness, spec()).is_complete
    after = state(harness)
    assert after["layers"] == [CDK_LAYER]
    assert {name: after["variables"][name] for name in CDK_VARIABLES} == CDK_VARIABLES
    assert all(name.startswith("DYNCONFIG_") for name in after["variables"].keys() - before["variables"].keys())
    assert settle(harness, spec()).plan.is_empty
    detach(harness)
    assert state(harness) == before


def test_attachment_removed_by_a_deployment_is_restored(harness: AwsHarness) -> None:
    settle(harness, spec())
    before = state(harness)
    deployed(harness, [], {"STAGE": "prod"})
    settle(harness, spec())
    after = state(harness)
    assert after["layers"] == before["layers"]
    assert after["variables"]["STAGE"] == "prod"
    assert "DYNCONFIG_PREFIX" in after["variables"]


def test_extension_added_by_a_later_deployment_survives_detach(harness: AwsHarness) -> None:
    settle(harness, spec())
    ours = functions.variables(harness, "attached")
    deployed(harness, [CDK_LAYER], ours)
    settle(harness, spec())
    assert tags(harness)[names.ATTACHED_LAYER_TAG] == ""
    detach(harness)
    assert state(harness)["layers"] == [CDK_LAYER]


def test_attachment_is_recognised_without_its_tags(harness: AwsHarness) -> None:
    before = state(harness)
    status = harness.status(settle(harness, spec()))
    marked = tags(harness)
    harness.aws("lambda").untag_resource(Resource=functions.arn("attached"), TagKeys=list(marked))
    outcome = settle(harness, spec(), status=status)
    assert outcome.is_complete
    assert tags(harness) == {name: text for name, text in marked.items() if name != "team"}
    harness.settle(harness.deletion(spec(), status=status), ATTACHMENT.kinds(harness))
    assert state(harness) == {**before, "tags": {}}


def test_attachment_left_by_another_object_is_not_adopted(harness: AwsHarness) -> None:
    status = harness.status(settle(harness, spec()))
    functions.set_variables(harness, "attached", DYNCONFIG_NAME="elsewhere/other")
    harness.aws("lambda").untag_resource(Resource=functions.arn("attached"), TagKeys=list(tags(harness)))
    with pytest.raises(NotOwned):
        settle(harness, spec(), status=status)


def test_function_changed_between_tags_and_update_is_retried(harness: AwsHarness) -> None:
    (kind,) = harness.kinds(ATTACHMENT.value)
    (desired,) = kind.desired(harness.declare(spec()))
    events = harness.aws("lambda").meta.events

    def changed(**_about: Any) -> None:
        events.unregister("after-call.lambda.TagResource", changed)
        functions.set_variables(harness, "attached", NEW="1")

    events.register("after-call.lambda.TagResource", changed)
    with pytest.raises(Conflict, match="was changed concurrently"):
        kind.put(desired, None)
    assert functions.variables(harness, "attached")["NEW"] == "1"


@pytest.mark.parametrize(
    "layer", ["arn:aws:lambda:eu-west-1:111122223333:layer:none:1", functions.LAYER + "-Arm64:9999"]
)
def test_missing_layer_is_rejected_with_the_field_and_detach_leaves_nothing(harness: AwsHarness, layer: str) -> None:
    before = state(harness)
    with pytest.raises(Refused, match=r"^spec\.function\.extension\.layerArn: .*is not shared with this account$"):
        settle(harness, spec(extension={"layerArn": layer}))
    detach(harness)
    assert state(harness) == before


def test_new_layer_version_does_not_change_existing_functions(
    harness: AwsHarness, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("dynconfig_lab.aws.ssm_public.NEWEST_EXTENSION", NEWEST_EXTENSION - 1)
    settle(harness, spec())
    before = state(harness)["layers"]
    assert before == [f"{EXTENSION}:{NEWEST_EXTENSION - 1}"]
    monkeypatch.undo()
    assert settle(harness, spec()).plan.is_empty
    settle(harness, spec(cache={"size": 10}), generation=2)
    assert state(harness)["layers"] == before


def test_layer_older_than_the_oldest_supported_is_replaced(harness: AwsHarness) -> None:
    settle(harness, spec(extension={"layerArn": CDK_LAYER}))
    settle(harness, spec(), generation=2)
    assert state(harness)["layers"] == [f"{EXTENSION}:{NEWEST_EXTENSION}"]


def test_drift_names_the_layer_version_that_the_correction_installs(harness: AwsHarness) -> None:
    status = harness.status(settle(harness, spec()))
    deployed(harness, [], functions.variables(harness, "attached"))
    kinds = ATTACHMENT.kinds(harness)
    plan = Engine(lambda _place: kinds).assess(harness.declare(spec(), status=status), 0.0).plan
    fields = {item.field: item.declared for step in plan.steps for item in step.because}
    assert fields["layer"] == f"{EXTENSION}:{NEWEST_EXTENSION}"
    settle(harness, spec(), status=status)
    assert state(harness)["layers"] == [fields["layer"]]


def test_poll_takes_two_calls_and_restores_what_a_deployment_removed(harness: AwsHarness) -> None:
    kinds = ATTACHMENT.kinds(harness)
    poll = polled(harness, kinds)
    made = harness.calls(lambda: Engine(lambda _place: kinds).run(poll))
    assert made == {"lambda.GetFunction": 1, "iam.GetRolePolicy": 1}
    deployed(harness, [], {"STAGE": "prod"})
    outcome = harness.settle(poll, kinds)
    assert outcome.is_complete
    assert state(harness)["layers"] == [f"{EXTENSION}:{NEWEST_EXTENSION}"]


@pytest.mark.parametrize("change", ["removed", "replaced"])
def test_poll_restores_the_read_policy(harness: AwsHarness, change: str) -> None:
    kinds = ATTACHMENT.kinds(harness)
    poll, before = polled(harness, kinds), our_policies(harness)
    if change == "removed":
        harness.aws("iam").delete_role_policy(RoleName=functions.ROLE, PolicyName=next(iter(before)))
    else:
        repolicy(harness)
    outcome = Engine(lambda _place: kinds).run(poll)
    assert outcome.drift
    assert our_policies(harness) == before


def polled(harness: AwsHarness, kinds: tuple[AnyKind, ...]) -> Declaration:
    """Attach, and return the declaration of the check that follows every minute."""
    status = harness.status(harness.settle(harness.declare(spec()), kinds))
    status |= {"appliedGeneration": 1, "observedGeneration": 1}
    poll = replace(harness.declare(spec(), status=status), changed=POLLED)
    assert poll.is_partial
    return poll
