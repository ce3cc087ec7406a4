"""kill -9 on request: the lab kills the process that makes a write, before or after it is carried out."""

import subprocess
import sys
from collections.abc import Iterator

import pytest
from botocore.exceptions import ConnectionClosedError
from tests.lab.aws.clients import connect

from dynconfig_lab.aws import AwsLab, Faults
from dynconfig_lab.aws.faults import BadFaults, Kill

pytestmark = pytest.mark.lab


@pytest.fixture
def victim() -> Iterator[subprocess.Popen[bytes]]:
    """A process that does nothing."""
    with subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE) as process:
        yield process
        process.kill()


@pytest.mark.parametrize("is_before", [True, False], ids=["before", "after"])
def test_process_is_killed_at_the_named_write(lab: AwsLab, victim: subprocess.Popen[bytes], is_before: bool) -> None:
    path = f"/kills-{is_before}".lower()
    ssm, other_client = connect(lab.endpoint, "ssm", user_agent="dynconfig-operator/1"), connect(lab.endpoint, "ssm")
    lab.faults(Faults(kill=Kill(victim.pid, 2, is_before)))
    for name in (f"{path}/theirs", f"{path}/theirs-too"):
        other_client.put_parameter(Name=name, Value="1", Type="String")
    ssm.put_parameter(Name=f"{path}/first", Value="1", Type="String")
    ssm.get_parameters(Names=[f"{path}/first"])
    assert victim.poll() is None
    with pytest.raises(ConnectionClosedError):
        ssm.put_parameter(Name=f"{path}/second", Value="1", Type="String")
    assert victim.wait(10) == -9
    there = ssm.get_parameters(Names=[f"{path}/second"])["Parameters"]
    assert len(there) == (0 if is_before else 1)
    ssm.put_parameter(Name=f"{path}/third", Value="1", Type="String")


@pytest.mark.parametrize(
    "kill",
    [
        {},
        {"pid": 1, "call": 0, "when": "before"},
        {"pid": 1, "call": 1, "when": "now"},
        {"pid": "1", "call": 1, "when": "after"},
    ],
    ids=["nothing", "no call", "no time", "no pid"],
)
def test_invalid_kill_is_rejected(kill: dict[str, object]) -> None:
    with pytest.raises(BadFaults, match="kill"):
        Faults.parse({"kill": kill})


def test_kill_is_returned_as_posted() -> None:
    faults = Faults(kill=Kill(4711, 3, is_before=True))
    assert Faults.parse(faults.to_json()) == faults
