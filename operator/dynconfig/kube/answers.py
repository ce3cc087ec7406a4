"""What both clients of the API server share: where it is, where its objects are, and what its refusals mean."""

import base64
import json
from collections.abc import Mapping
from typing import Any

from lightkube.config.kubeconfig import SingleConfig

from dynconfig.api import names
from dynconfig.engine.agenda import Key
from dynconfig.engine.declaration import Source
from dynconfig.engine.errors import InvalidSpec, Retryable
from dynconfig.kube import kubeconfig

Document = dict[str, Any]

OBJECTS = f"/apis/{names.GROUP}/{names.VERSION}"
PAGE = 500
# The API server ends watches after minutes by itself; silence for longer means that the connection is dead.
WATCH_SECONDS = 240
_TOO_LARGE = ("request is too large", "message larger than max")


class ApiUnavailable(Retryable):
    """The API server does not answer, or asks to come later."""


class ApiConflict(Retryable):
    """The object was changed meanwhile."""


class ApiRefused(Exception):
    """The API server refuses the request; the message is its own."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status = status


class WatchExpired(Exception):
    """The version to watch from is gone: list again."""


class NoObject(Exception):
    """An object that was asked for by name is not in the cluster."""


class NoCluster(Exception):
    """There is no cluster to talk to: no kubeconfig, no service account."""


def config() -> SingleConfig:
    """The cluster of the service account, of KUBECONFIG, or of ~/.kube/config. Raises NoCluster."""
    try:
        return kubeconfig.current()
    except kubeconfig.BadKubeconfig as error:
        raise NoCluster(f"no Kubernetes cluster: {error}") from None


def object_path(key: Key) -> str:
    """Where a DynamicConfig is."""
    return f"{objects_path(key.namespace)}/{key.name}"


def objects_path(namespace: str | None) -> str:
    """Where the DynamicConfigs of a namespace are, or those of all."""
    return f"{OBJECTS}/namespaces/{namespace}/{names.PLURAL}" if namespace else f"{OBJECTS}/{names.PLURAL}"


def sources_path(kind: str, namespace: str | None) -> str:
    """Where the Secrets or ConfigMaps of a namespace are, or those of all."""
    plural = {"Secret": "secrets", "ConfigMap": "configmaps"}[kind]
    return f"/api/v1/namespaces/{namespace}/{plural}" if namespace else f"/api/v1/{plural}"


def refuse(status: int, content: bytes) -> None:
    """Raise what an answer of 400 or above means."""
    message = _message(content)
    if status == 409:
        raise ApiConflict(f"the object was changed meanwhile: {message}", delay=0.2)
    if status == 410:
        raise WatchExpired(message)
    # What etcd does not take for its size comes as a fault of the server's, and will be as large next time.
    is_too_large = any(words in message for words in _TOO_LARGE)
    if (status in (408, 429) or status >= 500) and not is_too_large:
        raise ApiUnavailable(f"the Kubernetes API server answered {status}: {message}")
    raise ApiRefused(status, message)


def unavailable(error: Exception) -> ApiUnavailable:
    """What it means that no answer came."""
    return ApiUnavailable(f"the Kubernetes API server does not answer: {str(error) or type(error).__name__}")


def watched(event: Document) -> tuple[str, Document]:
    """Type of a watch's event, and the object. Raises WatchExpired; ApiUnavailable where the watch ends otherwise."""
    if event["type"] == "ERROR":
        message = str(event["object"].get("message", ""))
        if event["object"].get("code") == 410:
            raise WatchExpired(message)
        raise ApiUnavailable(f"the Kubernetes API server ended a watch: {message}")
    return event["type"], event["object"]


def text_of(source: Source, document: Mapping[str, Any] | None) -> str | None:
    """The text of a Secret's or ConfigMap's key, or None. Raises InvalidSpec where it is no text."""
    if document is None:
        return None
    if source.kind == "ConfigMap":
        text: str | None = (document.get("data") or {}).get(source.key)
        return text
    encoded = (document.get("data") or {}).get(source.key)
    if encoded is None:
        return None
    try:
        return base64.b64decode(encoded).decode()
    except UnicodeDecodeError:
        raise InvalidSpec(f"{source} is not UTF-8 text, and SSM stores text only") from None


def _message(content: bytes) -> str:
    try:
        return str(json.loads(content)["message"])
    except (ValueError, KeyError, TypeError):
        return content[:200].decode(errors="replace") or "no message"
