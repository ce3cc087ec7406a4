"""API server credentials from lightkube, with clear errors for kubeconfig credential plugins."""

from collections.abc import Generator

import httpx2
from lightkube.config.client_adapter import ExecAuth, user_auth
from lightkube.config.models import User, UserExec
from lightkube.core.exceptions import ConfigError

from dynconfig.kube.responses import ApiUnavailable, NoCluster


def authentication(user: User | None) -> httpx2.Auth | None:
    """Return the authentication of requests. Raises ConfigError; sending a request may raise NoCluster or ApiUnavailable."""
    found = user_auth(user)
    return _Plugin(found, user.exec) if user and user.exec and isinstance(found, ExecAuth) else found


class _Plugin(httpx2.Auth):
    def __init__(self, auth: httpx2.Auth, plugin: UserExec) -> None:
        self._auth = auth
        self._plugin = plugin

    def sync_auth_flow(self, request: httpx2.Request) -> Generator[httpx2.Request, httpx2.Response, None]:
        """Run the plugin, unless its last credentials are still valid."""
        title = f"credential plugin {self._plugin.command} in the kubeconfig"
        try:
            yield from self._auth.sync_auth_flow(request)
        except OSError as error:
            hint = self._plugin.installHint or "install it or add it to PATH"
            raise NoCluster(f"{title} cannot be started: {error.strerror}; {hint}") from None
        except ConfigError as error:
            raise ApiUnavailable(f"{title} failed: {error}") from None
        except (ValueError, KeyError, TypeError):
            # Its output may hold part of a token.
            raise NoCluster(f"{title} returned no token; check its output or log in again") from None
