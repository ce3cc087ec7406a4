"""What is particular about HTTP APIs: names that are not unique, an address that has to stay, parts that belong together."""

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from datetime import timedelta
from functools import partial
from typing import Any

import pytest
from tests.kinds.cases.http_api import HTTP_API, THEIRS, TRIGGERS, api_id, apis, listed
from tests.kinds.wire import answers, requests
from tests.kinds.workshop import Workshop

from dynconfig.api import names
from dynconfig.engine.errors import NotOwned, Unavailable
from dynconfig.engine.reconcile import Engine
from dynconfig.kinds.http_api import HttpApi
from dynconfig_lab.aws import Faults
from dynconfig_lab.aws.faults import Injected

pytestmark = pytest.mark.lab


def settle(workshop: Workshop, spec: Any = HTTP_API.base, **about: Any) -> Any:
    return workshop.settle(workshop.declare(spec, **about), workshop.kinds(HttpApi))


def client(workshop: Workshop) -> Any:
    return workshop.aws("apigatewayv2")


def served_by(workshop: Workshop) -> list[str]:
    """The functions behind the routes."""
    about = {"ApiId": api_id(workshop)}
    uris = {
        item["IntegrationId"]: item["IntegrationUri"] for item in client(workshop).get_integrations(**about)["Items"]
    }
    routes = client(workshop).get_routes(**about)["Items"]
    return [uris[route["Target"].removeprefix("integrations/")] for route in routes]


def integrate(workshop: Workshop, uri: str) -> str:
    """A second integration, by hand."""
    request = {"ApiId": api_id(workshop), "IntegrationType": "AWS_PROXY", "PayloadFormatVersion": "2.0"}
    return str(client(workshop).create_integration(**request, IntegrationUri=uri)["IntegrationId"])


def function(workshop: Workshop) -> str:
    return f"arn:aws:lambda:eu-west-1:123456789012:function:{workshop.name}"


def test_everything_goes_to_the_function_signed_and_deployed_by_itself(workshop: Workshop) -> None:
    outcome = settle(workshop)
    about = {"ApiId": api_id(workshop)}
    (route,) = client(workshop).get_routes(**about)["Items"]
    assert (route["RouteKey"], route["AuthorizationType"]) == ("$default", "AWS_IAM")
    (stage,) = client(workshop).get_stages(**about)["Items"]
    assert (stage["StageName"], stage["AutoDeploy"]) == ("$default", True)
    assert served_by(workshop) == [function(workshop)]
    (told,) = (item for item in workshop.status(outcome)["resources"] if item["kind"] == "HttpApi")
    assert told["arn"] == f"arn:aws:apigateway:eu-west-1::/apis/{api_id(workshop)}"
    assert told["url"].startswith(f"https://{api_id(workshop)}.")


def test_the_internet_is_let_in_only_where_it_is_said(workshop: Workshop) -> None:
    settle(workshop, HTTP_API.edits["routes"])
    (route,) = client(workshop).get_routes(ApiId=api_id(workshop))["Items"]
    assert route["AuthorizationType"] == "NONE"


def test_of_two_apis_with_our_tag_the_second_goes_and_the_first_stays_as_it_is(workshop: Workshop) -> None:
    settle(workshop)
    first = api_id(workshop)
    tags = {"dynconfig.dev/owner": workshop.owner().tag, "team": "shop"}
    client(workshop).create_api(Name=workshop.name, ProtocolType="HTTP", Tags=tags)
    assert len(apis(workshop)) == 2

    def later(answer: dict[str, Any]) -> None:
        for api in answer["Items"]:
            api["CreatedDate"] += timedelta(seconds=api["ApiId"] != first)

    with answers(workshop, "apigatewayv2", "GetApis", later):
        settle(workshop)
    assert api_id(workshop) == first
    assert settle(workshop).plan.is_empty


