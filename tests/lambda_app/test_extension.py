"""The client of the AWS Parameters and Secrets extension, against its documented contract."""

import threading
from collections.abc import Iterator

import pytest
from tests.lambda_app.extension_server import TOKEN, ExtensionServer
from tests.lambda_app.function_harness import FunctionHarness

from dynconfig_function.extension import Extension, ExtensionFailed

NAME = "/myapp/config/database/host"


@pytest.fixture
def client(extension: ExtensionServer) -> Iterator[Extension]:
    extension.stored[NAME] = ("String", "db", 3)
    found = Extension(extension.port, {"AWS_SESSION_TOKEN": TOKEN}, timeout=0.2)
    yield found
    found.close()


def failure(client: Extension, name: str = NAME) -> ExtensionFailed:
    with pytest.raises(ExtensionFailed) as caught:
        client.get(name)
    return caught.value


def test_parameter_has_type_value_and_version(client: Extension) -> None:
    parameter = client.get(NAME)
    assert (parameter.type, parameter.value, parameter.version) == ("String", "db", 3)
    assert "db" not in repr(parameter)


def test_token_header_is_sent(harness: FunctionHarness) -> None:
    """Fault 1 of the recipe: without the header every read silently takes the fallback."""
    harness.library.load()
    assert len(harness.extension.upstream) == 5
    assert harness.direct == []


def test_token_is_read_at_each_request(extension: ExtensionServer) -> None:
    extension.stored[NAME] = ("String", "db", 3)
    environment = {"AWS_SESSION_TOKEN": "old"}
    client = Extension(extension.port, environment)
    assert failure(client).reason == "returned HTTP 401"
    environment["AWS_SESSION_TOKEN"] = TOKEN
    assert client.get(NAME).value == "db"
    client.close()


def test_secure_string_is_decrypted(client: Extension, extension: ExtensionServer) -> None:
    extension.stored["/a/b"] = ("SecureString", "clear", 1)
    assert client.get("/a/b").value == "clear"


def test_one_connection_is_used_for_all_reads(client: Extension, extension: ExtensionServer) -> None:
    before = extension.connections
    for _time in range(5):
        client.get(NAME)
    assert extension.connections == before + 1


def test_closed_connection_is_reopened(client: Extension, extension: ExtensionServer) -> None:
    extension.hang_up = True
    assert [client.get(NAME).value for _time in range(3)] == ["db"] * 3


@pytest.mark.parametrize("status", [401, 403, 500, 502, 503])
def test_http_error_concerns_the_extension(client: Extension, extension: ExtensionServer, status: int) -> None:
    extension.status[NAME] = status
    assert not failure(client).concerns_name


@pytest.mark.parametrize("status", [400, 404])
def test_http_400_concerns_the_name(client: Extension, extension: ExtensionServer, status: int) -> None:
    extension.status[NAME] = status
    assert failure(client).concerns_name
    assert failure(client, "/not/there").concerns_name


def test_not_ready_concerns_the_extension(client: Extension, extension: ExtensionServer) -> None:
    extension.status[NAME], extension.body = 400, b"not ready to serve traffic, please wait"
    assert not failure(client).concerns_name


def test_slow_extension_times_out(client: Extension, extension: ExtensionServer) -> None:
    extension.hang = threading.Event()
    found = failure(client)
    extension.hang.set()
    assert found.reason == "did not respond: TimeoutError"
    assert not found.concerns_name


def test_missing_extension_is_reported_as_unreachable() -> None:
    assert failure(Extension(1, {})).reason == "is unreachable: ConnectionRefusedError"


@pytest.mark.parametrize("body", [b"", b"[]", b"{}", b'{"Parameter": null}', b'{"Parameter": {"Type": "String"}}'])
def test_invalid_response_is_a_failure(client: Extension, extension: ExtensionServer, body: bytes) -> None:
    extension.status[NAME], extension.body = 200, body
    assert failure(client).reason == "returned an invalid response"


def test_response_without_value_is_a_failure(client: Extension, extension: ExtensionServer) -> None:
    extension.status[NAME] = 200
    extension.body = b'{"Parameter": {"Type": "String", "Value": null, "Version": 0}}'
    assert failure(client).reason == "returned no value"


def test_response_for_another_name_is_a_failure_and_closes_the_connection(
    client: Extension, extension: ExtensionServer
) -> None:
    """As on a connection with the response of a timed-out request."""
    client.get(NAME)
    before = extension.connections
    extension.status[NAME] = 200
    extension.body = b'{"Parameter": {"Name": "/a/b", "Type": "String", "Value": "other", "Version": 1}}'
    found = failure(client)
    assert found.reason == "returned another parameter"
    assert not found.concerns_name
    extension.status.clear()
    assert client.get(NAME).value == "db"
    assert extension.connections == before + 1
