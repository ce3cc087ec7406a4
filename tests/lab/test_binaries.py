"""The programs of the control plane: where they come from, and that they are built once and completely or not at all."""

import io
import re
import signal
import stat
import subprocess
import sys
import threading
from pathlib import Path

import pytest
from rich.console import Console

from dynconfig_lab import binaries, golang
from dynconfig_lab.binaries import CONTROL_PLANE, ETCD
from dynconfig_lab.cache import Cache
from dynconfig_lab.errors import BuildFailed
from dynconfig_lab.processes import Identity, wait_until


@pytest.fixture
def cache(tmp_path: Path) -> Cache:
    return Cache.of({"XDG_CACHE_HOME": str(tmp_path / "cache")})


@pytest.fixture
def console() -> Console:
    return Console(file=io.StringIO(), width=200)


def said(console: Console) -> str:
    assert isinstance(console.file, io.StringIO)
    return console.file.getvalue()


def script(path: Path, text: str) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(f"#!/bin/sh\n{text}\n")
    path.chmod(path.stat().st_mode | stat.S_IXUSR)
    return path


def go_that(folder: Path, build: str) -> dict[str, str]:
    """An environment whose fake Go reports this version and builds like this."""
    script(folder / "go", f'case "$1" in\nenv) echo go1.99.0;;\nlist) echo one; echo two;;\nbuild) {build};;\nesac')
    return {"PATH": f"{folder}:/bin:/usr/bin", "XDG_CACHE_HOME": str(folder / "cache")}


def cached(environment: dict[str, str]) -> binaries.Binaries | None:
    return binaries.Binaries.of_cache(Cache.of(environment))


def entries(environment: dict[str, str]) -> list[Path]:
    """The entries of the cache, finished or not, without Go's own cache."""
    cache = Cache.of(environment)
    return [path for path in cache.root.iterdir() if path != cache.go_home]


MAKES_ALL = """
while [ "$1" != -o ]; do shift; done
case "$2" in */) for p in kube-apiserver kube-controller-manager kubectl; do : > "$2$p"; done;; *) : > "$2";; esac
echo x >> "$XDG_CACHE_HOME/../builds"
"""


@pytest.mark.parametrize(
    ("text", "version"),
    [("go1.26.8", (1, 26, 8)), ("1.25", (1, 25, 0)), ("devel go1.27-abc", (1, 27, 0)), ("unknown", ())],
)
def test_go_version_is_parsed(text: str, version: golang.Version) -> None:
    assert golang.parse_version(text) == version


def test_another_go_mod_is_another_cache_entry(cache: Cache) -> None:
    assert cache.entry("etcd", "v1", "require a") != cache.entry("etcd", "v1", "require b")
    assert cache.entry("etcd", "v1", "ab", "c") != cache.entry("etcd", "v1", "a", "bc")
    assert cache.entry("etcd", "v1", "a").name.startswith("etcd-v1-")


def test_kubernetes_modules_have_the_version_of_kubernetes() -> None:
    replaced = re.findall(
        r"^\s+(k8s\.io/\S+) => (\S+) (v\S+)$", (CONTROL_PLANE.folder / "go.mod").read_text(), re.MULTILINE
    )
    assert len(replaced) > 20
    assert {version for _, _, version in replaced} == {CONTROL_PLANE.version.replace("v1.", "v0.", 1)}
    assert all(old == new for old, new, _ in replaced)


def test_version_is_built_into_the_server() -> None:
    assert f"version.gitVersion={CONTROL_PLANE.version}" in CONTROL_PLANE.flags[-1]


def test_go_wheel_is_new_enough_to_build_with() -> None:
    needs = max(ETCD.needs_go, CONTROL_PLANE.needs_go)
    assert golang.parse_version(golang.wheel_version()) >= needs


def test_wheel_is_used_without_go_on_path(cache: Cache, console: Console) -> None:
    golang.wheel_entry(cache).mkdir(parents=True)
    assert golang.find((1, 25, 0), cache, {"PATH": ""}, console) == golang.wheel_entry(cache) / "go" / "bin" / "go"


def test_too_old_go_is_not_used(cache: Cache, console: Console, tmp_path: Path) -> None:
    golang.wheel_entry(cache).mkdir(parents=True)
    go = script(tmp_path / "go", "echo go1.21.0")
    assert golang.find((1, 25, 0), cache, {"PATH": str(tmp_path)}, console).is_relative_to(cache.root)
    assert golang.find((1, 20, 0), cache, {"PATH": str(tmp_path)}, console) == go


