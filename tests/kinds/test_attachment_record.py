"""What an attachment added is recorded in tags and status; what neither records belongs to the user."""

from contextlib import suppress
from typing import Any

import pytest
from tests.kinds import functions
from tests.kinds.aws_harness import AwsHarness
from tests.kinds.cases.attachment import ATTACHMENT, our_policies, prepare, spec, state
from tests.kinds.test_attachment import EXTENSION, settle
from tests.kinds.wire import answers, without_environment

from dynconfig.api import names
from dynconfig.engine.reconcile import Engine
from dynconfig.kinds.attachment.tags import KEYS
from dynconfig.model.errors import NotOwned
from dynconfig.model.previous_status import PreviousStatus
from dynconfig.status import report
from dynconfig_lab.aws import Faults
from dynconfig_lab.aws.faults import Injected
from dynconfig_lab.aws.functions_store import NEWEST_EXTENSION

pytestmark = pytest.mark.lab

OWN_LAYER = f"{functions.LAYER}-Arm64:11"
OWN = {
    "STAGE": "prod",
    "SSM_PARAMETER_STORE_TIMEOUT_MILLIS": "3000",
    "SSM_PARAMETER_STORE_TTL": "60",
    "PARAMETERS_SECRETS_EXTENSION_CACHE_SIZE": "500",
}
ADDED_LAYER = f"{EXTENSION}:{NEWEST_EXTENSION}"
ALWAYS = tuple(key for key in KEYS if key != names.ATTACHED_LAYER_BEFORE_TAG)


@pytest.fixture
def own(harness: AwsHarness) -> dict[str, Any]:
    """The function has the extension and some of its variables by itself."""
    prepare(harness)
    deploy(harness, [OWN_LAYER], OWN)
    return state(harness)


@pytest.fixture
def bare(harness: AwsHarness) -> dict[str, Any]:
    """The function has no extension."""
    prepare(harness)
    return state(harness)


def deploy(harness: AwsHarness, layers: list[str], variables: dict[str, str]) -> None:
    functions.configure(harness, "attached", Layers=layers, Environment={"Variables": variables})


def untag(harness: AwsHarness, *keys: str) -> None:
    """Lose tags, as by a deployment that writes only its own."""
    harness.aws("lambda").untag_resource(Resource=functions.arn("attached"), TagKeys=list(keys or KEYS))


def attach(harness: AwsHarness, **about: Any) -> dict[str, Any]:
    """Attach, and return the status."""
    return harness.status(settle(harness, spec(), **about))


def delete(harness: AwsHarness, status: dict[str, Any] | None) -> None:
    harness.settle(harness.deletion(spec(), status=status), ATTACHMENT.kinds(harness))


def earlier(status: dict[str, Any]) -> dict[str, Any]:
    """The status as an earlier version wrote it."""
    return {**status, "resources": [{**item, "attached": None} for item in status["resources"]]}


def values(harness: AwsHarness) -> dict[str, str]:
    """The values of the user's variables."""
    found = state(harness)["variables"]
    return {name: found[name] for name in OWN if name in found}


def test_own_extension_survives_lost_tags(harness: AwsHarness, own: dict[str, Any]) -> None:
    status, attached = attach(harness), state(harness)
    untag(harness)
    status = attach(harness, status=status)
    assert state(harness) == attached
    untag(harness)
    delete(harness, status)
    assert state(harness) == own


def test_additions_are_removed_after_lost_tags(harness: AwsHarness, bare: dict[str, Any]) -> None:
    status, attached = attach(harness), state(harness)
    untag(harness)
    assert attach(harness, status=status) == status
    assert state(harness) == attached
    untag(harness)
    delete(harness, status)
    assert state(harness) == bare


