"""The extension as a function uses it: over HTTP, with the function's role, one cache for each environment."""

import itertools
from collections.abc import Callable
from typing import Any

import pytest
from tests.lab.functions.bench import EXTENSION, QUICK, REGION, Bench

from dynconfig_lab.aws import AwsLab, Faults
from dynconfig_lab.aws.faults import Injected
from dynconfig_lab.aws.roles import Roles
from dynconfig_lab.functions.reading import Readers

pytestmark = pytest.mark.lab

READING = """
import json
import os
import urllib.error
import urllib.parse
import urllib.request

def read(query, token):
    address = f"http://localhost:{os.environ['PARAMETERS_SECRETS_EXTENSION_HTTP_PORT']}/systemsmanager/parameters/get?{query}"
    headers = {"X-Aws-Parameters-Secrets-Token": token} if token else {}
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    try:
        with opener.open(urllib.request.Request(address, headers=headers), timeout=20) as answer:
            return [answer.status, json.load(answer)]
    except urllib.error.HTTPError as error:
        return [error.code, error.read().decode()]

TOKEN = os.environ["AWS_SESSION_TOKEN"]
DURING_INIT = read("name=/early", TOKEN)

def handle(event, context):
    return [DURING_INIT, read(event["query"], event.get("token", TOKEN))]
"""
FAILED = [400, "an unexpected error occurred while executing request"]
LOGS = {"Effect": "Allow", "Action": ["logs:*"], "Resource": "*"}
READ = {"Effect": "Allow", "Action": "ssm:GetParameter", "Resource": "*"}
_numbers = itertools.count(1)


@pytest.fixture
def path() -> str:
    return f"/reading-{next(_numbers)}"


@pytest.fixture(scope="module")
def reader(bench: Bench) -> str:
    return bench.function(READING, Layers=[EXTENSION], Timeout=30)


def put(aws: Callable[[str], Any], name: str, value: str, **more: Any) -> None:
    aws("ssm").put_parameter(**{"Name": name, "Value": value, "Type": "String", "Overwrite": True, **more})


def test_extension_does_not_serve_an_initialising_function(bench: Bench, reader: str) -> None:
    during_init, _later = bench.invoke(reader, {"query": "name=/none"}).payload
    assert during_init == [400, "not ready to serve traffic, please wait"]


def test_parameter_is_read(bench: Bench, aws: Callable[[str], Any], reader: str, path: str) -> None:
    put(aws, f"{path}/a", "red")
    _init, (status, body) = bench.invoke(reader, {"query": f"name={path}/a"}).payload
    assert status == 200
    assert (body["Parameter"]["Value"], body["Parameter"]["Version"], body["Parameter"]["Selector"]) == ("red", 1, None)
    assert body["Parameter"]["ARN"].endswith(f":parameter{path}/a")


def test_selector_is_returned(bench: Bench, aws: Callable[[str], Any], reader: str, path: str) -> None:
    put(aws, f"{path}/a", "red")
    put(aws, f"{path}/a", "blue")
    aws("ssm").label_parameter_version(Name=f"{path}/a", ParameterVersion=1, Labels=["stable"])
    for query, expected in (("version=1", ":1"), ("label=stable", ":stable")):
        _init, (status, body) = bench.invoke(reader, {"query": f"name={path}/a&{query}"}).payload
        assert (status, body["Parameter"]["Value"], body["Parameter"]["Selector"]) == (200, "red", expected)


def test_secret_is_encrypted_unless_decryption_is_requested(
    bench: Bench, aws: Callable[[str], Any], reader: str, path: str
) -> None:
    put(aws, f"{path}/a", "swordfish", Type="SecureString")
    _init, closed = bench.invoke(reader, {"query": f"name={path}/a"}).payload
    _init, opened = bench.invoke(reader, {"query": f"name={path}/a&withDecryption=true"}).payload
    assert closed[0] == 200
    assert "swordfish" not in str(closed)
    assert opened[1]["Parameter"]["Value"] == "swordfish"


@pytest.mark.parametrize(
    "query", ["name={path}/none", "name={path}/a&version=0", "name={path}/a&label=none", "name=a/b"]
)
def test_every_failure_is_a_400(bench: Bench, aws: Callable[[str], Any], reader: str, path: str, query: str) -> None:
    put(aws, f"{path}/a", "red")
    assert bench.invoke(reader, {"query": query.format(path=path)}).payload[1] == FAILED


@pytest.mark.parametrize("token", ["", "wrong"])
def test_token_is_required(bench: Bench, reader: str, token: str) -> None:
    assert bench.invoke(reader, {"query": "name=/a", "token": token}).payload[1][0] == 401


def test_value_is_cached_until_the_environment_ends(
    bench: Bench, aws: Callable[[str], Any], reader: str, path: str
) -> None:
    put(aws, f"{path}/a", "red")
    ask = {"query": f"name={path}/a"}
    values = [bench.invoke(reader, ask).payload[1][1]["Parameter"]["Value"]]
    put(aws, f"{path}/a", "blue")
    values.append(bench.invoke(reader, ask).payload[1][1]["Parameter"]["Value"])
    bench.configure(reader, Description="another one")
    values.append(bench.invoke(reader, ask).payload[1][1]["Parameter"]["Value"])
    assert values == ["red", "red", "blue"]


