"""Dynamic configuration from Parameter Store for a function in AWS Lambda.

`config` documents the library for your own handler, `settings` the environment variables, `metrics` the metrics, and
`handler` is a ready-made function. To keep cold starts short, boto3 and other rarely used modules are imported on demand.
TYPE_CHECKING is a plain False, which type checkers understand, because importing typing takes milliseconds.
"""

from dynconfig_function.config import invocation, load_config
from dynconfig_function.errors import ConfigurationError
from dynconfig_function.mapping import Config

__all__ = ["Config", "ConfigurationError", "invocation", "load_config"]
