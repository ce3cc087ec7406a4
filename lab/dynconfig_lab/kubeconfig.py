"""Kubeconfig files for clients of the lab's API server."""

import os
from pathlib import Path
from typing import Any

import yaml

from dynconfig_lab.errors import LabError

NAME = "dynconfig-lab"


def write(path: Path, url: str, authority: Path, user: str, token: str) -> None:
    """Readable only by the owner, because of the token."""
    document = {
        "apiVersion": "v1",
        "kind": "Config",
        "clusters": [{"name": NAME, "cluster": {"server": url, "certificate-authority": str(authority)}}],
        "users": [{"name": user, "user": {"token": token}}],
        "contexts": [{"name": NAME, "context": {"cluster": NAME, "user": user}}],
        "current-context": NAME,
    }
    write_private(path, yaml.safe_dump(document, sort_keys=False))


def write_private(path: Path, text: str) -> None:
    path.unlink(missing_ok=True)
    with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
        file.write(text)


def server(path: Path) -> str:
    """The cluster URL in this file; empty if it has none. Raises LabError."""
    document = _document(path)
    contexts = {entry["name"]: entry["context"] for entry in document.get("contexts") or ()}
    clusters = {entry["name"]: entry["cluster"] for entry in document.get("clusters") or ()}
    context = contexts.get(document.get("current-context", ""), {})
    return str(clusters.get(context.get("cluster", ""), {}).get("server", ""))


def _document(path: Path) -> dict[str, Any]:
    try:
        found = yaml.safe_load(path.read_text()) or {}
    except (yaml.YAMLError, UnicodeDecodeError):
        found = None
    if not isinstance(found, dict):
        raise LabError(f"{path} is no kubeconfig: it is not YAML with a mapping.")
    return found
