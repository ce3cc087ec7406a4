"""The environment variables of the function, as the operator sets them.

| variable | meaning | default |
|---|---|---|
| DYNCONFIG_PREFIX | path of all parameters, for example /myapp/config | required |
| DYNCONFIG_PARAMETERS | declared parameters as JSON: relative name to an object with the keys below | the file |
| DYNCONFIG_TTL | default TTL in seconds; 0 reads at every load | 300 |
| DYNCONFIG_REVISION | opaque; included in responses, logs and metrics; a change replaces all environments | empty |
| DYNCONFIG_NAME | metric dimension Config, for example shop/myapp | no such dimension |
| DYNCONFIG_NAMESPACE | CloudWatch namespace of the metrics | DynamicConfig |
| LOG_LEVEL | DEBUG, INFO, WARNING or ERROR | INFO |
| PARAMETERS_SECRETS_EXTENSION_HTTP_PORT | port of the AWS Parameters and Secrets extension on localhost | 2773 |
| SSM_PARAMETER_STORE_TTL | read by the extension; should be the smallest declared TTL, at most 300 | 300 |

Keys of a parameter, all optional: `t` TTL in seconds, not limited to 300; `s` true for a SecureString; `v` schema, with the
keys of `spec.parameters[].schema`: type, enum, minimum, maximum, minLength, maxLength.

Lambda limits the environment to 4 KB. A declaration that is too long is stored in the file `parameters.json` in the directory
of this package, in the same format, and DYNCONFIG_PARAMETERS is omitted.
Lambda itself sets AWS_LAMBDA_FUNCTION_NAME, AWS_SESSION_TOKEN, and AWS_LAMBDA_LOG_LEVEL if the function has an application log
level: Lambda drops lines below it.
"""

from __future__ import annotations

import json
import os

from dynconfig_function.errors import ConfigurationError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping

FILE = "parameters.json"


class Identity:
    """Identifies this function in responses, logs and metrics. Never raises."""

    __slots__ = ("config", "function", "log_level", "minimum_level", "namespace", "revision")

    def __init__(self, environment: Mapping[str, str]) -> None:
        self.function = environment.get("AWS_LAMBDA_FUNCTION_NAME") or "local"
        self.config = environment.get("DYNCONFIG_NAME", "")
        self.namespace = environment.get("DYNCONFIG_NAMESPACE") or "DynamicConfig"
        self.revision = environment.get("DYNCONFIG_REVISION", "")
        self.minimum_level = environment.get("AWS_LAMBDA_LOG_LEVEL") or "INFO"
        self.log_level = environment.get("LOG_LEVEL", "INFO")


class Declared:
    """One declared parameter."""

    __slots__ = ("is_secret", "schema", "ttl")

    def __init__(self, ttl: int, *, is_secret: bool, schema: Mapping[str, object] | None) -> None:
        self.ttl = ttl
        self.is_secret = is_secret
        self.schema = schema


class Settings:
    """What to read, and from where."""

    __slots__ = ("parameters", "port", "prefix")

    def __init__(self, prefix: str, parameters: dict[str, Declared], port: int) -> None:
        self.prefix = prefix
        self.parameters = parameters
        self.port = port


def settings(environment: Mapping[str, str], folder: str) -> Settings:
    """Parse the environment variables, and `parameters.json` if needed. Raises ConfigurationError."""
    prefix = environment.get("DYNCONFIG_PREFIX", "").rstrip("/")
    if not prefix.startswith("/"):
        raise ConfigurationError({"DYNCONFIG_PREFIX": "must be a path that starts with /"})
    ttl = _number(environment, "DYNCONFIG_TTL", 300)
    port = _number(environment, "PARAMETERS_SECRETS_EXTENSION_HTTP_PORT", 2773)
    text = environment.get("DYNCONFIG_PARAMETERS", "")
    if text:
        return Settings(prefix, _declared("DYNCONFIG_PARAMETERS", text, ttl), port)
    return Settings(prefix, _declared(FILE, _file(folder), ttl), port)


def _number(environment: Mapping[str, str], name: str, default: int) -> int:
    text = environment.get(name) or str(default)
    if not (text.isascii() and text.isdigit()):
        raise ConfigurationError({name: "must be a non-negative integer"})
    return int(text)


def _file(folder: str) -> str:
    try:
        with open(os.path.join(folder, FILE), encoding="utf-8") as file:
            return file.read()
    except FileNotFoundError:
        raise ConfigurationError(
            {"DYNCONFIG_PARAMETERS": f"is not set, and the function package contains no {FILE}"}
        ) from None


def _declared(origin: str, text: str, ttl: int) -> dict[str, Declared]:
    try:
        document = json.loads(text)
    except ValueError:
        raise ConfigurationError({origin: "is not valid JSON"}) from None
    if not isinstance(document, dict) or not all(isinstance(entry, dict) for entry in document.values()):
        raise ConfigurationError({origin: "must be a JSON object of objects"})
    return {name: _parameter(origin, name, entry, ttl) for name, entry in document.items()}


def _parameter(origin: str, name: str, entry: Mapping[str, object], default: int) -> Declared:
    ttl, schema = entry.get("t", default), entry.get("v")
    if type(ttl) is not int or ttl < 0:
        raise ConfigurationError({origin: f"has an invalid entry for {name}: t must be a non-negative integer"})
    if schema is not None and not isinstance(schema, dict):
        raise ConfigurationError({origin: f"has an invalid entry for {name}: v must be an object"})
    return Declared(ttl, is_secret=entry.get("s") is True, schema=schema)
