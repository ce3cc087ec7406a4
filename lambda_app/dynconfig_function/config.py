"""The library for your own handler: the configuration of this execution environment.

    from dynconfig_function import invocation, load_config

    def handler(event, context):
        with invocation(context):
            config = load_config()
            connect(config["database/host"], config["database/password"])

`load_config()` reads what is due and nothing else, so call it in every invocation and keep no value beyond.
`invocation(context)` gives logs the request id, and metrics their one line, and tells how much time is left; without it
all works as well, and a load that has read something writes the line.

What happens when something is wrong:

| case | what you get |
|---|---|
| more than 50 parameters are due at once, as in a new environment | they are read from Parameter Store, ten a call |
| the extension is down, slow, or answers an error | the names that it did not answer are read from Parameter Store, ten a call |
| a parameter does not exist, or may not be read | ConfigurationError that names it; its last value is forgotten |
| AWS throttles or is away, the value was read before | the last value, for an hour after its TTL; a metric and a warning tell |
| AWS throttles or is away, the value was never read | ConfigurationError that names it |
| a value does not fit its schema, the one before did | the last value, likewise; the value is never told |
| a value does not fit its schema, none was read before | ConfigurationError that names parameter and rule |

Where the last values may serve, a load waits for 2 s at most, beside the import of boto3, else for 8 s. With less than
2.5 s left it then does not ask Parameter Store.

A load while the function initialises works, but slowly: the extension serves invocations only.
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
    """The configuration, each value no older than its own TTL; ConfigurationError if it cannot be had."""
    return LIBRARY.load()


class invocation:  # noqa: N801 - reads as the statement that it stands in
    """Encloses what one invocation does; writes its metrics at the end, also when the handler raises."""

    def __init__(self, context: object = None, library: Library = LIBRARY) -> None:
        self._request_id = str(getattr(context, "aws_request_id", ""))
        self._left = getattr(context, "get_remaining_time_in_millis", None)
        self._library = library

    def __enter__(self) -> Invocation:
        return self._library.begin(self._request_id, self._left() / 1000 if self._left else inf)

    def __exit__(self, *_error: object) -> None:
        self._library.end()
