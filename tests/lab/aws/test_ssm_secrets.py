"""A SecureString is returned encrypted unless decryption is requested: no other response contains its plaintext."""

import base64
import itertools
import json
from typing import Any

import httpx2
import pytest

from dynconfig_lab.aws import AwsLab

pytestmark = pytest.mark.lab

PLAINTEXT = "correct horse battery staple"
SIGNATURE = "AWS4-HMAC-SHA256 Credential=lab/20261123/eu-west-1/ssm/aws4_request, SignedHeaders=host, Signature=0"

CLOSED = (
    ("PutParameter", {"Name": "NAME", "Value": PLAINTEXT, "Type": "SecureString", "Overwrite": True}),
    ("PutParameter", {"Name": "NAME", "Value": PLAINTEXT, "Overwrite": True, "AllowedPattern": "^[0-9]+$"}),
    ("GetParameter", {"Name": "NAME"}),
    ("GetParameter", {"Name": "NAME", "WithDecryption": False}),
    ("GetParameter", {"Name": "NAME:1"}),
    ("GetParameter", {"Name": "NAME:first"}),
    ("GetParameter", {"Name": "arn:aws:ssm:eu-west-1:123456789012:parameterNAME"}),
    ("GetParameters", {"Names": ["NAME"]}),
    ("GetParametersByPath", {"Path": "PATH"}),
    ("GetParametersByPath", {"Path": "PATH", "Recursive": True, "WithDecryption": False}),
    ("GetParameterHistory", {"Name": "NAME"}),
    ("DescribeParameters", {"ParameterFilters": [{"Key": "Name", "Values": ["NAME"]}]}),
)
OPEN = (
    ("GetParameter", {"Name": "NAME", "WithDecryption": True}),
    ("GetParameters", {"Names": ["NAME"], "WithDecryption": True}),
    ("GetParametersByPath", {"Path": "PATH", "WithDecryption": True}),
    ("GetParameterHistory", {"Name": "NAME", "WithDecryption": True}),
)


@pytest.fixture
def name(ssm: Any, path: str) -> str:
    ssm.put_parameter(Name=f"{path}/password", Value=PLAINTEXT, Type="SecureString")
    ssm.label_parameter_version(Name=f"{path}/password", Labels=["first"])
    return f"{path}/password"


def raw(http: httpx2.Client, lab: AwsLab, operation: str, request: dict[str, Any], name: str) -> str:
    """The raw HTTP response, headers and body."""
    path = name.rpartition("/")[0]
    answer = http.post(
        lab.endpoint,
        content=json.dumps(request).replace("NAME", name).replace("PATH", path),
        headers={
            "X-Amz-Target": f"AmazonSSM.{operation}",
            "Content-Type": "application/x-amz-json-1.1",
            "Authorization": SIGNATURE,
        },
    )
    assert answer.status_code in (200, 400)
    return f"{answer.headers}\n{answer.text}"


@pytest.mark.parametrize(("operation", "request_"), CLOSED, ids=[f"{name} {request}" for name, request in CLOSED])
def test_response_without_decryption_lacks_the_plaintext(
    http: httpx2.Client, lab: AwsLab, name: str, operation: str, request_: dict[str, Any]
) -> None:
    answer = raw(http, lab, operation, request_, name)
    assert PLAINTEXT not in answer
    assert PLAINTEXT[:8] not in answer
    # Encoded at any of the three offsets of base64, as part of a longer text.
    for padding in range(3):
        encoded = base64.b64encode(b" " * padding + PLAINTEXT.encode()).decode()
        assert encoded[4:-4] not in answer


@pytest.mark.parametrize(("operation", "request_"), OPEN, ids=[name for name, _ in OPEN])
def test_response_with_decryption_contains_the_plaintext(
    http: httpx2.Client, lab: AwsLab, name: str, operation: str, request_: dict[str, Any]
) -> None:
    assert PLAINTEXT in raw(http, lab, operation, request_, name)


def test_ciphertext_resembles_base64(ssm: Any, name: str) -> None:
    value = ssm.get_parameter(Name=name)["Parameter"]["Value"]
    assert len(base64.b64decode(value, validate=True)) > 64


def test_ciphertext_differs_for_each_version_and_name(ssm: Any, name: str) -> None:
    for _ in range(2):
        ssm.put_parameter(Name=name, Value=PLAINTEXT, Overwrite=True)
    ssm.put_parameter(Name=f"{name}-copy", Value=PLAINTEXT, Type="SecureString")
    closed = [item["Value"] for item in ssm.get_parameter_history(Name=name)["Parameters"]]
    closed.append(ssm.get_parameter(Name=f"{name}-copy")["Parameter"]["Value"])
    assert len(closed) == 4
    assert all(one != other for one, other in itertools.combinations(closed, 2))


def test_ciphertext_is_the_same_in_each_call(ssm: Any, name: str) -> None:
    closed = {
        ssm.get_parameter(Name=name)["Parameter"]["Value"],
        ssm.get_parameter(Name=name)["Parameter"]["Value"],
        ssm.get_parameters(Names=[name])["Parameters"][0]["Value"],
        ssm.get_parameters_by_path(Path=name.rpartition("/")[0])["Parameters"][0]["Value"],
    }
    assert len(closed) == 1


def test_plain_parameter_is_never_encrypted(ssm: Any, path: str) -> None:
    ssm.put_parameter(Name=f"{path}/colour", Value="red", Type="String")
    assert ssm.get_parameter(Name=f"{path}/colour")["Parameter"]["Value"] == "red"


def test_key_is_returned_as_passed(ssm: Any, aws: Any, path: str) -> None:
    kms = aws("kms")
    alias = f"alias/{path[1:]}"
    kms.create_alias(AliasName=alias, TargetKeyId=kms.create_key()["KeyMetadata"]["KeyId"])
    ssm.put_parameter(Name=f"{path}/password", Value=PLAINTEXT, Type="SecureString", KeyId=alias)
    filters = [{"Key": "Path", "Values": [path]}]
    (found,) = ssm.describe_parameters(ParameterFilters=filters)["Parameters"]
    assert found["KeyId"] == alias
