"""The files of a lab, and what is left of them if the disk is full."""

import errno
import os
import subprocess
import sys
from pathlib import Path

import pytest

from dynconfig_lab.errors import LabError
from dynconfig_lab.kubeconfig import server
from dynconfig_lab.state import Folder, Plan


def test_full_disk_is_reported_in_one_line_and_leaves_nothing(tmp_path: Path) -> None:
    given = tmp_path / "kubeconfig"
    given.write_text("{}")
    folder = tmp_path / ".lab"
    # The file size limit is zero, which behaves like a full disk.
    code = (
        "import resource; resource.setrlimit(resource.RLIMIT_FSIZE, (0, 0));"
        "from dynconfig_lab.__main__ import main; main()"
    )
    done = subprocess.run(
        (sys.executable, "-c", code, "up", "--cluster", "given", "--folder", str(folder)),
        env={**os.environ, "KUBECONFIG": str(given)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 1
    assert done.stderr.splitlines() == [f"[Errno {errno.EFBIG}] {os.strerror(errno.EFBIG)}"]
    assert not folder.exists()


def test_partial_files_of_a_killed_lab_are_removed(tmp_path: Path) -> None:
    folder = Folder(tmp_path / ".lab")
    folder.write_plan(Plan(()))
    (folder.path / "state.json.new").write_text("{")
    folder.clear()
    assert not folder.path.exists()


@pytest.mark.parametrize("content", [b"a: [b\n", b"- a list\n", b"text", b"\xff\xfe"])
def test_invalid_kubeconfig_is_named(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "config"
    path.write_bytes(content)
    with pytest.raises(LabError, match="config is no kubeconfig"):
        server(path)
