"""Asks the AWS Parameters and Secrets extension, which keeps values in memory beside the function.

https://docs.aws.amazon.com/systems-manager/latest/userguide/ps-integration-lambda-extensions.html
"""

from __future__ import annotations

import json

from dynconfig_function.parameter import Parameter

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from http.client import HTTPConnection

_HURRIED = 0.7
"""Seconds that an answer may take in a hurry."""
_PATH = "/systemsmanager/parameters/get?withDecryption=true&name="


class ExtensionFailed(Exception):
    """The extension gave no parameter; `concerns_name` if another name may still be answered."""

    def __init__(self, reason: str, *, concerns_name: bool = False) -> None:
        self.reason = reason
        self.concerns_name = concerns_name
        super().__init__(reason)


class Extension:
    """A client of the extension that keeps its connection; it connects at the first read, never before."""

    def __init__(self, port: int, environment: Mapping[str, str], timeout: float = 2.0) -> None:
        self._port = port
        self._environment = environment
        self._timeout = timeout
        self._connection: HTTPConnection | None = None

    def get(self, name: str, *, is_hurried: bool = False) -> Parameter:
        """The parameter of this full name, decrypted."""
        timeout = min(self._timeout, _HURRIED) if is_hurried else self._timeout
        # Names hold letters, digits, _.- and slashes only, so the slash is all there is to encode.
        status, body = self._answer(_PATH + name.replace("/", "%2F"), timeout)
        if status == 200:
            answered, parameter = _parameter(body)
            if answered == name:
                return parameter
            # An answer that nobody waited for was left in the connection; what follows would be one behind, too.
            self.close()
            raise ExtensionFailed("returned another parameter")
        # A 400 stands for every failure behind the extension alike, and for an extension that is not ready yet.
        concerns_name = status in {400, 404} and b"not ready" not in body
        raise ExtensionFailed(f"returned HTTP {status}", concerns_name=concerns_name)

    def close(self) -> None:
        """Close the connection; the next read opens another."""
        if self._connection is not None:
            self._connection.close()
            self._connection = None

    def _answer(self, path: str, timeout: float) -> tuple[int, bytes]:
        if self._connection is not None:
            try:
                return self._ask(self._connection, path, timeout)
            except ConnectionError:
                # The extension closes idle connections, and a freeze of the environment is a long idle time.
                self.close()
        return self._ask(self._connect(), path, timeout)

    def _connect(self) -> HTTPConnection:
        # Costs 20 ms and more; the runtime of Lambda has it loaded, others need it at the first read only.
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
