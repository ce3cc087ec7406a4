"""Dynamic configuration from Parameter Store for a function in AWS Lambda.

`config` describes the library for your own handler, `settings` the environment, `metrics` what is counted, and
`handler` is a ready-made function. Cold start comes first: boto3 and what else is rarely needed is imported where it is
needed, and TYPE_CHECKING is a plain False, which type checkers know, because to import typing costs milliseconds.
"""

from dynconfig_function.config import invocation, load_config
from dynconfig_function.errors import ConfigurationError
from dynconfig_function.mapping import Config

__all__ = ["Config", "ConfigurationError", "invocation", "load_config"]
