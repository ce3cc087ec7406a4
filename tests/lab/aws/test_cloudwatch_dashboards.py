"""Dashboards are one set for the account, with CloudWatch's validation."""

import json
import uuid
from collections.abc import Callable, Iterator
from typing import Any

import boto3
import pytest
from botocore.config import Config
from botocore.exceptions import ClientError

from dynconfig_lab.aws import AwsLab

pytestmark = pytest.mark.lab

ARN = "arn:aws:cloudwatch::123456789012:dashboard"
METRIC = {"metrics": [["AWS/Lambda", "Errors", "FunctionName", "f", {"stat": "Sum"}]], "region": "eu-west-1"}


def widget(**fields: Any) -> dict[str, Any]:
    return {"type": "metric", "x": 0, "y": 0, "width": 12, "height": 6, "properties": METRIC, **fields}


def body(*widgets: Any) -> str:
    return json.dumps({"widgets": list(widgets)})


@pytest.fixture
def cloudwatch(aws: Callable[[str], Any]) -> Any:
    return aws("cloudwatch")


@pytest.fixture
def name(cloudwatch: Any) -> Iterator[str]:
    name = f"board-{uuid.uuid4()}"
    yield name
    if cloudwatch.list_dashboards(DashboardNamePrefix=name)["DashboardEntries"]:
        cloudwatch.delete_dashboards(DashboardNames=[name])


def test_dashboard_is_returned_as_put(cloudwatch: Any, name: str) -> None:
    text = json.dumps({"widgets": [widget()], "start": "-PT6H"}, indent=3)
    assert cloudwatch.put_dashboard(DashboardName=name, DashboardBody=text)["DashboardValidationMessages"] == []
    found = cloudwatch.get_dashboard(DashboardName=name)
    assert found["DashboardBody"] == text
    assert found["DashboardArn"] == f"{ARN}/{name}"
    (entry,) = cloudwatch.list_dashboards(DashboardNamePrefix=name[:-1])["DashboardEntries"]
    assert entry.pop("LastModified")
    assert entry == {"DashboardName": name, "DashboardArn": f"{ARN}/{name}", "Size": len(text)}
    cloudwatch.put_dashboard(DashboardName=name, DashboardBody=body())
    assert cloudwatch.get_dashboard(DashboardName=name)["DashboardBody"] == body()


def test_dashboard_is_the_same_in_every_region(lab: AwsLab, cloudwatch: Any, name: str) -> None:
    cloudwatch.put_dashboard(DashboardName=name, DashboardBody=body())
    elsewhere: Any = boto3.client(
        "cloudwatch",
        endpoint_url=lab.endpoint,
        region_name="ap-southeast-2",
        aws_access_key_id="lab",
        aws_secret_access_key="lab",
        config=Config(retries={"total_max_attempts": 1}, proxies={}),
    )
    assert elsewhere.get_dashboard(DashboardName=name)["DashboardName"] == name
    elsewhere.close()


def test_missing_dashboard_is_not_found(cloudwatch: Any, name: str) -> None:
    cloudwatch.put_dashboard(DashboardName=name, DashboardBody=body())
    with pytest.raises(ClientError) as missing:
        cloudwatch.get_dashboard(DashboardName="none")
    with pytest.raises(ClientError) as partly:
        cloudwatch.delete_dashboards(DashboardNames=[name, "none"])
    for refused in (missing, partly):
        assert refused.value.response["Error"]["Code"] == "ResourceNotFound"
        assert refused.value.response["ResponseMetadata"]["HTTPStatusCode"] == 404
    # All are deleted, or none.
    assert cloudwatch.get_dashboard(DashboardName=name)
    cloudwatch.delete_dashboards(DashboardNames=[name])
    with pytest.raises(ClientError, match="does not exist"):
        cloudwatch.get_dashboard(DashboardName=name)


@pytest.mark.parametrize("wrong", ["with space", "a/b", "ä", "x" * 256])
def test_invalid_name_is_rejected(cloudwatch: Any, wrong: str) -> None:
    with pytest.raises(ClientError) as refused:
        cloudwatch.put_dashboard(DashboardName=wrong, DashboardBody=body())
    assert refused.value.response["Error"]["Code"] == "InvalidParameterValue"


