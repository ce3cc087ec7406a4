"""Ten thousand objects over four shards, in sync: what fresh operators read and write, and what each object costs them.

The operators, the API server and etcd are real processes; AWS is emulated. AWS and the API server are filled at once with the
state that an operator leaves; that fresh operators write nothing proves that it is that state.
"""

import copy
import hashlib
import json
import os
import signal
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import httpx2
from benchmarks import load
from benchmarks.figures import Figure
from rich.console import Console

from dynconfig_lab.ports import HOST, free_ports
from dynconfig_lab.process_group import ProcessGroup
from dynconfig_lab.processes import Child, Program, wait_until
from dynconfig_lab.stack import REGION, Stack

SHARDS = 4
SETTINGS = {
    "DYNCONFIG_SHARDS": str(SHARDS),
    # What AWS allows by default: the emulated AWS would allow any number of calls.
    "DYNCONFIG_QUOTA": "ssm.Get=30,ssm.Describe=3,ssm.Tag=10,ssm.Put=3",
}
"""The settings of the operators."""
FEW, SOME, MANY = 40, 1_000, 10_000
PARAMETERS = 5
NAMESPACES = 8
FILLED_AT_ONCE = 1_000
IDLE_SECONDS = 60.0
# Each lists all objects first, and all start at once.
START_SECONDS = 600.0
PATIENCE = 3_600.0
TICKS = os.sysconf("SC_CLK_TCK")
TOKEN = "template-of-scale"


def scale(stack: Stack, http: httpx2.Client, console: Console, many: int) -> Iterator[Figure]:
    """Operators that are killed and started again with few objects, with a thousand and with ten thousand."""
    world = World(stack, http, console)
    found = [world.measured(count) for count in (FEW, SOME, many)]
    few, some, most = found
    yield Figure(f"Writes to AWS by fresh operators, {many} objects in sync", most.writes, 0, "", most.calls)
    yield Figure(f"Objects of {many} whose status or metadata was written", most.patched, 0, "", most.requests)
    beside = f"{most.seconds:.0f} s for {many} objects of {PARAMETERS} parameters, {some.seconds:.0f} s for {SOME}"
    yield Figure("From the start of fresh operators until all objects are observed", most.seconds, 600, "s", beside)
    for name, unit in (("memory", "KiB"), ("cpu", "ms")):
        before, after = (item.of_each(name, few) for item in (some, most))
        beside = f"{after:.3g} {unit} with {many} objects, {before:.3g} {unit} with {SOME}; those with {FEW} subtracted"
        yield Figure(
            f"{name} of each object over {SHARDS} shards, in relation to {SOME} objects",
            after / before,
            1.1,
            "",
            beside,
        )
    beside = ", ".join(f"{item.idle * 100:.2f} % with {item.count}" for item in found)
    yield Figure(
        "CPU of each idle operator, of one core", most.idle * 100, 2, "%", f"{beside}; in {IDLE_SECONDS:.0f} s"
    )


@dataclass(frozen=True)
class Cost:
    """What fresh operators needed for a number of objects."""

    count: int
    seconds: float
    cpu: float
    """Milliseconds of all operators until all objects were observed."""
    memory: float
    """Resident KiB of all operators afterwards."""
    idle: float
    """Part of a core that the busiest operator used afterwards."""
    writes: int
    patched: int
    calls: str
    requests: str

    def of_each(self, name: str, few: "Cost") -> float:
        """The cost of each further object."""
        return float(getattr(self, name) - getattr(few, name)) / (self.count - few.count)


