"""The operator's process over a whole life cycle: it needs no writable file system, and its log has no secret."""

import base64
import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import quote

import pytest
import yaml
from rich.console import Console
from tests.e2e.readers import Reader
from tests.e2e.world import World

from dynconfig_lab.aws import Faults
from dynconfig_lab.aws.faults import Injected
from dynconfig_lab.controlplane import OPERATOR
from dynconfig_lab.stack import Stack, stack

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(600)]

HOOKS = Path(__file__).parent / "process"
VALUE, NEXT_VALUE = "canary-value-3f9c1e77", "canary-next-8b20d5a1"
KEY_ID, KEY, SESSION = "AKIACANARYKEYID00001", "canary/key+52c8e0f6", "canary-session-aa41c7d9"
PROCESS = {
    "PYTHONPATH": str(HOOKS),
    # As in the image, in which no user has a home directory.
    "PYTHONDONTWRITEBYTECODE": "1",
    "HOME": "/nonexistent",
}
SETTINGS = {
    **PROCESS,
    "DYNCONFIG_LOG_LEVEL": "debug",
    "AWS_ACCESS_KEY_ID": KEY_ID,
    "AWS_SECRET_ACCESS_KEY": KEY,
    "AWS_SESSION_TOKEN": SESSION,
}


@pytest.fixture(scope="module", params=["text", "json"])
def found(request: pytest.FixtureRequest) -> Iterator[Stack]:
    """The output of an operator that used all features, and met failures of every kind."""
    with stack(Console(stderr=True), {**SETTINGS, "DYNCONFIG_LOG_FORMAT": request.param}) as running:
        with running.http() as http:
            http.post("/api/v1/namespaces", json={"metadata": {"name": "shop"}}).raise_for_status()
            _live(World(running, http, "shop", "/shop/app"))
        yield running


def _live(world: World) -> None:
    lab = world.stack.lab
    world.secret("own", password=VALUE)
    world.config_map("c", colour="blue")
    Reader(world).declare()
    world.wait_ready(Reader(world).name)
    password = {"name": "password", "valueFrom": {"secretKeyRef": {"name": "own", "key": "password"}}}
    world.declare("secrets", world.spec(password, path="/shop/secrets"))
    world.wait_ready("secrets")
    # AWS may quote what it rejects.
    words = f"1 validation error detected: Value '{NEXT_VALUE}' at 'value' failed to satisfy constraint"
    for code in ("ValidationException", "InternalServerError", "NeverSeenBefore"):
        lab.faults(Faults(errors={"ssm.PutParameter": Injected(code, words)}))
        world.secret("own", password=NEXT_VALUE)
        world.reconcile_now("secrets")
        lab.faults(Faults())
        world.reconcile_now("secrets")
        world.secret("own", password=VALUE)
        world.reconcile_now("secrets")
    lab.faults(Faults(down=True))
    world.annotate("secrets", "reconcile-requested-at", "down")
    world.wait_reason("secrets", "Unavailable", "Unknown")
    lab.faults(Faults())
    world.stack.plane.restart_api()
    world.reconcile_now("secrets")
    wrong = {**password, "schema": {"type": "integer"}}
    world.edit("secrets", {"spec": {"parameters": [wrong]}})
    world.wait("the value is refused", lambda: world.condition("secrets")[0] == "False")
    for name in ("secrets", Reader(world).name):
        world.delete(name)
        world.wait(f"{name} is deleted", lambda name=name: world.is_gone(name))  # type: ignore[misc]


def secrets(found: Stack) -> dict[str, str]:
    (user,) = yaml.safe_load(found.plane.kubeconfig_for(OPERATOR).read_text())["users"]
    return {"value": VALUE, "next value": NEXT_VALUE, "key": KEY, "session": SESSION, "token": user["user"]["token"]}


def forms(secret: str) -> set[str]:
    """The forms of a secret in a text: plain, escaped, or inside base64."""
    encoded = {base64.b64encode(b"-" * shift + secret.encode()).decode() for shift in range(3)}
    # The characters at both ends also depend on the adjacent ones.
    return {
        secret,
        quote(secret, safe=""),
        json.dumps(secret)[1:-1],
        secret.encode().hex(),
        *(text[4:-4] for text in encoded),
    }


def test_log_contains_no_secret_and_no_token(found: Stack) -> None:
    written = found.operator_log.read_text()
    assert "DEBUG" in written.upper(), "the log is not as verbose as it can be"
    leaked = {name for name, secret in secrets(found).items() for form in forms(secret) if form in written}
    assert leaked == set()
    assert KEY_ID not in written
    # For any token: https://datatracker.ietf.org/doc/html/rfc6750#section-2.1
    assert not re.search(r"(?i)bearer [\w.-]|aws4-hmac", written)


def test_operator_writes_to_no_file(found: Stack) -> None:
    assert re.findall(r"READ-ONLY .*", found.operator_log.read_text()) == []


def test_process_that_writes_is_detected(tmp_path: Path) -> None:
    writes = (f"open({str(tmp_path / 'a')!r}, 'w')", f"import os; os.mkdir({str(tmp_path / 'b')!r})")
    script = "\n".join(f"try:\n    {write}\nexcept OSError: pass" for write in writes)
    command = [sys.executable, "-c", script]
    environment = {**os.environ, **PROCESS}
    written = subprocess.run(command, env=environment, capture_output=True, text=True, check=True).stderr
    assert f"READ-ONLY open {tmp_path}/a" in written
    assert f"READ-ONLY os.mkdir {tmp_path}/b" in written
    assert list(tmp_path.iterdir()) == []
