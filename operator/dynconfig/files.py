"""Manifests on disk: the DynamicConfigs in them, and the Secrets and ConfigMaps beside them."""

import base64
import sys
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from dynconfig.api import names
from dynconfig.engine.declaration import Source

Document = dict[str, Any]


class BadFile(Exception):
    """A file cannot be read as manifests; the message names it."""


@dataclass(frozen=True, slots=True)
class Manifests:
    """All documents of some files that concern us."""

    configs: tuple[Document, ...]
    sources: Mapping[tuple[str, str, str], Document]

    def text(self, namespace: str, source: Source) -> str | None:
        """The text of a Secret's or ConfigMap's key in the files, or None."""
        document = self.sources.get((source.kind, namespace, source.name))
        if document is None:
            return None
        plain = document.get("stringData" if source.kind == "Secret" else "data") or {}
        if source.key in plain:
            return str(plain[source.key])
        encoded = (document.get("data") or {}).get(source.key) if source.kind == "Secret" else None
        return base64.b64decode(encoded).decode() if encoded is not None else None


def read(paths: Iterable[Path], namespace: str) -> Manifests:
    """The manifests of files, folders (*.yaml, *.yml, *.json) or - for standard input. Raises BadFile."""
    configs: list[Document] = []
    sources: dict[tuple[str, str, str], Document] = {}
    for path, document in ((source, found) for source in paths for found in _documents(source)):
        kind, metadata = document.get("kind"), document.setdefault("metadata", {})
        metadata.setdefault("namespace", namespace)
        if kind == names.KIND:
            _check(path, document)
            configs.append(document)
        elif kind in ("Secret", "ConfigMap"):
            sources[str(kind), metadata["namespace"], str(metadata.get("name"))] = document
    if not configs:
        raise BadFile(f"{', '.join(map(str, paths))}: no {names.KIND} in it")
    return Manifests(tuple(configs), sources)


def _documents(path: Path) -> Iterable[Document]:
    for file in _expanded(path):
        try:
            text = sys.stdin.read() if str(file) == "-" else file.read_text(encoding="utf-8")
            found = list(yaml.safe_load_all(text))
        except (OSError, UnicodeDecodeError) as error:
            raise BadFile(f"{file}: cannot be read: {error}") from None
        except yaml.YAMLError as error:
            raise BadFile(f"{file}: is not YAML: {' '.join(str(error).split())}") from None
        for document in found:
            if document is not None and not isinstance(document, dict):
                raise BadFile(f"{file}: a document in it is not an object")
            yield from [document] if document else []


def _expanded(path: Path) -> list[Path]:
    if not path.is_dir():
        return [path]
    return sorted(file for file in path.iterdir() if file.suffix in (".yaml", ".yml", ".json"))


def _check(path: Path, document: Mapping[str, Any]) -> None:
    if document.get("apiVersion") != names.API_VERSION:
        raise BadFile(f"{path}: apiVersion has to be {names.API_VERSION}, not {document.get('apiVersion')}")
    name = document["metadata"].get("name")
    if not name:
        raise BadFile(f"{path}: metadata.name is missing")
    if len(str(name)) > names.MAX_NAME:
        raise BadFile(f"{path}: metadata.name must not be longer than {names.MAX_NAME} characters")
