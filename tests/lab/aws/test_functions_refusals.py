"""What Lambda rejects, with AWS's code, status and text."""

import base64
import io
import struct
import zipfile
from collections.abc import Callable
from typing import Any

import pytest
from botocore.exceptions import ClientError
from tests.lab.functions.bench import ACCOUNT, REGION, Bench, trust, zipped

from dynconfig_lab.aws.answers import AwsError
from dynconfig_lab.aws.functions_rules import check_code
from dynconfig_lab.processes import wait_until

pytestmark = pytest.mark.lab

SOURCE = "def handle(event, context):\n    return 1\n"
INVALID = "InvalidParameterValueException"
ARN = f"arn:aws:lambda:{REGION}:{ACCOUNT}:function"


@pytest.fixture(scope="session")
def bench(aws: Callable[[str], Any]) -> Bench:
    return Bench(aws)


@pytest.fixture(scope="module")
def present(bench: Bench) -> str:
    """An existing function."""
    return bench.function(SOURCE)


def refusal(call: Callable[[], Any]) -> tuple[str, int, str]:
    with pytest.raises(ClientError) as caught:
        call()
    response: Any = caught.value.response
    return response["Error"]["Code"], response["ResponseMetadata"]["HTTPStatusCode"], response["Error"]["Message"]


def zip_of_nothing() -> bytes:
    buffer = io.BytesIO()
    zipfile.ZipFile(buffer, "w").close()
    return buffer.getvalue()


def zip_of_much() -> bytes:
    """A zip file whose directory declares a large file."""
    content = bytearray(zipped({"large": "x"}))
    struct.pack_into("<I", content, content.index(b"PK\x01\x02") + 24, 250 * 1024 * 1024 + 1)
    return bytes(content)


def layer(name: str, version: int = 1, region: str = REGION) -> str:
    return f"arn:aws:lambda:{region}:{ACCOUNT}:layer:{name}:{version}"


@pytest.mark.parametrize(
    ("change", "expected", "words"),
    [
        ({"FunctionName": "x" * 65}, (INVALID, 400), "Member must have length less than or equal to 64"),
        ({"FunctionName": "a b"}, ("ValidationException", 400), "at 'functionName' failed to satisfy constraint"),
        ({"Runtime": "python9.9"}, (INVALID, 400), "Value python9.9 at 'runtime' failed to satisfy constraint"),
        ({"Runtime": "python3.7"}, (INVALID, 400), "The runtime parameter of python3.7 is no longer supported"),
        ({"MemorySize": 10241}, (INVALID, 400), "'MemorySize' value failed to satisfy constraint"),
        ({"Timeout": 901}, ("ValidationException", 400), "Member must have value less than or equal to 900"),
        (
            {"Environment": {"Variables": {"AWS_REGION": "x"}}},
            (INVALID, 400),
            "Reserved keys used in this request: AWS_REGION",
        ),
        (
            {"Environment": {"Variables": {"_HANDLER": "x"}}},
            (INVALID, 400),
            "Reserved keys used in this request: _HANDLER",
        ),
        (
            {"Environment": {"Variables": {"1ST": "x"}}},
            ("ValidationException", 400),
            "Map keys must satisfy constraint",
        ),
        (
            {"Environment": {"Variables": {"A1": "x" * 4096}}},
            (INVALID, 400),
            "exceeded the 4KB limit. String measured:",
        ),
        ({"Role": "role"}, ("ValidationException", 400), "at 'role' failed to satisfy constraint"),
        ({"Role": f"arn:aws:iam::{ACCOUNT}:role/none"}, (INVALID, 400), "cannot be assumed by Lambda."),
        (
            {"Role": "arn:aws:iam::999999999999:role/r"},
            ("AccessDeniedException", 403),
            "Cross-account pass role is not allowed.",
        ),
        ({"Architectures": ["arm64", "x86_64"]}, ("ValidationException", 400), "architectures"),
        (
            {"Tags": {f"k{number}": "" for number in range(51)}},
            (INVALID, 400),
            "Number of tags exceeds resource tag limit.",
        ),
        ({"Code": {"ZipFile": b"no zip"}}, (INVALID, 400), "Could not unzip uploaded file."),
        ({"Code": {"ZipFile": zip_of_nothing()}}, (INVALID, 400), "Uploaded file must be a non-empty zip"),
        ({"Code": {"S3Bucket": "bucket", "S3Key": "key"}}, ("NotEmulated", 400), "ZipFile only"),
        ({"Publish": True}, ("NotEmulated", 400), "no published versions"),
    ],
)
def test_invalid_function_is_rejected(
    bench: Bench, present: str, change: dict[str, Any], expected: tuple[str, int], words: str
) -> None:
    wanted = {
        "FunctionName": "refused",
        "Role": next(iter(bench.roles.values())),
        "Runtime": "python3.13",
        "Handler": "app.handle",
        "Code": {"ZipFile": zipped({"app.py": SOURCE})},
        **change,
    }
    found = refusal(lambda: bench.aws("lambda").create_function(**wanted))
    assert found[:2] == expected
    assert words in found[2]
    assert refusal(lambda: bench.aws("lambda").get_function(FunctionName="refused"))[0] == "ResourceNotFoundException"


