"""Loads the cluster configuration: of a service account, or of kubeconfig files, which are merged as in kubectl.

Errors name only file and line: a parser message would repeat the text, which may hold a token.
"""

import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, TypeVar

import yaml
from pydantic import BaseModel, ValidationError

from dynconfig.kube.connection import Cluster, Connection, Context, User, is_token
from dynconfig.kube.impersonation import fault
from dynconfig.kube.yaml_bounds import Bounded, Parser, TooMuch

Section = dict[str, Any]
Model = TypeVar("Model", bound=BaseModel)

DEFAULT_KUBECONFIG = "~/.kube/config"
# https://kubernetes.io/docs/tasks/run-application/access-api-from-pod/#directly-accessing-the-rest-api
SERVICE_ACCOUNT = Path("/var/run/secrets/kubernetes.io/serviceaccount")

_SECTIONS = {"clusters": "cluster", "contexts": "context", "users": "user"}
# Enough for a thousand clusters with certificates.
MAX_BYTES = 8 * 2**20
_PATHS = ("certificate-authority", "client-certificate", "client-key", "tokenFile")


class BadKubeconfig(Exception):
    """The kubeconfig is missing or invalid; the message quotes none of its text."""


def current() -> Connection:
    """Return the cluster of the service account, or of the current context. Raises BadKubeconfig."""
    if os.environ.get("KUBERNETES_SERVICE_HOST") and (SERVICE_ACCOUNT / "token").is_file():
        namespace = SERVICE_ACCOUNT / "namespace"
        user = User(token_file=str(SERVICE_ACCOUNT / "token"))
        return Connection(user, namespace=namespace.read_text().strip() if namespace.is_file() else "default")
    return _current_context(os.environ.get("KUBECONFIG") or DEFAULT_KUBECONFIG)


def _current_context(listed: str) -> Connection:
    files = [Path(name).expanduser() for name in listed.split(os.pathsep) if name]
    existing = [file for file in files if file.is_file()]
    if not existing:
        raise BadKubeconfig(f"{listed} not found; set KUBECONFIG to a kubeconfig file")
    merged = _merged({file: _document(file) for file in existing})
    name = merged["current-context"]
    if not name:
        raise BadKubeconfig(f"{listed} has no current context; set one with `kubectl config use-context NAME`")
    context = _entry(merged, "contexts", name, Context)
    user = _entry(merged, "users", context.user, User) if context.user else User()
    if message := _fault(user):
        raise BadKubeconfig(f"user {context.user} in the kubeconfig is invalid: {message}")
    cluster = _entry(merged, "clusters", context.cluster, Cluster)
    return Connection(user, cluster, context.namespace or "default", name)


def _fault(user: User) -> str:
    if user.token and not is_token(user.token):
        return "token must be printable ASCII characters; remove line breaks and others"
    if user.auth_provider and not (user.token or user.token_file or user.plugin):
        return "auth-provider is not supported; use a credential plugin (exec)"
    return fault(user)


def _document(file: Path) -> Section:
    try:
        with file.open("rb") as stream:
            content = stream.read(MAX_BYTES + 1)
        if len(content) > MAX_BYTES:
            raise BadKubeconfig(f"{file} is larger than {MAX_BYTES >> 20} MiB; set KUBECONFIG to a kubeconfig file")
        found = _loaded(content.decode("utf-8"))
    except OSError as error:
        raise BadKubeconfig(f"{file} cannot be read: {error.strerror}") from None
    except (yaml.YAMLError, ValueError) as error:
        mark = getattr(error, "problem_mark", None)
        # The message of a limit quotes no text of the file.
        why = f": {error.problem}" if isinstance(error, TooMuch) else ""
        raise BadKubeconfig(f"{file}{f', line {mark.line + 1}' if mark else ''} is not valid YAML{why}") from None
    if found is not None and not isinstance(found, dict):
        raise BadKubeconfig(f"{file} is not a kubeconfig with clusters, contexts and users")
    return found or {}


def _loaded(text: str) -> Any:
    loader = _Loader(text)
    try:
        return loader.get_single_data()
    finally:
        loader.dispose()


class _Loader(Bounded, Parser):
    """Loads the single document of a kubeconfig."""

    max_nodes = 100_000

    def __init__(self, text: str) -> None:
        Parser.__init__(self, text)
        Bounded.__init__(self)


def _merged(documents: Mapping[Path, Section]) -> Section:
    """Merge all files: the first definition of a name wins, and paths are relative to their file.

    https://kubernetes.io/docs/concepts/configuration/organize-cluster-access-kubeconfig/#merging-kubeconfig-files
    """
    merged: Section = {section: {} for section in _SECTIONS}
    contexts = (document.get("current-context") for document in documents.values())
    merged["current-context"] = next((name for name in contexts if name and isinstance(name, str)), None)
    for file, document in documents.items():
        for section in _SECTIONS:
            for name, body in _bodies(file, document, section):
                merged[section].setdefault(name, _placed(file, body))
    return merged


def _bodies(file: Path, document: Section, section: str) -> Iterator[tuple[str, Section]]:
    noun, listed = _SECTIONS[section], document.get(section) or []
    for item in listed if isinstance(listed, list) else [listed]:
        name, body = (item.get("name"), item.get(noun) or {}) if isinstance(item, dict) else (None, None)
        if not isinstance(name, str) or not isinstance(body, dict):
            raise BadKubeconfig(f"{file}: {section} must be a list of entries with a name and a {noun}")
        yield name, body


def _placed(file: Path, body: Section) -> Section:
    folder = file.absolute().parent
    placed = {key: str(folder / text) if key in _PATHS and text else text for key, text in body.items()}
    plugin = placed.get("exec")
    return {**placed, "exec": _plugin(folder, plugin)} if isinstance(plugin, dict) else placed


def _plugin(folder: Path, plugin: Section) -> Section:
    command = str(plugin.get("command", ""))
    # A bare name is looked up on PATH.
    return {**plugin, "command": str(folder / command) if os.sep in command else command}


def _entry(merged: Section, section: str, name: str, model: type[Model]) -> Model:
    if name not in merged[section]:
        raise BadKubeconfig(f"{_SECTIONS[section]} {name} is not defined in the kubeconfig")
    try:
        return model.model_validate(merged[section][name])
    except ValidationError as error:
        faults = (f"{_field(found['loc'])}: {found['msg']}" for found in error.errors(include_input=False))
        raise BadKubeconfig(f"{_SECTIONS[section]} {name} in the kubeconfig is invalid: {'; '.join(faults)}") from None


def _field(path: tuple[int | str, ...]) -> str:
    """Return the field of an error, without the names that a user chose."""
    return ".".join(map(str, path if path[0] == "exec" else path[:1]))
