"""Build a kustomization with kubectl or kustomize, whichever is installed."""

import shutil
from pathlib import Path

from dynconfig.cli.failures import Failed


def build(folder: Path) -> str:
    """Return the manifests of a kustomization as YAML. Raises Failed."""
    # Imported here because only -k needs it.
    import subprocess

    command = _command()
    built = subprocess.run([*command, str(folder)], capture_output=True, check=False)
    if built.returncode:
        message = " ".join(built.stderr.decode(errors="replace").split())
        raise Failed(f"{folder}: {' '.join(Path(word).name for word in command)} failed: {message}")
    return built.stdout.decode(errors="replace")


def _command() -> list[str]:
    if kubectl := shutil.which("kubectl"):
        return [kubectl, "kustomize"]
    if kustomize := shutil.which("kustomize"):
        return [kustomize, "build"]
    raise Failed("-k requires kubectl or kustomize on PATH; install one of them, or pipe the built manifests to -f -")
