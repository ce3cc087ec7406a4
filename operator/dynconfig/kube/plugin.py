"""Credentials for the API server as lightkube has them, with the failures of a kubeconfig's plugin told in our words."""

from collections.abc import Generator

import httpx2
from lightkube.config.client_adapter import ExecAuth, user_auth
from lightkube.config.models import User, UserExec
from lightkube.core.exceptions import ConfigError

from dynconfig.kube.answers import ApiUnavailable, NoCluster


def authentication(user: User | None) -> httpx2.Auth | None:
    """What puts the credentials on a request. Raises ConfigError; when a request is sent NoCluster and ApiUnavailable."""
    found = user_auth(user)
    return _Plugin(found, user.exec) if user and user.exec and isinstance(found, ExecAuth) else found


class _Plugin(httpx2.Auth):
    def __init__(self, auth: httpx2.Auth, plugin: UserExec) -> None:
        self._auth = auth
        self._plugin = plugin

    def sync_auth_flow(self, request: httpx2.Request) -> Generator[httpx2.Request, httpx2.Response, None]:
        """Run the plugin, where what it said before is not enough."""
        told = f"the plugin {self._plugin.command} of the kubeconfig"
        try:
            yield from self._auth.sync_auth_flow(request)
        except OSError as error:
            hint = self._plugin.installHint or "install it, or put its folder on PATH"
            raise NoCluster(f"{told} cannot be started: {error.strerror}; {hint}") from None
        except ConfigError as error:
            raise ApiUnavailable(f"{told} failed: {error}") from None
        except (ValueError, KeyError, TypeError):
            # Its answer may hold part of a token.
            raise NoCluster(f"{told} answers without a token; see what it prints, or log in again") from None
