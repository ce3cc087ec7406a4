"""HTTP APIs: names that are not unique, a URL that must not change, and parts that belong together."""

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from datetime import timedelta
from functools import partial
from typing import Any

import pytest
from tests.kinds.aws_harness import AwsHarness
from tests.kinds.cases.http_api import HTTP_API, THEIRS, TRIGGERS, api_id, apis, listed
from tests.kinds.wire import answers, requests

from dynconfig.api import names
from dynconfig.engine.reconcile import Engine
from dynconfig.kinds.http_api import LATE_SECONDS, HttpApi
from dynconfig.model.errors import Conflict, DynConfigError, NotOwned, Unavailable
from dynconfig_lab.aws import Faults
from dynconfig_lab.aws.faults import Injected

pytestmark = pytest.mark.lab


def settle(harness: AwsHarness, spec: Any = HTTP_API.base, **about: Any) -> Any:
    return harness.settle(harness.declare(spec, **about), harness.kinds(HttpApi))


def client(harness: AwsHarness) -> Any:
    return harness.aws("apigatewayv2")


def served_by(harness: AwsHarness) -> list[str]:
    """The functions behind the routes."""
    about = {"ApiId": api_id(harness)}
    uris = {
        item["IntegrationId"]: item["IntegrationUri"] for item in client(harness).get_integrations(**about)["Items"]
    }
    routes = client(harness).get_routes(**about)["Items"]
    return [uris[route["Target"].removeprefix("integrations/")] for route in routes]


def integrate(harness: AwsHarness, uri: str) -> str:
    """Create a second integration by hand."""
    request = {"ApiId": api_id(harness), "IntegrationType": "AWS_PROXY", "PayloadFormatVersion": "2.0"}
    return str(client(harness).create_integration(**request, IntegrationUri=uri)["IntegrationId"])


def function(harness: AwsHarness) -> str:
    return f"arn:aws:lambda:eu-west-1:123456789012:function:{harness.name}"


def test_api_routes_everything_to_the_function_with_iam_and_auto_deploy(harness: AwsHarness) -> None:
    outcome = settle(harness)
    about = {"ApiId": api_id(harness)}
    (route,) = client(harness).get_routes(**about)["Items"]
    assert (route["RouteKey"], route["AuthorizationType"]) == ("$default", "AWS_IAM")
    (stage,) = client(harness).get_stages(**about)["Items"]
    assert (stage["StageName"], stage["AutoDeploy"]) == ("$default", True)
    assert served_by(harness) == [function(harness)]
    (entry,) = (item for item in harness.status(outcome)["resources"] if item["kind"] == "HttpApi")
    assert entry["arn"] == f"arn:aws:apigateway:eu-west-1::/apis/{api_id(harness)}"
    assert entry["url"].startswith(f"https://{api_id(harness)}.")


def test_public_access_only_if_declared(harness: AwsHarness) -> None:
    settle(harness, HTTP_API.edits["routes"])
    (route,) = client(harness).get_routes(ApiId=api_id(harness))["Items"]
    assert route["AuthorizationType"] == "NONE"


def test_api_that_is_not_listed_yet_is_not_created_again(harness: AwsHarness) -> None:
    kinds, errors = harness.kinds(HttpApi), list[DynConfigError]()
    harness.lab.faults(Faults(stale_read_seconds=3))
    declared = harness.declare(HTTP_API.base)
    harness.settle(declared, kinds)
    # The status that names it is not written yet.
    harness.settle(declared, kinds, errors)
    harness.lab.faults(Faults())
    assert len(apis(harness)) == 1
    assert {type(error) for error in errors} == {Conflict}


def test_listed_api_that_others_deleted_is_created_again(harness: AwsHarness) -> None:
    kinds, declared = harness.kinds(HttpApi), harness.declare(HTTP_API.base)
    harness.settle(declared, kinds)
    first = api_id(harness)
    client(harness).delete_api(ApiId=first)
    harness.clock.pause(LATE_SECONDS)
    harness.settle(declared, kinds)
    assert api_id(harness) != first


def test_api_whose_creation_was_not_answered_exists_once(harness: AwsHarness) -> None:
    harness.lab.faults(Faults(lost_answers={"apigatewayv2.CreateApi": 1}))
    calls = harness.calls(lambda: settle(harness))
    assert calls["apigatewayv2.CreateApi"] == 2
    assert len(apis(harness)) == 1
    assert served_by(harness) == [function(harness)]


