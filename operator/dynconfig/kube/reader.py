"""A synchronous API server client for CLI commands."""

from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from typing import Any, Self
from urllib.parse import urlencode

import urllib3
from kubernetes.client.api_client import ApiClient
from kubernetes.client.configuration import Configuration
from kubernetes.client.exceptions import ApiException
from urllib3.exceptions import HTTPError, InsecureRequestWarning, ReadTimeoutError

from dynconfig.kube.configuration import TOKEN, configured
from dynconfig.kube.connection import Connection
from dynconfig.kube.impersonation import impersonation
from dynconfig.kube.responses import (
    NAMESPACES,
    PAGE,
    WATCH_SECONDS,
    ApiRefused,
    ApiUnavailable,
    Document,
    config,
    document,
    not_kubernetes,
    object_path,
    objects_path,
    page,
    parse_partial_line,
    raise_for_status,
    sources_path,
    target_path,
    targets_path,
    unavailable,
)
from dynconfig.model.key import Key

_SECONDS = 15.0
READ_BYTES = 2**16


Read = Callable[[int, bytes], Document]
"""Parses the status and content of a response."""


class Reader:
    """Reads from the configured cluster. Raises ApiUnavailable, ApiRefused, NoCluster."""

    def __init__(self, connection: Connection) -> None:
        self.namespace = connection.namespace
        self._impersonation = impersonation(connection.user)
        # Redirects are not followed: they lead to login pages.
        self._configuration = Configuration(retries=False)
        # Each new connection reads the certificates.
        self._files = ExitStack()
        self._token = self._files.enter_context(configured(connection, self._configuration, self._renew))
        if not self._configuration.verify_ssl:
            # The kubeconfig says so (insecure-skip-tls-verify).
            urllib3.disable_warnings(InsecureRequestWarning)
        self._api = ApiClient(self._configuration)

    @classmethod
    def from_environment(cls) -> Self:
        """Connect to the cluster of the service account, KUBECONFIG or ~/.kube/config. Raises NoCluster."""
        return cls(config())

    def close(self) -> None:
        """Close the connections, and remove the temporary files of certificates."""
        self._api.rest_client.close()
        self._files.close()

    def cluster_id(self) -> str:
        """Return the UID of namespace kube-system, which identifies the cluster."""
        try:
            return str(self._get("/api/v1/namespaces/kube-system")["metadata"]["uid"])
        except ApiRefused as error:
            if error.status != 403:
                raise
            hint = "or set DYNCONFIG_CLUSTER_ID to the first part of the owner tags of this cluster"
            raise ApiRefused(403, f"{error}; request permission to get it, {hint}") from None

    def object(self, key: Key) -> Document | None:
        """Return a DynamicConfig, or None if it does not exist."""
        return self._found(object_path(key))

    def source(self, kind: str, namespace: str, name: str) -> Document | None:
        """Return a Secret or ConfigMap, or None if it does not exist."""
        return self._found(f"{sources_path(kind, namespace)}/{name}")

    def target(self, name: str) -> Document | None:
        """Return an AWSTarget, or None if it does not exist."""
        return self._found(target_path(name))

    def namespace_labels(self, namespace: str) -> Mapping[str, str] | None:
        """Return the labels of a namespace, or None if it does not exist."""
        found = self._found(f"{NAMESPACES}/{namespace}")
        return found["metadata"].get("labels") or {} if found else None

    def targets(self) -> list[Document]:
        """Return all AWSTargets; none if their definition is not installed."""
        listed = self._found(targets_path())
        return list(listed["items"]) if listed else []

    def objects(self, namespace: str | None) -> tuple[list[Document], str]:
        """Return all DynamicConfigs of a namespace, or of all (None), and the resourceVersion to watch from."""
        found: list[Document] = []
        params = {"limit": str(PAGE)}
        while True:
            listed = self._get(objects_path(namespace), params, page)
            found += listed["items"]
            more = listed["metadata"].get("continue")
            if not more:
                return found, listed["metadata"]["resourceVersion"]
            params = {"limit": str(PAGE), "continue": more}

    def watch(self, namespace: str | None, since: str, seconds: float) -> Iterator[tuple[str, Document]]:
        """Yield type and object of each change since a resourceVersion, for at most `seconds`. Raises WatchExpired."""
        # Zero would mean no timeout.
        length = str(max(1, round(min(seconds, WATCH_SECONDS))))
        params = {"watch": "true", "resourceVersion": since, "timeoutSeconds": length}
        # The server may be gone, or ignore timeoutSeconds.
        timeout = (min(seconds, _SECONDS), min(seconds, WATCH_SECONDS + _SECONDS))
        with translated_errors():
            answer = self._request("GET", objects_path(namespace), params=params, timeout=timeout)
            try:
                if answer.status >= 400:
                    raise_for_status(answer.status, answer.data)
                if answer.status >= 300:
                    raise not_kubernetes(answer.status)
                for line in _lines(answer):
                    yield parse_partial_line(line)
            finally:
                answer.close()

    def _found(self, path: str) -> Document | None:
        try:
            return self._get(path)
        except ApiRefused as error:
            if error.status == 404:
                return None
            raise

    def _get(self, path: str, params: Mapping[str, str] | None = None, read: Read = document) -> Document:
        return self._send("GET", path, params=params, read=read)

    def _send(
        self,
        method: str,
        path: str,
        body: Mapping[str, Any] | None = None,
        *,
        params: Mapping[str, str] | None = None,
        read: Read = document,
    ) -> Document:
        with translated_errors():
            answer = self._request(method, path, body, params=params)
            content = answer.data
        return read(answer.status, content)

    def _request(
        self,
        method: str,
        path: str,
        body: Mapping[str, Any] | None = None,
        *,
        params: Mapping[str, str] | None = None,
        timeout: float | tuple[float, float] = _SECONDS,
    ) -> urllib3.BaseHTTPResponse:
        """Send a request with credentials; renew rejected credentials once. The content is not read."""
        url = self._configuration.host + path + (f"?{urlencode(params)}" if params else "")
        kind = "application/merge-patch+json" if method == "PATCH" else "application/json"
        for is_last in (False, True):
            # Encoded as UTF-8, as kubectl does; http.client would encode Latin-1.
            headers = urllib3.HTTPHeaderDict(
                (name, value.encode().decode("latin-1")) for name, value in self._impersonation
            )
            headers |= {"Content-Type": kind, "Accept-Encoding": "gzip"}
            authorization = self._configuration.get_api_key_with_prefix(TOKEN)
            if authorization:
                headers["Authorization"] = authorization
            sent = self._api.call_api(method, url, headers, body, _request_timeout=timeout)
            answer: urllib3.BaseHTTPResponse = sent.response
            if answer.status != 401 or is_last or self._token is None:
                return answer
            answer.drain_conn()
            self._token.reject(authorization)
        raise AssertionError("unreachable")

    def _renew(self, configuration: Configuration) -> None:
        if self._token is not None:
            configuration.api_key[TOKEN] = self._token.header()


def _lines(answer: urllib3.BaseHTTPResponse) -> Iterator[bytes]:
    """Yield the lines of a response until its end or a read timeout; the last line may be incomplete."""
    rest = b""
    try:
        while chunk := answer.read1(READ_BYTES):
            *complete, rest = (rest + chunk).split(b"\n")
            yield from complete
    except ReadTimeoutError:
        return
    if rest:
        yield rest


@contextmanager
def translated_errors() -> Iterator[None]:
    """Translate errors of requests without a response."""
    try:
        yield
    except HTTPError as error:
        raise unavailable(error) from None
    except ApiException as error:
        # Of TLS; any response with a status is returned.
        raise ApiUnavailable(
            f"the Kubernetes API server is unavailable: {' '.join(str(error.reason).split())}"
        ) from None
