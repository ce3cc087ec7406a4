"""Read the environments that `dynconfig diff` compares: a manifest, an object in the cluster, or a path in AWS."""

import json
import os
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from dynconfig import wiring
from dynconfig.api.defaults import with_defaults
from dynconfig.api.parameter import ParameterType
from dynconfig.api.spec import TARGET_NAME
from dynconfig.cli.comparison import Entry, Environment
from dynconfig.cli.failures import Failed
from dynconfig.cli.files import BadFile, Document
from dynconfig.cli.options import check_region
from dynconfig.cli.planning import title
from dynconfig.cli.targets import Targets, clients_in, may_have_cluster, select_targets, shortest_names
from dynconfig.kinds.parameter import tree as parameter_tree
from dynconfig.model.declaration import Place, ReadSource, Source
from dynconfig.model.errors import DynConfigError, SourceMissing
from dynconfig.model.secret import Secret, UnknownText
from dynconfig.settings import Settings
from dynconfig.validation.checking import source_of
from dynconfig.validation.declare import parse_spec

# Fields that identify an environment, or that are compared separately.
_NOT_COMPARED = ("path", "parameters", "region", "target")


@dataclass(frozen=True, slots=True)
class _Reading:
    """One environment with all its values, and the names of the secret ones."""

    environment: Environment
    secrets: frozenset[str]


def read(left: str, right: str, namespace: str | None, *, offline: bool) -> tuple[Environment, Environment]:
    """Return the two environments; a value that is secret in either is masked in both.

    Raises Failed, and the errors of reading files, the cluster and AWS.
    """
    before, after = (_read(word, namespace, offline=offline) for word in (left, right))
    hidden = before.secrets | after.secrets
    return _masked(before.environment, hidden), _masked(after.environment, hidden)


def _masked(environment: Environment, hidden: frozenset[str]) -> Environment:
    entries = {
        name: replace(entry, value=Secret(entry.value)) if name in hidden and isinstance(entry.value, str) else entry
        for name, entry in environment.entries.items()
    }
    return replace(environment, entries=entries)


def _read(word: str, namespace: str | None, *, offline: bool) -> _Reading:
    file, _, name = word.partition("#")
    if word == "-" or Path(file).exists():
        return _of_object(word, select_targets([Path(file)], [name] if name else None, namespace, offline=offline))
    if file.endswith((".yaml", ".yml", ".json")):
        raise Failed(f"{file}: no such file")
    if word.startswith("/"):
        return _of_path(word, offline=offline)
    if offline:
        raise Failed(f"{word}: no such file, and --offline does not look for an object of that name in the cluster")
    if not may_have_cluster(os.environ):
        raise Failed(
            f"{word}: no such file, and no cluster is configured to look for an object of that name; set KUBECONFIG"
        )
    return _of_object(word, select_targets(None, [word], namespace, offline=False))


def _of_object(word: str, targets: Targets) -> _Reading:
    document = _only(word, targets)
    with targets.cluster() as cluster:
        beyond = cluster.state_of(document).read
        try:
            entries, hidden = _entries(document, targets, beyond)
        except (DynConfigError, BadFile) as error:
            raise Failed(f"{word}: {title(document)}: {error}") from None
    named = f"{word} {document['spec'].get('path', '')}"
    return _Reading(Environment(named, entries, dict(_settings(with_defaults(document)["spec"]))), hidden)


def _only(word: str, targets: Targets) -> Document:
    found = targets.manifests.configs
    if len(found) > 1:
        names = shortest_names(found)
        raise Failed(
            f"{word}: it contains several objects ({', '.join(names)}); name one, for example {word}#{names[0]}"
        )
    return found[0]


def _entries(document: Document, targets: Targets, beyond: ReadSource) -> tuple[dict[str, Entry], frozenset[str]]:
    """Return the parameters of an object and the names of the secret ones, whether or not their values can be read."""
    entries, hidden = {}, set()
    for parameter in parse_spec(document).parameters:
        source = source_of(parameter)
        value = parameter.value if source is None else _text(document, targets, beyond, source)
        entries[parameter.name] = Entry(parameter.resolved_type.value, value)
        if parameter.secret_ref is not None or parameter.resolved_type is ParameterType.SECURE_STRING:
            hidden.add(parameter.name)
    return entries, frozenset(hidden)


def _text(document: Document, targets: Targets, beyond: ReadSource, source: Source) -> str | None:
    """Return the value of a source; None if it cannot be read, which the comparison reports."""
    found = targets.manifests.text(document["metadata"]["namespace"], source)
    try:
        found = found if found is not None else beyond(source)
    except SourceMissing:
        return None
    return None if isinstance(found, UnknownText) else found


def _of_path(word: str, *, offline: bool) -> _Reading:
    if not re.fullmatch(rf"(/[^/@]+)+/?(@{TARGET_NAME})?", word):
        raise Failed(f"{word}: no such file, and not a path in AWS such as /myapp/prod or /myapp/prod@us-east-1")
    path, _, where = word.partition("@")
    path = path.rstrip("/")
    settings = Settings.from_environment(os.environ)
    is_target = bool(where) and not wiring.is_region(where)
    if is_target and (offline or not may_have_cluster(os.environ)):
        check_region(word, where)
    name, region = (where, None) if is_target else (settings.default_target, where)
    clients, where, target = clients_in(settings, name, region, offline=offline)
    ssm = clients.client("ssm", where)
    shown = Place(where, target)
    found = list(parameter_tree.values(ssm, path, decrypt=True))
    if not found:
        raise Failed(
            f"{path}: no parameters found under this path in {shown}, and no such file; select another place with @REGION or "
            "@AWSTARGET"
        )
    entries = {item["Name"].removeprefix(f"{path}/"): Entry(item["Type"], item["Value"]) for item in found}
    marked = {name.removeprefix(f"{path}/") for name in parameter_tree.from_secrets(ssm, path)}
    hidden = marked | {name for name, entry in entries.items() if entry.type == ParameterType.SECURE_STRING}
    return _Reading(Environment(f"{path} in {shown}", entries), frozenset(hidden))


def _settings(value: Any, place: str = "spec") -> Iterator[tuple[str, str]]:
    """Yield each field of a spec with its path, as text."""
    if isinstance(value, Mapping):
        for name, inner in value.items():
            if place != "spec" or name not in _NOT_COMPARED:
                yield from _settings(inner, f"{place}.{name}")
    elif isinstance(value, list):
        for number, inner in enumerate(value):
            yield from _settings(inner, f"{place}[{number}]")
    else:
        yield place, json.dumps(value) if isinstance(value, bool) else str(value)
