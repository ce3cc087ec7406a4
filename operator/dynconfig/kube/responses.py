"""Shared by both API server clients: request paths, response parsing, and errors."""

import base64
import json
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from functools import partial
from typing import Any

from dynconfig.api import names
from dynconfig.kube import json_levels, json_selection, kubeconfig
from dynconfig.kube.connection import Connection
from dynconfig.model.declaration import Source
from dynconfig.model.errors import InvalidSpec, NoSource, Retryable
from dynconfig.model.key import Key
from dynconfig.model.secret import OversizedText
from dynconfig.validation.values import LONGEST_BYTES

Document = dict[str, Any]

OBJECTS = f"/apis/{names.GROUP}/{names.VERSION}"
DEFINITIONS = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions"
NAMESPACES = "/api/v1/namespaces"
PAGE = 500
MODIFIED, DELETED, BOOKMARK = "MODIFIED", "DELETED", "BOOKMARK"
"""Types of watch events."""
UNREADABLE = "UNREADABLE"
"""Type of a watch event that cannot be parsed and names no object."""
# The API server closes a watch after this time; longer silence means that the connection is dead.
WATCH_SECONDS = 240
# Status Invalid: the object does not match its CRD.
INVALID = 422
_TOO_LARGE = ("request is too large", "message larger than max")


class ApiUnavailable(Retryable):
    """The API server is unavailable, or asks to retry later."""


class ApiConflict(Retryable):
    """The object has been modified concurrently."""