def test_second_api_with_the_owner_tag_is_deleted(harness: AwsHarness) -> None:
    settle(harness)
    first = api_id(harness)
    tags = {"dynconfig.dev/owner": harness.owner().tag, "team": "shop"}
    client(harness).create_api(Name=harness.name, ProtocolType="HTTP", Tags=tags)
    assert len(apis(harness)) == 2

    def later(answer: dict[str, Any]) -> None:
        for api in answer["Items"]:
            api["CreatedDate"] += timedelta(seconds=api["ApiId"] != first)

    with answers(harness, "apigatewayv2", "GetApis", later):
        settle(harness)
    assert api_id(harness) == first
    assert settle(harness).plan.is_empty


def test_lost_create_response_leaves_one_api(harness: AwsHarness) -> None:
    harness.watch.kill_after(0, ("apigatewayv2.CreateApi",))
    with pytest.raises(KeyboardInterrupt):
        settle(harness)
    first = api_id(harness)
    settle(harness)
    assert api_id(harness) == first


def test_url_is_kept_if_the_function_is_renamed(harness: AwsHarness) -> None:
    status = harness.status(settle(harness))
    before = apis(harness)[0]["ApiEndpoint"]
    settle(harness, {"function": {"name": "other-name", "triggers": TRIGGERS}}, generation=2, status=status)
    (api,) = apis(harness)
    assert (api["ApiEndpoint"], api["Name"]) == (before, "other-name")
    assert served_by(harness) == ["arn:aws:lambda:eu-west-1:123456789012:function:other-name"]


def test_foreign_integration_does_not_get_the_route(harness: AwsHarness) -> None:
    settle(harness)
    integrate(harness, THEIRS)
    settle(harness, HTTP_API.edits["tags"], generation=2)
    assert served_by(harness) == [function(harness)]


def test_changed_route_target_is_corrected(harness: AwsHarness) -> None:
    settle(harness)
    about = {"ApiId": api_id(harness)}
    (route,) = client(harness).get_routes(**about)["Items"]
    client(harness).update_route(**about, RouteId=route["RouteId"], Target=f"integrations/{integrate(harness, THEIRS)}")
    outcome = settle(harness)
    assert [because.field for step in outcome.applied for because in step.because] == ["integration"]
    assert served_by(harness) == [function(harness)]


def test_changed_payload_version_is_corrected(harness: AwsHarness) -> None:
    settle(harness)

    def older(answer: dict[str, Any]) -> None:
        for integration in answer["Items"]:
            integration["PayloadFormatVersion"] = "1.0"

    updates = requests(harness, "apigatewayv2", "UpdateIntegration")
    with answers(harness, "apigatewayv2", "GetIntegrations", older), updates as made:
        outcome = settle(harness)
    assert [because.field for step in outcome.applied for because in step.because] == ["integration"]
    assert [request["PayloadFormatVersion"] for _operation, request in made] == ["2.0"]


def test_added_routes_and_stages_are_removed(harness: AwsHarness) -> None:
    settle(harness)
    about = {"ApiId": api_id(harness)}
    client(harness).create_route(**about, RouteKey="GET /theirs", AuthorizationType="NONE")
    client(harness).create_stage(**about, StageName="theirs", AutoDeploy=True)
    outcome = settle(harness)
    assert {because.field for step in outcome.applied for because in step.because} == {"routes", "stages"}
    assert [route["RouteKey"] for route in client(harness).get_routes(**about)["Items"]] == ["$default"]
    assert [stage["StageName"] for stage in client(harness).get_stages(**about)["Items"]] == ["$default"]


@contextmanager
def paged(harness: AwsHarness, *operations: str) -> Iterator[None]:
    """One item per page."""

    def split(answer: dict[str, Any], rest: list[Any]) -> None:
        listed = rest or sorted(answer["Items"], key=str)
        answer["Items"], rest[:] = listed[:1], listed[1:]
        if rest:
            answer["NextToken"] = str(len(rest))

    with ExitStack() as stack:
        for operation in operations:
            stack.enter_context(answers(harness, "apigatewayv2", operation, partial(split, rest=[])))
        yield


