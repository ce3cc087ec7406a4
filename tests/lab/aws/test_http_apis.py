"""API Gateway's control plane: related parts, errors, pages, stages."""

from collections.abc import Callable, Iterator
from typing import Any

import pytest
from botocore.exceptions import ClientError

pytestmark = pytest.mark.lab

FUNCTION = "arn:aws:lambda:eu-west-1:123456789012:function:f"


@pytest.fixture
def apis(aws: Callable[[str], Any]) -> Any:
    return aws("apigatewayv2")


@pytest.fixture
def api(apis: Any) -> Iterator[str]:
    """An existing API."""
    found = apis.create_api(Name="api", ProtocolType="HTTP", Tags={"team": "shop"})["ApiId"]
    yield found
    apis.delete_api(ApiId=found)


@pytest.fixture
def integration(apis: Any, api: str) -> str:
    return str(apis.create_integration(**proxy(api))["IntegrationId"])


def proxy(api: str, **more: Any) -> dict[str, Any]:
    about = {"IntegrationType": "AWS_PROXY", "IntegrationUri": FUNCTION, "PayloadFormatVersion": "2.0"}
    return {"ApiId": api, **about, **more}


def refusal(call: Callable[[], Any]) -> tuple[str, int, str]:
    with pytest.raises(ClientError) as caught:
        call()
    response: Any = caught.value.response
    return response["Error"]["Code"], response["ResponseMetadata"]["HTTPStatusCode"], response["Error"]["Message"]


def test_api_is_created_part_by_part(apis: Any, api: str, integration: str) -> None:
    route = apis.create_route(ApiId=api, RouteKey="GET /config", Target=f"integrations/{integration}")
    assert route["AuthorizationType"] == "NONE"
    stage = apis.create_stage(ApiId=api, StageName="$default")
    assert stage["AutoDeploy"] is False
    assert apis.get_api(ApiId=api)["Tags"] == {"team": "shop"}
    assert [item["IntegrationUri"] for item in apis.get_integrations(ApiId=api)["Items"]] == [FUNCTION]
    assert [item["RouteKey"] for item in apis.get_routes(ApiId=api)["Items"]] == ["GET /config"]
    assert [item["StageName"] for item in apis.get_stages(ApiId=api)["Items"]] == ["$default"]


def test_quick_create_is_not_emulated(apis: Any) -> None:
    assert refusal(lambda: apis.create_api(Name="a", ProtocolType="HTTP", Target=FUNCTION))[0] == "NotEmulated"
    assert refusal(lambda: apis.create_api(Name="a", ProtocolType="WEBSOCKET"))[0] == "NotEmulated"


@pytest.mark.parametrize(
    ("change", "code"),
    [
        ({"IntegrationUri": "https://example.org"}, "BadRequestException"),
        ({"IntegrationUri": "arn:aws:lambda:eu-west-1:123456789012:layer:l:1"}, "BadRequestException"),
        ({"PayloadFormatVersion": "3.0"}, "BadRequestException"),
        ({"PayloadFormatVersion": "1.0"}, "NotEmulated"),
        ({"IntegrationType": "HTTP_PROXY"}, "NotEmulated"),
        ({"ApiId": "none"}, "NotFoundException"),
    ],
)
def test_invalid_integration_is_rejected(
    apis: Any, api: str, integration: str, change: dict[str, Any], code: str
) -> None:
    assert refusal(lambda: apis.create_integration(**{**proxy(api), **change}))[0] == code
    assert refusal(lambda: apis.update_integration(**{**proxy(api), **change}, IntegrationId=integration))[0] == code


def test_integration_can_have_another_target(apis: Any, api: str, integration: str) -> None:
    apis.update_integration(ApiId=api, IntegrationId=integration, IntegrationUri=f"{FUNCTION}2")
    assert apis.get_integration(ApiId=api, IntegrationId=integration)["IntegrationUri"] == f"{FUNCTION}2"


@pytest.mark.parametrize("key", ["", "GET", "get /config", "GET config", "FETCH /config", "default"])
def test_route_key_has_a_format(apis: Any, api: str, integration: str, key: str) -> None:
    found = refusal(lambda: apis.create_route(ApiId=api, RouteKey=key, Target=f"integrations/{integration}"))
    assert found[:2] == ("BadRequestException", 400)
    assert "The provided route key is not formatted properly for HTTP protocol." in found[2]


def test_route_key_is_unique(apis: Any, api: str) -> None:
    first = apis.create_route(ApiId=api, RouteKey="GET /a")["RouteId"]
    second = apis.create_route(ApiId=api, RouteKey="GET /b")["RouteId"]
    expected = ("ConflictException", 409, "Route with key GET /a already exists for this API")
    assert refusal(lambda: apis.create_route(ApiId=api, RouteKey="GET /a")) == expected
    assert refusal(lambda: apis.update_route(ApiId=api, RouteId=second, RouteKey="GET /a")) == expected
    apis.update_route(ApiId=api, RouteId=first, RouteKey="GET /a", AuthorizationType="AWS_IAM")
    assert apis.get_route(ApiId=api, RouteId=first)["AuthorizationType"] == "AWS_IAM"


