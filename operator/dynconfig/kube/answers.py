"""What both clients of the API server share: where it is, where its objects are, and what its refusals mean."""

import base64
import json
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any

from lightkube.config.kubeconfig import SingleConfig

from dynconfig.api import names
from dynconfig.engine.declaration import Source
from dynconfig.engine.errors import InvalidSpec, NoSource, Retryable
from dynconfig.engine.secret import OversizedText
from dynconfig.engine.values import LONGEST_BYTES
from dynconfig.engine.work_queue import Key
from dynconfig.kube import json_levels, kubeconfig

Document = dict[str, Any]

OBJECTS = f"/apis/{names.GROUP}/{names.VERSION}"
DEFINITIONS = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions"
NAMESPACES = "/api/v1/namespaces"
PAGE = 500
UNREADABLE = "UNREADABLE"
"""The type of a watch's event that cannot be parsed; it names no object."""
# The API server ends watches after minutes by itself; silence for longer means that the connection is dead.
WATCH_SECONDS = 240
# The object does not fit its definition.
INVALID = 422
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

    @property
    def is_too_large(self) -> bool:
        """Whether the object would be larger than what the API server or etcd takes."""
        return self.status == 413 or any(words in str(self) for words in _TOO_LARGE)


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
    if content.lstrip().startswith(b"<"):
        raise stranger(status)
    message = _message(content)
    if status == 409:
        raise ApiConflict(f"the object was changed meanwhile: {message}", delay=0.2)
    if status == 410:
        raise WatchExpired(message)
    # What etcd does not take for its size comes as a fault of the server's, and will be as large next time.
    is_too_large = any(words in message for words in _TOO_LARGE)
    if (status in (408, 429) or status >= 500) and not is_too_large:
        raise ApiUnavailable(f"the Kubernetes API server answered {status}: {message}")
    raise ApiRefused(status, f"the Kubernetes API server: {message}{_hint(status, content)}")


def document(status: int, content: bytes) -> Document:
    """An object, or raise what the answer means instead."""
    return _document(status, content, json_levels.loads)


def page(status: int, content: bytes) -> Document:
    """A list whose items are parsed one by one as they are taken, or raise what the answer means instead."""
    found = _document(status, content, json_levels.page)
    return {**found, "items": _read(status, found.get("items") or ())}


def _read(status: int, items: Iterable[Document]) -> Iterator[Document]:
    try:
        yield from items
    except ValueError:
        raise stranger(status) from None


def _document(status: int, content: bytes, loads: Callable[[bytes], Any]) -> Document:
    if status >= 400:
        refuse(status, content)
    try:
        found = loads(content)
    except ValueError:
        found = None
    if not isinstance(found, dict) or "metadata" not in found:
        raise stranger(status)
    return found


def stranger(status: int) -> ApiUnavailable:
    """What it means that something else than the API server answers."""
    return ApiUnavailable(
        f"what answers (HTTP {status}) is not the Kubernetes API server; see what stands in its place: "
        "a proxy, a login page, another server in the kubeconfig"
    )


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


def watched_line(line: str) -> tuple[str, Document]:
    """Type and object of a line of a watch. Raises WatchExpired, and ApiUnavailable where the line broke off."""
    try:
        event = json_levels.loads(line)
    except ValueError:
        raise ApiUnavailable("the Kubernetes API server broke off in the middle of a watch") from None
    return watched(event)


def whole_line(line: bytes) -> tuple[str, Document]:
    """Type and object of a line of a watch that has come to its end; UNREADABLE where it is no event of an object.

    Raises WatchExpired, and ApiUnavailable where the server ends the watch.
    """
    try:
        event = json_levels.loads(line)
        kind, found = str(event["type"]), event["object"]
        is_readable = kind == "ERROR" or isinstance(found["metadata"]["resourceVersion"], str)
    except (ValueError, KeyError, TypeError):
        is_readable = False
    return watched(event) if is_readable else (UNREADABLE, {})


def text_of(source: Source, document: Mapping[str, Any] | None) -> str | None:
    """The text of a Secret's or ConfigMap's key, or None; an OversizedText where no parameter can be as long.

    Raises NoSource where there is no such Secret or ConfigMap, InvalidSpec where it is no text.
    """
    if document is None:
        raise NoSource(f"{source.kind} {source.name} does not exist")
    found: str | None = (document.get("data") or {}).get(source.key)
    if source.kind == "ConfigMap":
        if source.key in (document.get("binaryData") or {}):
            raise InvalidSpec(f"{source} is in binaryData, and SSM stores text only; put text into data instead")
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
            f"{source} is not UTF-8 text, and SSM stores text only; store its base64 text as the value, for example with "
            "base64 -w0 FILE"
        ) from None


def _hint(status: int, content: bytes) -> str:
    if status == 401:
        return "; the credentials have expired, or are not known there: log in again"
    if status == 404 and not (_status(content).get("details") or {}).get("name"):
        # It is the kind that is not there, and not an object of it.
        return f"; install the CRD, if it is that: `dynconfig crd | kubectl apply -f -` ({names.GROUP}/{names.VERSION})"
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
