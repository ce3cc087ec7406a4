"""Reads an AWSTarget from a file or the cluster."""

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml

from dynconfig.api import names
from dynconfig.api.target import AWSTargetSpec
from dynconfig.cli.failures import Failed
from dynconfig.model.errors import InvalidSpec
from dynconfig.validation.targets import parse_target

# https://kubernetes.io/docs/concepts/overview/working-with-objects/names/#dns-subdomain-names
_NAME = re.compile(r"[a-z0-9]([a-z0-9.-]*[a-z0-9])?")


def read(path: Path) -> tuple[str, AWSTargetSpec]:
    """Return name and spec of the only AWSTarget in a file. Raises Failed."""
    try:
        documents = [item for item in yaml.safe_load_all(path.read_text()) if item is not None]
    except OSError as error:
        raise Failed(f"{path} cannot be read: {error.strerror}") from None
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise Failed(f"{path} is not valid YAML: {' '.join(str(error).split())}") from None
    found = [item for item in documents if isinstance(item, dict) and item.get("kind") == names.TARGET_KIND]
    if len(found) != 1:
        raise Failed(f"{path} has {len(found)} objects of kind {names.TARGET_KIND}, expected one")
    return _parsed(found[0], f"{path}: ")


def find(text: str) -> tuple[str, AWSTargetSpec]:
    """Return name and spec of the AWSTarget in a file, or if there is no such file, in the cluster. Raises Failed, NoCluster."""
    if Path(text).is_file() or not _NAME.fullmatch(text) or Path(text).suffix in (".yaml", ".yml", ".json"):
        return read(Path(text))
    from dynconfig.cli import cluster

    with cluster.reading() as reader:
        document = reader.target(text)
    if document is None:
        raise Failed(f"AWSTarget {text} not found, and there is no file with this name")
    return _parsed(document)


def _parsed(document: Mapping[str, Any], where: str = "") -> tuple[str, AWSTargetSpec]:
    name = str((document.get("metadata") or {}).get("name", ""))
    try:
        return name, parse_target(document)
    except InvalidSpec as error:
        raise Failed(f"{where}AWSTarget {name}: {error}") from None
