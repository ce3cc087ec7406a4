"""The maximum duration of a load if cached values can be served: a timed-out function serves nothing."""

import socket
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass

import pytest
from tests.lambda_app.extension_server import TOKEN, ExtensionServer
from tests.lambda_app.function_harness import Clock, Context, FunctionHarness, output, refusal

from dynconfig_function import ConfigurationError
from dynconfig_function.config import invocation
from dynconfig_function.fallback import Fallback
from dynconfig_function.library import Library


@dataclass
class TimedContext(Context):
    """Lambda's context with the remaining time."""

    left: int = 3000

    def get_remaining_time_in_millis(self) -> int:
        return self.left


@pytest.fixture
def silent_aws(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Parameter Store accepts connections and never responds."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        monkeypatch.setenv("AWS_ENDPOINT_URL_SSM", f"http://127.0.0.1:{server.getsockname()[1]}")
        for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_REGION"):
            monkeypatch.setenv(name, "eu-west-1")
        monkeypatch.setenv("NO_PROXY", "127.0.0.1")
        yield


@pytest.mark.usefixtures("silent_aws")
def test_cached_value_is_served_quickly_if_nothing_responds(
    extension: ExtensionServer,
) -> None:
    extension.stored["/a/b"] = ("String", "held", 1)
    port = str(extension.port)
    declared = {"DYNCONFIG_PREFIX": "/a", "DYNCONFIG_PARAMETERS": '{"b":{}}', "AWS_SESSION_TOKEN": TOKEN}
    clock = Clock()
    library = Library({**declared, "PARAMETERS_SECRETS_EXTENSION_HTTP_PORT": port}, clock, Fallback)
    library.load()
    clock.pass_by(300)
    extension.hang = threading.Event()
    started = time.monotonic()
    assert library.load()["b"] == "held"
    # 1.7 s of timeouts plus the creation of a client; with the timeouts of a first read it would be 8 s.
    assert time.monotonic() - started < 5
    extension.hang.set()
    library.close()


@pytest.mark.parametrize(("left", "calls"), [(2400, 0), (2600, 1)])
def test_cached_value_is_served_if_little_time_remains(
    harness: FunctionHarness, left: int, calls: int, capsys: pytest.CaptureFixture[str]
) -> None:
    harness.library.load()
    harness.clock.pass_by(60)
    harness.extension.status_of_all = 500
    with (
        harness.aws_fails(refusal("ThrottlingException")),
        invocation(TimedContext(left=left), harness.library),
    ):
        assert harness.library.load()["api/timeout"] == "30"
    assert len(harness.direct) == calls
    assert output(capsys).metrics[-1]["StaleParameters"] == 1


def test_remaining_time_decreases_during_the_invocation(harness: FunctionHarness) -> None:
    harness.library.load()
    harness.clock.pass_by(60)
    harness.extension.status_of_all = 500
    with invocation(TimedContext(left=10_000), harness.library):
        harness.clock.pass_by(8)
        harness.library.load()
    assert harness.direct == []


def test_parameter_store_is_read_without_cached_value_even_if_little_time_remains(harness: FunctionHarness) -> None:
    harness.extension.status_of_all = 500
    with invocation(TimedContext(left=100), harness.library):
        assert harness.library.load()["api/timeout"] == "30"


def test_value_beyond_grace_is_read_even_if_little_time_remains(harness: FunctionHarness) -> None:
    harness.restart({"api/timeout": {"t": 60}}).load()
    harness.clock.pass_by(60 + 3600)
    harness.extension.status_of_all = 500
    with (
        harness.aws_fails(refusal("ThrottlingException")),
        invocation(TimedContext(left=100), harness.library),
        pytest.raises(ConfigurationError),
    ):
        harness.library.load()
    assert len(harness.direct) == 1