@dataclass
class World:
    """A stack whose account and cluster are filled, and the operators in it."""

    stack: Stack
    http: httpx2.Client
    console: Console
    filled: int = 0
    template: dict[str, Any] = field(default_factory=dict)
    """The object from which the others are copied."""
    cluster: str = ""
    program: Program = field(default=Program("operator", ()))

    def measured(self, count: int) -> Cost:
        """Fill up to so many objects, start operators, kill and restart them, and measure those."""
        if not self.template:
            self._create_template()
        self._fill(count)
        operators = self._operators()
        try:
            return self._cost(operators, count)
        finally:
            operators.stop()

    def _cost(self, operators: ProcessGroup, count: int) -> Cost:
        # Shards move between operators that start for the first time; those that are killed resume their own.
        operators.start(START_SECONDS)
        self._wait(lambda: all(len(_health(child)["shards"]) == 1 for child in _all(operators)), "each has a shard")
        versions, sent = self._versions(), len(self.stack.plane.operator_requests())
        for name in tuple(operators.children):
            operators.signal(name, signal.SIGKILL)
        for name in tuple(operators.children):
            operators.end(name)
        self.stack.lab.reset_calls()
        began = time.monotonic()
        operators.start(START_SECONDS)
        self._wait_until_observed(operators, count, began)
        seconds, cpu = time.monotonic() - began, sum(map(_cpu, _all(operators)))
        calls, writes = self.stack.calls(), len(self.stack.lab.call_log(only_writes=True))
        idle, memory = self._idle(operators), sum(map(_memory, _all(operators)))
        patched = sum(versions.get(uid) != version for uid, version in self._versions().items())
        requests = _summary(self.stack.plane.operator_requests()[sent:])
        shown = ", ".join(
            f"{name} {times}" for name, times in calls.items() if not name.startswith(("sqs.", "events."))
        )
        found = Cost(count, seconds, cpu * 1000, memory, idle, writes, patched, shown, requests)
        self.console.print(f"  {found}", soft_wrap=True)
        return found

    def _operators(self) -> ProcessGroup:
        """One operator for each shard, not started."""
        programs = []
        for number, port in enumerate(free_ports(SHARDS)):
            own = {"DYNCONFIG_POD_NAME": f"dynconfig-operator-{number}", "DYNCONFIG_HEALTH_PORT": str(port)}
            environment = {**self.program.environment, **own}
            url = f"http://{HOST}:{port}/healthz"
            programs.append(replace(self.program, name=f"operator-{number}", ready_url=url, environment=environment))
        return ProcessGroup(programs, self.stack.folder)

    def _wait_until_observed(self, operators: ProcessGroup, count: int, began: float) -> None:
        """Wait until no object was last observed before the start."""

        def is_observed() -> bool:
            oldest = [float(_health(child)["oldest_observation_seconds"]) for child in _all(operators)]
            return max(oldest) < time.monotonic() - began

        self._wait(is_observed, f"{count} objects are observed")

    def _wait(self, condition: Callable[[], bool], wanted: str) -> None:
        with self.console.status(f"  until {wanted}"):
            if not wait_until(condition, PATIENCE):
                raise TimeoutError(f"not after {PATIENCE:.0f} s: {wanted}")

    def _idle(self, operators: ProcessGroup) -> float:
        """The part of a core that the busiest operator uses while nothing changes."""
        with self.console.status(f"  measuring {IDLE_SECONDS:.0f} s without changes"):
            before = [_cpu(child) for child in _all(operators)]
            time.sleep(IDLE_SECONDS)
            after = [_cpu(child) for child in _all(operators)]
        return max(late - early for late, early in zip(after, before, strict=True)) / IDLE_SECONDS

    def _versions(self) -> dict[str, str]:
        """The resourceVersion of each object."""
        found: dict[str, str] = {}
        params = {"limit": "500"}
        while True:
            page = self.http.get("/apis/dynconfig.dev/v1alpha1/dynamicconfigs", params=params).raise_for_status().json()
            found |= {item["metadata"]["uid"]: item["metadata"]["resourceVersion"] for item in page["items"]}
            if not page["metadata"].get("continue"):
                return found
            params["continue"] = page["metadata"]["continue"]

    def _create_template(self) -> None:
        """Let the operator create one object, then stop it."""
        for number in range(NAMESPACES):
            self.http.post("/api/v1/namespaces", json={"metadata": {"name": f"scale-{number}"}}).raise_for_status()
        document = load.document(TOKEN)
        document["spec"]["parameters"] = document["spec"]["parameters"][:PARAMETERS]
        with load.watching(self.http) as watch:
            self.http.post(load.OBJECTS, json=document).raise_for_status()
            watch.ready([TOKEN])
        self.cluster = self.http.get("/api/v1/namespaces/kube-system").raise_for_status().json()["metadata"]["uid"]
        self.template = self.http.get(f"{load.OBJECTS}/{TOKEN}").raise_for_status().json()
        if _revision(self.template) != self.template["status"]["revision"]:
            raise TimeoutError("the revision is computed in another way than the operator does")
        self.program = self.stack.operator.children["operator"].program
        self.stack.operator.stop()

    def _fill(self, count: int) -> None:
        """Create objects and their parameters as an operator leaves them."""
        wanted = range(self.filled, count - 1)
        self.filled = count - 1
        with self.console.status(f"  filling: {count} objects"), ThreadPoolExecutor(load.APPLIERS) as threads:
            for start in range(0, len(wanted), FILLED_AT_ONCE):
                numbers, now = wanted[start : start + FILLED_AT_ONCE], time.time()
                created = threads.map(lambda number, at=now: self._create(number, at), numbers)
                self.stack.lab.fill(REGION, [item for items in created for item in items], int(now))

    def _create(self, number: int, now: float) -> list[Mapping[str, Any]]:
        """Create an object with its status; return its parameters."""
        namespace, name = f"scale-{number % NAMESPACES}", f"object-{number:05d}"
        wanted = json.loads(json.dumps(self.template).replace(TOKEN, name))
        metadata = {"name": name, "finalizers": wanted["metadata"]["finalizers"]}
        objects = f"/apis/dynconfig.dev/v1alpha1/namespaces/{namespace}/dynamicconfigs"
        body = {
            "apiVersion": wanted["apiVersion"],
            "kind": wanted["kind"],
            "metadata": metadata,
            "spec": wanted["spec"],
        }
        created = self.http.post(objects, json=body).raise_for_status().json()
        at = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(now))
        status = {"status": _at(wanted, at)}
        headers = {"Content-Type": "application/merge-patch+json"}
        self.http.patch(f"{objects}/{name}/status", json=status, headers=headers).raise_for_status()
        owner = f"{self.cluster}/{namespace}/{name}/{created['metadata']['uid']}"
        tags = [{"Key": "dynconfig.dev/owner", "Value": owner}]
        return [
            {"Name": f"/{name}/{item['name']}", "Value": item["value"], "Type": "String", "Tags": tags}
            for item in wanted["spec"]["parameters"]
        ]


