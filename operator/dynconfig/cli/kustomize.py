"""What kustomize builds of a folder, by kubectl or by kustomize itself, whichever is installed."""

import shutil
from pathlib import Path

from dynconfig.cli.failures import Failed


def build(folder: Path) -> str:
    """The manifests of a kustomization as YAML. Raises Failed."""
    # Only who asks for a kustomization waits for it.
    import subprocess

    command = _command()
    built = subprocess.run([*command, str(folder)], capture_output=True, check=False)
    if built.returncode:
        told = " ".join(built.stderr.decode(errors="replace").split())
        raise Failed(f"{folder}: {' '.join(Path(word).name for word in command)} failed: {told}")
    return built.stdout.decode(errors="replace")


def _command() -> list[str]:
    if kubectl := shutil.which("kubectl"):
        return [kubectl, "kustomize"]
    if kustomize := shutil.which("kustomize"):
        return [kustomize, "build"]
    raise Failed("-k needs kubectl or kustomize, and neither is on PATH; pipe the built manifests to -f -")
