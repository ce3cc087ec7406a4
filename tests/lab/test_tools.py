"""Helm and Argo CD: built once, with the files of their sources, and only for the tests that need them."""

import io
import os
import re
import stat
from pathlib import Path

import pytest
from rich.console import Console
from tests.lab.test_binaries import go_that, script

from dynconfig_lab import golang, tools
from dynconfig_lab.cache import Cache
from dynconfig_lab.errors import BuildFailed

BUILDS = """
while [ "$1" != "-o" ]; do shift; done
case "$2" in */) : > "$2helm";; *) : > "$2";; esac
echo x >> "$XDG_CACHE_HOME/../builds"
"""


@pytest.fixture
def console() -> Console:
    return Console(file=io.StringIO(), width=200)


@pytest.fixture
def environment(tmp_path: Path) -> dict[str, str]:
    """A fake Go that builds empty programs, and knows the folders of a module's sources."""
    found = go_that(tmp_path / "bin", BUILDS)
    sources = tmp_path / "sources"
    (sources / "manifests" / "crds").mkdir(parents=True)
    (sources / "manifests" / "crds" / "application-crd.yaml").write_text("kind: CustomResourceDefinition")
    (sources / "hack").mkdir()
    (sources / "hack" / "git-verify-wrapper.sh").write_text("#!/bin/sh\n")
    script(
        tmp_path / "bin" / "go",
        f'case "$*" in\n"env "*) echo go1.99.0;;\n*" -m "*) echo {sources};;\nlist*) echo one;;\nbuild*) {BUILDS};;\nesac',
    )
    return {**found, "XDG_CACHE_HOME": str(tmp_path / "cache")}


def test_helm_is_built_once(environment: dict[str, str], console: Console, tmp_path: Path) -> None:
    first, second = tools.helm(console, environment), tools.helm(console, environment)
    assert first == second
    assert first.is_file()
    assert (tmp_path / "builds").read_text().split() == ["x"]


def test_helm_on_path_is_used(tmp_path: Path, console: Console) -> None:
    helm = script(tmp_path / "helm", "exit 0")
    assert tools.helm(console, {"PATH": str(tmp_path), "XDG_CACHE_HOME": str(tmp_path / "cache")}) == helm
    assert not (tmp_path / "cache").exists()


def test_argocd_includes_its_crds_and_the_script_it_calls(
    environment: dict[str, str], console: Console, tmp_path: Path
) -> None:
    (tmp_path / "sources" / "manifests" / "crds").chmod(0o555)
    folder = tools.argocd(console, environment)
    assert {path.name for path in folder.iterdir()} == {"argocd", "crds", "git-verify-wrapper.sh"}
    assert (folder / "crds" / "application-crd.yaml").read_text() == "kind: CustomResourceDefinition"
    assert os.stat(folder / "git-verify-wrapper.sh").st_mode & stat.S_IXUSR
    assert os.stat(folder / "crds").st_mode & stat.S_IWUSR, "it can be removed again"


def test_sources_that_lack_a_file_leave_no_entry(environment: dict[str, str], console: Console, tmp_path: Path) -> None:
    (tmp_path / "sources" / "hack" / "git-verify-wrapper.sh").unlink()
    with pytest.raises(BuildFailed, match=r"has no hack/git-verify-wrapper\.sh"):
        tools.argocd(console, environment)
    assert not tools.ARGOCD.entry(Cache.of(environment)).exists()


def test_kubernetes_modules_in_argocd_have_one_version() -> None:
    text = (tools.ARGOCD.folder / "go.mod").read_text()
    replaced = re.findall(r"^\s+(k8s\.io/\S+) => \1 (v\S+)$", text, re.MULTILINE)
    assert len(replaced) > 20
    assert len({version for _, version in replaced}) == 1
    # The module proxy lacks files outside the module in its repository.
    assert " => ." not in text


@pytest.mark.parametrize("module", [tools.HELM, tools.ARGOCD], ids=lambda module: module.name)
def test_go_wheel_is_new_enough_for_them(module: golang.Module) -> None:
    assert golang.parse_version(golang.wheel_version()) >= module.needs_go
