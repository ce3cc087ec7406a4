"""The handler of a managed function: returns the served configuration, keeps it warm, and refreshes it on changes.

Values that are not secret are returned to direct callers and to HTTP callers with an IAM signature. All other responses
contain no values.

ConfigurationError is raised, not returned: only then does Lambda count it in the Errors metric, an HTTP API return 500, and
Lambda retry an asynchronous event. NotRefreshed is raised if a change cannot be read yet, with the same effect.
"""

from __future__ import annotations

import json

from dynconfig_function.config import LIBRARY, invocation
from dynconfig_function.routing import Change, Direct, Http, Schedule, route

TYPE_CHECKING = False
if TYPE_CHECKING:
    from dynconfig_function.library import Library
    from dynconfig_function.mapping import Config

Answer = dict[str, object]


def lambda_handler(event: object, context: object) -> Answer:
    """The entry point for Lambda: `dynconfig_function.handler.lambda_handler`."""
    return handle(LIBRARY, event, context)


def handle(library: Library, event: object, context: object) -> Answer:
    """Return the response to one event."""
    with invocation(context, library):
        match route(event):
            case Http(is_health=True):
                return _response({"status": "ok"})
            case Http(is_signed=is_signed):
                config = library.load()
                return _response({**_summary(library, config), **_values(config, is_wanted=is_signed)})
            case Schedule():
                return {"revision": library.identity.revision, "parameters": len(library.load())}
            case Change(name=name):
                return _changed(library, name)
            case Direct(show=show, is_by_hand=is_by_hand):
                config = library.load()
                is_asked = is_by_hand and show is not None
                shown = _shown(config, show) if is_asked else _values(config, is_wanted=is_by_hand)
                return {**_summary(library, config), **shown}


def _summary(library: Library, config: Config) -> Answer:
    return {
        "revision": library.identity.revision,
        "prefix": config.prefix,
        "parameters": config.details(library.now()),
    }


def _response(body: Answer) -> Answer:
    headers = {"content-type": "application/json", "cache-control": "no-store"}
    return {"statusCode": 200, "headers": headers, "body": json.dumps(body)}


def _changed(library: Library, full_name: str) -> Answer:
    name = library.declared(full_name)
    if name is None:
        return {"ignored": full_name}
    is_new = library.refresh(name)
    return {"revision": library.identity.revision, ("refreshed" if is_new else "kept"): name}


def _values(config: Config, *, is_wanted: bool) -> Answer:
    """Return all values by relative name; never a SecureString."""
    return {"values": config.public()} if is_wanted else {}


def _shown(config: Config, show: object) -> Answer:
    if not isinstance(show, list):
        return {"errors": {"show": "must be a list of names"}}
    names = [str(name) for name in show]
    refused = {name: _refusal(config, name) for name in names if name not in config or config.is_secret(name)}
    values = {name: config[name] for name in names if name not in refused}
    return {"values": values, "errors": refused} if refused else {"values": values}


def _refusal(config: Config, name: str) -> str:
    return "is a SecureString, which is never shown" if name in config else "is not declared"
