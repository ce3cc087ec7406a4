"""The AWS Parameters and Secrets extension: its HTTP contract, and its memory.

https://docs.aws.amazon.com/systems-manager/latest/userguide/ps-integration-lambda-extensions.html
"""

import json
import threading
from collections import OrderedDict
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

LONGEST_TTL = 300
LARGEST_CACHE = 1000
TRIES = 3

NOT_READY = "not ready to serve traffic, please wait"
FAILED = "an unexpected error occurred while executing request"
PATHS = ("/systemsmanager/parameters/get", "/systemsmanager/parameters/get/")

GetParameter = Callable[[str, bool], Mapping[str, Any]]
"""Answers SSM's Parameter for a name with its selector, decrypted or not; raises OSError or LookupError."""


class BadSettings(ValueError):
    """An environment variable of the extension is out of its range."""


@dataclass(frozen=True)
class Settings:
    """The extension's environment variables."""

    ttl: int
    size: int

    @classmethod
    def of(cls, environment: Mapping[str, str]) -> "Settings":
        """Raises BadSettings, naming the variable."""
        enabled = environment.get("PARAMETERS_SECRETS_EXTENSION_CACHE_ENABLED", "TRUE").upper() == "TRUE"
        ttl = _number(environment, "SSM_PARAMETER_STORE_TTL", LONGEST_TTL, LONGEST_TTL)
        size = _number(environment, "PARAMETERS_SECRETS_EXTENSION_CACHE_SIZE", LARGEST_CACHE, LARGEST_CACHE)
        return cls(ttl if enabled else 0, size)


class Extension:
    """Answers requests of one execution environment; safe for threads."""

    def __init__(self, settings: Settings, token: str, get: GetParameter, clock: Callable[[], float]) -> None:
        self.serves = False
        """Whether an invocation goes on; the extension answers nothing while the function initialises."""
        self._settings = settings
        self._token = token
        self._get = get
        self._clock = clock
        self._lock = threading.Lock()
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
        query = parse_qs(parts.query)
        if "name" not in query:
            return 400, FAILED.encode()
        selector = _selector(parts.query)
        decrypt = query.get("withDecryption", ["false"])[0].lower() == "true"
        try:
            return 200, self._parameter(unquote(query["name"][0]) + selector, decrypt)
        except (OSError, LookupError):
            return 400, FAILED.encode()

    def _parameter(self, name: str, decrypt: bool) -> bytes:
        now = self._clock()
        with self._lock:
            at, body = self._cache.get((name, decrypt), (float("-inf"), b""))
        if now - at < self._settings.ttl:
            return body
        body = json.dumps({"Parameter": _document(self._tried(name, decrypt)), "ResultMetadata": {}}).encode()
        if self._settings.ttl and self._settings.size:
            with self._lock:
                self._cache[name, decrypt] = (now, body)
                self._cache.move_to_end((name, decrypt))
                while len(self._cache) > self._settings.size:
                    self._cache.popitem(last=False)
        return body

    def _tried(self, name: str, decrypt: bool) -> Mapping[str, Any]:
        for _ in range(TRIES - 1):
            try:
                return self._get(name, decrypt)
            except OSError:
                continue
        return self._get(name, decrypt)


def _document(parameter: Mapping[str, Any]) -> dict[str, Any]:
    """What is absent is null, and a time is a text."""
    names = ("ARN", "DataType", "LastModifiedDate", "Name", "Selector", "SourceResult", "Type", "Value", "Version")
    found = {name: parameter.get(name) for name in names}
    if found["LastModifiedDate"] is not None:
        found["LastModifiedDate"] = found["LastModifiedDate"].strftime("%Y-%m-%dT%H:%M:%S.%f")[:-3] + "Z"
    return found


def _selector(query: str) -> str:
    """The first of version and label in the query wins."""
    for pair in query.split("&"):
        name, _, value = pair.partition("=")
        if name in ("version", "label"):
            return f":{unquote(value)}"
    return ""


def _number(environment: Mapping[str, str], name: str, default: int, highest: int) -> int:
    text = environment.get(name, str(default))
    if not text.isdigit() or int(text) > highest:
        raise BadSettings(f"{name} has to be a whole number from 0 to {highest}")
    return int(text)
