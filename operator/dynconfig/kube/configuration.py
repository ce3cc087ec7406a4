"""Configures the official Kubernetes client, asynchronous or synchronous, with the connection to a cluster."""

import base64
import ssl
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from tempfile import TemporaryDirectory
from typing import Any

import kubernetes.aio.client.configuration as asynchronous
import kubernetes.client.configuration as synchronous
from kubernetes.config import load_kube_config_from_dict
from kubernetes.config.config_exception import ConfigException
from kubernetes.config.incluster_config import InClusterConfigLoader

from dynconfig.kube import kubeconfig
from dynconfig.kube.connection import Cluster, Connection, User
from dynconfig.kube.renewed_token import RenewedToken, renewed_token
from dynconfig.kube.responses import NoCluster

Configuration = asynchronous.Configuration | synchronous.Configuration

TOKEN = "BearerToken"  # noqa: S105 -- the name of the official client's setting.
_CERTIFICATES = {"client_certificate", "client_certificate_data", "client_key", "client_key_data"}
_CREDENTIALS = {"token", "username", "password"}


@contextmanager
def configured(
    connection: Connection, configuration: Configuration, renew: Callable[[Any], object]
) -> Iterator[RenewedToken | None]:
    """Set server, TLS, proxy and credentials; on exit, remove the temporary files of certificates. Raises NoCluster.

    If the user has a token that has to be renewed, yield it; before each request, the official client then calls `renew`
    with the configuration (and awaits a coroutine).
    """
    token = renewed_token(connection)
    with ExitStack() as files:
        if connection.cluster is None:
            _configure_service_account(configuration)
        else:
            try:
                _configure_context(
                    connection.cluster, connection.user, configuration, files, has_token=token is not None
                )
                _check_certificates(configuration)
            except (ConfigException, OSError, ValueError, TypeError) as error:
                where = f"the kubeconfig's context {connection.context}"
                raise NoCluster(f"no Kubernetes cluster: {where}: its certificates cannot be read: {error}") from None
        if token is not None:
            # The hook is called only if there is a key.
            configuration.api_key[TOKEN] = ""
            configuration.refresh_api_key_hook = renew  # type: ignore[assignment]  # declared as None
        yield token


def _configure_service_account(configuration: Configuration) -> None:
    folder = kubeconfig.SERVICE_ACCOUNT
    try:
        InClusterConfigLoader(str(folder / "token"), str(folder / "ca.crt")).load_and_set(configuration)
    except (ConfigException, OSError) as error:
        raise NoCluster(f"no Kubernetes cluster: the service account of this pod: {error}") from None


def _configure_context(
    cluster: Cluster, user: User, configuration: Configuration, files: ExitStack, *, has_token: bool
) -> None:
    sections = {
        # The official client would write these data to a temporary file, which a read-only file system does not allow.
        "cluster": cluster.model_dump(by_alias=True, exclude_none=True, exclude={"certificate_authority_data"}),
        "user": user.model_dump(
            by_alias=True, exclude_none=True, include=_CERTIFICATES if has_token else _CERTIFICATES | _CREDENTIALS
        ),
        "context": {"cluster": "-", "user": "-"},
    }
    document = {f"{noun}s": [{"name": "-", noun: body}] for noun, body in sections.items()}
    folder = None
    if user.client_certificate_data or user.client_key_data:
        # The official client would keep the key in a file until a regular exit.
        folder = files.enter_context(TemporaryDirectory(prefix="dynconfig-"))
    load_kube_config_from_dict(document, "-", configuration, persist_config=False, temp_file_path=folder)
    if cluster.certificate_authority_data:
        configuration.ca_cert_data = base64.b64decode(cluster.certificate_authority_data).decode()
    if cluster.proxy_url and isinstance(configuration, synchronous.Configuration):
        # As in kubectl, NO_PROXY applies to the proxies of environment variables only.
        configuration.no_proxy = None


def _check_certificates(configuration: Configuration) -> None:
    """Load all certificates once: the official synchronous client would fail at the first request."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    if configuration.ssl_ca_cert or configuration.ca_cert_data:
        context.load_verify_locations(configuration.ssl_ca_cert, cadata=configuration.ca_cert_data)
    if configuration.cert_file:
        context.load_cert_chain(configuration.cert_file, configuration.key_file)
