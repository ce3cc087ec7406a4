"""Read manifests: DynamicConfigs, and the Secrets and ConfigMaps they refer to."""

import base64
import binascii
import re
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from dataclasses import field as dataclass_field
from functools import cached_property, lru_cache
from pathlib import Path
from typing import Any

import yaml

from dynconfig.api import metadata, names
from dynconfig.cli import kubectl_yaml
from dynconfig.model.declaration import Source

Document = dict[str, Any]

# Kinds that hold values, with their fields.
_SOURCES = {"Secret": ("stringData", "data"), "ConfigMap": ("data",)}

# https://kubectl.docs.kubernetes.io/references/kustomize/kustomization/
_KUSTOMIZATIONS = ("kustomization.yaml", "kustomization.yml", "Kustomization")


# What kustomize makes of names, with the greatest length of a name:
# https://kubernetes.io/docs/concepts/overview/working-with-objects/names/#dns-subdomain-names
_GENERATED = re.compile(r"([a-z0-9.-]{1,242})-([bcdfghkmt2456789]{10})")

# An object has at most 1.5 MiB, so a file may hold forty of them.
MAX_BYTES = 64 * 2**20


class BadFile(Exception):
    """A file is not a valid manifest; the message contains its name."""


@dataclass(frozen=True, slots=True)
class Origin:
    """The source of a document: its file, and its YAML nodes with line numbers."""

    file: str
    node: yaml.Node
    text: Sequence[str] = dataclass_field(default=(), repr=False)
    """The lines of the file."""

    def lines(self, path: Sequence[str | int]) -> list[str]:
        """Return the lines of a field, with their trailing comments."""
        node = self.node
        for part in path:
            step = _step(node, part)
            if step is None:
                return []
            node = step[1]
        is_closed = isinstance(node, yaml.CollectionNode) and node.flow_style
        end = node.end_mark.line + (1 if is_closed or isinstance(node, yaml.ScalarNode) else 0)
        return list(self.text[node.start_mark.line : end])

    def place(self, path: Sequence[str | int] = ()) -> str:
        """Return file and line of a field, or of its innermost parent that is present."""
        node, mark = self.node, self.node.start_mark
        for part in path:
            step = _step(node, part)
            if step is None:
                break
            mark, node = step[0].start_mark, step[1]
        return f"{self.file}:{mark.line + 1}"

    def fault(self, path: Sequence[str | int], text: str) -> "Fault":
        """Return a fault of a field."""
        return Fault(self.file, self.place(path), text)

    def item(self, key: str, index: int) -> "Origin":
        """Return the origin of an item of a list in the document."""
        listed = _step(self.node, key)
        item = _step(listed[1], index) if listed else None
        return Origin(self.file, item[1], self.text) if item else self


def _step(node: yaml.Node, part: str | int) -> tuple[yaml.Node, yaml.Node] | None:
    """Return the node that marks the line of a key or an index, and the node of its value."""
    if isinstance(node, yaml.MappingNode):
        return _pairs(node).get(part)
    if isinstance(node, yaml.SequenceNode) and isinstance(part, int) and part < len(node.value):
        return node.value[part], node.value[part]
    return None


@lru_cache(maxsize=64)
def _pairs(node: yaml.MappingNode) -> Mapping[str | int, tuple[yaml.Node, yaml.Node]]:
    """Return the nodes of each key and its value. Merged keys come first; the document's own key wins."""
    return {pair[0].value: pair for pair in node.value}


@dataclass(frozen=True, slots=True)
class Fault:
    """An error that makes a file, or a document in it, unusable."""

    file: str
    place: str
    text: str

    def __str__(self) -> str:
        return f"{self.place}: {self.text}"