@pytest.mark.parametrize("lost", ALWAYS)
@pytest.mark.parametrize("before", ["own", "bare"])
def test_each_lost_tag_is_restored_from_status(
    harness: AwsHarness, lost: str, before: str, request: pytest.FixtureRequest
) -> None:
    original = request.getfixturevalue(before)
    status, attached = attach(harness), state(harness)
    assert set(ALWAYS) <= attached["tags"].keys()
    untag(harness, lost)
    settle(harness, spec(), status=status)
    assert state(harness) == attached
    untag(harness, lost)
    delete(harness, status)
    assert state(harness) == original


def test_tags_alone_tell_what_was_added(harness: AwsHarness, own: dict[str, Any]) -> None:
    attach(harness)
    delete(harness, None)
    assert state(harness) == own


@pytest.mark.parametrize("lost", [key for key in ALWAYS if key != names.ATTACHED_TAG])
def test_own_settings_stay_if_status_and_a_tag_are_lost(harness: AwsHarness, own: dict[str, Any], lost: str) -> None:
    attach(harness)
    untag(harness, lost)
    settle(harness, spec())
    assert (state(harness)["layers"], values(harness)) == ([OWN_LAYER], OWN)
    untag(harness, lost)
    delete(harness, None)
    # What may have been the user's is left: the one variable of the extension that was added.
    unproved = {"PARAMETERS_SECRETS_EXTENSION_MAX_CONNECTIONS"} if lost == names.ATTACHED_VARIABLES_TAG else set[str]()
    after = state(harness)
    assert after["variables"].keys() - own["variables"].keys() == unproved
    assert {**after, "variables": values(harness)} == own


def test_nothing_is_changed_if_status_and_tags_are_lost(harness: AwsHarness, own: dict[str, Any]) -> None:
    attach(harness)
    untag(harness)
    before = state(harness)
    with pytest.raises(NotOwned, match=r"attachment attached .*remove the DYNCONFIG_\* variables from the function"):
        settle(harness, spec())
    delete(harness, None)
    assert state(harness) == before
    deploy(harness, [OWN_LAYER], OWN)
    status = attach(harness)
    delete(harness, status)
    assert state(harness) == own


@pytest.mark.parametrize("before", ["own", "bare"])
def test_lost_tags_before_the_first_reconcile_of_this_version(
    harness: AwsHarness, before: str, request: pytest.FixtureRequest
) -> None:
    """Neither tags nor status record the owner of the extension: it stays. Variables that only the operator sets are removed."""
    original = request.getfixturevalue(before)
    status = earlier(attach(harness))
    attached = state(harness)
    untag(harness)
    status = attach(harness, status=status)
    assert (state(harness)["layers"], state(harness)["variables"]) == (attached["layers"], attached["variables"])
    delete(harness, status)
    left = state(harness)
    assert (left["layers"], left["tags"], left["policies"]) == (
        attached["layers"],
        original["tags"],
        original["policies"],
    )
    assert left["variables"] == {name: text for name, text in attached["variables"].items() if "DYNCONFIG" not in name}


def test_status_of_an_earlier_version_with_tags_is_completed(harness: AwsHarness, own: dict[str, Any]) -> None:
    status = attach(harness)
    assert attach(harness, status=earlier(status)) == status
    (record,) = (item["attached"] for item in status["resources"] if item["kind"] == "Attachment")
    added = {item["name"] for item in record["variables"]}
    assert record["role"] == functions.ROLE
    assert "layer" not in record
    assert added == state(harness)["variables"].keys() - own["variables"].keys()


def test_tags_of_an_earlier_version_are_completed(harness: AwsHarness, bare: dict[str, Any]) -> None:
    """They had no names of variables, and no layer if none was added."""
    status, attached = attach(harness), state(harness)
    untag(harness, names.ATTACHED_VARIABLES_TAG)
    status = attach(harness, status=earlier(status))
    assert state(harness)["variables"] == attached["variables"]
    delete(harness, status)
    assert (state(harness)["layers"], state(harness)["tags"]) == ([], bare["tags"])
    assert not [name for name in state(harness)["variables"] if name.startswith("DYNCONFIG_")]


