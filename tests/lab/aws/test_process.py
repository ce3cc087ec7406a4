"""`python -m dynconfig_lab.aws` as a process: it prints its addresses, ends on SIGTERM, and reports why it cannot
start."""

import json
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx2
import pytest
from tests.lab.aws.clients import connect

from dynconfig_lab.aws import AwsLab
from dynconfig_lab.ports import is_free
from dynconfig_lab.processes import wait_until

pytestmark = pytest.mark.lab

COMMAND = (sys.executable, "-m", "dynconfig_lab.aws")


@contextmanager
def running() -> Iterator[subprocess.Popen[str]]:
    """The process, in its own process group."""
    with subprocess.Popen(
        COMMAND, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, process_group=0
    ) as process:
        try:
            yield process
        finally:
            process.kill()


@pytest.fixture
def taken() -> Iterator[int]:
    """A port that another process uses."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield server.getsockname()[1]


def is_gone(group: int) -> bool:
    """Whether no process of the group exists."""
    try:
        os.killpg(group, 0)
    except ProcessLookupError:
        return True
    return False


def test_process_prints_its_addresses_and_ends_on_sigterm(http: httpx2.Client) -> None:
    with running() as process:
        assert process.stdout
        assert process.stderr
        addresses = json.loads(process.stdout.readline())
        assert sorted(addresses) == ["aws", "control"]
        ssm = connect(addresses["aws"], "ssm")
        assert ssm.put_parameter(Name="/colour", Value="red", Type="String")["Version"] == 1
        with busy(http, addresses["aws"], addresses["control"]):
            process.send_signal(signal.SIGTERM)
            assert process.wait(10) == 0
        assert (process.stdout.read(), process.stderr.read()) == ("", "")
        assert wait_until(lambda: is_gone(process.pid), 5)
        assert all(is_free(int(address.rpartition(":")[2])) for address in addresses.values())
        ssm.close()


@contextmanager
def busy(http: httpx2.Client, aws: str, control: str) -> Iterator[None]:
    """A hanging request to the process, which must not prevent its end."""
    http.post(f"{control}/faults", json={"hang_seconds": 600})
    http.post(f"{control}/calls/reset")
    with socket.create_connection(("127.0.0.1", int(aws.rpartition(":")[2]))) as connection:
        connection.sendall(b"GET /hanging HTTP/1.1\r\nHost: localhost\r\n\r\n")
        assert wait_until(lambda: "unknown.GET /hanging" in http.get(f"{control}/calls").json(), 10)
        yield


def test_port_in_use_is_reported_with_one_message(taken: int) -> None:
    # The control port: the server that was started before it is closed too.
    ended = subprocess.run(
        (*COMMAND, "--control-port", str(taken)), capture_output=True, text=True, check=False, timeout=60
    )
    assert ended.returncode != 0
    assert ended.stdout == ""
    (message,) = ended.stderr.splitlines()
    assert "in use" in message
    assert f"--control-port {taken}" in message


def test_other_system_errors_are_reported_with_their_text(tmp_path: Path) -> None:
    code = f"import tempfile; tempfile.tempdir = {str(tmp_path / 'none')!r}\nfrom dynconfig_lab.aws.__main__ import main; main()"
    ended = subprocess.run((sys.executable, "-c", code), capture_output=True, text=True, check=False, timeout=60)
    assert ended.returncode == 1
    (message,) = ended.stderr.splitlines()
    assert "No such file or directory" in message
    assert str(tmp_path / "none") in message
    assert "port" not in message


def test_address_of_another_machine_is_named() -> None:
    ended = subprocess.run(
        (*COMMAND, "--address", "192.0.2.1"), capture_output=True, text=True, check=False, timeout=60
    )
    assert ended.returncode == 1
    (message,) = ended.stderr.splitlines()
    assert "192.0.2.1" in message
    assert "in use" not in message


def test_port_in_use_raises_oserror_in_process(taken: int) -> None:
    with pytest.raises(OSError), AwsLab.start(aws_port=taken):  # noqa: PT011 - documented by AwsLab.start
        pass


def test_two_labs_serve_side_by_side(lab: AwsLab) -> None:
    with AwsLab.start() as other:
        assert len({lab.endpoint, lab.control_url, other.endpoint, other.control_url}) == 4
    assert is_free(int(other.endpoint.rpartition(":")[2]))
