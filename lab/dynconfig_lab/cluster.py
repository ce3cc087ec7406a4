"""Selects the Kubernetes of the lab: a given cluster, kind if Docker runs, or its own control plane."""

import hashlib
import os
import shutil
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path

from rich.console import Console

from dynconfig_lab import binaries, controlplane, kubeconfig
from dynconfig_lab.controlplane import Place
from dynconfig_lab.errors import LabError
from dynconfig_lab.processes import Program
from dynconfig_lab.state import Folder


class Choice(StrEnum):
    AUTO = "auto"
    GIVEN = "given"
    KIND = "kind"
    LOCAL = "local"
    """Of KUBEBUILDER_ASSETS or the cache."""
    BUILT = "built"
    """Use the cache, whatever the environment sets."""


@dataclass(frozen=True)
class Cluster:
    kubeconfig: str
    where: str
    programs: tuple[Program, ...] = ()
    setup: tuple[str, ...] = ()
    cleanup: tuple[str, ...] = field(default=())


def choose(asked: Choice, given: str, kind_runs: bool) -> Choice:
    if asked is not Choice.AUTO:
        return asked
    if given:
        return Choice.GIVEN
    return Choice.KIND if kind_runs else Choice.LOCAL


def cluster(asked: Choice, folder: Folder, environment: Mapping[str, str], console: Console) -> Cluster:
    """Prepare it without starting a process that keeps running."""
    given = given_kubeconfig(folder, environment)
    choice = choose(asked, given, asked is Choice.AUTO and not given and kind_runs())
    match choice:
        case Choice.GIVEN:
            return _given(given)
        case Choice.KIND:
            return _kind(folder)
        case _:
            return _local(folder, environment, console, built=choice is Choice.BUILT)


def given_kubeconfig(folder: Folder, environment: Mapping[str, str]) -> str:
    """The cluster of KUBECONFIG, unless the variable was set by this lab."""
    value = environment.get("KUBECONFIG", "")
    paths = [Path(part) for part in value.split(":") if part]
    ours = folder.path.resolve()
    return ":".join(str(path.absolute()) for path in paths if not path.resolve().is_relative_to(ours))


def kind_runs() -> bool:
    docker = shutil.which("docker")
    if not docker or not shutil.which("kind"):
        return False
    try:
        return subprocess.run([docker, "info"], capture_output=True, timeout=10, check=False).returncode == 0
    except subprocess.TimeoutExpired:
        return False


def kind_name(folder: Folder) -> str:
    """The cluster name of this folder: all labs of a machine share its Docker, and each deletes only its own cluster."""
    return f"dynconfig-lab-{hashlib.sha256(os.fsencode(folder.path.resolve())).hexdigest()[:8]}"


def _given(given: str) -> Cluster:
    first = Path(given.split(":", maxsplit=1)[0])
    if not given or not first.is_file():
        raise LabError(f"KUBECONFIG should name the cluster to use, but there is no file {given or '(it is not set)'}.")
    return Cluster(given, f"{kubeconfig.server(first)} (given by KUBECONFIG)")


def _kind(folder: Folder) -> Cluster:
    kind = shutil.which("kind")
    if not kind:
        raise LabError("kind is not on PATH.")
    name = kind_name(folder)
    options = ("--name", name, "--kubeconfig", str(folder.kind_kubeconfig))
    return Cluster(
        str(folder.kind_kubeconfig),
        f"kind cluster {name}",
        setup=(kind, "create", "cluster", *options, "--wait", "3m"),
        cleanup=(kind, "delete", "cluster", *options),
    )


def _local(folder: Folder, environment: Mapping[str, str], console: Console, *, built: bool) -> Cluster:
    parts = binaries.ensure(console, environment, built=built)
    place = Place.choose(folder.control_plane)
    controlplane.prepare(place)
    return Cluster(
        str(place.kubeconfig()), f"{place.url} (kube-apiserver {parts.origin})", controlplane.programs(parts, place)
    )
