"""HTTP APIs: a request reaches the function as payload 2.0, and the function's result is returned."""

import base64
import json
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import httpx2
import pytest
from tests.lab.functions.bench import ACCOUNT, REGION, Bench

from dynconfig_lab.aws import AwsLab

pytestmark = pytest.mark.lab

ANSWERING = """
import json

def handle(event, context):
    answer = event.get("headers", {}).get("x-answer")
    return json.loads(answer) if answer else event
"""


@dataclass
class Site:
    """An API with its function, and a client for its address."""

    client: httpx2.Client
    apis: Any
    api_id: str
    integration: str
    address: str

    def route(self, key: str, **more: Any) -> None:
        self.apis.create_route(ApiId=self.api_id, RouteKey=key, Target=f"integrations/{self.integration}", **more)

    def ask(self, path: str = "/", method: str = "GET", **more: Any) -> httpx2.Response:
        return self.client.request(method, self.address + path, **more)

    def event(self, path: str = "/", method: str = "GET", **more: Any) -> dict[str, Any]:
        """The event that the function received."""
        answer = self.ask(path, method, **more)
        assert answer.status_code == 200, answer.text
        found: dict[str, Any] = answer.json()
        return found

    def answer(self, reply: object) -> httpx2.Response:
        """The response for this result of the function."""
        return self.ask(headers={"X-Answer": json.dumps(reply)})


@pytest.fixture(scope="module")
def client() -> Any:
    with httpx2.Client(trust_env=False, timeout=30) as client:
        yield client


@pytest.fixture(scope="module")
def answering(bench: Bench) -> str:
    return bench.function(ANSWERING)


@pytest.fixture
def site(lab: AwsLab, aws: Callable[[str], Any], client: httpx2.Client, answering: str) -> Any:
    apis = aws("apigatewayv2")
    api_id = apis.create_api(Name="site", ProtocolType="HTTP")["ApiId"]
    uri = f"arn:aws:lambda:{REGION}:{ACCOUNT}:function:{answering}"
    integration = apis.create_integration(
        ApiId=api_id, IntegrationType="AWS_PROXY", IntegrationUri=uri, PayloadFormatVersion="2.0"
    )["IntegrationId"]
    apis.create_stage(ApiId=api_id, StageName="$default", AutoDeploy=True)
    aws("lambda").add_permission(
        FunctionName=answering,
        StatementId=api_id,
        Action="lambda:InvokeFunction",
        Principal="apigateway.amazonaws.com",
        SourceArn=f"arn:aws:execute-api:{REGION}:{ACCOUNT}:{api_id}/*/*",
    )
    yield Site(client, apis, api_id, integration, f"{lab.endpoint}/http-api/{api_id}")
    apis.delete_api(ApiId=api_id)


def test_request_becomes_an_event_of_format_2(site: Site) -> None:
    site.route("$default")
    headers = {"X-Colour": "red", "Cookie": "a=1; b=2", "User-Agent": "test"}
    event = site.event("/shop/cart?x=1&y=2&x=3", headers=headers)
    context = event.pop("requestContext")
    assert {name: event[name] for name in ("version", "routeKey", "rawPath", "rawQueryString", "isBase64Encoded")} == {
        "version": "2.0",
        "routeKey": "$default",
        "rawPath": "/shop/cart",
        "rawQueryString": "x=1&y=2&x=3",
        "isBase64Encoded": False,
    }
    assert event["queryStringParameters"] == {"x": "1,3", "y": "2"}
    assert event["cookies"] == ["a=1", "b=2"]
    assert event["headers"]["x-colour"] == "red"
    assert "cookie" not in event["headers"]
    assert "body" not in event
    assert (context["apiId"], context["accountId"], context["stage"]) == (site.api_id, ACCOUNT, "$default")
    assert (context["http"]["method"], context["http"]["path"], context["http"]["userAgent"]) == (
        "GET",
        "/shop/cart",
        "test",
    )


def test_text_is_unchanged_and_anything_else_is_base64(site: Site) -> None:
    site.route("$default")
    text = site.event("/", "POST", json={"colour": "grün"})
    assert json.loads(text["body"]) == {"colour": "grün"}
    assert text["headers"]["content-type"] == "application/json"
    binary = site.event("/", "PUT", content=b"\x00\xff", headers={"Content-Type": "image/png"})
    assert (base64.b64decode(binary["body"]), binary["isBase64Encoded"]) == (b"\x00\xff", True)


