"""What the operator refuses before it starts: in one line that names the variable."""

import os
import socket
import subprocess
import sys

import pytest


def refusal(**settings: str) -> str:
    """What `dynconfig run` writes before it ends with 1."""
    environment = {name: text for name, text in os.environ.items() if not name.startswith(("AWS_", "DYNCONFIG_"))}
    command = (sys.executable, "-m", "dynconfig", "run")
    ended = subprocess.run(
        command, env={**environment, **settings}, capture_output=True, text=True, timeout=60, check=False
    )
    assert ended.returncode == 1, ended.stderr
    return ended.stderr


@pytest.mark.parametrize("variable", ["DYNCONFIG_METRICS_PORT", "DYNCONFIG_HEALTH_PORT"])
def test_a_port_that_is_taken_is_one_line_with_the_variable(variable: str) -> None:
    with socket.create_server(("", 0)) as other:
        port = str(other.getsockname()[1])
        told = refusal(AWS_REGION="eu-west-1", **{variable: port})
    assert len(told.splitlines()) == 1
    assert f"{variable}: port {port} cannot be used: Address already in use" in told


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
def test_a_region_that_does_not_exist_is_refused_also_for_an_emulator(
    settings: dict[str, str], expected: str, endpoint: str
) -> None:
    told = refusal(AWS_ENDPOINT_URL=endpoint, KUBECONFIG="/nowhere", **settings)
    assert expected in " ".join(told.split())
