"""The library for your own handler: load the configuration of this execution environment.

    from dynconfig_function import invocation, load_config

    def handler(event, context):
        with invocation(context):
            config = load_config()
            connect(config["database/host"], config["database/password"])

`load_config()` only reads parameters whose TTL has expired. Call it in every invocation and do not keep values across
invocations. `invocation(context)` adds the request id to logs, writes all metrics in one line, and provides the remaining time.
It is optional: without it, each load that reads parameters writes its own metrics line.

Errors:

| case | result |
|---|---|
| more than 50 parameters are due at once, as in a new environment | they are read from Parameter Store, ten per call |
| the extension is down, slow, or returns an error | the missing parameters are read from Parameter Store, ten per call |
| a parameter does not exist, or access is denied | ConfigurationError with its name; its cached value is dropped |
| AWS throttles or is unavailable, a cached value exists | the cached value, up to an hour after its TTL; a metric and a warning |
| AWS throttles or is unavailable, no cached value | ConfigurationError with its name |
| a value does not match its schema, a cached value exists | the cached value, likewise; the new value is never logged |
| a value does not match its schema, no cached value | ConfigurationError with the name and the rule |

If all due parameters have a usable cached value, a load takes at most 2 s plus the import of boto3, otherwise at most 8 s. In
the first case it does not call Parameter Store if less than 2.5 s of the invocation remain.

A load during initialisation works but is slow: the extension only responds during invocations.
"""

from __future__ import annotations

import os
from math import inf

from dynconfig_function.library import Library

TYPE_CHECKING = False
if TYPE_CHECKING:
    from dynconfig_function.invocation import Invocation
    from dynconfig_function.mapping import Config

LIBRARY = Library(os.environ)


def load_config() -> Config:
    """Return the configuration; no value is older than its TTL. Raises ConfigurationError if it is unavailable."""
    return LIBRARY.load()


class invocation:  # noqa: N801 - used as a statement
    """Context manager for one invocation; writes its metrics at the end, even if the handler raises."""

    def __init__(self, context: object = None, library: Library = LIBRARY) -> None:
        self._request_id = str(getattr(context, "aws_request_id", ""))
        self._left = getattr(context, "get_remaining_time_in_millis", None)
        self._library = library

    def __enter__(self) -> Invocation:
        return self._library.begin(self._request_id, self._left() / 1000 if self._left else inf)

    def __exit__(self, *_error: object) -> None:
        self._library.end()
