"""The effect of an attack: the operator's peak memory, and the wait of other tenants."""

import itertools
import os
import re
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

import httpx2
from tests.security.attacks import GROUP, SENDERS, Namespace

from dynconfig_lab.stack import Stack

PATIENCE = 20.0
"""How long a new object is waited for, in seconds."""
SECRET = "theirs"
"""The Secret that the objects of the other tenant refer to: reading it waits for no one else's sources."""
Attack = Callable[[Namespace], None]
_numbers = itertools.count(1)


@dataclass(frozen=True)
class Waits:
    """The wait for each new object of another tenant, one after the other, and the operator's part of it."""

    seconds: tuple[float, ...]
    api_seconds: tuple[float, ...]
    """What of each the API server alone took to create the object; the operator makes some five more writes."""
    cpu_seconds: float
    """Processor time that the operator took meanwhile."""

    @property
    def longest(self) -> float:
        """The longest of them."""
        return max(self.seconds)

    @property
    def longest_of_api(self) -> float:
        """The longest time of the API server for a creation."""
        return max(self.api_seconds)


@dataclass(frozen=True)
class Harm:
    """The measurements of one attack."""

    peak_mib: float
    """Peak resident memory of the operator, as it met the attack and after a start with it in place."""
    idle: Waits
    """Right before the attack."""
    attacked: Waits
    """During the attack."""
    restarted: Waits
    """After a start with all of it in place."""
    start_seconds: float
    """What that start took until the operator was ready."""
    survived: bool
    """Whether the operator's process was never ended."""
    silence: float
    """The most CPU seconds of the operator in which its event loop did not answer: a check that holds the interpreter."""
    attackers: tuple[str, ...]
    victim: str
    """Their namespaces."""
    load: float
    """Processes that wanted to run on this machine meanwhile, as /proc/loadavg has it."""

    @property
    def wait_seconds(self) -> float:
        """The longest time until a new object of another tenant was Ready."""
        return max(self.attacked.longest, self.restarted.longest)


