"""A stack leaves nothing, however it ends."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from tests.lab.test_binaries import script

from dynconfig_lab.processes import Identity, wait_until

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(1800)]  # the first time on a machine the binaries are built


@pytest.mark.parametrize("number", [signal.SIGHUP, signal.SIGTERM])
def test_terminated_stack_leaves_no_process_and_no_file(tmp_path: Path, number: signal.Signals) -> None:
    script(tmp_path / "bin" / "aws", "exit 0")
    folders = tmp_path / "temporary"
    folders.mkdir()
    path = f"{tmp_path / 'bin'}{os.pathsep}{os.environ['PATH']}"
    environment = {**os.environ, "TMPDIR": str(folders), "PATH": path}
    command = (sys.executable, "-m", "dynconfig_lab.demo")
    with subprocess.Popen(command, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as play:
        try:
            assert wait_until(lambda: any(folders.glob("*/operator.log")) or play.poll() is not None, 1700)
            started = children(play.pid)
            assert started
            play.send_signal(number)
            assert play.wait(60) == 130
        finally:
            play.kill()
    assert not list(folders.iterdir())
    assert not any(process.alive for process in started)


def children(pid: int) -> list[Identity]:
    """The child processes that still run."""
    command = ("ps", "-A", "-o", "pid=,ppid=")
    listed = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    pairs = [map(int, line.split()) for line in listed.splitlines()]
    return [found for child, parent in pairs if parent == pid and (found := Identity.of(child))]
