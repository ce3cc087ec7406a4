"""Permissions and destinations: parts of a function, managed only if the function is owned."""

from typing import Any

import pytest
from tests.kinds import functions
from tests.kinds.aws_harness import AwsHarness
from tests.kinds.cases.failure_destination import QUEUE, destinations
from tests.kinds.cases.http_api import api_id
from tests.kinds.cases.permission import BY_RULE, PERMISSION, spec, statements
from tests.kinds.wire import requests

from dynconfig.engine.reconcile import Engine
from dynconfig.kinds.failure_destination import FailureDestination
from dynconfig.kinds.function.value import Function
from dynconfig.kinds.http_api import HttpApi
from dynconfig.kinds.permission import Permission
from dynconfig_lab.aws import Faults
from dynconfig_lab.aws.faults import Injected

pytestmark = pytest.mark.lab

BY_HTTP_API = "dynconfig-http-api"


@pytest.fixture(autouse=True)
def known_roles(harness: AwsHarness) -> None:
    functions.roles(harness)
    destinations(harness)


def settle(harness: AwsHarness, declared: Any, **about: Any) -> Any:
    return harness.settle(harness.declare(declared, **about), PERMISSION.kinds(harness))


def source(harness: AwsHarness, statement: str) -> str:
    condition = statements(harness, harness.name)[statement]["Condition"]
    (tested,) = condition.values()
    return str(tested["AWS:SourceArn"])


def test_each_service_may_invoke_for_one_source_only(harness: AwsHarness) -> None:
    settle(harness, spec())
    assert source(harness, BY_RULE) == f"arn:aws:events:eu-west-1:123456789012:rule/{harness.name}-parameters"
    expected = f"arn:aws:execute-api:eu-west-1:123456789012:{api_id(harness)}/*/*"
    assert source(harness, BY_HTTP_API) == expected
    found = statements(harness, harness.name)
    assert found[BY_RULE]["Principal"] == {"Service": "events.amazonaws.com"}
    assert found[BY_HTTP_API]["Principal"] == {"Service": "apigateway.amazonaws.com"}
    assert {statement["Action"] for statement in found.values()} == {"lambda:InvokeFunction"}


def test_permission_follows_a_recreated_api(harness: AwsHarness) -> None:
    status = harness.status(settle(harness, spec()))
    harness.aws("apigatewayv2").delete_api(ApiId=api_id(harness))
    settle(harness, spec(), status=status)
    assert source(harness, BY_HTTP_API).endswith(f":{api_id(harness)}/*/*")


def test_missing_api_is_only_reported_under_report(harness: AwsHarness) -> None:
    status = harness.status(settle(harness, spec()))
    harness.aws("apigatewayv2").delete_api(ApiId=api_id(harness))
    declared = harness.declare({**spec(), "driftPolicy": "Report"}, status=status)
    outcome = Engine(lambda _place: PERMISSION.kinds(harness)).run(declared)
    assert outcome.applied == ()
    assert [step.resource.title for step in outcome.drift] == [f"HttpApi {harness.name}"]
    assert set(statements(harness, harness.name)) == {BY_RULE, BY_HTTP_API}


def test_foreign_statements_are_kept(harness: AwsHarness) -> None:
    settle(harness, spec())
    for name in ("theirs", "dynconfig-theirs", f"{BY_RULE}-2"):
        harness.aws("lambda").add_permission(
            FunctionName=harness.name,
            StatementId=name,
            Action="lambda:InvokeFunction",
            Principal="s3.amazonaws.com",
        )
    assert settle(harness, spec()).plan.is_empty
    settle(harness, {"function": {"roleName": functions.ROLE}}, generation=2)
    assert set(statements(harness, harness.name)) == {"theirs", "dynconfig-theirs", f"{BY_RULE}-2"}


def test_policy_of_a_function_without_triggers_is_read_once(harness: AwsHarness) -> None:
    bare = {"function": {"roleName": functions.ROLE}}
    settle(harness, bare)
    with requests(harness, "lambda", "GetPolicy", "GetFunctionEventInvokeConfig") as made:
        settle(harness, bare)
    assert [operation for operation, _request in made] == ["GetPolicy"]


def test_policy_of_a_foreign_function_is_not_read(harness: AwsHarness) -> None:
    functions.create(harness, harness.name)
    with requests(harness, "lambda", "GetPolicy") as made:
        harness.settle(harness.deletion(spec()), harness.kinds(Function, HttpApi, Permission))
    assert made == []


def test_renaming_the_function_moves_its_permissions(harness: AwsHarness) -> None:
    status = harness.status(settle(harness, spec()))
    name = f"{harness.name}-new"
    settle(harness, spec(name=name), generation=2, status=status)
    assert set(statements(harness, name)) == {BY_RULE, BY_HTTP_API}
    assert functions.listed(harness) == {name}


def test_failed_events_are_sent_to_the_declared_destination(harness: AwsHarness) -> None:
    declared = {"function": {"roleName": functions.ROLE, "onFailure": QUEUE}}
    harness.settle(harness.declare(declared), harness.kinds(Function, FailureDestination))
    found = harness.aws("lambda").get_function_event_invoke_config(FunctionName=harness.name)
    assert found["DestinationConfig"]["OnFailure"] == {"Destination": QUEUE}


def test_destination_of_a_foreign_function_is_kept_even_if_in_status(harness: AwsHarness) -> None:
    client = harness.aws("lambda")
    declared = {"function": {"roleName": functions.ROLE, "onFailure": QUEUE}}
    kinds = harness.kinds(Function, FailureDestination)
    status = harness.status(harness.settle(harness.declare(declared), kinds))
    client.delete_function(FunctionName=harness.name)
    functions.create(harness, harness.name)
    theirs = {"OnFailure": {"Destination": QUEUE}}
    client.put_function_event_invoke_config(FunctionName=harness.name, DestinationConfig=theirs)
    other = {"function": {"roleName": functions.ROLE, "name": f"{harness.name}-two"}}
    harness.settle(harness.declare(other, generation=2, status=status), kinds)
    found = client.get_function_event_invoke_config(FunctionName=harness.name)
    assert found["DestinationConfig"]["OnFailure"] == {"Destination": QUEUE}


def test_plan_of_a_new_function_shows_the_permission_of_its_api(harness: AwsHarness) -> None:
    kinds = PERMISSION.kinds(harness)
    plan = Engine(lambda _place: kinds).assess(harness.declare(spec()), 0.0).plan
    planned = [step.resource.title for step in plan.steps]
    outcome = settle(harness, spec())
    assert sorted(planned) == sorted(item.title for item in outcome.owned)
    assert f"Permission {BY_HTTP_API}" in planned


def test_no_permission_is_created_for_a_rejected_api(harness: AwsHarness) -> None:
    harness.lab.faults(Faults(errors={"apigatewayv2.CreateApi": Injected("BadRequestException", "refused")}))
    kinds = PERMISSION.kinds(harness)
    engine = Engine(lambda _place: kinds)
    for _ in range(20):
        outcome = engine.run(harness.declare(spec()))
        if BY_RULE in statements(harness, harness.name):
            break
    assert f"Permission {BY_HTTP_API}" in [item.step.resource.title for item in outcome.blocked]
    assert BY_HTTP_API not in statements(harness, harness.name)
