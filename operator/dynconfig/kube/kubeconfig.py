"""Which cluster is meant: that of a service account, or of the kubeconfig, whose files are put together as kubectl does it.

What cannot be read is told by file and line alone: a message of the parser repeats the text, and with it a token.
"""

import json
import os
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, TypeVar

import msgspec
import yaml
from lightkube.config.kubeconfig import DEFAULT_KUBECONFIG, KubeConfig, SingleConfig
from lightkube.config.models import Cluster, Context
from lightkube.core.exceptions import ConfigError

from dynconfig.engine.yaml_bounds import Bounded, Parser, TooMuch
from dynconfig.kube.impersonation import ActingUser, fault

Section = dict[str, Any]
Model = TypeVar("Model", bound=msgspec.Struct)

_SECTIONS = {"clusters": "cluster", "contexts": "context", "users": "user"}
# A thousand clusters with their certificates.
MAX_BYTES = 8 * 2**20
_PATHS = ("certificate-authority", "client-certificate", "client-key", "tokenFile")
# The same shape; lightkube knows the older one only.
# https://kubernetes.io/docs/reference/access-authn-authz/authentication/#client-go-credential-plugins
_PLUGINS, _PLUGINS_KNOWN = "client.authentication.k8s.io/v1", "client.authentication.k8s.io/v1beta1"


class BadKubeconfig(Exception):
    """There is no kubeconfig, or nothing can be made of it; the message has none of its text."""


def current() -> SingleConfig:
    """The cluster of the service account, or of the current context. Raises BadKubeconfig."""
    try:
        found = KubeConfig.from_service_account().get()
    except (ConfigError, KeyError):
        found = None
    return found or _chosen(os.environ.get("KUBECONFIG") or DEFAULT_KUBECONFIG)


def _chosen(listed: str) -> SingleConfig:
    files = [Path(name).expanduser() for name in listed.split(os.pathsep) if name]
    there = [file for file in files if file.is_file()]
    if not there:
        raise BadKubeconfig(f"there is no file {listed}; name a kubeconfig with KUBECONFIG")
    merged = _merged({file: _document(file) for file in there})
    name = merged["current-context"]
    if not name:
        raise BadKubeconfig(f"{listed} has no current context; choose one with `kubectl config use-context NAME`")
    context = _entry(merged, "contexts", name, Context)
    user = _entry(merged, "users", context.user, ActingUser) if context.user else None
    if user and (told := fault(user)):
        raise BadKubeconfig(f"the user {context.user} of the kubeconfig is wrong: {told}")
    return SingleConfig(name, context, _entry(merged, "clusters", context.cluster, Cluster), user, there[0])


def _document(file: Path) -> Section:
    try:
        with file.open("rb") as stream:
            content = stream.read(MAX_BYTES + 1)
        if len(content) > MAX_BYTES:
            raise BadKubeconfig(f"{file} has more than {MAX_BYTES >> 20} MiB; name a kubeconfig with KUBECONFIG")
        found = _loaded(content.decode("utf-8"))
    except OSError as error:
        raise BadKubeconfig(f"{file} cannot be read: {error.strerror}") from None
    except (yaml.YAMLError, ValueError) as error:
        mark = getattr(error, "problem_mark", None)
        # That of a bound has no text of the file.
        why = f": {error.problem}" if isinstance(error, TooMuch) else ""
        raise BadKubeconfig(f"{file}{f', line {mark.line + 1}' if mark else ''} is not YAML{why}") from None
    if found is not None and not isinstance(found, dict):
        raise BadKubeconfig(f"{file} is no kubeconfig, which has clusters, contexts and users")
    return found or {}


def _loaded(text: str) -> Any:
    loader = _Loader(text)
    try:
        return loader.get_single_data()
    finally:
        loader.dispose()


class _Loader(Bounded, Parser):
    """Reads the one document of a kubeconfig."""

    max_nodes = 100_000

    def __init__(self, text: str) -> None:
        Parser.__init__(self, text)
        Bounded.__init__(self)


def _merged(documents: Mapping[Path, Section]) -> Section:
    """All files in one. The first that names something is believed, and paths are relative to the file that has them.

    https://kubernetes.io/docs/concepts/configuration/organize-cluster-access-kubeconfig/#merging-kubeconfig-files
    """
    merged: Section = {section: {} for section in _SECTIONS}
    chosen = (document.get("current-context") for document in documents.values())
    merged["current-context"] = next((name for name in chosen if name and isinstance(name, str)), None)
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
            raise BadKubeconfig(f"{file}: {section} is no list in which each has a name and a {noun}")
        yield name, body


def _placed(file: Path, body: Section) -> Section:
    folder = file.absolute().parent
    placed = {key: str(folder / text) if key in _PATHS and text else text for key, text in body.items()}
    plugin = placed.get("exec")
    return {**placed, "exec": _plugin(folder, plugin)} if isinstance(plugin, dict) else placed


def _plugin(folder: Path, plugin: Section) -> Section:
    command = str(plugin.get("command", ""))
    # A bare name is looked for on PATH.
    placed = {**plugin, "command": str(folder / command) if os.sep in command else command}
    if plugin.get("apiVersion") != _PLUGINS:
        return placed
    about = {"apiVersion": _PLUGINS, "kind": "ExecCredential", "spec": {"interactive": sys.stdin.isatty()}}
    told = {"name": "KUBERNETES_EXEC_INFO", "value": json.dumps(about)}
    return {**placed, "apiVersion": _PLUGINS_KNOWN, "env": [*(plugin.get("env") or ()), told]}


def _entry(merged: Section, section: str, name: str, model: type[Model]) -> Model:
    if name not in merged[section]:
        raise BadKubeconfig(f"the kubeconfig names the {_SECTIONS[section]} {name}, and has none of that name")
    try:
        return msgspec.convert(merged[section][name], model)
    except msgspec.ValidationError as error:
        # It names fields and types.
        raise BadKubeconfig(f"the {_SECTIONS[section]} {name} of the kubeconfig is wrong: {error}") from None