@dataclass(frozen=True)
class Manifests:
    """The relevant documents of some files."""

    configs: tuple[Document, ...]
    origins: tuple[Origin, ...]
    """The origin of each object."""
    sources: Mapping[tuple[str, str, str], Document]
    faults: tuple[Fault, ...] = ()
    """Errors of unusable documents."""
    other_configs: tuple[Document, ...] = ()
    """Objects of the files that were not selected."""
    targets: tuple[tuple[Document, Origin], ...] = ()
    """The AWSTargets."""

    def text(self, namespace: str, source: Source) -> str | None:
        """Return the value of a key of a Secret or ConfigMap in the files, or None."""
        document = self.sources.get((source.kind, namespace, source.name))
        if document is None:
            return None
        plain = document.get("stringData" if source.kind == "Secret" else "data") or {}
        if source.key in plain:
            return str(plain[source.key])
        if source.kind == "ConfigMap" and source.key in (document.get("binaryData") or {}):
            raise BadFile(f"{source} is in binaryData, but SSM stores text only; move it to data as text")
        encoded = (document.get("data") or {}).get(source.key) if source.kind == "Secret" else None
        return _decoded(source, encoded) if encoded is not None else None

    def keys(self, namespace: str, source: Source) -> tuple[str, ...] | None:
        """Return the keys of a Secret or ConfigMap in the files, or None if it is not in the files."""
        document = self.sources.get((source.kind, namespace, source.name))
        if document is None:
            return None
        fields = ("data", "stringData" if source.kind == "Secret" else "binaryData")
        return tuple(dict.fromkeys(key for field in fields for key in document.get(field) or {}))

    def renamed(self, namespace: str, source: Source) -> str | None:
        """Return the name that kustomize gave a generated Secret or ConfigMap (it appends a hash), or None."""
        lines = self._generated.get((source.kind, namespace), "")
        at = lines.find(f"-{source.name}-")
        return lines[lines.rfind("\n", 0, at) + 2 : lines.find("\n", at)].replace("- ", "-") if at >= 0 else None

    @cached_property
    def _generated(self) -> Mapping[tuple[str, str], str]:
        """All generated names by kind and namespace: a line `-NAME- HASH` for each, so that one search serves for all of them."""
        found: dict[tuple[str, str], list[str]] = {}
        for kind, namespace, name in self.sources:
            if match := _GENERATED.fullmatch(name):
                found.setdefault((kind, namespace), []).append(f"-{match[1]}- {match[2]}\n")
        return {place: "".join(lines) for place, lines in found.items()}


def read(paths: Iterable[Path], namespace: str) -> Manifests:
    """Read files, folders (*.yaml, *.yml, *.json) or - for standard input. Raises BadFile."""
    listed = list(paths)
    found = scan(listed, namespace)
    pairs = zip(found.configs, found.origins, strict=True)
    faults = [*found.faults, *(fault for pair in pairs for fault in metadata_faults(*pair))]
    if faults:
        more = f" (and {len(faults) - 1} more; run dynconfig validate to list all)" if len(faults) > 1 else ""
        raise BadFile(f"{faults[0]}{more}")
    if not found.configs:
        raise BadFile(f"{', '.join(map(str, listed))}: no {names.KIND} found")
    return found


def scan(paths: Iterable[Path], namespace: str, texts: Mapping[str, str] | None = None) -> Manifests:
    """Read files, and texts by their names, and collect the faults of unusable documents.

    Raises BadFile if there are neither objects nor faults, nor AWSTargets.
    """
    listed = list(paths)
    found_in = [*(each for path in listed for each in _documents(path)), *_in_texts(texts or {})]
    configs: list[tuple[Document, Origin]] = []
    targets: list[tuple[Document, Origin]] = []
    sources: dict[tuple[str, str, str], Document] = {}
    faults: list[Fault] = []
    for found in found_in:
        if isinstance(found, Fault):
            faults.append(found)
        elif wrong := list(_faults(*found, namespace)):
            faults += wrong
        elif found[0].get("kind") == names.KIND:
            configs.append(found)
        elif found[0].get("kind") == names.TARGET_KIND:
            targets.append(found)
        elif str(found[0].get("kind")) in _SOURCES:
            about = found[0]["metadata"]
            sources[found[0]["kind"], str(about["namespace"]), str(about.get("name"))] = found[0]
    if not configs and not faults and not targets:
        hint = "".join(map(_kustomize_hint, listed))
        raise BadFile(f"{', '.join(map(str, (*listed, *(texts or ()))))}: no {names.KIND} found{hint}")
    documents, origins = zip(*configs, strict=True) if configs else ((), ())
    return Manifests(documents, origins, sources, tuple(faults), targets=tuple(targets))


def metadata_faults(document: Document, origin: Origin) -> Iterator[Fault]:
    """Yield errors of apiVersion, kind and metadata that the API server would report."""
    for path, fault in metadata.faults(document):
        yield origin.fault(path, f"{'.'.join(path)} {fault}")