def test_values_of_a_deployment_that_removed_the_tags_are_its_own(harness: AwsHarness, bare: dict[str, Any]) -> None:
    status = attach(harness)
    ours = state(harness)["variables"]
    deploy(harness, [OWN_LAYER], {**ours, **OWN})
    untag(harness)
    status = attach(harness, status=status)
    assert (state(harness)["layers"], values(harness)) == ([OWN_LAYER], OWN)
    delete(harness, status)
    assert state(harness)["layers"] == [OWN_LAYER]
    assert state(harness)["variables"] == {**bare["variables"], **OWN}


def test_changed_variable_of_the_operator_is_corrected_without_tags(harness: AwsHarness, bare: dict[str, Any]) -> None:
    status, attached = attach(harness), state(harness)
    functions.set_variables(harness, "attached", DYNCONFIG_TTL="7")
    untag(harness)
    settle(harness, spec(), status=status)
    assert state(harness) == attached


def test_value_changed_on_purpose_is_corrected_while_tags_name_it(harness: AwsHarness, bare: dict[str, Any]) -> None:
    status, attached = attach(harness), state(harness)
    functions.set_variables(harness, "attached", SSM_PARAMETER_STORE_TIMEOUT_MILLIS="3000")
    settle(harness, spec(), status=status)
    assert state(harness) == attached


def test_layer_of_a_recreated_function_is_its_own(harness: AwsHarness, bare: dict[str, Any]) -> None:
    status = attach(harness)
    harness.aws("lambda").delete_function(FunctionName="attached")
    functions.create(harness, "attached", Layers=[ADDED_LAYER], Environment={"Variables": OWN})
    original = state(harness)
    status = attach(harness, status=status)
    delete(harness, status)
    assert state(harness) == {**original, "policies": bare["policies"]}


def test_read_policy_is_removed_after_a_deployment_without_the_attachment(
    harness: AwsHarness, bare: dict[str, Any]
) -> None:
    status = attach(harness)
    deploy(harness, [], OWN)
    untag(harness)
    delete(harness, status)
    assert our_policies(harness) == {}
    assert state(harness)["variables"] == OWN


@pytest.mark.parametrize("survived", range(4))
@pytest.mark.parametrize("status_kept", [True, False])
def test_own_settings_stay_after_a_kill_and_lost_tags(
    harness: AwsHarness, own: dict[str, Any], survived: int, status_kept: bool
) -> None:
    status = attach(harness) if status_kept else None
    harness.watch.kill_after(survived, ATTACHMENT.writes)
    with suppress(KeyboardInterrupt):
        settle(harness, spec(cache={"size": 10, "ttlSeconds": 200}), generation=2, status=status)
    harness.watch.left = None
    functions.of(harness, "attached")
    untag(harness)
    delete(harness, status)
    after = state(harness)
    assert (after["layers"], values(harness), after["rest"]) == (own["layers"], OWN, own["rest"])
    if status_kept:
        assert after == own


def test_record_is_kept_while_the_environment_is_unreadable(harness: AwsHarness, own: dict[str, Any]) -> None:
    status, kinds = attach(harness), ATTACHMENT.kinds(harness)
    declaration = harness.declare(spec(cache={"size": 10}), generation=2, status=status)
    with answers(harness, "lambda", "GetFunction", without_environment("AccessDeniedException")):
        outcome = Engine(lambda _place: kinds).run(declaration)
    assert outcome.error is not None
    after = report.status(outcome, PreviousStatus.of(status), 1.8e9, None)
    assert after["resources"] == status["resources"]


def test_record_is_kept_while_the_function_is_unreadable(harness: AwsHarness, own: dict[str, Any]) -> None:
    status, kinds = attach(harness), ATTACHMENT.kinds(harness)

    harness.lab.faults(Faults(errors={"lambda.GetFunction": Injected("AccessDeniedException", "no", 9)}))
    outcome = Engine(lambda _place: kinds).run(harness.declare(spec(), status=status))
    harness.lab.faults(Faults())
    after = report.status(outcome, PreviousStatus.of(status), 1.8e9, None)
    assert after["resources"] == status["resources"]