def test_route_target_has_to_exist(apis: Any, api: str, integration: str) -> None:
    found = refusal(lambda: apis.create_route(ApiId=api, RouteKey="GET /a", Target="integrations/none"))
    assert found[:2] == ("BadRequestException", 400)
    route = apis.create_route(ApiId=api, RouteKey="GET /a", Target=f"integrations/{integration}")["RouteId"]
    found = refusal(lambda: apis.update_route(ApiId=api, RouteId=route, Target="integrations/none"))
    assert found[:2] == ("BadRequestException", 400)


def test_authorizers_are_not_emulated(apis: Any, api: str) -> None:
    assert refusal(lambda: apis.create_route(ApiId=api, RouteKey="GET /a", AuthorizationType="JWT"))[0] == "NotEmulated"
    call = apis.create_authorizer
    found = refusal(lambda: call(ApiId=api, AuthorizerType="JWT", IdentitySource=["$request.header.A"], Name="a"))
    assert found[0] == "NotEmulated"


def test_integration_in_use_cannot_be_deleted(apis: Any, api: str, integration: str) -> None:
    route = apis.create_route(ApiId=api, RouteKey="GET /a", Target=f"integrations/{integration}")["RouteId"]
    found = refusal(lambda: apis.delete_integration(ApiId=api, IntegrationId=integration))
    words = f"Cannot delete Integration because it is referenced by the following Routes with Ids: [{route}]"
    assert found == ("ConflictException", 409, words)
    apis.delete_route(ApiId=api, RouteId=route)
    apis.delete_integration(ApiId=api, IntegrationId=integration)
    assert apis.get_integrations(ApiId=api)["Items"] == []


def test_stage_is_unique_and_can_be_changed(apis: Any, api: str) -> None:
    apis.create_stage(ApiId=api, StageName="$default", AutoDeploy=False)
    found = refusal(lambda: apis.create_stage(ApiId=api, StageName="$default", AutoDeploy=True))
    assert found == ("ConflictException", 409, "Stage already exists")
    assert apis.update_stage(ApiId=api, StageName="$default", AutoDeploy=True)["AutoDeploy"] is True
    apis.update_stage(ApiId=api, StageName="$default", StageVariables={"colour": "red"})
    stage = apis.get_stage(ApiId=api, StageName="$default")
    assert (stage["AutoDeploy"], stage["StageVariables"]) == (True, {"colour": "red"})
    apis.delete_stage(ApiId=api, StageName="$default")
    assert refusal(lambda: apis.update_stage(ApiId=api, StageName="$default"))[:2] == ("NotFoundException", 404)


def test_stage_name_has_a_limited_character_set(apis: Any, api: str) -> None:
    assert refusal(lambda: apis.create_stage(ApiId=api, StageName="a b"))[:2] == ("BadRequestException", 400)


def test_deployments_are_not_emulated(apis: Any, api: str) -> None:
    assert refusal(lambda: apis.create_deployment(ApiId=api))[0] == "NotEmulated"


@pytest.mark.parametrize(
    ("operation", "arguments"),
    [
        ("get_api", {}),
        ("delete_api", {}),
        ("get_routes", {}),
        ("get_integrations", {}),
        ("get_stages", {}),
        ("create_route", {"RouteKey": "GET /a"}),
        ("create_stage", {"StageName": "$default"}),
    ],
)
def test_missing_api_is_named(apis: Any, operation: str, arguments: dict[str, Any]) -> None:
    found = refusal(lambda: getattr(apis, operation)(ApiId="none", **arguments))
    assert found == ("NotFoundException", 404, "Invalid API identifier specified none")


@pytest.mark.parametrize(
    ("operation", "arguments"),
    [
        ("delete_route", {"RouteId": "none"}),
        ("update_route", {"RouteId": "none"}),
        ("delete_integration", {"IntegrationId": "none"}),
        ("update_integration", {"IntegrationId": "none"}),
        ("delete_stage", {"StageName": "none"}),
    ],
)
def test_missing_part_is_not_found(apis: Any, api: str, operation: str, arguments: dict[str, Any]) -> None:
    assert refusal(lambda: getattr(apis, operation)(ApiId=api, **arguments))[:2] == ("NotFoundException", 404)


def test_lists_are_paged(apis: Any, api: str) -> None:
    for number in range(5):
        apis.create_route(ApiId=api, RouteKey=f"GET /{number}")
    first = apis.get_routes(ApiId=api, MaxResults="2")
    assert len(first["Items"]) == 2
    pages = apis.get_paginator("get_routes").paginate(ApiId=api, PaginationConfig={"PageSize": "2"})
    keys = [item["RouteKey"] for page in pages for item in page["Items"]]
    assert sorted(keys) == [f"GET /{number}" for number in range(5)]
    listed = [item["ApiId"] for page in apis.get_paginator("get_apis").paginate() for item in page["Items"]]
    assert api in listed


def test_tags_use_the_arn(apis: Any, api: str) -> None:
    arn = f"arn:aws:apigateway:eu-west-1::/apis/{api}"
    apis.tag_resource(ResourceArn=arn, Tags={"stage": "dev"})
    apis.untag_resource(ResourceArn=arn, TagKeys=["team"])
    assert apis.get_tags(ResourceArn=arn)["Tags"] == {"stage": "dev"}
    assert apis.get_api(ApiId=api)["Tags"] == {"stage": "dev"}
