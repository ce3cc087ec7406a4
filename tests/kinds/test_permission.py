"""What is particular about permissions and destinations: they are parts of a function, and go by what it is."""

from typing import Any

import pytest
from tests.kinds import functions
from tests.kinds.cases.failure_destination import QUEUE, destinations
from tests.kinds.cases.http_api import api_id
from tests.kinds.cases.permission import BY_RULE, PERMISSION, spec, statements
from tests.kinds.wire import requests
from tests.kinds.workshop import Workshop

from dynconfig.engine.reconcile import Engine
from dynconfig.kinds.failure_destination import FailureDestination
from dynconfig.kinds.function_value import Function
from dynconfig.kinds.http_api import HttpApi
from dynconfig.kinds.permission import Permission
from dynconfig_lab.aws import Faults
from dynconfig_lab.aws.faults import Injected

pytestmark = pytest.mark.lab

BY_HTTP_API = "dynconfig-http-api"


@pytest.fixture(autouse=True)
def known_roles(workshop: Workshop) -> None:
    functions.roles(workshop)
    destinations(workshop)


def settle(workshop: Workshop, declared: Any, **about: Any) -> Any:
    return workshop.settle(workshop.declare(declared, **about), PERMISSION.kinds(workshop))


def source(workshop: Workshop, statement: str) -> str:
    condition = statements(workshop, workshop.name)[statement]["Condition"]
    (tested,) = condition.values()
    return str(tested["AWS:SourceArn"])


def test_each_service_may_call_for_one_source_only(workshop: Workshop) -> None:
    settle(workshop, spec())
    assert source(workshop, BY_RULE) == f"arn:aws:events:eu-west-1:123456789012:rule/{workshop.name}-parameters"
    expected = f"arn:aws:execute-api:eu-west-1:123456789012:{api_id(workshop)}/*/*"
    assert source(workshop, BY_HTTP_API) == expected
    told = statements(workshop, workshop.name)
    assert told[BY_RULE]["Principal"] == {"Service": "events.amazonaws.com"}
    assert told[BY_HTTP_API]["Principal"] == {"Service": "apigateway.amazonaws.com"}
    assert {statement["Action"] for statement in told.values()} == {"lambda:InvokeFunction"}


def test_the_permission_follows_an_api_that_was_made_anew(workshop: Workshop) -> None:
    status = workshop.status(settle(workshop, spec()))
    workshop.aws("apigatewayv2").delete_api(ApiId=api_id(workshop))
    settle(workshop, spec(), status=status)
    assert source(workshop, BY_HTTP_API).endswith(f":{api_id(workshop)}/*/*")


def test_under_report_the_loss_of_the_api_is_told_and_nothing_is_written(workshop: Workshop) -> None:
    status = workshop.status(settle(workshop, spec()))
    workshop.aws("apigatewayv2").delete_api(ApiId=api_id(workshop))
    declared = workshop.declare({**spec(), "driftPolicy": "Report"}, status=status)
    outcome = Engine(lambda _place: PERMISSION.kinds(workshop)).run(declared)
    assert outcome.applied == ()
    assert [step.resource.title for step in outcome.drift] == [f"HttpApi {workshop.name}"]
    assert set(statements(workshop, workshop.name)) == {BY_RULE, BY_HTTP_API}


def test_statements_of_others_are_left_alone_whatever_they_are_called(workshop: Workshop) -> None:
    settle(workshop, spec())
    for name in ("theirs", "dynconfig-theirs", f"{BY_RULE}-2"):
        workshop.aws("lambda").add_permission(
            FunctionName=workshop.name,
            StatementId=name,
            Action="lambda:InvokeFunction",
            Principal="s3.amazonaws.com",
        )
    assert settle(workshop, spec()).plan.is_empty
    settle(workshop, {"function": {"roleName": functions.ROLE}}, generation=2)
    assert set(statements(workshop, workshop.name)) == {"theirs", "dynconfig-theirs", f"{BY_RULE}-2"}


def test_a_function_without_callers_is_asked_once_for_its_policy(workshop: Workshop) -> None:
    bare = {"function": {"roleName": functions.ROLE}}
    settle(workshop, bare)
    with requests(workshop, "lambda", "GetPolicy", "GetFunctionEventInvokeConfig") as made:
        settle(workshop, bare)
    assert [operation for operation, _request in made] == ["GetPolicy"]


def test_the_policy_of_a_strangers_function_is_not_even_read(workshop: Workshop) -> None:
    functions.create(workshop, workshop.name)
    with requests(workshop, "lambda", "GetPolicy") as made:
        workshop.settle(workshop.goodbye(spec()), workshop.kinds(Function, HttpApi, Permission))
    assert made == []


def test_a_renamed_function_takes_its_callers_along(workshop: Workshop) -> None:
    status = workshop.status(settle(workshop, spec()))
    name = f"{workshop.name}-new"
    settle(workshop, spec(name=name), generation=2, status=status)
    assert set(statements(workshop, name)) == {BY_RULE, BY_HTTP_API}
    assert functions.listed(workshop) == {name}


def test_failed_events_go_where_it_is_declared(workshop: Workshop) -> None:
    declared = {"function": {"roleName": functions.ROLE, "onFailure": QUEUE}}
    workshop.settle(workshop.declare(declared), workshop.kinds(Function, FailureDestination))
    found = workshop.aws("lambda").get_function_event_invoke_config(FunctionName=workshop.name)
    assert found["DestinationConfig"]["OnFailure"] == {"Destination": QUEUE}


def test_the_destination_of_a_strangers_function_survives_though_it_is_in_the_report(workshop: Workshop) -> None:
    client = workshop.aws("lambda")
    declared = {"function": {"roleName": functions.ROLE, "onFailure": QUEUE}}
    kinds = workshop.kinds(Function, FailureDestination)
    status = workshop.status(workshop.settle(workshop.declare(declared), kinds))
    client.delete_function(FunctionName=workshop.name)
    functions.create(workshop, workshop.name)
    theirs = {"OnFailure": {"Destination": QUEUE}}
    client.put_function_event_invoke_config(FunctionName=workshop.name, DestinationConfig=theirs)
    other = {"function": {"roleName": functions.ROLE, "name": f"{workshop.name}-two"}}
    workshop.settle(workshop.declare(other, generation=2, status=status), kinds)
    found = client.get_function_event_invoke_config(FunctionName=workshop.name)
    assert found["DestinationConfig"]["OnFailure"] == {"Destination": QUEUE}


def test_a_plan_of_a_new_function_shows_the_permission_of_its_api(workshop: Workshop) -> None:
    kinds = PERMISSION.kinds(workshop)
    plan = Engine(lambda _place: kinds).assess(workshop.declare(spec()), 0.0).plan
    planned = [step.resource.title for step in plan.steps]
    outcome = settle(workshop, spec())
    assert sorted(planned) == sorted(item.title for item in outcome.owned)
    assert f"Permission {BY_HTTP_API}" in planned


def test_a_permission_is_not_made_for_an_api_that_is_refused(workshop: Workshop) -> None:
    workshop.lab.faults(Faults(errors={"apigatewayv2.CreateApi": Injected("BadRequestException", "refused")}))
    kinds = PERMISSION.kinds(workshop)
    engine = Engine(lambda _place: kinds)
    for _ in range(20):
        outcome = engine.run(workshop.declare(spec()))
        if BY_RULE in statements(workshop, workshop.name):
            break
    assert f"Permission {BY_HTTP_API}" in [item.step.resource.title for item in outcome.blocked]
    assert BY_HTTP_API not in statements(workshop, workshop.name)