def test_too_large_zip_file_is_rejected() -> None:
    with pytest.raises(AwsError) as caught:
        check_code(base64.b64encode(b"\0" * (50 * 1024 * 1024 + 1)).decode())
    found = caught.value
    words = "Zipped size must be smaller than 52428800 bytes"
    assert (found.code, found.status, found.message) == ("RequestEntityTooLargeException", 413, words)


def test_zip_file_with_too_large_content_is_rejected(bench: Bench, present: str) -> None:
    found = refusal(lambda: bench.aws("lambda").update_function_code(FunctionName=present, ZipFile=zip_of_much()))
    assert found == (INVALID, 400, "Unzipped size must be smaller than 262144000 bytes")


def test_environment_limit_of_four_kilobytes_is_measured_as_json(bench: Bench) -> None:
    # {"A1":""} has nine characters besides the value.
    bench.function(SOURCE, Environment={"Variables": {"A1": "x" * (4096 - 9)}})


@pytest.mark.parametrize("name", ["AWS_LAMBDA_EXEC_WRAPPER", "AWS_ENDPOINT_URL", "TZ"])
def test_unreserved_variable_is_accepted(bench: Bench, name: str) -> None:
    assert bench.function(SOURCE, Environment={"Variables": {name: "x"}})


@pytest.mark.parametrize(
    ("change", "code"),
    [
        ({"Timeout": 901}, "ValidationException"),
        ({"Runtime": "python3.6"}, INVALID),
        ({"Environment": {"Variables": {"AWS_LAMBDA_FUNCTION_NAME": "x"}}}, INVALID),
        ({"Role": f"arn:aws:iam::{ACCOUNT}:role/none"}, INVALID),
        ({"Layers": [layer("none")]}, INVALID),
    ],
)
def test_update_is_validated(bench: Bench, present: str, change: dict[str, Any], code: str) -> None:
    before = bench.aws("lambda").get_function_configuration(FunctionName=present)["RevisionId"]
    assert refusal(lambda: bench.aws("lambda").update_function_configuration(FunctionName=present, **change))[0] == code
    assert bench.aws("lambda").get_function_configuration(FunctionName=present)["RevisionId"] == before


def test_second_function_with_the_same_name_is_rejected(bench: Bench, present: str) -> None:
    with pytest.raises(ClientError) as caught:
        bench.function(SOURCE, FunctionName=present)
    response: Any = caught.value.response
    assert response["ResponseMetadata"]["HTTPStatusCode"] == 409
    assert response["Error"] == {"Code": "ResourceConflictException", "Message": f"Function already exist: {present}"}


@pytest.mark.parametrize(
    "operation",
    ["get_function", "get_function_configuration", "delete_function", "get_policy", "get_function_event_invoke_config"],
)
def test_missing_function_is_named(bench: Bench, operation: str) -> None:
    found = refusal(lambda: getattr(bench.aws("lambda"), operation)(FunctionName="none"))
    assert found == ("ResourceNotFoundException", 404, f"Function not found: {ARN}:none")


def test_missing_qualifier_is_named(bench: Bench, present: str) -> None:
    found = refusal(lambda: bench.aws("lambda").get_function(FunctionName=present, Qualifier="7"))
    assert found == ("ResourceNotFoundException", 404, f"Function not found: {ARN}:{present}:7")


def test_function_of_another_region_or_account_is_not_accessible(bench: Bench) -> None:
    get = bench.aws("lambda").get_function
    found = refusal(lambda: get(FunctionName=f"arn:aws:lambda:us-east-1:{ACCOUNT}:function:f"))
    words = f"Functions from 'us-east-1' are not reachable in this region ('{REGION}')"
    assert found == ("ResourceNotFoundException", 404, words)
    found = refusal(lambda: get(FunctionName=f"arn:aws:lambda:{REGION}:999999999999:function:f"))
    assert found[:2] == ("AccessDeniedException", 403)


