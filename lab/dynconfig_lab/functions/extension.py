"""The AWS Parameters and Secrets extension of one environment: its HTTP contract and its cache.

https://docs.aws.amazon.com/systems-manager/latest/userguide/ps-integration-lambda-extensions.html
"""

import json
import threading
from collections import OrderedDict
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Any
from urllib.parse import parse_qsl, urlsplit

from dynconfig_lab.functions.extension_settings import LEVELS, BadSettings, Settings

__all__ = ["BadSettings", "Extension", "GetParameter", "Settings"]

TRIES = 3
NOT_READY = "not ready to serve traffic, please wait"
FAILED = "an unexpected error occurred while executing request"
PATHS = ("/systemsmanager/parameters/get", "/systemsmanager/parameters/get/")
_MEMBERS = ("ARN", "DataType", "LastModifiedDate", "Name", "Selector", "SourceResult", "Type", "Value", "Version")

GetParameter = Callable[[str, bool, float | None], Mapping[str, Any]]
"""SSM's Parameter for a name with its selector, decrypted or not, within some seconds. Raises OSError, where another try
may help, or LookupError."""


class Extension:
    """Handles requests of one execution environment; thread-safe."""

    def __init__(
        self,
        settings: Settings,
        token: str,
        get: GetParameter,
        clock: Callable[[], float],
        log: Callable[[str], object] = lambda _line: None,
    ) -> None:
        self.serves = False
        """Whether an invocation is running; the extension returns nothing while the function initialises."""
        self._settings = settings
        self._token = token
        self._get = get
        self._clock = clock
        self._log = log
        self._lock = threading.Lock()
        self._connections = threading.Semaphore(settings.connections)
        self._cache: OrderedDict[tuple[str, bool], tuple[float, bytes]] = OrderedDict()

    def answer(self, target: str, token: str | None) -> tuple[int, bytes]:
        """Status and body for a request."""
        parts = urlsplit(target)
        if parts.path not in PATHS:
            return 400, b"the lab emulates the extension for parameters only"
        if token != self._token:
            return 401, b"the token header is missing or wrong"
        if not self.serves:
            return 400, NOT_READY.encode()
        query = parse_qsl(parts.query)
        name = dict(reversed(query)).get("name")
        if not name:
            return 400, FAILED.encode()
        decrypt = dict(reversed(query)).get("withDecryption", "false").lower() == "true"
        try:
            return 200, self._parameter(name + _selector(query), decrypt)
        except (OSError, LookupError) as error:
            # The response contains no cause; it is only logged.
            self._write("ERROR", f"GetParameter {name}: {error}")
            return 400, FAILED.encode()

    def _parameter(self, name: str, decrypt: bool) -> bytes:
        settings, now = self._settings, self._clock()
        with self._lock:
            at, body = self._cache.get((name, decrypt), (float("-inf"), b""))
        if now - at < settings.ttl:
            self._write("DEBUG", f"{name} comes from the cache")
            return body
        body = json.dumps({"Parameter": _document(self._tried(name, decrypt)), "ResultMetadata": {}}).encode()
        if settings.ttl and settings.size:
            with self._lock:
                self._cache[name, decrypt] = (now, body)
                self._cache.move_to_end((name, decrypt))
                while len(self._cache) > settings.size:
                    self._cache.popitem(last=False)
        return body

    def _tried(self, name: str, decrypt: bool) -> Mapping[str, Any]:
        with self._connections:
            for _ in range(TRIES - 1):
                try:
                    return self._get(name, decrypt, self._settings.timeout)
                except OSError as error:
                    self._write("WARN", f"GetParameter {name} is tried again: {error}")
            return self._get(name, decrypt, self._settings.timeout)

    def _write(self, level: str, text: str) -> None:
        if LEVELS.index(level) >= LEVELS.index(self._settings.level):
            now = datetime.now(UTC).strftime("%Y/%m/%d %H:%M:%S")
            self._log(f"[AWS Parameters and Secrets Lambda Extension] {now} {level} {text}")


def _document(parameter: Mapping[str, Any]) -> dict[str, Any]:
    """Absent fields are null, and timestamps are strings."""
    found = {name: parameter.get(name) for name in _MEMBERS}
    if found["LastModifiedDate"] is not None:
        at = found["LastModifiedDate"].astimezone(UTC)
        found["LastModifiedDate"] = at.strftime("%Y-%m-%dT%H:%M:%S.%f")[:-3] + "Z"
    return found


def _selector(query: list[tuple[str, str]]) -> str:
    """The first of version and label in the URL applies."""
    return next((f":{value}" for name, value in query if name in ("version", "label")), "")