def test_a_creation_whose_answer_was_lost_leaves_one_api(workshop: Workshop) -> None:
    workshop.watch.kill_after(0, ("apigatewayv2.CreateApi",))
    with pytest.raises(KeyboardInterrupt):
        settle(workshop)
    first = api_id(workshop)
    settle(workshop)
    assert api_id(workshop) == first


def test_the_address_stays_when_the_function_gets_another_name(workshop: Workshop) -> None:
    status = workshop.status(settle(workshop))
    before = apis(workshop)[0]["ApiEndpoint"]
    settle(workshop, {"function": {"name": "other-name", "triggers": TRIGGERS}}, generation=2, status=status)
    (api,) = apis(workshop)
    assert (api["ApiEndpoint"], api["Name"]) == (before, "other-name")
    assert served_by(workshop) == ["arn:aws:lambda:eu-west-1:123456789012:function:other-name"]


def test_a_second_integration_of_somebody_does_not_get_our_route(workshop: Workshop) -> None:
    settle(workshop)
    integrate(workshop, THEIRS)
    settle(workshop, HTTP_API.edits["tags"], generation=2)
    assert served_by(workshop) == [function(workshop)]


def test_a_route_that_was_led_elsewhere_is_led_back(workshop: Workshop) -> None:
    settle(workshop)
    about = {"ApiId": api_id(workshop)}
    (route,) = client(workshop).get_routes(**about)["Items"]
    client(workshop).update_route(
        **about, RouteId=route["RouteId"], Target=f"integrations/{integrate(workshop, THEIRS)}"
    )
    outcome = settle(workshop)
    assert [because.field for step in outcome.applied for because in step.because] == ["integration"]
    assert served_by(workshop) == [function(workshop)]


def test_another_form_of_events_is_seen_and_put_back(workshop: Workshop) -> None:
    settle(workshop)

    def older(answer: dict[str, Any]) -> None:
        for integration in answer["Items"]:
            integration["PayloadFormatVersion"] = "1.0"

    updates = requests(workshop, "apigatewayv2", "UpdateIntegration")
    with answers(workshop, "apigatewayv2", "GetIntegrations", older), updates as made:
        outcome = settle(workshop)
    assert [because.field for step in outcome.applied for because in step.because] == ["integration"]
    assert [request["PayloadFormatVersion"] for _operation, request in made] == ["2.0"]


def test_routes_and_stages_that_somebody_added_go(workshop: Workshop) -> None:
    settle(workshop)
    about = {"ApiId": api_id(workshop)}
    client(workshop).create_route(**about, RouteKey="GET /theirs", AuthorizationType="NONE")
    client(workshop).create_stage(**about, StageName="theirs", AutoDeploy=True)
    outcome = settle(workshop)
    assert {because.field for step in outcome.applied for because in step.because} == {"routes", "stages"}
    assert [route["RouteKey"] for route in client(workshop).get_routes(**about)["Items"]] == ["$default"]
    assert [stage["StageName"] for stage in client(workshop).get_stages(**about)["Items"]] == ["$default"]


@contextmanager
def paged(workshop: Workshop, *operations: str) -> Iterator[None]:
    """One item a page."""

    def split(answer: dict[str, Any], rest: list[Any]) -> None:
        listed = rest or sorted(answer["Items"], key=str)
        answer["Items"], rest[:] = listed[:1], listed[1:]
        if rest:
            answer["NextToken"] = str(len(rest))

    with ExitStack() as stack:
        for operation in operations:
            stack.enter_context(answers(workshop, "apigatewayv2", operation, partial(split, rest=[])))
        yield


def test_what_is_on_later_pages_is_seen_too(workshop: Workshop) -> None:
    settle(workshop)
    about = {"ApiId": api_id(workshop)}
    integrate(workshop, THEIRS)
    client(workshop).create_route(**about, RouteKey="GET /theirs", AuthorizationType="NONE")
    client(workshop).create_stage(**about, StageName="theirs", AutoDeploy=True)
    (kind,) = workshop.kinds(HttpApi)
    engine = Engine(lambda _place: (kind,))
    with paged(workshop, "GetIntegrations", "GetRoutes", "GetStages"):
        (seen,) = engine.observe(workshop.declare(HTTP_API.base))
    assert isinstance(seen, HttpApi)
    assert len(seen.integrations) == 2
    assert dict(seen.routes).keys() == {"$default", "GET /theirs"}
    assert seen.stages == ("$default", "theirs")