def _at(document: Mapping[str, Any], at: str) -> dict[str, Any]:
    """The status of an object that was written at a time."""
    status: dict[str, Any] = copy.deepcopy(document["status"])
    status["lastObservedTime"] = at
    for item in status["parameters"]:
        item["lastModified"] = at
    status["revision"] = status["history"][0]["revision"] = _revision(document)
    return status


def _revision(document: Mapping[str, Any]) -> str:
    """The revision of an object whose parameters were written once."""
    lines = sorted(f"Parameter {item['name']}={item['version']}" for item in document["status"]["parameters"])
    return hashlib.sha256("\n".join(lines).encode()).hexdigest()[:8]


def _summary(requests: Iterable[Mapping[str, Any]]) -> str:
    """The operator's requests about DynamicConfigs, by verb."""
    counted: dict[str, int] = {}
    for item in requests:
        about = item.get("objectRef") or {}
        if about.get("resource") == "dynamicconfigs":
            verb = f"{item['verb']} {about.get('subresource', '')}".strip()
            counted[verb] = counted.get(verb, 0) + 1
    return "requests: " + (", ".join(f"{verb} {times}" for verb, times in sorted(counted.items())) or "none")


def _all(operators: ProcessGroup) -> list[Child]:
    return list(operators.children.values())


def _health(child: Child) -> dict[str, Any]:
    """What /healthz returns; of an operator that does not answer, that it serves nothing and has observed nothing."""
    try:
        answer = httpx2.get(child.program.ready_url, trust_env=False).raise_for_status()
    except httpx2.HTTPError:
        return {"shards": [], "oldest_observation_seconds": PATIENCE}
    document: dict[str, Any] = answer.json()
    return document


def _cpu(child: Child) -> float:
    """The CPU seconds of a process."""
    fields = Path(f"/proc/{child.identity.pid}/stat").read_text(encoding="ascii").rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / TICKS


def _memory(child: Child) -> int:
    """The resident KiB of a process."""
    lines = Path(f"/proc/{child.identity.pid}/status").read_text(encoding="ascii").splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("VmRSS"))
