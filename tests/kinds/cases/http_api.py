"""The HTTP API in front of the function."""

from typing import Any

from tests.kinds.aws_harness import AwsHarness
from tests.kinds.cases.case import Case

from dynconfig.kinds.http_api import HttpApi

TRIGGERS: dict[str, Any] = {"httpApi": {}}
OPEN: dict[str, Any] = {"httpApi": {"authorization": "NONE"}}
THEIRS = "arn:aws:lambda:eu-west-1:123456789012:function:theirs"


def apis(harness: AwsHarness) -> list[dict[str, Any]]:
    """The APIs of this test, whatever their name."""
    found: list[dict[str, Any]] = harness.aws("apigatewayv2").get_apis(MaxResults="500")["Items"]
    return [api for api in found if harness.owner().tag in api["Tags"].values()]


def api_id(harness: AwsHarness) -> str:
    (api,) = apis(harness)
    return str(api["ApiId"])


def listed(harness: AwsHarness) -> list[str]:
    found = harness.aws("apigatewayv2").get_apis(MaxResults="500")["Items"]
    return sorted(api["Name"] for api in found if api["Name"].startswith(harness.name))


def reroute(harness: AwsHarness) -> None:
    client, about = harness.aws("apigatewayv2"), {"ApiId": api_id(harness)}
    (route,) = client.get_routes(**about)["Items"]
    client.update_route(**about, RouteId=route["RouteId"], AuthorizationType="NONE")


def reintegrate(harness: AwsHarness) -> None:
    client, about = harness.aws("apigatewayv2"), {"ApiId": api_id(harness)}
    (integration,) = client.get_integrations(**about)["Items"]
    client.update_integration(**about, IntegrationId=integration["IntegrationId"], IntegrationUri=THEIRS)


def retag(harness: AwsHarness) -> None:
    arn = f"arn:aws:apigateway:eu-west-1::/apis/{api_id(harness)}"
    harness.aws("apigatewayv2").tag_resource(ResourceArn=arn, Tags={"team": "other"})


HTTP_API = Case(
    value=HttpApi,
    base={"function": {"triggers": TRIGGERS}, "tags": {"team": "shop"}},
    feature={"function": {"triggers": TRIGGERS}},
    edits={
        "called": {"function": {"name": "renamed", "triggers": TRIGGERS}, "tags": {"team": "shop"}},
        "integration": {"function": {"name": "renamed", "triggers": TRIGGERS}, "tags": {"team": "shop"}},
        "routes": {"function": {"triggers": OPEN}, "tags": {"team": "shop"}},
        "tags": {"function": {"triggers": TRIGGERS}, "tags": {"stage": "dev"}},
    },
    tampers={
        "called": lambda harness: harness.aws("apigatewayv2").update_api(ApiId=api_id(harness), Name="other"),
        "integration": reintegrate,
        "routes": reroute,
        "stages": lambda harness: harness.aws("apigatewayv2").delete_stage(ApiId=api_id(harness), StageName="$default"),
        "tags": retag,
    },
    list_names=listed,
    create_similar=lambda harness: harness.aws("apigatewayv2").create_api(Name=harness.name, ProtocolType="HTTP"),
    create_foreign=None,
    writes=(
        "apigatewayv2.CreateApi",
        "apigatewayv2.UpdateApi",
        "apigatewayv2.CreateIntegration",
        "apigatewayv2.UpdateIntegration",
        "apigatewayv2.CreateRoute",
        "apigatewayv2.UpdateRoute",
        "apigatewayv2.DeleteRoute",
        "apigatewayv2.CreateStage",
        "apigatewayv2.UpdateStage",
        "apigatewayv2.DeleteStage",
        "apigatewayv2.TagResource",
        "apigatewayv2.UntagResource",
        "apigatewayv2.DeleteApi",
    ),
    busy="ConflictException",
    not_editable=frozenset({"stages"}),
    is_marked=False,
)
