"""Client of the AWS Parameters and Secrets extension, which caches values beside the function.

https://docs.aws.amazon.com/systems-manager/latest/userguide/ps-integration-lambda-extensions.html
"""

from __future__ import annotations

import json

from dynconfig_function.parameter import Parameter

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from http.client import HTTPConnection

_SHORT = 0.7
"""The short timeout, in seconds."""
_PATH = "/systemsmanager/parameters/get?withDecryption=true&name="


class ExtensionFailed(Exception):
    """The extension returned no parameter. `concerns_name`: other parameters may still be read from it."""

    def __init__(self, reason: str, *, concerns_name: bool = False) -> None:
        self.reason = reason
        self.concerns_name = concerns_name
        super().__init__(reason)


class Extension:
    """Client of the extension with a persistent connection, opened at the first read."""

    def __init__(self, port: int, environment: Mapping[str, str], timeout: float = 2.0) -> None:
        self._port = port
        self._environment = environment
        self._timeout = timeout
        self._connection: HTTPConnection | None = None

    def get(self, name: str, *, short_timeout: bool = False) -> Parameter:
        """Return the decrypted parameter with this full name. Raises ExtensionFailed."""
        timeout = min(self._timeout, _SHORT) if short_timeout else self._timeout
        # Names consist of letters, digits, _.- and slashes, so only slashes need encoding.
        status, body = self._answer(_PATH + name.replace("/", "%2F"), timeout)
        if status == 200:
            answered, parameter = _parameter(body)
            if answered == name:
                return parameter
            # The response belongs to an earlier request that timed out; later ones would be off by one, too.
            self.close()
            raise ExtensionFailed("returned another parameter")
        # The extension returns 400 for every failure of its backend, and if it is not ready yet.
        concerns_name = status in {400, 404} and b"not ready" not in body
        raise ExtensionFailed(f"returned HTTP {status}", concerns_name=concerns_name)

    def close(self) -> None:
        """Close the connection; the next read reopens it."""
        if self._connection is not None:
            self._connection.close()
            self._connection = None

    def _answer(self, path: str, timeout: float) -> tuple[int, bytes]:
        if self._connection is not None:
            try:
                return self._ask(self._connection, path, timeout)
            except ConnectionError:
                # The extension closes idle connections; a frozen environment is idle.
                self.close()
        return self._ask(self._connect(), path, timeout)

    def _connect(self) -> HTTPConnection:
        # Takes 20 ms or more, unless the Lambda runtime has imported it already.
        from http.client import HTTPConnection

        self._connection = HTTPConnection("localhost", self._port)
        return self._connection

    def _ask(self, connection: HTTPConnection, path: str, timeout: float) -> tuple[int, bytes]:
        from http.client import HTTPException

        is_reused = connection.sock is not None
        connection.timeout = timeout
        if is_reused:
            connection.sock.settimeout(timeout)
        try:
            connection.request("GET", path, headers=self._headers())
            response = connection.getresponse()
            return response.status, response.read()
        except ConnectionError as error:
            if is_reused:
                raise
            self.close()
            raise ExtensionFailed(f"is unreachable: {type(error).__name__}") from None
        except (OSError, HTTPException) as error:
            self.close()
            raise ExtensionFailed(f"did not respond: {type(error).__name__}") from None

    def _headers(self) -> dict[str, str]:
        return {"X-Aws-Parameters-Secrets-Token": self._environment.get("AWS_SESSION_TOKEN", "")}


def _parameter(body: bytes) -> tuple[object, Parameter]:
    try:
        found = json.loads(body)["Parameter"]
        kind, value, version = found["Type"], found["Value"], found["Version"]
    except (ValueError, KeyError, TypeError):
        raise ExtensionFailed("returned an invalid response", concerns_name=True) from None
    if not isinstance(value, str):
        raise ExtensionFailed("returned no value", concerns_name=True)
    return found.get("Name"), Parameter(kind, value, version)