def test_go_writes_only_below_the_cache_folder(cache: Cache) -> None:
    environment = golang.build_environment({"HOME": "/home/someone", "PATH": "/bin"}, cache)
    for name in ("GOMODCACHE", "GOCACHE", "GOTMPDIR", "XDG_CONFIG_HOME"):
        assert Path(environment[name]).is_relative_to(cache.root)
    assert Path(environment["GOENV"]).is_relative_to("/home/someone")


def test_configured_go_cache_is_used(cache: Cache) -> None:
    assert golang.build_environment({"GOCACHE": "/elsewhere"}, cache)["GOCACHE"] == "/elsewhere"


def test_incomplete_entry_is_not_used_and_is_removed(tmp_path: Path, console: Console) -> None:
    environment = go_that(tmp_path, MAKES_ALL)
    half = ETCD.entry(Cache.of(environment)).with_suffix(".13-abc.partial")
    half.mkdir(parents=True)
    assert cached(environment) is None
    built = binaries.ensure(console, environment)
    assert built.etcd.is_file()
    assert not half.exists()


def test_read_only_incomplete_entry_is_removed(tmp_path: Path, console: Console) -> None:
    cache = Cache(tmp_path / "cache")
    sources = cache.root / "argocd-1-abc.partial" / "manifests"
    sources.mkdir(parents=True)
    (sources / "crd.yaml").write_text("")
    sources.chmod(0o555)
    with cache.locked(console):
        assert not list(cache.root.glob("*.partial"))


def test_built_programs_are_taken_from_the_cache(tmp_path: Path, console: Console) -> None:
    environment = go_that(tmp_path, MAKES_ALL)
    first, second = binaries.ensure(console, environment), binaries.ensure(console, environment)
    assert first == second
    assert (tmp_path / "builds").read_text().split() == ["x", "x"]


def test_two_starts_build_once_and_the_second_reports_that_it_waits(tmp_path: Path, console: Console) -> None:
    environment = go_that(tmp_path, MAKES_ALL)
    cache = Cache.of(environment)
    second = threading.Thread(target=binaries.ensure, args=(console, environment))
    with cache.locked(Console(file=io.StringIO())):
        second.start()
        assert wait_until(lambda: "Another start builds" in said(console), 10)
        for module in (ETCD, CONTROL_PLANE):
            cache.make(module.entry(cache), lambda folder: None)
    second.join(30)
    assert not (tmp_path / "builds").exists()


def test_failed_build_reports_why_and_what_to_do_and_leaves_no_entry(tmp_path: Path, console: Console) -> None:
    environment = go_that(tmp_path, "echo package x: no such host >&2; exit 1")
    with pytest.raises(BuildFailed, match=r"(?s)no such host.*exit code 1.*Then run the same command again"):
        binaries.ensure(console, environment)
    assert cached(environment) is None
    assert entries(environment) == []


def test_interrupted_build_leaves_no_process_and_no_entry(tmp_path: Path) -> None:
    environment = go_that(tmp_path, f"echo $$ > {tmp_path}/pid.new; mv {tmp_path}/pid.new {tmp_path}/pid; sleep 600")
    code = "from rich.console import Console; from dynconfig_lab import binaries; binaries.ensure(Console())"
    start = subprocess.Popen([sys.executable, "-c", code], env=environment, stderr=subprocess.DEVNULL)
    assert wait_until((tmp_path / "pid").exists, 30)
    go = Identity.of(int((tmp_path / "pid").read_text()))
    start.send_signal(signal.SIGINT)
    start.wait(30)
    assert go
    assert go.ended_within(10)
    assert entries(environment) == []


def test_given_programs_are_used_without_a_controller_manager(tmp_path: Path, console: Console) -> None:
    for program in ("etcd", "kube-apiserver", "kubectl"):
        script(tmp_path / program, "exit 0")
    given = binaries.ensure(console, {"KUBEBUILDER_ASSETS": str(tmp_path)})
    assert given.kube_apiserver == tmp_path / "kube-apiserver"
    assert given.kube_controller_manager is None
    assert "has no kube-controller-manager" in said(console)


def test_incomplete_given_programs_are_not_used(tmp_path: Path, console: Console) -> None:
    environment = {**go_that(tmp_path, MAKES_ALL), "KUBEBUILDER_ASSETS": str(tmp_path)}
    assert binaries.ensure(console, environment).etcd.is_relative_to(tmp_path / "cache")
    assert "not used" in said(console)


def test_built_programs_can_be_requested(tmp_path: Path, console: Console) -> None:
    for program in ("etcd", "kube-apiserver", "kubectl"):
        script(tmp_path / "assets" / program, "exit 0")
    environment = {**go_that(tmp_path, MAKES_ALL), "KUBEBUILDER_ASSETS": str(tmp_path / "assets")}
    assert binaries.ensure(console, environment, built=True).etcd.is_relative_to(tmp_path / "cache")