def measure(
    stack: Stack,
    http: httpx2.Client,
    *attacks: Attack,
    tries: int = 5,
    pause: float = 0.5,
    patience: float = PATIENCE,
    is_fresh: bool = True,
) -> Harm:
    """Attack a running operator, each attack at the same time from a namespace of its own, then restart it with all of
    them in place; the attacks are deleted at the end.

    The operator is restarted before, too, if `is_fresh`. Otherwise the peak includes what it keeps from earlier attacks.
    """
    number = next(_numbers)
    attackers, victim = tuple(f"evil-{number}-{index}" for index in range(len(attacks))), f"victim-{number}"
    for name in (*attackers, victim):
        http.post("/api/v1/namespaces", json={"metadata": {"name": name}}).raise_for_status()
    Namespace(stack, http, victim).secret(SECRET, {"key": "their secret"})
    if is_fresh:
        stack.operator.restart("operator")
    reset_peak(pid(stack))
    _wait(http, victim, "warm-up", patience)
    tenant = _Victim(stack, http, victim, tries, pause, patience)
    # Together no more than one attack alone: what the operator takes is measured, and not what the API server does.
    senders = max(1, SENDERS // len(attacks))
    idle = tenant.waits("idle")
    pids, peaks = [pid(stack)], list[float]()
    with silence(stack) as first:
        _attack([Namespace(stack, http, name, senders) for name in attackers], attacks)
        attacked = tenant.waits("first")
    survived = is_alive(pids[0])
    peaks.append(peak(pids[0]) if survived else 0.0)
    began = time.monotonic()
    stack.operator.restart("operator")
    start_seconds = time.monotonic() - began
    pids.append(pid(stack))
    with silence(stack) as second:
        restarted = tenant.waits("again")
    survived = survived and is_alive(pids[1])
    peaks.append(peak(pids[1]) if is_alive(pids[1]) else 0.0)
    load = float(Path("/proc/loadavg").read_text(encoding="ascii").split()[0])
    for name in attackers:
        _clear(stack, http, name)
    silent = max(*first, *second)
    return Harm(max(peaks), idle, attacked, restarted, start_seconds, survived, silent, attackers, victim, load)


def _attack(attackers: Sequence[Namespace], attacks: Sequence[Attack]) -> None:
    with ThreadPoolExecutor(len(attacks)) as threads:
        list(threads.map(lambda pair: pair[1](pair[0]), zip(attackers, attacks, strict=True)))


def turns_before(log: Path, harm: Harm) -> list[int]:
    """From the operator's debug log: how many objects of one attacker it started to reconcile between receiving each new
    object of the other tenant and reconciling it; the attacker with the most counts."""
    found, waiting, seen = list[int](), dict[str, Counter[str]](), set[str]()
    for line in log.read_text(encoding="utf-8", errors="replace").splitlines():
        received = re.search(rf"Received ({harm.victim}/\S+) ", line)
        begun = re.search(r"Reconciling ((\S+)/\S+)", line)
        if received and received[1] not in seen:
            seen.add(received[1])
            waiting[received[1]] = Counter()
        elif begun and begun[2] in harm.attackers:
            for turns in waiting.values():
                turns[begun[2]] += 1
        elif begun and begun[1] in waiting:
            found.append(max(waiting.pop(begun[1]).values(), default=0))
    return found


def pid(stack: Stack) -> int:
    """The operator's process."""
    return stack.operator.children["operator"].identity.pid


def is_alive(number: int) -> bool:
    """Whether a process exists."""
    return Path(f"/proc/{number}/status").is_file() and " Z " not in Path(f"/proc/{number}/stat").read_text()


def peak(number: int) -> float:
    """The peak memory of a process in MiB."""
    text = Path(f"/proc/{number}/status").read_text(encoding="ascii")
    return int(re.findall(r"VmHWM:\s+(\d+) kB", text)[0]) / 1024


def reset_peak(number: int) -> None:
    """Let the peak memory of a process begin at what it has now.

    https://docs.kernel.org/filesystems/proc.html
    """
    Path(f"/proc/{number}/clear_refs").write_text("5", encoding="ascii")


def cpu_seconds(number: int) -> float:
    """CPU time of a process so far; 0 for one that has exited."""
    if not is_alive(number):
        return 0.0
    fields = Path(f"/proc/{number}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


@contextmanager
def silence(stack: Stack) -> Iterator[list[float]]:
    """Ask the operator's event loop for its health again and again; the operator's CPU seconds until each answer.

    CPU time, since load of other processes delays answers, too.
    """
    child = stack.operator.children["operator"]
    found, is_over = [0.0], threading.Event()

    def ask() -> None:
        with httpx2.Client(timeout=PATIENCE) as client:
            while not is_over.wait(0.02):
                before = cpu_seconds(child.identity.pid)
                with suppress(httpx2.HTTPError):  # the operator has ended, or its CPU time says how long it was busy
                    client.get(child.program.ready_url)
                found.append(cpu_seconds(child.identity.pid) - before)

    thread = threading.Thread(target=ask)
    thread.start()
    try:
        yield found
    finally:
        is_over.set()
        thread.join()


@dataclass(frozen=True)
class _Victim:
    """Another tenant, who creates objects."""

    stack: Stack
    http: httpx2.Client
    namespace: str
    tries: int
    pause: float
    """Seconds between two objects."""
    patience: float

    def waits(self, group: str) -> Waits:
        operator = pid(self.stack)
        found, before = list[tuple[float, float]](), cpu_seconds(operator)
        for number in range(self.tries):
            found.append(_wait(self.http, self.namespace, f"{group}-{number}", self.patience))
            if found[-1][0] >= self.patience:
                break
            time.sleep(self.pause)  # the attack continues meanwhile
        seconds, api_seconds = zip(*found, strict=True)
        return Waits(seconds, api_seconds, cpu_seconds(operator) - before)


def _wait(http: httpx2.Client, namespace: str, name: str, patience: float) -> tuple[float, float]:
    """Seconds until a new object of a tenant is Ready (`patience` if it is not) and until it is created."""
    url = f"{GROUP}/namespaces/{namespace}/dynamicconfigs"
    reference = {"secretKeyRef": {"name": SECRET, "key": "key"}}
    parameters = [{"name": "a", "value": "1"}, {"name": "b", "valueFrom": reference}]
    spec = {"path": f"/{namespace}/{name}", "parameters": parameters}
    document = {
        "apiVersion": "dynconfig.dev/v1alpha1",
        "kind": "DynamicConfig",
        "metadata": {"name": name},
        "spec": spec,
    }
    started = time.monotonic()
    http.post(url, json=document).raise_for_status()
    created = time.monotonic() - started
    while time.monotonic() - started < patience:
        status = http.get(f"{url}/{name}").raise_for_status().json().get("status") or {}
        if any(item["type"] == "Ready" and item["status"] == "True" for item in status.get("conditions", ())):
            return time.monotonic() - started, created
        time.sleep(0.05)
    return patience, created


def _clear(stack: Stack, http: httpx2.Client, attacker: str) -> None:
    """Remove everything of the attack before the next one."""
    url = f"{GROUP}/namespaces/{attacker}/dynamicconfigs"
    headers = {"Content-Type": "application/merge-patch+json"}
    # kubectl parses documents that are too deep for Python.
    listed = stack.kubectl("-n", attacker, "get", "dynamicconfigs", "-o", "name")
    for name in (line.rpartition("/")[2] for line in listed.splitlines()):
        http.delete(f"{url}/{name}").raise_for_status()
        http.patch(f"{url}/{name}", json={"metadata": {"finalizers": None}}, headers=headers)
    for plural in ("configmaps", "secrets"):
        http.delete(f"/api/v1/namespaces/{attacker}/{plural}").raise_for_status()