def _faults(document: Document, origin: Origin, namespace: str) -> Iterator[Fault]:
    """Yield errors of a relevant document; sets its namespace if it has none."""
    kind = str(document.get("kind"))
    if kind not in (names.KIND, names.TARGET_KIND, *_SOURCES):
        return
    if document.get("metadata") is None:
        document["metadata"] = {}
    about = document["metadata"]
    if not isinstance(about, dict):
        yield origin.fault(("metadata",), "metadata must be an object")
        return
    if kind != names.TARGET_KIND and about.get("namespace") in (None, ""):
        about["namespace"] = namespace
    if kind in _SOURCES:
        yield from _source_faults(document, origin)
    elif document.get("apiVersion") != names.API_VERSION:
        wrong = f"apiVersion must be {names.API_VERSION}, not {document.get('apiVersion')}"
        yield origin.fault(("apiVersion",), wrong)


def _source_faults(document: Document, origin: Origin) -> Iterator[Fault]:
    """Yield values of a Secret or ConfigMap that are not strings; the API server rejects them."""
    title = f"{document['kind']} {document['metadata'].get('name')}"
    for field in _SOURCES[document["kind"]]:
        texts = document.get(field)
        if texts is not None and not isinstance(texts, dict):
            yield origin.fault((field,), f"{field} of {title} must be a map of strings")
            continue
        for key, text in (texts or {}).items():
            if not isinstance(text, str):
                yield origin.fault((field, key), f"{field}.{key} of {title} must be a string: put it in quotes")


def _documents(path: Path) -> Iterator[tuple[Document, Origin] | Fault]:
    hint = _kustomize_hint(path)
    for found in _read_path(path):
        yield replace(found, text=found.text + hint) if isinstance(found, Fault) else found


def _kustomize_hint(path: Path) -> str:
    """Return how to build a folder with a kustomization, or an empty string."""
    if not any((path / name).is_file() for name in _KUSTOMIZATIONS):
        return ""
    return f"; {path} is a kustomization: use kubectl kustomize {path} > FILE, then pass that file"


def _read_path(path: Path) -> Iterator[tuple[Document, Origin] | Fault]:
    for file in _expanded(path):
        try:
            content = _content(file)
        except (OSError, UnicodeDecodeError) as error:
            yield Fault(str(file), str(file), f"cannot read file: {error}")
        else:
            yield from _in_texts({str(file): content})


def _in_texts(texts: Mapping[str, str]) -> Iterator[tuple[Document, Origin] | Fault]:
    for name, content in texts.items():
        try:
            lines = content.split("\n")
            for document, node in kubectl_yaml.documents(content):
                yield from _flat(document, Origin(name, node, lines))
        except yaml.YAMLError as error:
            yield _syntax_fault(name, error)


def _content(file: Path) -> str:
    if str(file) != "-":
        with file.open("rb") as stream:
            content = stream.read(MAX_BYTES + 1)
    elif sys.stdin is None:
        raise OSError("standard input is closed")
    else:
        content = sys.stdin.buffer.read(MAX_BYTES + 1)
    if len(content) > MAX_BYTES:
        raise OSError(f"larger than {MAX_BYTES >> 20} MiB")
    # Windows editors write a byte order mark.
    return content.decode("utf-8-sig")


def _syntax_fault(file: str, error: yaml.YAMLError) -> Fault:
    if isinstance(error, yaml.MarkedYAMLError) and error.problem_mark:
        context = f"{error.context}: " if error.context else ""
        return Fault(file, f"{file}:{error.problem_mark.line + 1}", f"invalid YAML: {context}{error.problem}")
    return Fault(file, file, f"invalid YAML: {' '.join(str(error).split())}")


def _flat(document: object, origin: Origin) -> Iterator[tuple[Document, Origin] | Fault]:
    """Yield the document, or its items if it is a List, as `kubectl get -o yaml` prints it."""
    if document is not None and not isinstance(document, dict):
        yield origin.fault((), "the document is not an object")
    elif document and _is_list(document):
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


def _decoded(source: Source, encoded: object) -> str:
    try:
        return base64.b64decode("".join(str(encoded).split()), validate=True).decode()
    except (binascii.Error, UnicodeDecodeError):
        raise BadFile(
            f"{source} is not base64-encoded UTF-8 text, and SSM stores text only; store the base64 text itself as "
            "the value, for example with base64 -w0 FILE"
        ) from None
