"""The function that reads the configuration: what its cache saves, and the cost of its start and creation."""

import io
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import redirect_stdout
from pathlib import Path
from typing import Any

import boto3
import httpx2
import yaml
from aws_lambda_powertools.utilities.parameters import SSMProvider
from benchmarks import load
from benchmarks.figures import Figure
from botocore.config import Config

from dynconfig.aws.package import package
from dynconfig_function.fallback import Fallback
from dynconfig_function.library import Library
from dynconfig_lab.console import EXAMPLE
from dynconfig_lab.processes import wait_until
from dynconfig_lab.stack import REGION, Stack

INVOCATIONS = 1000
READS = 5
LOOPS = 2000
STARTS = 9
NAME = "myapp"
NAMES = ("database/host", "database/port", "api/timeout", "features/new-ui", "database/password")
PATH = "/myapp/config"
KIB = 1024

IMPORTS = {
    "this package": "dynconfig_function.handler",
    "Powertools' parameters": "aws_lambda_powertools.utilities.parameters",
    "Powertools' metrics": "aws_lambda_powertools.metrics",
    "boto3": "boto3",
}


def function(stack: Stack, http: httpx2.Client) -> Iterator[Figure]:
    """The full example: how soon it is Ready, the cost of a reconcile, and what its cache saves."""
    yield _ready(stack, http)
    yield _reconcile(stack, http)
    yield _spared(stack)
    yield _cached_reads(stack)


def start(_stage: Stack, _http: httpx2.Client) -> Iterator[Figure]:
    """The cost of an import compared to an empty handler, and the size of the package."""
    empty = [_seconds("pass") for _ in range(STARTS)]
    costs = {name: [_seconds(f"import {module}") for _ in range(STARTS)] for name, module in IMPORTS.items()}
    floor = statistics.median(empty)
    ours, *others = ((name, statistics.median(times) - floor) for name, times in costs.items())
    beside = ", ".join(f"{name} {seconds * 1000:.0f} ms" for name, seconds in others)
    yield Figure("Import of the function's package over an empty handler", ours[1] * 1000, 100, "ms", beside)
    size = len(package("").content) / KIB
    yield Figure("Size of the function's package", size, KIB, "KiB", "the zip file, stored")


def _ready(stack: Stack, http: httpx2.Client) -> Figure:
    started = time.monotonic()
    stack.kubectl("apply", "-f", str(EXAMPLE))
    _wait(lambda: _condition(http) == "True")
    seconds = time.monotonic() - started
    return Figure(
        "The full example with its function, from kubectl apply to Ready", seconds, 10, "s", "once, in the lab"
    )


def _reconcile(stack: Stack, http: httpx2.Client) -> Figure:
    """At its resync, without requests and AWS events."""
    load.edit(http, NAME, {"spec": {"resyncInterval": "10s"}})
    _wait(lambda: _document(http)["status"]["observedGeneration"] == _document(http)["metadata"]["generation"])
    began = time.monotonic()
    stack.lab.reset_calls()
    health = stack.operator.children["operator"].program.ready_url
    _wait(lambda: httpx2.get(health, trust_env=False).json()["oldest_observation_seconds"] < time.monotonic() - began)
    calls = {name: times for name, times in stack.calls().items() if not name.startswith("sqs.")}
    breakdown = ", ".join(f"{name} {times}" for name, times in sorted(calls.items()))
    return Figure("AWS calls of a resync of the full example, in sync", sum(calls.values()), 15, "", breakdown)


def _spared(stack: Stack) -> Figure:
    client = stack.aws("lambda")
    spec = next(item for item in yaml.safe_load_all(EXAMPLE.read_text()) if item["kind"] == "DynamicConfig")["spec"]
    name = spec["function"]["name"]
    client.invoke(FunctionName=name, Payload=b"{}")
    stack.lab.reset_calls()
    started = time.monotonic()
    for _ in range(INVOCATIONS):
        answer = client.invoke(FunctionName=name, Payload=b"{}")
        assert "FunctionError" not in answer
    calls = sum(count for operation, count in stack.calls().items() if operation.startswith("ssm.GetParameter"))
    return Figure(
        f"GetParameter calls of {INVOCATIONS} warm invocations reading {READS} parameters, beside no cache",
        100 * calls / (INVOCATIONS * READS),
        1,
        "%",
        f"{calls} calls beside {INVOCATIONS * READS}; {time.monotonic() - started:.0f} s, "
        "shorter TTLs of the example included",
    )


def _cached_reads(stack: Stack) -> Figure:
    """Both have the five values in memory; neither makes a call."""
    ssm = boto3.client(
        "ssm",
        region_name=REGION,
        endpoint_url=stack.environment["AWS_ENDPOINT_URL"],
        aws_access_key_id="lab",
        aws_secret_access_key="lab",
        config=Config(proxies={}),
    )
    provider, library = SSMProvider(boto3_client=ssm), _library(ssm)

    def ours() -> None:
        config = library.load()
        for name in NAMES:
            config[name]

    def theirs() -> None:
        for name in NAMES:
            provider.get(f"{PATH}/{name}", decrypt=True, max_age=3600)

    pairs = [(_each(ours), _each(theirs)) for _ in range(5)]
    one, other = (statistics.median(times) * 1e6 for times in zip(*pairs, strict=True))
    ratio = statistics.median(mine / their for mine, their in pairs)
    return Figure(
        f"{READS} cached reads, over Powertools' parameters.get",
        ratio,
        1,
        "",
        f"{one:.1f} µs beside {other:.1f} µs, median of {len(pairs)} pairs of {LOOPS} loops",
    )


def _library(ssm: Any) -> Library:
    declared = ",".join(f'"{name}":{{"t":3600}}' for name in NAMES)
    environment = {
        "DYNCONFIG_PREFIX": PATH,
        "DYNCONFIG_PARAMETERS": f"{{{declared}}}",
        # Nothing listens there, so that the first load reads the values from Parameter Store.
        "PARAMETERS_SECRETS_EXTENSION_HTTP_PORT": "1",
    }
    return Library(environment, fallback=lambda: Fallback(ssm))


def _each(action: Callable[[], None]) -> float:
    # The first call reads the values, and logs it.
    with redirect_stdout(io.StringIO()):
        action()
    started = time.perf_counter()
    for _ in range(LOOPS):
        action()
    return (time.perf_counter() - started) / LOOPS


def _seconds(code: str) -> float:
    command = (sys.executable, "-c", code)
    started = time.perf_counter()
    subprocess.run(command, check=True, cwd=Path(__file__).parents[1] / "lambda_app")
    return time.perf_counter() - started


def _document(http: httpx2.Client) -> dict[str, Any]:
    return dict(http.get(f"{load.OBJECTS}/{NAME}").raise_for_status().json())


def _condition(http: httpx2.Client) -> str:
    conditions = _document(http).get("status", {}).get("conditions", [])
    return next((str(item["status"]) for item in conditions if item["type"] == "Ready"), "")


def _wait(condition: Callable[[], bool]) -> None:
    if not wait_until(condition, load.PATIENCE):
        raise TimeoutError("the example is not Ready")