class ApiRefused(Exception):
    """The API server rejected the request; the message is the API server's."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status = status

    @property
    def is_too_large(self) -> bool:
        """Whether the object exceeds the size limit of the API server or etcd."""
        return self.status == 413 or any(words in str(self) for words in _TOO_LARGE)


class WatchExpired(Exception):
    """The resourceVersion to watch from has expired; list again."""


class ObjectNotFound(Exception):
    """An object was not found by name."""


class NoCluster(Exception):
    """No cluster is configured: neither a kubeconfig nor a service account."""


def config() -> Connection:
    """Return the cluster of the service account, KUBECONFIG or ~/.kube/config. Raises NoCluster."""
    try:
        return kubeconfig.current()
    except kubeconfig.BadKubeconfig as error:
        raise NoCluster(f"no Kubernetes cluster: {error}") from None


def object_path(key: Key) -> str:
    """Return the path of a DynamicConfig."""
    return f"{objects_path(key.namespace)}/{key.name}"


def objects_path(namespace: str | None) -> str:
    """Return the list path of DynamicConfigs, in one namespace or in all (None)."""
    return f"{OBJECTS}/namespaces/{namespace}/{names.PLURAL}" if namespace else f"{OBJECTS}/{names.PLURAL}"


def targets_path() -> str:
    """Return the list path of AWSTargets."""
    return f"{OBJECTS}/{names.TARGET_PLURAL}"


def target_path(name: str) -> str:
    """Return the path of an AWSTarget."""
    return f"{targets_path()}/{name}"


def sources_path(kind: str, namespace: str | None) -> str:
    """Return the list path of Secrets or ConfigMaps, in one namespace or in all (None)."""
    plural = {"Secret": "secrets", "ConfigMap": "configmaps"}[kind]
    return f"/api/v1/namespaces/{namespace}/{plural}" if namespace else f"/api/v1/{plural}"


def events_path(namespace: str | None) -> str:
    """Return the list path of Events, in one namespace or in all (None)."""
    return f"/api/v1/namespaces/{namespace}/events" if namespace else "/api/v1/events"


def leases_path(namespace: str) -> str:
    """Return the list path of Leases in a namespace."""
    return f"/apis/coordination.k8s.io/v1/namespaces/{namespace}/leases"


def raise_for_status(status: int, content: bytes) -> None:
    """Raise the error for a response with status 400 or above."""
    if content.lstrip().startswith(b"<"):
        raise not_kubernetes(status)
    message = _message(content)
    if status == 409:
        raise ApiConflict(f"the object has been modified: {message}", delay=0.2)
    if status == 410:
        raise WatchExpired(message)
    # etcd rejects large objects with a 5xx error, but a retry would fail again.
    is_too_large = any(words in message for words in _TOO_LARGE)
    if (status in (408, 429) or status >= 500) and not is_too_large:
        raise ApiUnavailable(f"the Kubernetes API server returned {status}: {message}")
    raise ApiRefused(status, f"the Kubernetes API server: {message}{_hint(status, content)}")


Loads = Callable[[str | bytes], Any]


def document(status: int, content: bytes, loads: Loads = json_levels.loads) -> Document:
    """Parse an object, or raise the error of the response."""
    return _document(status, content, loads)


def page(status: int, content: bytes, loads: Loads = json_levels.loads) -> Document:
    """Parse a list whose items are parsed lazily, one by one, or raise the error of the response."""
    found = _document(status, content, partial(json_levels.page, parse=loads))
    return {**found, "items": _read(status, found.get("items") or ())}


def source(status: int, content: bytes, keys: Collection[str]) -> Document:
    """Parse these keys of a Secret or ConfigMap, or raise the error of the response: it may have a hundred thousand others."""
    if len(content) <= json_selection.SMALL or status >= 400:
        return document(status, content)
    if not (content.lstrip().startswith(b"{") and content.rstrip().endswith(b"}") and b'"metadata"' in content):
        raise not_kubernetes(status)
    try:
        return {member: json_selection.strings(content, member, keys) for member in ("data", "binaryData")}
    except ValueError:
        raise not_kubernetes(status) from None


def _read(status: int, items: Iterable[Document]) -> Iterator[Document]:
    try:
        yield from items
    except ValueError:
        raise not_kubernetes(status) from None


def _document(status: int, content: bytes, loads: Loads) -> Document:
    if status >= 400:
        raise_for_status(status, content)
    try:
        found = loads(content)
    except ValueError:
        found = None
    if not isinstance(found, dict) or "metadata" not in found:
        raise not_kubernetes(status)
    return found


def not_kubernetes(status: int) -> ApiUnavailable:
    """Return the error for a response that is not from an API server."""
    return ApiUnavailable(
        f"got a non-Kubernetes response (HTTP {status}); check for a proxy, a login page or a wrong server in the kubeconfig"
    )


def unavailable(error: Exception) -> ApiUnavailable:
    """Return the error for a request without a response."""
    return ApiUnavailable(f"the Kubernetes API server is unavailable: {str(error) or type(error).__name__}")


def parse_event(event: Document) -> tuple[str, Document]:
    """Return the type and object of a watch event. Raises WatchExpired, or ApiUnavailable for another ERROR event."""
    if event["type"] == "ERROR":
        message = str(event["object"].get("message", ""))
        if event["object"].get("code") == 410:
            raise WatchExpired(message)
        raise ApiUnavailable(f"the Kubernetes API server closed a watch: {message}")
    return event["type"], event["object"]


def parse_partial_line(line: bytes) -> tuple[str, Document]:
    """Parse a watch line. Raises WatchExpired, or ApiUnavailable if the line is incomplete."""
    try:
        event = json_levels.loads(line)
    except ValueError:
        raise ApiUnavailable("the Kubernetes API server closed a watch in the middle of an event") from None
    return parse_event(event)


def parse_line(line: bytes, loads: Loads = json_levels.loads) -> tuple[str, Document]:
    """Parse a complete watch line; the type is UNREADABLE if it is not an event of an object.

    Raises WatchExpired, or ApiUnavailable for another ERROR event.
    """
    try:
        event = loads(line)
        kind, found = str(event["type"]), event["object"]
        is_readable = kind == "ERROR" or isinstance(found["metadata"]["resourceVersion"], str)
    except (ValueError, KeyError, TypeError):
        is_readable = False
    return parse_event(event) if is_readable else (UNREADABLE, {})


def source_text(source: Source, document: Mapping[str, Any] | None) -> str | None:
    """Return the text of a key of a Secret or ConfigMap, or None; an OversizedText if it is too long for a parameter.

    Raises NoSource if the Secret or ConfigMap does not exist, InvalidSpec if the value is not text.
    """
    if document is None:
        raise NoSource(f"{source.kind} {source.name} does not exist")
    found: str | None = (document.get("data") or {}).get(source.key)
    if source.kind == "ConfigMap":
        if source.key in (document.get("binaryData") or {}):
            raise InvalidSpec(f"{source} is in binaryData, but SSM stores text only; move it to data as text")
        return found if found is None or len(found) <= LONGEST_BYTES else OversizedText.of(len(found.encode()))
    return None if found is None else _decoded(source, found)


def _decoded(source: Source, encoded: str) -> str:
    # Four characters of base64 are three bytes: https://www.rfc-editor.org/rfc/rfc4648#section-4
    size = len(encoded) // 4 * 3 - encoded[-2:].count("=")
    if size > LONGEST_BYTES:
        return OversizedText.of(size)
    try:
        return base64.b64decode(encoded).decode()
    except UnicodeDecodeError:
        raise InvalidSpec(
            f"{source} is not UTF-8 text, but SSM stores text only; store it base64-encoded, for example with `base64 -w0 FILE`"
        ) from None


def _hint(status: int, content: bytes) -> str:
    if status == 401:
        return "; the credentials are expired or invalid; log in again"
    if status == 404 and not (_status(content).get("details") or {}).get("name"):
        # The kind is missing, not an object.
        return (
            f"; if the CRD ({names.GROUP}/{names.VERSION}) is missing, install it: `dynconfig crd | kubectl apply -f -`"
        )
    return ""


def _message(content: bytes) -> str:
    found = _status(content).get("message")
    return str(found or content[:200].decode(errors="replace").strip() or "no message")


def _status(content: bytes) -> Document:
    try:
        found = json.loads(content)
    except ValueError:
        return {}
    return found if isinstance(found, dict) else {}