@pytest.mark.parametrize(
    ("text", "path"),
    [
        ("{nope", ""),
        ("[]", ""),
        ("{}", "/widgets"),
        ('{"widgets": {}}', "/widgets"),
        (body(*[widget()] * 501), "/widgets"),
        (body("a"), "/widgets/0"),
        (body(widget(type="picture")), "/widgets/0/type"),
        (body({"type": "text"}), "/widgets/0"),
        (body(widget(type="text", properties={})), "/widgets/0/properties"),
        (body(widget(type="alarm", properties={})), "/widgets/0/properties"),
        (body(widget(), widget(width=25)), "/widgets/1/width"),
        (body(widget(width=0)), "/widgets/0/width"),
        (body(widget(x=24)), "/widgets/0/x"),
        (body(widget(y=-1)), "/widgets/0/y"),
        (body(widget(height=1001)), "/widgets/0/height"),
        (body(widget(height="6")), "/widgets/0/height"),
        (body(widget(properties={"metrics": METRIC["metrics"]})), "/widgets/0/properties"),
        (body(widget(properties={"region": "eu-west-1"})), "/widgets/0/properties"),
        (body(widget(properties={**METRIC, "view": "cake"})), "/widgets/0/properties/view"),
        (body(widget(properties={**METRIC, "metrics": ["a"]})), "/widgets/0/properties/metrics/0"),
        (body(widget(properties={**METRIC, "metrics": [[]]})), "/widgets/0/properties/metrics/0"),
        (body(widget(properties={**METRIC, "metrics": [[{"stat": "Sum"}]]})), "/widgets/0/properties/metrics/0"),
        (body(widget(properties={**METRIC, "metrics": [["N", "m", "d"]]})), "/widgets/0/properties/metrics/0"),
        (
            body(widget(properties={**METRIC, "metrics": [["N", "m", {"d": "v"}, {}]]})),
            "/widgets/0/properties/metrics/0/2",
        ),
    ],
)
def test_invalid_body_is_rejected_with_its_location(cloudwatch: Any, name: str, text: str, path: str) -> None:
    with pytest.raises(cloudwatch.exceptions.DashboardInvalidInputError) as refused:
        cloudwatch.put_dashboard(DashboardName=name, DashboardBody=text)
    error = refused.value.response["Error"]
    assert error["Code"] == "InvalidParameterInput"
    summary, _, listed = error["Message"].partition("\n")
    assert summary.startswith("The dashboard body is invalid, there ")
    assert path in [item["dataPath"] for item in json.loads(listed)]


@pytest.mark.parametrize(
    "properties",
    [
        {**METRIC, "metrics": [[{"expression": "m1 * 2", "id": "e1"}], ["N", "m", {"id": "m1", "visible": False}]]},
        {**METRIC, "metrics": [["N", "m"], ["...", "."]]},
        {"annotations": {"alarms": [f"{ARN}"]}, "region": "eu-west-1"},
        {
            **METRIC,
            "view": "singleValue",
            "annotations": {"vertical": [{"label": "r", "value": "2026-11-24T00:00:00Z"}]},
        },
    ],
)
def test_supported_widgets_are_accepted(cloudwatch: Any, name: str, properties: dict[str, Any]) -> None:
    others = [widget(type="text", properties={"markdown": "# hi"}), widget(type="alarm", properties={"alarms": []})]
    text = body(widget(properties=properties), *others)
    assert cloudwatch.put_dashboard(DashboardName=name, DashboardBody=text)["DashboardValidationMessages"] == []


def test_warnings_are_returned_with_the_success(cloudwatch: Any, name: str) -> None:
    answer = cloudwatch.put_dashboard(DashboardName=name, DashboardBody=body(widget(colour="red")))
    assert answer["DashboardValidationMessages"] == [
        {"DataPath": "/widgets/0", "Message": "Should NOT have additional properties: colour"}
    ]


def test_dashboard_has_tags_until_it_is_deleted(cloudwatch: Any, name: str) -> None:
    owner = {"Key": "owner", "Value": "shop/myapp"}
    cloudwatch.put_dashboard(DashboardName=name, DashboardBody=body(), Tags=[owner])
    arn = f"{ARN}/{name}"
    assert cloudwatch.list_tags_for_resource(ResourceARN=arn)["Tags"] == [owner]
    cloudwatch.tag_resource(ResourceARN=arn, Tags=[{"Key": "team", "Value": "a"}])
    cloudwatch.untag_resource(ResourceARN=arn, TagKeys=["owner"])
    assert cloudwatch.list_tags_for_resource(ResourceARN=arn)["Tags"] == [{"Key": "team", "Value": "a"}]
    cloudwatch.delete_dashboards(DashboardNames=[name])
    assert cloudwatch.list_tags_for_resource(ResourceARN=arn)["Tags"] == []
    with pytest.raises(ClientError, match="Unknown resource"):
        cloudwatch.tag_resource(ResourceARN=arn, Tags=[owner])
