"""A synchronous, read-only API server client for CLI commands; quick to import."""

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any, Self

import httpx2
from lightkube.config.client_adapter import verify_cluster
from lightkube.config.kubeconfig import SingleConfig
from lightkube.config.models import User
from lightkube.core.exceptions import ConfigError

from dynconfig.kube.impersonation import impersonation
from dynconfig.kube.plugin import authentication
from dynconfig.kube.responses import (
    PAGE,
    WATCH_SECONDS,
    ApiRefused,
    Document,
    NoCluster,
    config,
    document,
    not_kubernetes,
    object_path,
    objects_path,
    page,
    parse_partial_line,
    raise_for_status,
    sources_path,
    unavailable,
)
from dynconfig.model.key import Key

_SECONDS = 15.0


Read = Callable[[int, bytes], Document]
"""Parses the status and content of a response."""


class Reader:
    """Reads from the configured cluster. Raises ApiUnavailable, ApiRefused, NoCluster."""

    def __init__(self, found: SingleConfig) -> None:
        self.namespace = found.namespace
        prefix = f"no Kubernetes cluster: the kubeconfig's context {found.context_name}: "
        try:
            verify = verify_cluster(found.cluster, found.user or User(), found.abs_file)
        except (ConfigError, OSError, ValueError, TypeError) as error:
            raise NoCluster(f"{prefix}its certificates cannot be read: {error}") from None
        try:
            self._http = httpx2.Client(
                base_url=found.cluster.server,
                verify=verify,
                auth=authentication(found.user),
                headers=[(name.encode(), value.encode()) for name, value in impersonation(found.user)],
                timeout=_SECONDS,
            )
        except (ConfigError, ValueError, httpx2.InvalidURL) as error:
            raise NoCluster(f"{prefix}{error}") from None

    @classmethod
    def from_environment(cls) -> Self:
        """Connect to the cluster of the service account, KUBECONFIG or ~/.kube/config. Raises NoCluster."""
        return cls(config())

    def close(self) -> None:
        """Close the connections."""
        self._http.close()

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
        timeout = httpx2.Timeout(min(seconds, _SECONDS), read=min(seconds, WATCH_SECONDS + _SECONDS))
        with (
            translated_errors(),
            self._http.stream("GET", objects_path(namespace), params=params, timeout=timeout) as answer,
        ):
            if answer.status_code >= 400:
                raise_for_status(answer.status_code, answer.read())
            if answer.status_code >= 300:
                raise not_kubernetes(answer.status_code)
            lines = answer.iter_lines()
            while (line := _next(lines)) is not None:
                yield parse_partial_line(line)

    def _found(self, path: str) -> Document | None:
        try:
            return self._get(path)
        except ApiRefused as error:
            if error.status == 404:
                return None
            raise

    def _get(self, path: str, params: Mapping[str, Any] | None = None, read: Read = document) -> Document:
        with translated_errors():
            answer = self._http.get(path, params=params)
        return read(answer.status_code, answer.content)


def _next(lines: Iterator[str]) -> str | None:
    """Return the next line, or None at the end or after a read timeout."""
    try:
        return next(lines, None)
    except httpx2.ReadTimeout:
        return None


@contextmanager
def translated_errors() -> Iterator[None]:
    """Translate errors of requests without a response."""
    try:
        yield
    except httpx2.UnsupportedProtocol as error:
        raise NoCluster(f"no Kubernetes cluster: the server in the kubeconfig: {error}") from None
    except (httpx2.RequestError, httpx2.InvalidURL) as error:
        raise unavailable(error) from None
    except (ConfigError, OSError) as error:
        raise NoCluster(f"no Kubernetes cluster: {error}") from None
