"""Bearer tokens that are renewed: of a token file, or of a credential plugin (`aws eks get-token`).

The official client reads a token file once, and logs a plugin's failure without reporting it.
"""

import time
from collections.abc import Callable
from pathlib import Path

from kubernetes.config.config_exception import ConfigException
from kubernetes.config.dateutil import parse_rfc3339
from kubernetes.config.exec_provider import ExecProvider
from kubernetes.config.kube_config import ConfigNode

from dynconfig.kube.connection import Cluster, Connection, Plugin, is_token
from dynconfig.kube.responses import ApiUnavailable, NoCluster

# The kubelet rotates the token of a service account long before it expires; client-go reads its file as often.
FILE_SECONDS = 60.0


def renewed_token(connection: Connection) -> "RenewedToken | None":
    """Return the token of the user's file or plugin, in the order of kubectl; None if it has neither."""
    user, cluster = connection.user, connection.cluster
    if user.token_file:
        file = Path(user.token_file)
        return RenewedToken(lambda: _from_file(file))
    if user.plugin and not user.token:
        plugin = user.plugin
        return RenewedToken(lambda: _from_plugin(plugin, cluster))
    return None


class RenewedToken:
    """Keeps a token until it expires or is rejected. Not thread-safe."""

    def __init__(self, obtain: Callable[[], tuple[str, float | None]]) -> None:
        self._obtain = obtain
        self._header: str | None = None
        self._expires: float | None = None

    @property
    def is_current(self) -> bool:
        """Whether `header` returns at once."""
        return self._header is not None and (self._expires is None or time.time() < self._expires)

    def header(self) -> str:
        """Return the Authorization header; may read a file or run a program. Raises NoCluster, ApiUnavailable."""
        if self._header is None or not self.is_current:
            token, self._expires = self._obtain()
            self._header = f"Bearer {token}"
        return self._header

    def reject(self, header: str | None) -> None:
        """Forget the token if it is still the one of this header, which the API server rejected (401)."""
        if header == self._header:
            self._header = None


def _from_file(file: Path) -> tuple[str, float]:
    try:
        token = file.read_text().strip()
    except (OSError, ValueError) as error:
        raise NoCluster(f"token file {file} cannot be read: {getattr(error, 'strerror', 'not text')}") from None
    if not is_token(token):
        raise NoCluster(f"token file {file} contains no token; write one, or select another user")
    return token, time.time() + FILE_SECONDS


def _from_plugin(plugin: Plugin, cluster: Cluster | None) -> tuple[str, float | None]:
    """Run a credential plugin; return its token, and when it expires in seconds since the epoch.

    https://kubernetes.io/docs/reference/access-authn-authz/authentication/#input-and-output-formats
    """
    title = f"credential plugin {plugin.command} in the kubeconfig"
    config, about = (
        ConfigNode("", section.model_dump(by_alias=True, exclude_none=True)) if section else None
        for section in (plugin, cluster)
    )
    try:
        status = ExecProvider(config, cwd=None, cluster=about).run()
        token, expires = status["token"], status.get("expirationTimestamp")
        if is_token(token):
            return token, parse_rfc3339(expires).timestamp() if expires else None
    except OSError as error:
        hint = plugin.install_hint or "install it or add it to PATH"
        raise NoCluster(f"{title} cannot be started: {error.strerror}; {hint}") from None
    except ConfigException as error:
        raise ApiUnavailable(f"{title} failed: {' '.join(str(error).split())}") from None
    except (ValueError, KeyError, TypeError, AttributeError):
        # Its output may hold part of a token. On a terminal, the official client fails with an AttributeError after the
        # plugin has written its own message.
        pass
    raise NoCluster(f"{title} returned no token; check its output or log in again")
