"""Identifies the service and operation of a request, and counts the calls of each operation."""

import re
import threading
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import parse_qs

from dynconfig_lab.aws import rest
from dynconfig_lab.aws.accounts import ACCOUNT

_SCOPE = re.compile(r"Credential=[^/]*/\d+/([^/]+)/([^/]+)/aws4_request")
# Names in signatures that differ from boto3's.
_SERVICES = {"monitoring": "cloudwatch", "tagging": "resourcegroupstaggingapi"}


@dataclass(frozen=True)
class Call:
    """One request."""

    service: str
    operation: str
    region: str

    @property
    def name(self) -> str:
        """The name that counters and faults use, for example ssm.PutParameter."""
        return f"{self.service}.{self.operation}"


class Calls:
    """Call counters; thread-safe."""

    def __init__(self) -> None:
        self._counts: Counter[tuple[str, str]] = Counter()
        self._lock = threading.Lock()

    def count(self, call: Call, account: str = ACCOUNT) -> None:
        """Count one call of an account."""
        with self._lock:
            self._counts[account, call.name] += 1

    def all(self) -> dict[str, int]:
        """The number of calls of each operation, by name."""
        with self._lock:
            counts = sorted(self._counts.items())
        found: Counter[str] = Counter()
        for (_account, name), count in counts:
            found[name] += count
        return dict(sorted(found.items()))

    def by_account(self) -> dict[str, dict[str, int]]:
        """The number of calls of each operation, by account and name."""
        with self._lock:
            counts = sorted(self._counts.items())
        found: dict[str, dict[str, int]] = {}
        for (account, name), count in counts:
            found.setdefault(account, {})[name] = count
        return found

    def reset(self) -> None:
        """Reset the counters."""
        with self._lock:
            self._counts.clear()


def identify(environ: Mapping[str, Any], body: bytes) -> Call:
    """The call in a request: JSON protocols name it in a header, query protocols in the body, REST by verb and path."""
    scope = _SCOPE.search(environ.get("HTTP_AUTHORIZATION", ""))
    region, signed = scope.groups() if scope else ("us-east-1", "unknown")
    path: str = environ.get("PATH_INFO", "/")
    service = rest.service_of(_SERVICES.get(signed, signed), path)
    named = rest.operation_of(service, environ.get("REQUEST_METHOD", "GET"), path)
    return Call(service, named or _operation(environ, body), region)


def _operation(environ: Mapping[str, Any], body: bytes) -> str:
    target: str = environ.get("HTTP_X_AMZ_TARGET", "")
    if target:
        return target.rpartition(".")[2]
    if environ.get("CONTENT_TYPE", "").startswith("application/x-www-form-urlencoded"):
        return parse_qs(body.decode("utf-8", "replace")).get("Action", ["unknown"])[0]
    path: str = environ.get("PATH_INFO", "/")
    # Smithy RPC v2, which CloudWatch uses: /service/NAME/operation/NAME
    if "/operation/" in path:
        return path.rpartition("/")[2]
    return f"{environ.get('REQUEST_METHOD', 'GET')} {path}"