def test_apis_of_others_are_not_looked_into(workshop: Workshop) -> None:
    client(workshop).create_api(Name=workshop.name, ProtocolType="HTTP")
    settle(workshop)
    with requests(workshop, "apigatewayv2", "GetRoutes", "GetIntegrations", "GetStages") as made:
        assert settle(workshop).plan.is_empty
    assert {request["ApiId"] for _operation, request in made} == {api_id(workshop)}
    assert len(made) == 3
    assert listed(workshop) == [workshop.name] * 2


def test_an_object_without_an_api_costs_no_call(workshop: Workshop) -> None:
    status = workshop.status(settle(workshop, {}))
    calls = workshop.calls(lambda: settle(workshop, {}, status=status))
    assert calls == {}


def test_what_is_half_made_is_finished_part_by_part(workshop: Workshop) -> None:
    for call in ("CreateIntegration", "CreateRoute", "CreateStage"):
        fault = Injected("InternalServerError", "in passing", 3)
        workshop.lab.faults(Faults(errors={f"apigatewayv2.{call}": fault}))
        errors: list[Any] = []
        workshop.settle(workshop.declare(HTTP_API.base), workshop.kinds(HttpApi), errors)
        assert {type(error) for error in errors} == {Unavailable}
        workshop.lab.faults(Faults())
        assert len(client(workshop).get_integrations(ApiId=api_id(workshop))["Items"]) == 1
        workshop.settle(workshop.goodbye(HTTP_API.base), workshop.kinds(HttpApi))


RETAINED = {**HTTP_API.base, "deletionPolicy": "Retain"}
ADOPTING = {**HTTP_API.base, "adoptionPolicy": "IfUnowned"}


def released(workshop: Workshop) -> str:
    """The id of an API whose object is gone, and which stayed in AWS."""
    status, found = workshop.status(settle(workshop, RETAINED)), api_id(workshop)
    workshop.settle(workshop.goodbye(RETAINED, status), workshop.kinds(HttpApi))
    assert apis(workshop) == []
    return found


def test_an_api_that_was_released_is_adopted_at_its_address(workshop: Workshop) -> None:
    before = released(workshop)
    successor = workshop.owner(uid="uid-2")
    workshop.settle(workshop.declare(ADOPTING, owner=successor), workshop.kinds(HttpApi))
    found = client(workshop).get_api(ApiId=before)
    assert found["Tags"] == {names.OWNER_TAG: successor.tag, "team": "shop"}
    assert listed(workshop) == [found["Name"]]


def test_an_api_that_was_released_is_not_adopted_without_leave(workshop: Workshop) -> None:
    before = released(workshop)
    tagged = client(workshop).get_api(ApiId=before)["Tags"]
    with pytest.raises(NotOwned):
        settle(workshop, HTTP_API.base, owner=workshop.owner(uid="uid-2"))
    assert client(workshop).get_api(ApiId=before)["Tags"] == tagged


@pytest.mark.parametrize("mark", ["", "cluster/elsewhere/myapp", "other/NAMESPACE/myapp"])
def test_an_api_of_our_name_that_we_did_not_release_is_left_alone(workshop: Workshop, mark: str) -> None:
    labels = {names.RELEASED_TAG: mark.replace("NAMESPACE", workshop.owner().namespace)} if mark else {}
    theirs = client(workshop).create_api(Name=workshop.name, ProtocolType="HTTP", Tags=labels)["ApiId"]
    settle(workshop, ADOPTING)
    assert api_id(workshop) != theirs
    assert client(workshop).get_api(ApiId=theirs)["Tags"] == labels
