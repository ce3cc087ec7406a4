"""Two hundred AWSTargets, each a role in an account of its own: memory, and calls of AssumeRole."""

import json
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor

import httpx2
from benchmarks import load
from benchmarks.churn import memory
from benchmarks.figures import Figure
from botocore.exceptions import ClientError
from rich.console import Console

from dynconfig_lab.aws.accounts import ACCOUNT
from dynconfig_lab.processes import wait_until
from dynconfig_lab.stack import Stack, stack

TARGETS = 200
OBJECTS = 50
"""In each target."""
PARAMETERS = 2
RESOURCE = "/apis/dynconfig.dev/v1alpha1/awstargets"
ROLE = "operator"
FIRST_ACCOUNT = 100_000_000_000
# Sessions last an hour, and botocore refreshes credentials a quarter of an hour before they expire.
SESSIONS_IN_THE_FIRST_HOUR = 2
PATIENCE = 600.0


def targets(console: Console) -> Iterator[Figure]:
    """The same number of objects in one target and in many, each in a stack of its own."""
    one, _ = _measured(console, 1, TARGETS * OBJECTS)
    many, assumed = _measured(console, TARGETS, OBJECTS)
    beside = (
        f"{many:.0f} MiB with {TARGETS} targets of {OBJECTS} objects, {one:.0f} MiB with one of {TARGETS * OBJECTS}"
    )
    yield Figure(f"Memory with {TARGETS} targets, over that with one and as many objects", many / one, 1.3, "", beside)
    hourly = assumed * SESSIONS_IN_THE_FIRST_HOUR
    beside = f"{assumed:.2f} calls for each session of an hour, which is refreshed once in it"
    yield Figure("Calls of AssumeRole for each target in the first hour", hourly, 2, "", beside)


def _measured(console: Console, count: int, objects: int) -> tuple[float, float]:
    """Create targets with objects; return the operator's memory in MiB, and the calls of AssumeRole for each target."""
    with stack(console, {}) as found, found.http() as http, load.watching(http) as watch:
        began = time.monotonic()
        roles = [_create_role(found, number) for number in range(count)]
        _wait_for(found, roles)
        for number, role in enumerate(roles):
            _create_target(http, number, role)
        for number in range(count):
            _create_objects(http, watch, number, objects)
            if number % 20 == 0:
                passed = time.monotonic() - began
                console.print(f"  {number + 1} of {count} targets: {memory(found):.0f} MiB after {passed:.0f} s")
        if not wait_until(lambda: _ready(http) == count, PATIENCE):
            raise TimeoutError("not all targets are ready")
        return memory(found), found.calls()["sts.AssumeRole"] / count


def _create_objects(http: httpx2.Client, watch: load.Watch, target: int, count: int) -> None:
    """Create objects in a target, and wait until they are Ready."""
    wanted = [f"t{target}-{number}" for number in range(count)]
    with ThreadPoolExecutor(load.APPLIERS) as threads:
        for answer in threads.map(lambda name: http.post(load.OBJECTS, json=_document(name, target)), wanted):
            answer.raise_for_status()
    watch.ready(wanted)


def _create_role(found: Stack, number: int) -> str:
    """Create a role that the operator may assume, in an account of its own; return its ARN."""
    trust = {"Effect": "Allow", "Principal": {"AWS": ACCOUNT}, "Action": "sts:AssumeRole"}
    policy = json.dumps({"Version": "2012-10-17", "Statement": [trust]})
    iam = found.aws("iam", account=_account(number))
    return str(iam.create_role(RoleName=ROLE, AssumeRolePolicyDocument=policy)["Role"]["Arn"])


def _wait_for(found: Stack, roles: Sequence[str]) -> None:
    """Wait until all roles can be assumed, as long as IAM takes to know a new one; then count calls from zero."""
    sts = found.aws("sts")

    def can_be_assumed(role: str) -> bool:
        try:
            sts.assume_role(RoleArn=role, RoleSessionName="ready")
        except ClientError:
            return False
        return True

    if not all(wait_until(lambda role=role: can_be_assumed(role), PATIENCE) for role in roles):  # type: ignore[misc]
        raise TimeoutError("not all roles can be assumed")
    found.lab.reset_calls()


def _account(number: int) -> str:
    return str(FIRST_ACCOUNT + number)


def _create_target(http: httpx2.Client, number: int, role: str) -> None:
    spec = {
        "region": "eu-west-1",
        "account": _account(number),
        "assumeRole": {"roleArn": role},
        "allow": [{"namespaces": ["default"], "paths": ["/{namespace}"]}],
    }
    target = {
        "apiVersion": "dynconfig.dev/v1alpha1",
        "kind": "AWSTarget",
        "metadata": {"name": f"target-{number}"},
        "spec": spec,
    }
    http.post(RESOURCE, json=target).raise_for_status()


def _document(name: str, target: int) -> dict[str, object]:
    return load.document(name, PARAMETERS, path=f"/default/{name}", target=f"target-{target}")


def _ready(http: httpx2.Client) -> int:
    """The number of targets that are Ready."""
    items = http.get(RESOURCE).raise_for_status().json()["items"]
    conditions = [each for item in items for each in item["status"].get("conditions", [])]
    return sum(each["type"] == "Ready" and each["status"] == "True" for each in conditions)
