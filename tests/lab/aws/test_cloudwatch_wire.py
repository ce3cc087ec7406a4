"""CloudWatch responds in the protocol of the request: JSON, Smithy RPC v2 with CBOR, query."""

import uuid
from datetime import UTC, datetime
from typing import Any

import botocore.session
import httpx2
import pytest
from botocore.parsers import create_parser
from botocore.serialize import create_serializer
from tests.lab.aws.watching import Watched

from dynconfig_lab.aws import AwsLab, Faults, cbor
from dynconfig_lab.aws.faults import Injected

pytestmark = pytest.mark.lab

SIGNED = "AWS4-HMAC-SHA256 Credential=lab/20261124/eu-west-1/monitoring/aws4_request, SignedHeaders=host, Signature=0"
PROTOCOLS = ("json", "smithy-rpc-v2-cbor", "query")


@pytest.fixture(params=PROTOCOLS)
def ask(request: pytest.FixtureRequest, lab: AwsLab, http: httpx2.Client) -> Any:
    """Calls an operation as an SDK with this protocol does."""
    serializer = create_serializer(request.param)
    parser: Any = create_parser(request.param)

    def call(name: str, **parameters: Any) -> dict[str, Any]:
        model = botocore.session.get_session().get_service_model("cloudwatch").operation_model(name)
        asked = serializer.serialize_to_request(parameters, model)
        headers = {"Authorization": SIGNED, **{key: str(value) for key, value in asked["headers"].items()}}
        body = {"data": asked["body"]} if isinstance(asked["body"], dict) else {"content": asked["body"]}
        answer = http.post(lab.endpoint + asked["url_path"], headers=headers, **body)
        response = {"headers": answer.headers, "status_code": answer.status_code, "body": answer.content}
        parsed: dict[str, Any] = parser.parse(response, model.output_shape)
        return parsed

    return call


def test_alarm_survives_a_round_trip(ask: Any, watched: Watched) -> None:
    name, before = watched.name(), datetime.now(UTC).replace(microsecond=0)
    fields: dict[str, Any] = {
        "AlarmName": name,
        "AlarmDescription": "größer als fünf",
        "Namespace": "n",
        "MetricName": "m",
        "Dimensions": [{"Name": "a", "Value": "b"}],
        "Statistic": "Sum",
        "Period": 3600,
        "EvaluationPeriods": 24,
        "Threshold": 5.5,
        "ComparisonOperator": "GreaterThanThreshold",
        "ActionsEnabled": False,
        "AlarmActions": ["arn:aws:sns:eu-west-1:123456789012:t"],
    }
    ask("PutMetricAlarm", **fields)
    (seen,) = ask("DescribeAlarms", AlarmNames=[name])["MetricAlarms"]
    assert {field: seen[field] for field in fields} == fields
    assert before <= seen["StateUpdatedTimestamp"] <= datetime.now(UTC)


def test_data_survives_a_round_trip(ask: Any) -> None:
    namespace, at = f"wire-{uuid.uuid4()}", datetime.now(UTC).replace(second=30, microsecond=0)
    minute = at.replace(second=0)
    entries = [{"MetricName": "m", "Value": value, "Timestamp": at} for value in (1.25, -2.0)]
    ask("PutMetricData", Namespace=namespace, MetricData=entries)
    metric = {"Namespace": namespace, "MetricName": "m"}
    query = {"Id": "a", "MetricStat": {"Metric": metric, "Period": 60, "Stat": "Sum"}}
    (result,) = ask("GetMetricData", MetricDataQueries=[query], StartTime=minute, EndTime=at)["MetricDataResults"]
    assert result["Values"] == [-0.75]
    assert [when.astimezone(UTC) for when in result["Timestamps"]] == [minute]


def test_error_is_returned_with_its_code(ask: Any) -> None:
    answer = ask("GetDashboard", DashboardName="none")
    assert answer["Error"]["Code"] == "ResourceNotFound"
    assert answer["Error"]["Message"] == "Dashboard none does not exist"
    assert answer["ResponseMetadata"]["HTTPStatusCode"] == 404
    answer = ask("PutDashboard", DashboardName="x", DashboardBody="{}")
    assert answer["Error"]["Code"] == "InvalidParameterInput"


def test_fault_is_returned_in_the_same_protocol_and_counted_by_name(ask: Any, lab: AwsLab) -> None:
    lab.reset_calls()
    lab.faults(Faults(errors={"cloudwatch.DescribeAlarms": Injected("ThrottlingException", "Rate exceeded")}))
    answer = ask("DescribeAlarms")
    assert answer["Error"]["Code"] == "ThrottlingException"
    assert answer["Error"]["Message"] == "Rate exceeded"
    assert lab.calls() == {"cloudwatch.DescribeAlarms": 1}


@pytest.mark.parametrize("number", [0, 23, 24, 255, 256, 65535, 65536, 2**32, -1, -24, -25, -(2**32)])
def test_integers_of_each_width_are_encoded_and_decoded(number: int) -> None:
    assert cbor.decode(cbor.encode({"a": number})) == {"a": number}


def test_values_of_each_kind_are_encoded_and_decoded() -> None:
    at = datetime(2026, 11, 24, 12, 0, 0, 500_000, UTC)
    document = {"text": "ä" * 300, "list": [1, [2.5, True], {"x": False}], "empty": {}, "none": []}
    assert cbor.decode(cbor.encode(document)) == document
    assert cbor.decode(cbor.encode({"at": at})) == {"at": at.timestamp()}
    assert cbor.decode(b"") == {}
