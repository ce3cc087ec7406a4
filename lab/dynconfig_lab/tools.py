"""Programs for tests only: Helm and Argo CD, built once with Go and cached, and Chromium."""

import os
import shutil
from collections.abc import Mapping
from pathlib import Path

from rich.console import Console

from dynconfig_lab import binaries, packages
from dynconfig_lab.binaries import LAB
from dynconfig_lab.cache import Cache
from dynconfig_lab.golang import Module

HELM = Module(
    name="helm",
    folder=LAB / "helm",
    depends_on="helm.sh/helm/v4",
    packages=("helm.sh/helm/v4/cmd/helm",),
)
ARGOCD = Module(
    name="argocd",
    folder=LAB / "argocd",
    depends_on="github.com/argoproj/argo-cd/v3",
    # One program that behaves according to the name it is called with.
    packages=("github.com/argoproj/argo-cd/v3/cmd",),
    program="argocd",
    files=("manifests/crds", "hack/git-verify-wrapper.sh"),
)


def helm(console: Console, environment: Mapping[str, str] = os.environ) -> Path:
    """From PATH, or else built."""
    found = shutil.which("helm", path=environment.get("PATH", ""))
    return Path(found) if found else _entry(HELM, console, environment) / "helm"


def argocd(console: Console, environment: Mapping[str, str] = os.environ) -> Path:
    """The folder with `argocd`, its CRDs in `crds`, and the script that it expects on PATH."""
    return _entry(ARGOCD, console, environment)


def chromium(console: Console, environment: Mapping[str, str] = os.environ) -> Path:
    """From PATH, or else installed. Raises LabError."""
    return packages.program("chromium", console, environment)


def _entry(module: Module, console: Console, environment: Mapping[str, str]) -> Path:
    cache = Cache.of(environment)
    entry = module.entry(cache)
    if not entry.is_dir():
        binaries.build((module,), cache, environment, console)
    return entry
