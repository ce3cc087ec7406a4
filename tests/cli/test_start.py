"""Settings that prevent the start: reported in one line that names the variable."""

import os
import socket
import subprocess
import sys
from pathlib import Path

import pytest
from tests.kube.api import api, status


def refusal(**settings: str) -> str:
    """Return what `dynconfig run` prints before it exits with 1."""
    environment = {name: text for name, text in os.environ.items() if not name.startswith(("AWS_", "DYNCONFIG_"))}
    command = (sys.executable, "-m", "dynconfig", "run")
    ended = subprocess.run(
        command, env={**environment, **settings}, capture_output=True, text=True, timeout=60, check=False
    )
    assert ended.returncode == 1, ended.stderr
    return ended.stderr


@pytest.mark.parametrize("variable", ["DYNCONFIG_METRICS_PORT", "DYNCONFIG_HEALTH_PORT"])
def test_port_in_use_is_reported_in_one_line_with_the_variable(variable: str) -> None:
    with socket.create_server(("", 0)) as other:
        port = str(other.getsockname()[1])
        stderr = refusal(AWS_REGION="eu-west-1", **{variable: port})
    assert len(stderr.splitlines()) == 1
    assert f"{variable}: cannot bind port {port}: Address already in use" in stderr


@pytest.mark.parametrize(
    ("settings", "expected"),
    [
        (
            {"AWS_REGION": "eu-west-9"},
            "AWS_REGION, DYNCONFIG_REGION or the AWS profile: eu-west-9 is not an AWS region",
        ),
        (
            {"AWS_REGION": "eu-west-1", "DYNCONFIG_REGIONS": "eu-west-1,eu-west-9"},
            "DYNCONFIG_REGIONS: eu-west-9 is not",
        ),
        ({"AWS_REGION": "eu-west-1", "DYNCONFIG_REGIONS": "us-east-1"}, "us-east-1 does not include eu-west-1"),
    ],
)
@pytest.mark.parametrize("endpoint", ["", "http://127.0.0.1:9"])
def test_unknown_region_is_rejected_also_for_an_emulator(
    settings: dict[str, str], expected: str, endpoint: str
) -> None:
    stderr = refusal(AWS_ENDPOINT_URL=endpoint, KUBECONFIG="/nowhere", **settings)
    assert expected in " ".join(stderr.split())


@pytest.mark.parametrize("code", [401, 403])
def test_denied_start_is_logged_in_one_line_and_retried(tmp_path: Path, code: int) -> None:
    answer = status(code, "denied", name="kube-system")
    with api(lambda _path: answer) as server:
        settings = {**os.environ, "KUBECONFIG": str(server.kubeconfig(tmp_path)), "AWS_REGION": "eu-west-1"}
        command = (sys.executable, "-m", "dynconfig", "run")
        with subprocess.Popen(command, env=settings, stderr=subprocess.PIPE, text=True) as process:
            try:
                assert process.stderr
                lines = list[str]()
                while sum("Waiting to start: the Kubernetes API server: denied" in line for line in lines) < 2:
                    lines.append(next(process.stderr))
            finally:
                process.kill()
    assert not [line for line in lines if "Traceback" in line]


def test_each_wrong_variable_is_reported_on_its_own_line() -> None:
    stderr = refusal(DYNCONFIG_WORKERS="none", DYNCONFIG_METRICS_PORT="x")
    assert stderr.splitlines() == [
        "error: DYNCONFIG_WORKERS: invalid value 'none', expected an integer from 1 to 256",
        "error: DYNCONFIG_METRICS_PORT: invalid value 'x', expected an integer from 0 to 65535",
    ]
