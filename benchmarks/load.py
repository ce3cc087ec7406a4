"""Many DynamicConfigs at once, and when each of them was Ready; and the lower bound: boto3 alone."""

import json
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any

import httpx2
from botocore.config import Config

from dynconfig_lab.stack import Stack

OBJECTS = "/apis/dynconfig.dev/v1alpha1/namespaces/default/dynamicconfigs"
PARAMETERS = 10
FLOOR_THREADS = 32
APPLIERS = 8
PATIENCE = 600.0
# A watch that receives nothing for so long is opened again.
WATCH_SECONDS = 2.0


def names(group: str, count: int) -> list[str]:
    """Names of the objects of a group."""
    return [f"{group}-{number}" for number in range(count)]


def document(name: str, count: int = PARAMETERS, **spec: Any) -> dict[str, Any]:
    """An object with small parameters, and further fields of its spec."""
    parameters = [{"name": f"settings/{number}", "value": f"value-{number}"} for number in range(count)]
    return {
        "apiVersion": "dynconfig.dev/v1alpha1",
        "kind": "DynamicConfig",
        "metadata": {"name": name},
        "spec": {"path": f"/{name}", "parameters": parameters, **spec},
    }


def apply(http: httpx2.Client, wanted: list[str], **spec: Any) -> None:
    """Create the objects, several at a time, as kubectl or Argo CD would."""
    with ThreadPoolExecutor(APPLIERS) as threads:
        for answer in threads.map(lambda name: http.post(OBJECTS, json=document(name, **spec)), wanted):
            answer.raise_for_status()


def reconcile_now(http: httpx2.Client, wanted: list[str], token: str) -> None:
    """Request a reconcile of the objects."""
    patch = {"metadata": {"annotations": {"dynconfig.dev/reconcile-requested-at": token}}}
    headers = {"Content-Type": "application/merge-patch+json"}
    with ThreadPoolExecutor(APPLIERS) as threads:
        for answer in threads.map(lambda name: http.patch(f"{OBJECTS}/{name}", json=patch, headers=headers), wanted):
            answer.raise_for_status()


def edit(http: httpx2.Client, name: str, patch: Mapping[str, Any]) -> None:
    """Patch an object."""
    headers = {"Content-Type": "application/merge-patch+json"}
    http.patch(f"{OBJECTS}/{name}", json=patch, headers=headers).raise_for_status()


class Watch:
    """Receives every status, and records when an object was first Ready and first reconciled a request."""

    def __init__(self) -> None:
        self._ready: dict[str, float] = {}
        self._handled: dict[tuple[str, str], float] = {}
        self._last: dict[str, tuple[float, Mapping[str, Any]]] = {}
        self._news = threading.Condition()

    def receive_event(self, event: Mapping[str, Any]) -> None:
        """Process one event of the API server's watch."""
        name, status = event["object"]["metadata"]["name"], event["object"].get("status") or {}
        now = time.monotonic()
        with self._news:
            self._last[name] = now, status
            if any(item["type"] == "Ready" and item["status"] == "True" for item in status.get("conditions", ())):
                self._ready.setdefault(name, now)
            if "lastHandledReconcileAt" in status:
                self._handled.setdefault((name, status["lastHandledReconcileAt"]), now)
            self._news.notify_all()

    def ready(self, wanted: list[str]) -> float:
        """Wait until the last of the objects is Ready; return the monotonic time. Raises TimeoutError."""
        self._wait(lambda: all(name in self._ready for name in wanted))
        return max(self._ready[name] for name in wanted)

    def handled(self, wanted: list[str], token: str) -> float:
        """Wait until the last of the objects has handled the request; return the monotonic time. Raises TimeoutError."""
        self._wait(lambda: all((name, token) in self._handled for name in wanted))
        return max(self._handled[name, token] for name in wanted)

    def wait_until(self, name: str, condition: Callable[[Mapping[str, Any]], bool]) -> float:
        """Wait until an object's status is as wanted; return when it was received. Raises TimeoutError."""
        self._wait(lambda: name in self._last and condition(self._last[name][1]))
        return self._last[name][0]

    def status(self, name: str) -> Mapping[str, Any]:
        """The last received status of an object."""
        with self._news:
            return self._last[name][1]

    def _wait(self, condition: Any) -> None:
        with self._news:
            if not self._news.wait_for(condition, PATIENCE):
                raise TimeoutError(f"the objects were not ready after {PATIENCE:.0f} s")


@contextmanager
def watching(http: httpx2.Client) -> Iterator[Watch]:
    """Watch the objects from now on."""
    version = http.get(OBJECTS).raise_for_status().json()["metadata"]["resourceVersion"]
    watch, is_over = Watch(), threading.Event()
    reader = threading.Thread(target=_read, args=(http, version, watch, is_over), daemon=True)
    reader.start()
    try:
        yield watch
    finally:
        is_over.set()
        reader.join()


def _read(http: httpx2.Client, version: str, watch: Watch, is_over: threading.Event) -> None:
    """Receive events until the measurement is over; continue after the last one if the API server ends the watch."""
    timeout = httpx2.Timeout(10, read=WATCH_SECONDS)
    while not is_over.is_set():
        params = {"watch": "true", "resourceVersion": version}
        try:
            with http.stream("GET", OBJECTS, params=params, timeout=timeout) as stream:
                for line in stream.raise_for_status().iter_lines():
                    event = json.loads(line)
                    version = event["object"]["metadata"]["resourceVersion"]
                    watch.receive_event(event)
                    if is_over.is_set():
                        return
        except httpx2.TransportError:
            # Silent for so long, or cut.
            continue


def floor(stack: Stack, group: str, count: int) -> float:
    """Seconds that boto3 in 32 threads needs for the PutParameter calls of `count` objects, on the same emulator."""
    config = Config(max_pool_connections=FLOOR_THREADS)
    ssm = stack.aws("ssm", config)
    wanted = [(name, item) for name in names(group, count) for item in document(name)["spec"]["parameters"]]

    def put(named: tuple[str, dict[str, str]]) -> None:
        name, item = named
        tags = [{"Key": "example.com/owner", "Value": f"{'0' * 36}/default/{name}/{'0' * 36}"}]
        ssm.put_parameter(Name=f"/{name}/{item['name']}", Value=item["value"], Type="String", Tags=tags)

    with ThreadPoolExecutor(FLOOR_THREADS) as threads:
        started = time.monotonic()
        list(threads.map(put, wanted))
        return time.monotonic() - started
