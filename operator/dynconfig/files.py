"""Manifests on disk: the DynamicConfigs in them, and the Secrets and ConfigMaps beside them."""

import base64
import binascii
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from dynconfig import kubectl_yaml
from dynconfig.api import names
from dynconfig.engine.declaration import Source

Document = dict[str, Any]


class BadFile(Exception):
    """A file cannot be read as manifests; the message names it."""


@dataclass(frozen=True, slots=True)
class Origin:
    """Where a document stands: its file, and the nodes that know their lines."""

    file: str
    node: yaml.Node

    def place(self, path: Sequence[str | int] = ()) -> str:
        """File and line of a field, or of the innermost of its parents that is written down."""
        node, mark = self.node, self.node.start_mark
        for part in path:
            step = _step(node, part)
            if step is None:
                break
            mark, node = step[0].start_mark, step[1]
        return f"{self.file}:{mark.line + 1}"

    def item(self, key: str, index: int) -> "Origin":
        """Where an item of a list in the document stands."""
        listed = _step(self.node, key)
        item = _step(listed[1], index) if listed else None
        return Origin(self.file, item[1]) if item else self


def _step(node: yaml.Node, part: str | int) -> tuple[yaml.Node, yaml.Node] | None:
    """The node to point at for a key or an index, and the node of what is there."""
    if isinstance(node, yaml.MappingNode):
        # A key that is merged in comes first, and the document's own wins.
        found = [pair for pair in node.value if pair[0].value == part]
        return found[-1] if found else None
    if isinstance(node, yaml.SequenceNode) and isinstance(part, int) and part < len(node.value):
        return node.value[part], node.value[part]
    return None


@dataclass(frozen=True, slots=True)
class Manifests:
    """All documents of some files that concern us."""

    configs: tuple[Document, ...]
    origins: tuple[Origin, ...]
    """Where each of them stands."""
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
        return _decoded(source, encoded) if encoded is not None else None


def read(paths: Iterable[Path], namespace: str) -> Manifests:
    """The manifests of files, folders (*.yaml, *.yml, *.json) or - for standard input. Raises BadFile."""
    found: list[tuple[Document, Origin]] = []
    sources: dict[tuple[str, str, str], Document] = {}
    for document, origin in (pair for path in paths for pair in _documents(path)):
        kind, metadata = document.get("kind"), _metadata(document, origin)
        metadata.setdefault("namespace", namespace)
        if kind == names.KIND:
            _check(origin, document)
            found.append((document, origin))
        elif kind in ("Secret", "ConfigMap"):
            sources[str(kind), metadata["namespace"], str(metadata.get("name"))] = document
    if not found:
        raise BadFile(f"{', '.join(map(str, paths))}: no {names.KIND} in it")
    return Manifests(tuple(document for document, _ in found), tuple(origin for _, origin in found), sources)


def _documents(path: Path) -> Iterator[tuple[Document, Origin]]:
    for file in _expanded(path):
        try:
            text = sys.stdin.read() if str(file) == "-" else file.read_text(encoding="utf-8")
            found = list(kubectl_yaml.documents(text))
        except (OSError, UnicodeDecodeError) as error:
            raise BadFile(f"{file}: cannot be read: {error}") from None
        except yaml.YAMLError as error:
            raise BadFile(f"{file}: is not YAML: {' '.join(str(error).split())}") from None
        for document, node in found:
            yield from _flat(document, Origin(str(file), node))


def _flat(document: object, origin: Origin) -> Iterator[tuple[Document, Origin]]:
    """The document, or what is in it if it is a list, as `kubectl get -o yaml` prints and kustomize passes on."""
    if document is not None and not isinstance(document, dict):
        raise BadFile(f"{origin.place()}: a document in it is not an object")
    if document and _is_list(document):
        for index, item in enumerate(document["items"]):
            yield from _flat(item, origin.item("items", index))
    elif document:
        yield document, origin


def _is_list(document: Document) -> bool:
    items = document.get("items")
    is_of_objects = isinstance(items, list) and all(isinstance(item, dict) and "kind" in item for item in items)
    return is_of_objects and str(document.get("kind")).endswith("List")


def _expanded(path: Path) -> list[Path]:
    if not path.is_dir():
        return [path]
    return sorted(file for file in path.iterdir() if file.suffix in (".yaml", ".yml", ".json"))


def _metadata(document: Document, origin: Origin) -> Document:
    metadata = document.setdefault("metadata", {})
    if not isinstance(metadata, dict):
        raise BadFile(f"{origin.place(['metadata'])}: metadata is not an object")
    return metadata


def _check(origin: Origin, document: Mapping[str, Any]) -> None:
    if document.get("apiVersion") != names.API_VERSION:
        wrong = f"apiVersion has to be {names.API_VERSION}, not {document.get('apiVersion')}"
        raise BadFile(f"{origin.place(['apiVersion'])}: {wrong}")
    name = document["metadata"].get("name")
    if not name:
        raise BadFile(f"{origin.place(['metadata'])}: metadata.name is missing")
    if len(str(name)) > names.MAX_NAME:
        too_long = f"metadata.name must not be longer than {names.MAX_NAME} characters"
        raise BadFile(f"{origin.place(['metadata', 'name'])}: {too_long}")


def _decoded(source: Source, encoded: object) -> str:
    try:
        return base64.b64decode("".join(str(encoded).split()), validate=True).decode()
    except (binascii.Error, UnicodeDecodeError):
        raise BadFile(f"{source} is not UTF-8 text in base64; write it below stringData as it is") from None
