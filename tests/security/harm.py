"""How much an attack harms: the operator's peak of memory, and how long other tenants wait meanwhile."""

import itertools
import re
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import httpx2
from tests.security.attacks import GROUP, Namespace

from dynconfig_lab.stage import Stage

PATIENCE = 20.0
_numbers = itertools.count(1)


@dataclass(frozen=True)
class Harm:
    """What was measured under one attack."""

    peak_mib: float
    """Peak resident memory of the operator, as it met the attack and after a start with it in place."""
    wait_seconds: float
    """The longest time that a new object of another tenant took to be Ready."""
    survived: bool
    """Whether the operator's process was never ended."""
    idle_seconds: float
    """What such an object took right before the attack."""


def measure(
    stage: Stage, http: httpx2.Client, attack: Callable[[Namespace], None], *, tries: int = 5, pause: float = 0.5
) -> Harm:
    """Attack an operator that runs, then start it anew with all of it in place; the attack's namespace goes at the end."""
    number = next(_numbers)
    attacker, victim = f"evil-{number}", f"victim-{number}"
    for name in (attacker, victim):
        http.post("/api/v1/namespaces", json={"metadata": {"name": name}}).raise_for_status()
    stage.operator.restart("operator")
    _wait(http, victim, "warm-up")
    idle = _wait(http, victim, "idle")
    pids, peaks, waits = [pid(stage)], list[float](), list[float]()
    attack(Namespace(stage, http, attacker))
    waits += _waits(http, victim, "first", tries, pause)
    survived = is_alive(pids[0])
    peaks.append(peak(pids[0]) if survived else 0.0)
    stage.operator.restart("operator")
    pids.append(pid(stage))
    waits += _waits(http, victim, "again", tries, pause)
    survived = survived and is_alive(pids[1])
    peaks.append(peak(pids[1]) if is_alive(pids[1]) else 0.0)
    _clear(stage, http, attacker)
    return Harm(max(peaks), max(waits), survived, idle)


def pid(stage: Stage) -> int:
    """The operator's process."""
    return stage.operator.children["operator"].identity.pid


def is_alive(number: int) -> bool:
    """Whether a process is there."""
    return Path(f"/proc/{number}/status").is_file() and " Z " not in Path(f"/proc/{number}/stat").read_text()


def peak(number: int) -> float:
    """The most memory that a process ever had at once, in MiB."""
    text = Path(f"/proc/{number}/status").read_text(encoding="ascii")
    return int(re.findall(r"VmHWM:\s+(\d+) kB", text)[0]) / 1024


def _waits(http: httpx2.Client, namespace: str, group: str, tries: int, pause: float) -> list[float]:
    found = []
    for number in range(tries):
        found.append(_wait(http, namespace, f"{group}-{number}"))
        if found[-1] >= PATIENCE:
            break
        time.sleep(pause)  # the attack goes on meanwhile
    return found


def _wait(http: httpx2.Client, namespace: str, name: str) -> float:
    """Seconds until a new object of a tenant is Ready; PATIENCE where it is not."""
    url = f"{GROUP}/namespaces/{namespace}/dynamicconfigs"
    spec = {"path": f"/{namespace}/{name}", "parameters": [{"name": "a", "value": "1"}]}
    document = {
        "apiVersion": "dynconfig.dev/v1alpha1",
        "kind": "DynamicConfig",
        "metadata": {"name": name},
        "spec": spec,
    }
    started = time.monotonic()
    http.post(url, json=document).raise_for_status()
    while time.monotonic() - started < PATIENCE:
        status = http.get(f"{url}/{name}").raise_for_status().json().get("status") or {}
        if any(item["type"] == "Ready" and item["status"] == "True" for item in status.get("conditions", ())):
            return time.monotonic() - started
        time.sleep(0.05)
    return PATIENCE


def _clear(stage: Stage, http: httpx2.Client, attacker: str) -> None:
    """Nothing of the attack is left for the next one."""
    url = f"{GROUP}/namespaces/{attacker}/dynamicconfigs"
    headers = {"Content-Type": "application/merge-patch+json"}
    # kubectl parses what is too deep for Python.
    listed = stage.kubectl("-n", attacker, "get", "dynamicconfigs", "-o", "name")
    for name in (line.rpartition("/")[2] for line in listed.splitlines()):
        http.delete(f"{url}/{name}").raise_for_status()
        http.patch(f"{url}/{name}", json={"metadata": {"finalizers": None}}, headers=headers)
    for plural in ("configmaps", "secrets"):
        http.delete(f"/api/v1/namespaces/{attacker}/{plural}").raise_for_status()