def test_latest_cannot_be_deleted_without_the_function(bench: Bench, present: str) -> None:
    found = refusal(lambda: bench.aws("lambda").delete_function(FunctionName=present, Qualifier="$LATEST"))
    assert found == (INVALID, 400, "$LATEST version cannot be deleted without deleting the function.")


def test_lambda_can_assume_a_new_role_after_a_delay(bench: Bench, aws: Callable[[str], Any]) -> None:
    iam, name = aws("iam"), "young-role"
    arn = iam.create_role(RoleName=name, AssumeRolePolicyDocument=trust("lambda"))["Role"]["Arn"]
    wanted = {
        "FunctionName": "early",
        "Role": arn,
        "Runtime": "python3.13",
        "Handler": "app.handle",
        "Code": {"ZipFile": zipped({"app.py": SOURCE})},
    }
    found = refusal(lambda: aws("lambda").create_function(**wanted))
    assert found == (INVALID, 400, "The role defined for the function cannot be assumed by Lambda.")
    assert bench.function(SOURCE, FunctionName="early", Role=arn) == "early"


def test_role_without_trust_for_lambda_is_rejected_after_a_delay(bench: Bench, aws: Callable[[str], Any]) -> None:
    arn = bench.new_role()
    name = bench.function(SOURCE, Role=arn)
    aws("iam").update_assume_role_policy(RoleName=arn.rpartition("/")[2], PolicyDocument=trust("ec2"))

    def is_refused() -> bool:
        bench.settle(name)
        try:
            aws("lambda").update_function_configuration(FunctionName=name, Role=arn)
        except ClientError as error:
            return "cannot be assumed by Lambda" in str(error)
        return False

    assert wait_until(is_refused, 20)


@pytest.mark.parametrize(
    ("operation", "arguments"),
    [
        ("publish_version", {}),
        ("create_alias", {"Name": "live", "FunctionVersion": "1"}),
        ("list_versions_by_function", {}),
        ("create_function_url_config", {"AuthType": "NONE"}),
        ("get_function_recursion_config", {}),
        ("put_provisioned_concurrency_config", {"Qualifier": "1", "ProvisionedConcurrentExecutions": 1}),
    ],
)
def test_unsupported_call_returns_not_emulated(
    bench: Bench, present: str, operation: str, arguments: dict[str, Any]
) -> None:
    found = refusal(lambda: getattr(bench.aws("lambda"), operation)(FunctionName=present, **arguments))
    assert found[0] == "NotEmulated"


@pytest.mark.parametrize(
    ("configuration", "words"),
    [
        ({}, "You must specify at least one of error handling or destination setting."),
        ({"OnFailure": {"Destination": f"arn:aws:sqs:{REGION}:{ACCOUNT}:none"}}, "is invalid."),
        ({"OnSuccess": {"Destination": f"{ARN}:none"}}, "is invalid."),
        ({"OnFailure": {"Destination": f"arn:aws:sns:{REGION}:{ACCOUNT}:none"}}, "is invalid."),
        ({"OnFailure": {"Destination": f"arn:aws:sqs:us-east-1:{ACCOUNT}:none"}}, "is invalid."),
    ],
)
def test_destination_has_to_exist(bench: Bench, present: str, configuration: dict[str, Any], words: str) -> None:
    more = {"DestinationConfig": configuration} if configuration else {}
    found = refusal(lambda: bench.aws("lambda").put_function_event_invoke_config(FunctionName=present, **more))
    assert found[:2] == (INVALID, 400)
    assert found[2].endswith(words)


def test_function_cannot_be_its_own_destination(bench: Bench, present: str) -> None:
    own = {"OnFailure": {"Destination": f"{ARN}:{present}"}}
    put = bench.aws("lambda").put_function_event_invoke_config
    found = refusal(lambda: put(FunctionName=present, DestinationConfig=own))
    assert found == (INVALID, 400, "You can't specify the function as a destination for itself.")


def test_more_than_fifty_tags_are_rejected(bench: Bench) -> None:
    name = bench.function(SOURCE, Tags={f"k{number}": "" for number in range(49)})
    tag = bench.aws("lambda").tag_resource
    tag(Resource=f"{ARN}:{name}", Tags={"k0": "again", "last": ""})
    found = refusal(lambda: tag(Resource=f"{ARN}:{name}", Tags={"more": ""}))
    assert found == (INVALID, 400, "Number of tags exceeds resource tag limit.")


def test_versions_have_no_tags(bench: Bench, present: str) -> None:
    found = refusal(lambda: bench.aws("lambda").tag_resource(Resource=f"{ARN}:{present}:1", Tags={"a": "b"}))
    assert found[0] == INVALID
    assert found[2].startswith("Tags on function aliases and versions are not supported.")
