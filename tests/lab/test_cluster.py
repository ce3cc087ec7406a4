"""The kind cluster of a lab: one for each folder, and a cluster of another folder is never deleted."""

import io
import os
from pathlib import Path

import pytest
from rich.console import Console

from dynconfig_lab import lab
from dynconfig_lab.cluster import Choice, cluster
from dynconfig_lab.errors import BuildFailed
from dynconfig_lab.processes import Program
from dynconfig_lab.state import Folder, Plan

# It stores its clusters as files, and rejects what kind rejects.
KIND = """#!/bin/sh
case "$1" in
create) [ ! -e "$CLUSTERS/$4" ] || { echo "node(s) already exist for a cluster with the name $4"; exit 1; }
  touch "$CLUSTERS/$4";;
delete) rm -f "$CLUSTERS/$4";;
esac
"""


@pytest.fixture
def clusters(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The existing clusters: one file each."""
    kind, found = tmp_path / "bin" / "kind", tmp_path / "clusters"
    kind.parent.mkdir()
    found.mkdir()
    kind.write_text(KIND)
    kind.chmod(0o755)
    monkeypatch.setenv("PATH", f"{kind.parent}{os.pathsep}{os.environ['PATH']}")
    monkeypatch.setenv("CLUSTERS", str(found))
    return found


def start(folder: Folder) -> None:
    console = Console(file=io.StringIO())

    def planned() -> Plan:
        found = cluster(Choice.KIND, folder, {}, console)
        return Plan((Program("sleeper", ("sleep", "600")),), setup=found.setup, cleanup=found.cleanup)

    lab.up(folder, planned, console)


def test_labs_in_two_folders_have_separate_kind_clusters(clusters: Path, tmp_path: Path) -> None:
    first, second = Folder(tmp_path / "a" / ".lab"), Folder(tmp_path / "b" / ".lab")
    try:
        start(first)
        (of_first,) = clusters.iterdir()
        start(second)
        assert of_first.exists()
        assert len(list(clusters.iterdir())) == 2
        lab.end(second)
        assert list(clusters.iterdir()) == [of_first]
    finally:
        lab.end(first)
        lab.end(second)
    assert not list(clusters.iterdir())


def test_second_start_replaces_the_kind_cluster_of_this_folder(clusters: Path, tmp_path: Path) -> None:
    folder = Folder(tmp_path / ".lab")
    try:
        start(folder)
        (name,) = clusters.iterdir()
        state = folder.state()
        assert state
        state.supervisor.end(20)
        start(folder)
        assert list(clusters.iterdir()) == [name]
    finally:
        lab.end(folder)


def test_kind_cluster_of_another_folder_is_kept(clusters: Path, tmp_path: Path) -> None:
    folder = Folder(tmp_path / ".lab")
    name = cluster(Choice.KIND, folder, {}, Console(file=io.StringIO())).setup[4]
    (clusters / name).write_text("of another machine's folder, with the same Docker")
    try:
        with pytest.raises(BuildFailed, match="already exist for a cluster"):
            start(folder)
        assert (clusters / name).read_text()
    finally:
        lab.end(folder)
    assert (clusters / name).exists()