def test_role_without_read_permission_gets_the_usual_failure(
    bench: Bench, aws: Callable[[str], Any], path: str
) -> None:
    put(aws, f"{path}/allowed/a", "red")
    put(aws, f"{path}/other", "blue")
    resource = f"arn:aws:ssm:{REGION}:123456789012:parameter{path}/allowed/*"
    role = bench.role(LOGS, {"Effect": "Allow", "Action": "ssm:GetParameter", "Resource": resource})
    name = bench.function(READING, Layers=[EXTENSION], Role=role, Timeout=30)
    assert bench.invoke(name, {"query": f"name={path}/allowed/a"}).payload[1][0] == 200
    answer = bench.invoke(name, {"query": f"name={path}/other"})
    assert answer.payload[1] == FAILED
    # Only the log contains the cause.
    assert "AccessDeniedException" in answer.log


VIA = {"kms:ViaService": f"ssm.{REGION}.amazonaws.com"}
BELOW = f"arn:aws:ssm:{REGION}:123456789012:parameter/keyed/*"


def decrypting(**more: Any) -> dict[str, Any]:
    """A statement as the operator writes it for its functions."""
    condition = {"StringEquals": VIA, "StringLike": {"kms:EncryptionContext:PARAMETER_ARN": [BELOW]}}
    resource = f"arn:aws:kms:{REGION}:123456789012:key/*"
    return {"Effect": "Allow", "Action": "kms:Decrypt", "Resource": resource, "Condition": condition, **more}


OTHER_SERVICE = {"StringEquals": {"kms:ViaService": f"s3.{REGION}.amazonaws.com"}}
OTHER_PARAMETER = {"StringLike": {"kms:EncryptionContext:PARAMETER_ARN": BELOW.replace("keyed", "other")}}


@pytest.mark.parametrize(
    ("is_of_aws", "statements", "is_read"),
    [
        (False, [decrypting()], True),
        (False, [decrypting(Condition={})], True),
        (False, [], False),
        (False, [decrypting(Condition=OTHER_SERVICE)], False),
        (False, [decrypting(Condition=OTHER_PARAMETER)], False),
        (False, [decrypting(), decrypting(Effect="Deny", Condition={})], False),
        (False, [decrypting(), decrypting(Effect="Deny", Condition=OTHER_PARAMETER)], True),
        (True, [], True),
        (True, [decrypting(Effect="Deny")], False),
        (True, [decrypting(Effect="Deny", Condition=OTHER_SERVICE)], True),
    ],
)
def test_secret_is_decrypted_only_for_a_role_that_may_use_its_key(
    bench: Bench, lab: AwsLab, is_of_aws: bool, statements: list[dict[str, Any]], is_read: bool
) -> None:
    key = {} if is_of_aws else {"KeyId": bench.aws("kms").create_key()["KeyMetadata"]["KeyId"]}
    name = f"/keyed/{next(_numbers)}"
    put(bench.aws, name, "swordfish", Type="SecureString", **key)
    role, readers = bench.role(READ, *statements), Readers(lab.endpoint, Roles(lambda: 0.0))
    assert "swordfish" not in readers.get(REGION, role, name, decrypt=False, timeout=None)["Value"]
    if is_read:
        assert readers.get(REGION, role, name, decrypt=True, timeout=None)["Value"] == "swordfish"
    else:
        with pytest.raises(LookupError, match=r"AccessDeniedException: .* may not perform kms:Decrypt"):
            readers.get(REGION, role, name, decrypt=True, timeout=None)


def test_transient_failure_is_retried(
    bench: Bench, aws: Callable[[str], Any], reader: str, path: str, faults: Callable[[Faults], None]
) -> None:
    put(aws, f"{path}/a", "red")
    faults(Faults(errors={"ssm.GetParameter": Injected("InternalServerError", "in passing", 2)}))
    assert bench.invoke(reader, {"query": f"name={path}/a"}).payload[1][0] == 200
    faults(Faults(errors={"ssm.GetParameter": Injected("InternalServerError", "for good", None)}))
    assert bench.invoke(reader, {"query": f"name={path}/b"}).payload[1] == FAILED


@pytest.mark.parametrize("fault", [Faults(hang_seconds=2), Faults(down=True)], ids=["silent", "away"])
def test_hanging_parameter_store_causes_a_timeout(bench: Bench, lab: AwsLab, path: str, fault: Faults) -> None:
    read = Readers(lab.endpoint, Roles(lambda: 0.0))
    role = bench.role(READ)
    lab.faults(fault)
    try:
        with pytest.raises(OSError, match=r"timed out|closed|reset"):
            read.get(REGION, role, f"{path}/a", decrypt=False, timeout=0.2)
    finally:
        lab.faults(QUICK)


def test_throttling_is_retried(bench: Bench, lab: AwsLab, path: str, faults: Callable[[Faults], None]) -> None:
    read = Readers(lab.endpoint, Roles(lambda: 0.0))
    role = bench.role(READ)
    faults(Faults(throttle={"ssm.GetParameter": 0}))
    with pytest.raises(OSError, match="ThrottlingException"):
        read.get(REGION, role, f"{path}/a", decrypt=False, timeout=None)


def test_function_without_the_layer_has_no_extension(bench: Bench) -> None:
    assert bench.invoke(bench.function(READING), {"query": "name=/a"}).payload[1][0] == 404


def test_extension_with_invalid_settings_does_not_start(bench: Bench) -> None:
    variables = {"SSM_PARAMETER_STORE_TTL": "301"}
    name = bench.function(READING, Layers=[EXTENSION], Environment={"Variables": variables})
    answer = bench.invoke(name, {"query": "name=/a"})
    assert (answer.error, answer.payload["errorType"]) == ("Unhandled", "Extension.InitError")
    assert "SSM_PARAMETER_STORE_TTL" in answer.payload["errorMessage"]