def test_later_pages_are_read(harness: AwsHarness) -> None:
    settle(harness)
    about = {"ApiId": api_id(harness)}
    integrate(harness, THEIRS)
    client(harness).create_route(**about, RouteKey="GET /theirs", AuthorizationType="NONE")
    client(harness).create_stage(**about, StageName="theirs", AutoDeploy=True)
    (kind,) = harness.kinds(HttpApi)
    engine = Engine(lambda _place: (kind,))
    with paged(harness, "GetIntegrations", "GetRoutes", "GetStages"):
        (seen,) = engine.observe(harness.declare(HTTP_API.base))
    assert isinstance(seen, HttpApi)
    assert len(seen.integrations) == 2
    assert dict(seen.routes).keys() == {"$default", "GET /theirs"}
    assert seen.stages == ("$default", "theirs")


def test_foreign_apis_are_not_read(harness: AwsHarness) -> None:
    client(harness).create_api(Name=harness.name, ProtocolType="HTTP")
    settle(harness)
    with requests(harness, "apigatewayv2", "GetRoutes", "GetIntegrations", "GetStages") as made:
        assert settle(harness).plan.is_empty
    assert {request["ApiId"] for _operation, request in made} == {api_id(harness)}
    assert len(made) == 3
    assert listed(harness) == [harness.name] * 2


def test_object_without_api_takes_no_call(harness: AwsHarness) -> None:
    status = harness.status(settle(harness, {}))
    calls = harness.calls(lambda: settle(harness, {}, status=status))
    assert calls == {}


def test_partially_created_api_is_completed(harness: AwsHarness) -> None:
    for call in ("CreateIntegration", "CreateRoute", "CreateStage"):
        fault = Injected("InternalServerError", "in passing", 3)
        harness.lab.faults(Faults(errors={f"apigatewayv2.{call}": fault}))
        errors: list[Any] = []
        harness.settle(harness.declare(HTTP_API.base), harness.kinds(HttpApi), errors)
        assert {type(error) for error in errors} == {Unavailable}
        harness.lab.faults(Faults())
        assert len(client(harness).get_integrations(ApiId=api_id(harness))["Items"]) == 1
        harness.settle(harness.deletion(HTTP_API.base), harness.kinds(HttpApi))


RETAINED = {**HTTP_API.base, "deletionPolicy": "Retain"}
ADOPTING = {**HTTP_API.base, "adoptionPolicy": "IfUnowned"}


def released(harness: AwsHarness) -> str:
    """The id of a released API, whose object was deleted."""
    status, found = harness.status(settle(harness, RETAINED)), api_id(harness)
    harness.settle(harness.deletion(RETAINED, status), harness.kinds(HttpApi))
    assert apis(harness) == []
    return found


def test_released_api_is_adopted_with_its_url(harness: AwsHarness) -> None:
    before = released(harness)
    successor = harness.owner(uid="uid-2")
    harness.settle(harness.declare(ADOPTING, owner=successor), harness.kinds(HttpApi))
    found = client(harness).get_api(ApiId=before)
    assert found["Tags"] == {names.OWNER_TAG: successor.tag, "team": "shop"}
    assert listed(harness) == [found["Name"]]


def test_released_api_is_not_adopted_without_adoption_policy(harness: AwsHarness) -> None:
    before = released(harness)
    tagged = client(harness).get_api(ApiId=before)["Tags"]
    with pytest.raises(NotOwned):
        settle(harness, HTTP_API.base, owner=harness.owner(uid="uid-2"))
    assert client(harness).get_api(ApiId=before)["Tags"] == tagged


@pytest.mark.parametrize("mark", ["", "cluster/elsewhere/myapp", "other/NAMESPACE/myapp"])
def test_foreign_api_of_the_same_name_is_ignored(harness: AwsHarness, mark: str) -> None:
    labels = {names.RELEASED_TAG: mark.replace("NAMESPACE", harness.owner().namespace)} if mark else {}
    theirs = client(harness).create_api(Name=harness.name, ProtocolType="HTTP", Tags=labels)["ApiId"]
    settle(harness, ADOPTING)
    assert api_id(harness) != theirs
    assert client(harness).get_api(ApiId=theirs)["Tags"] == labels
