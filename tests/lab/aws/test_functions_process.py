"""Functions of a lab in another process."""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx2
import pytest
from tests.lab.aws.clients import connect
from tests.lab.functions.bench import Bench
from tests.lab.functions.test_environments import is_alive

from dynconfig_lab import folders
from dynconfig_lab.processes import wait_until

pytestmark = pytest.mark.lab

PROCESS = "import os\n\ndef handle(event, context):\n    return os.getpid()\n"


@dataclass
class Apart:
    """A lab in another process."""

    lab: "subprocess.Popen[str]"
    control: str
    bench: Bench


@pytest.fixture
def apart(tmp_path: Path) -> Iterator[Apart]:
    command = (sys.executable, "-m", "dynconfig_lab.aws")
    environment = {**os.environ, "TMPDIR": str(tmp_path)}
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=environment) as lab:
        clients: dict[str, Any] = {}
        try:
            assert lab.stdout is not None
            ports = json.loads(lab.stdout.readline())
            bench = Bench(lambda name: clients.setdefault(name, connect(ports["aws"], name)))
            yield Apart(lab, ports["control"], bench)
        finally:
            for client in clients.values():
                client.close()
            lab.kill()


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux ends children with their parent")
def test_functions_end_with_a_reset_and_with_a_killed_lab(
    apart: Apart, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = apart.bench.invoke(apart.bench.function(PROCESS)).payload
    assert is_alive(first)
    with httpx2.Client(trust_env=False) as http:
        assert http.post(f"{apart.control}/reset").status_code == 200
    assert not is_alive(first)
    assert apart.bench.aws("lambda").list_functions()["Functions"] == []
    second = apart.bench.invoke(apart.bench.function(PROCESS, Role=apart.bench.new_role())).payload
    assert is_alive(second)
    os.kill(apart.lab.pid, signal.SIGKILL)
    assert wait_until(lambda: not is_alive(second), 5)
    apart.lab.wait(10)
    assert list(tmp_path.iterdir())
    # The next lab removes the leftovers of a killed one.
    (tmp_path / f"dynconfig-function-{os.getpid()}-mine").mkdir()
    (tmp_path / f"dynconfig-stage-{apart.lab.pid}-theirs").mkdir()
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    folders.sweep()
    assert [folder.name for folder in tmp_path.iterdir()] == [f"dynconfig-function-{os.getpid()}-mine"]
