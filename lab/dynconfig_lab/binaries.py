"""The programs of the control plane: from KUBEBUILDER_ASSETS, or built once with Go and cached."""

import os
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Self

from rich.console import Console

from dynconfig_lab import golang
from dynconfig_lab.cache import Cache
from dynconfig_lab.errors import BuildFailed
from dynconfig_lab.golang import Module

LAB = Path(__file__).parents[1]
CONTROL_PLANE = Module(
    name="kubernetes",
    folder=LAB / "controlplane",
    depends_on="k8s.io/kubernetes",
    packages=tuple(
        f"k8s.io/kubernetes/cmd/{program}" for program in ("kube-apiserver", "kube-controller-manager", "kubectl")
    ),
    # Without it clients see v0.0.0-master, and some then assume that features are missing.
    version_package="k8s.io/component-base/version",
)
ETCD = Module(
    name="etcd",
    folder=LAB / "etcd",
    depends_on="go.etcd.io/etcd/server/v3",
    packages=("go.etcd.io/etcd/server/v3",),
    program="etcd",
)


@dataclass(frozen=True)
class Binaries:
    etcd: Path
    kube_apiserver: Path
    kube_controller_manager: Path | None
    """None: namespaces are not emptied at their end, and dependents of deleted objects stay."""
    kubectl: Path
    origin: str

    @classmethod
    def of_assets(cls, folder: Path, path: str | None = None) -> Self | None:
        """None if the folder lacks a required program. A kubectl on PATH has precedence."""
        kubectl = shutil.which("kubectl", path=path) or folder / "kubectl"
        if not all(_runs(program) for program in (folder / "etcd", folder / "kube-apiserver", kubectl)):
            return None
        controllers = folder / "kube-controller-manager"
        return cls(
            etcd=folder / "etcd",
            kube_apiserver=folder / "kube-apiserver",
            kube_controller_manager=controllers if _runs(controllers) else None,
            kubectl=Path(kubectl),
            origin=f"KUBEBUILDER_ASSETS, {folder}",
        )

    @classmethod
    def of_cache(cls, cache: Cache, path: str | None = None) -> Self | None:
        """None if they are not all built yet."""
        etcd, kubernetes = ETCD.entry(cache), CONTROL_PLANE.entry(cache)
        if not (etcd.is_dir() and kubernetes.is_dir()):
            return None
        return cls(
            etcd=etcd / "etcd",
            kube_apiserver=kubernetes / "kube-apiserver",
            kube_controller_manager=kubernetes / "kube-controller-manager",
            kubectl=Path(shutil.which("kubectl", path=path) or kubernetes / "kubectl"),
            origin=f"built from source, in {cache.root}",
        )


def ensure(console: Console, environment: Mapping[str, str] = os.environ, *, built: bool = False) -> Binaries:
    """The programs, built if necessary; `built` ignores KUBEBUILDER_ASSETS."""
    assets = "" if built else environment.get("KUBEBUILDER_ASSETS", "")
    path = environment.get("PATH", "")
    found = Binaries.of_assets(Path(assets), path) if assets else None
    if assets and not found:
        console.print(f"KUBEBUILDER_ASSETS={assets} lacks etcd, kube-apiserver or kubectl; not used.", soft_wrap=True)
    if found and not found.kube_controller_manager:
        console.print(f"{assets} has no kube-controller-manager: nothing collects what is left of deleted objects.")
    cache = Cache.of(environment)
    return found or Binaries.of_cache(cache, path) or _built(cache, environment, console)


def kubectl(console: Console, environment: Mapping[str, str] = os.environ) -> Path:
    """From PATH, or else from these programs."""
    found = shutil.which("kubectl", path=environment.get("PATH", ""))
    return Path(found) if found else ensure(console, environment).kubectl


def build(modules: Sequence[Module], cache: Cache, environment: Mapping[str, str], console: Console) -> None:
    """Build all of them into the cache. Raises BuildFailed."""
    with cache.locked(console):
        missing = [module for module in modules if not module.entry(cache).is_dir()]
        if missing:
            go = golang.find(max(module.needs_go for module in missing), cache, environment, console)
        for module in missing:
            settings = golang.build_environment(environment, cache)
            cache.make(module.entry(cache), partial(golang.build, go, module, settings, console))
        shutil.rmtree(cache.go_home, ignore_errors=True)


def _built(cache: Cache, environment: Mapping[str, str], console: Console) -> Binaries:
    build((ETCD, CONTROL_PLANE), cache, environment, console)
    found = Binaries.of_cache(cache, environment.get("PATH", ""))
    if not found:
        raise BuildFailed(f"{cache.root} was emptied while the lab was built into it. Run the same command again.")
    return found


def _runs(program: str | Path) -> bool:
    return os.access(program, os.X_OK)