@pytest.mark.parametrize(
    ("reply", "status", "kind", "body"),
    [
        ({"colour": "red"}, 200, "application/json", '{"colour": "red"}'),
        (["a"], 200, "application/json", '["a"]'),
        (None, 200, "application/json", "null"),
        ({"statusCode": 404, "body": "no"}, 404, "text/plain; charset=utf-8", "no"),
        ({"statusCode": 201, "headers": {"Content-Type": "text/csv"}, "body": "a,b"}, 201, "text/csv", "a,b"),
        ({"statusCode": 200, "body": "cmVk", "isBase64Encoded": True}, 200, "text/plain; charset=utf-8", "red"),
        ({"statusCode": 204, "headers": None}, 204, "text/plain; charset=utf-8", ""),
        ({"statusCode": "many"}, 500, "application/json", '{"message": "Internal Server Error"}'),
        (
            {"statusCode": 200, "body": {"colour": "red"}},
            500,
            "application/json",
            '{"message": "Internal Server Error"}',
        ),
    ],
)
def test_result_of_the_function_is_returned(site: Site, reply: object, status: int, kind: str, body: str) -> None:
    site.route("$default")
    answer = site.answer(reply)
    assert (answer.status_code, answer.headers["content-type"], answer.text) == (status, kind, body)


def test_cookies_of_the_result_are_set(site: Site) -> None:
    site.route("$default")
    answer = site.answer({"statusCode": 200, "cookies": ["a=1", "b=2"]})
    assert answer.headers.get_list("set-cookie") == ["a=1", "b=2"]


@pytest.mark.parametrize(
    ("method", "path", "route", "parameters"),
    [
        ("GET", "/config", "GET /config", None),
        ("POST", "/config", "ANY /config", None),
        ("GET", "/config/red", "GET /config/{name}", {"name": "red"}),
        ("GET", "/config/red/1", "GET /config/{rest+}", {"rest": "red/1"}),
        ("DELETE", "/other", "$default", None),
    ],
)
def test_most_specific_route_is_used(
    site: Site, method: str, path: str, route: str, parameters: dict[str, str] | None
) -> None:
    for key in ("$default", "ANY /config", "GET /config/{rest+}", "GET /config/{name}", "GET /config"):
        site.route(key)
    event = site.event(path, method)
    assert event["routeKey"] == route
    assert event.get("pathParameters") == parameters


def test_request_without_a_route_is_not_found(site: Site) -> None:
    site.route("GET /config")
    answer = site.ask("/other")
    assert (answer.status_code, answer.json()) == (404, {"message": "Not Found"})


def test_api_without_a_deployment_is_not_found(site: Site) -> None:
    site.route("$default")
    site.apis.update_stage(ApiId=site.api_id, StageName="$default", AutoDeploy=False)
    assert site.ask().status_code == 404
    site.apis.delete_stage(ApiId=site.api_id, StageName="$default")
    assert site.ask().status_code == 404


def test_unknown_api_is_not_found(lab: AwsLab, client: httpx2.Client) -> None:
    assert client.get(f"{lab.endpoint}/http-api/none/").status_code == 404


def test_route_with_iam_authorization_requires_a_signature(site: Site) -> None:
    site.route("$default", AuthorizationType="AWS_IAM")
    answer = site.ask()
    assert (answer.status_code, answer.json()) == (403, {"message": "Forbidden"})
    scope = f"Credential=lab/20270101/{REGION}/execute-api/aws4_request"
    signed = {"Authorization": f"AWS4-HMAC-SHA256 {scope}, SignedHeaders=host, Signature=0"}
    assert site.ask(headers=signed).status_code == 200


@pytest.mark.parametrize(
    ("source", "status"), [("{api}/*/GET/config", 200), ("{api}/*/$default", 500), ("other/*/*", 500)]
)
def test_function_has_to_allow_the_api(
    site: Site, aws: Callable[[str], Any], answering: str, source: str, status: int
) -> None:
    site.route("GET /config")
    aws("lambda").remove_permission(FunctionName=answering, StatementId=site.api_id)
    aws("lambda").add_permission(
        FunctionName=answering,
        StatementId=site.api_id,
        Action="lambda:InvokeFunction",
        Principal="apigateway.amazonaws.com",
        SourceArn=f"arn:aws:execute-api:{REGION}:{ACCOUNT}:{source.format(api=site.api_id)}",
    )
    assert site.ask("/config").status_code == status


def test_failing_function_is_an_internal_error(site: Site) -> None:
    site.route("$default")
    answer = site.ask(headers={"X-Answer": "{nope"})
    assert (answer.status_code, answer.json()) == (500, {"message": "Internal Server Error"})
