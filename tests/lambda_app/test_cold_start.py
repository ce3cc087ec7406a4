"""A fresh process, as Lambda starts it: what an import costs, and the handler by its real name."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from tests.lambda_app.extension_server import TOKEN, ExtensionServer

PACKAGE = Path(__file__).parents[2] / "lambda_app"

IMPORT = """
import sys
def refuse(event, _arguments):
    if event.startswith(("socket.", "subprocess.", "http.")):
        sys.exit(f"{event} at import")
sys.addaudithook(refuse)
import dynconfig_function.handler
print(*sorted(sys.modules))
"""
INVOKE = """
import json, sys
from dynconfig_function.handler import lambda_handler
answer = lambda_handler({"show": ["api/timeout"]}, None)
sys.stderr.write(json.dumps([answer, "boto3" in sys.modules]))
"""
WITHOUT_BOTO3 = """
import sys
sys.modules["boto3"] = None
from dynconfig_function import ConfigurationError, load_config
try:
    load_config()
except ConfigurationError as error:
    sys.stderr.write(str(error))
"""


def python(code: str, environment: dict[str, str]) -> subprocess.CompletedProcess[str]:
    clean = {"PATH": os.environ["PATH"], "PYTHONPATH": str(PACKAGE), "PYTHONDONTWRITEBYTECODE": "1", **environment}
    return subprocess.run([sys.executable, "-c", code], env=clean, capture_output=True, text=True, check=True)


def test_import_loads_no_slow_module_and_uses_no_network() -> None:
    loaded = set(python(IMPORT, {}).stdout.split())
    assert "dynconfig_function.handler" in loaded
    assert not loaded & {"boto3", "botocore", "http.client", "urllib.request", "asyncio", "dataclasses", "typing"}
    assert not loaded & {"socket", "ssl", "logging", "dynconfig_function.fallback", "dynconfig_function.schema"}


def test_import_needs_no_environment_variables() -> None:
    python("import dynconfig_function.handler", {})


def test_handler_works_without_boto3(extension: ExtensionServer) -> None:
    extension.stored["/myapp/config/api/timeout"] = ("String", "30", 4)
    environment = {
        "AWS_SESSION_TOKEN": TOKEN,
        "DYNCONFIG_PREFIX": "/myapp/config",
        "DYNCONFIG_PARAMETERS": '{"api/timeout":{}}',
        "PARAMETERS_SECRETS_EXTENSION_HTTP_PORT": str(extension.port),
    }
    answer, has_boto3 = json.loads(python(INVOKE, environment).stderr)
    assert answer["values"] == {"api/timeout": "30"}
    assert answer["parameters"]["api/timeout"]["version"] == 4
    assert not has_boto3


def test_failing_extension_without_boto3_is_a_counted_error() -> None:
    environment = {
        "DYNCONFIG_PREFIX": "/myapp/config",
        "DYNCONFIG_PARAMETERS": '{"api/timeout":{}}',
        "PARAMETERS_SECRETS_EXTENSION_HTTP_PORT": "1",
    }
    ended = python(WITHOUT_BOTO3, environment)
    assert ended.stderr.startswith("/myapp/config/api/timeout could not be read: import of boto3")
    assert '"ConfigurationErrors": 1' in ended.stdout


@pytest.mark.parametrize("source", sorted((PACKAGE / "dynconfig_function").glob("*.py")), ids=lambda path: path.name)
def test_files_of_the_function_are_short(source: Path) -> None:
    assert len(source.read_text(encoding="utf-8").splitlines()) <= 150
