"""An environment as it was named: a manifest, an object in the cluster, or a path in AWS."""

import json
import os
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from dynconfig import wiring
from dynconfig.cli.failures import Failed
from dynconfig.cli.subjects import Subjects, chosen
from dynconfig.engine.checking import source_of
from dynconfig.engine.comparison import Entry, Environment, Sealed, sealed
from dynconfig.engine.declaration import ReadSource, Source
from dynconfig.engine.declare import parse_spec
from dynconfig.engine.errors import SourceMissing
from dynconfig.files import Document
from dynconfig.kinds import parameter_tree
from dynconfig.settings import Settings

# What names an environment, or what the comparison is about anyway.
_NOT_COMPARED = ("path", "parameters", "region")


def read(word: str, namespace: str | None, key: bytes, *, offline: bool) -> Environment:
    """The environment that a word names. Raises Failed, and whatever reading it may raise."""
    file, _, name = word.partition("#")
    if word == "-" or Path(file).exists():
        subjects = chosen([Path(file)], [name] if name else None, namespace, offline=offline)
        return _of_object(_only(word, subjects), subjects, key, word)
    if file.endswith((".yaml", ".yml", ".json")):
        raise Failed(f"{file}: no such file")
    if re.match(r"(/[^/@]+)+(@[a-z0-9-]+)?$", word):
        return _of_path(word, key)
    if offline:
        raise Failed(f"{word}: no such file, and with --offline no cluster is asked for it")
    subjects = chosen(None, [word], namespace, offline=False)
    return _of_object(_only(word, subjects), subjects, key, word)


def _only(word: str, subjects: Subjects) -> Document:
    found = subjects.manifests.configs
    if len(found) > 1:
        names = ", ".join(document["metadata"]["name"] for document in found)
        raise Failed(f"{word}: several objects are in it ({names}); name one, for example {word}#{names.split(',')[0]}")
    return found[0]


def _of_object(document: Document, subjects: Subjects, key: bytes, word: str) -> Environment:
    namespace = document["metadata"]["namespace"]
    with subjects.knowing() as known:
        beyond = known(document).read

        def text(source: Source) -> str | None:
            found = subjects.manifests.text(namespace, source)
            return found if found is not None else _read_leniently(beyond, source)

        entries = dict(_entries(document, text, key))
    return Environment(f"{word} {document['spec'].get('path', '')}", entries, dict(_settings(document["spec"])))


def _entries(document: Document, text: ReadSource, key: bytes) -> Iterator[tuple[str, Entry]]:
    for parameter in parse_spec(document).parameters:
        source = source_of(parameter)
        value = parameter.value if source is None else text(source)
        is_secret = parameter.secret_ref is not None
        yield parameter.name, Entry(parameter.resolved_type.value, _value(value, key, is_secret=is_secret))


def _value(value: str | None, key: bytes, *, is_secret: bool) -> str | Sealed | None:
    return sealed(value, key) if is_secret and value is not None else value


def _read_leniently(read_source: ReadSource, source: Source) -> str | None:
    """What cannot be read is not known, which the comparison says."""
    try:
        return read_source(source)
    except SourceMissing:
        return None


def _of_path(word: str, key: bytes) -> Environment:
    path, _, region = word.partition("@")
    settings = Settings.from_environment(os.environ)
    where = region or wiring.default_region(settings)
    found = parameter_tree.values(wiring.session(settings).client("ssm", where), path, decrypt=True)
    entries = {
        item["Name"].removeprefix(f"{path}/"): Entry(
            item["Type"], _value(item["Value"], key, is_secret=item["Type"] == "SecureString") or ""
        )
        for item in found
    }
    if not entries:
        raise Failed(
            f"{path}: there is no parameter below it in {where}, and no such file; name the region with @REGION"
        )
    return Environment(f"{path} in {where}", entries)


def _settings(value: Any, place: str = "spec") -> Iterator[tuple[str, str]]:
    """Everything in a spec by its place, as text."""
    if isinstance(value, Mapping):
        for name, inner in value.items():
            if place != "spec" or name not in _NOT_COMPARED:
                yield from _settings(inner, f"{place}.{name}")
    elif isinstance(value, list):
        for number, inner in enumerate(value):
            yield from _settings(inner, f"{place}[{number}]")
    else:
        yield place, json.dumps(value) if isinstance(value, bool) else str(value)
