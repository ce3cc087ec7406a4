"""A client of the API server that only reads, for the commands of the terminal: quick to import, one call after the other."""

import json
from collections.abc import Iterator, Mapping
from typing import Any, Self

import httpx2
from lightkube.config.client_adapter import user_auth, verify_cluster
from lightkube.config.kubeconfig import SingleConfig
from lightkube.config.models import User
from lightkube.core.exceptions import ConfigError

from dynconfig.engine.agenda import Key
from dynconfig.kube.answers import (
    PAGE,
    WATCH_SECONDS,
    ApiRefused,
    Document,
    NoCluster,
    config,
    object_path,
    objects_path,
    refuse,
    sources_path,
    unavailable,
    watched,
)

_SECONDS = 15.0


class Reader:
    """Reads from the cluster of the environment. Raises ApiUnavailable, ApiRefused, NoCluster."""

    def __init__(self, found: SingleConfig) -> None:
        self.namespace = found.namespace
        try:
            self._http = httpx2.Client(
                base_url=found.cluster.server,
                verify=verify_cluster(found.cluster, found.user or User(), found.abs_file),
                auth=user_auth(found.user),
                timeout=_SECONDS,
            )
        except (ConfigError, OSError) as error:
            raise NoCluster(f"no Kubernetes cluster: {error}") from None

    @classmethod
    def from_environment(cls) -> Self:
        """The cluster of KUBECONFIG, of the service account, or of ~/.kube/config. Raises NoCluster."""
        return cls(config())

    def close(self) -> None:
        """Close the connections."""
        self._http.close()

    def cluster_id(self) -> str:
        """The uid of the namespace kube-system, which stands for the cluster."""
        return str(self._get("/api/v1/namespaces/kube-system")["metadata"]["uid"])

    def object(self, key: Key) -> Document | None:
        """A DynamicConfig, or None if it is not there."""
        return self._found(object_path(key))

    def source(self, kind: str, namespace: str, name: str) -> Document | None:
        """A Secret or ConfigMap by name, or None if it does not exist."""
        return self._found(f"{sources_path(kind, namespace)}/{name}")

    def objects(self, namespace: str | None) -> tuple[list[Document], str]:
        """All DynamicConfigs of a namespace, or of all, and the version to watch from."""
        found: list[Document] = []
        params = {"limit": str(PAGE)}
        while True:
            page = self._get(objects_path(namespace), params)
            found += page["items"]
            more = page["metadata"].get("continue")
            if not more:
                return found, page["metadata"]["resourceVersion"]
            params = {"limit": str(PAGE), "continue": more}

    def watch(self, namespace: str | None, since: str, seconds: float) -> Iterator[tuple[str, Document]]:
        """Type of event and object of each change since a version, for so many seconds at most. Raises WatchExpired."""
        params = {
            "watch": "true",
            "resourceVersion": since,
            # At least a second, since zero would be for ever.
            "timeoutSeconds": str(max(1, round(min(seconds, WATCH_SECONDS)))),
        }
        timeout = httpx2.Timeout(_SECONDS, read=WATCH_SECONDS + _SECONDS)
        try:
            with self._http.stream("GET", objects_path(namespace), params=params, timeout=timeout) as answer:
                if answer.status_code >= 400:
                    refuse(answer.status_code, answer.read())
                for line in answer.iter_lines():
                    yield watched(json.loads(line))
        except (httpx2.TransportError, ConfigError) as error:
            raise unavailable(error) from None

    def _found(self, path: str) -> Document | None:
        try:
            return self._get(path)
        except ApiRefused as error:
            if error.status == 404:
                return None
            raise

    def _get(self, path: str, params: Mapping[str, Any] | None = None) -> Document:
        try:
            answer = self._http.get(path, params=params)
        except (httpx2.TransportError, ConfigError) as error:
            raise unavailable(error) from None
        if answer.status_code >= 400:
            refuse(answer.status_code, answer.content)
        document: Document = answer.json()
        return document
