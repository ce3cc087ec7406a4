"""Runs in a network namespace of its own: a replica writes through a network that is partitioned until its lease has ended.

Arguments: the client (aws or kube), and what happens to the process of the replica: nothing, SIGKILL or SIGSTOP. Exits with 0
if AWS or the API server executes no write after the partition.
"""

import asyncio
import http.server
import os
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from dynconfig.aws.quota import Quota
from dynconfig.aws.session import Session
from dynconfig.kube.client import Kube
from dynconfig.kube.connection import Cluster, Connection, User
from dynconfig.model.fence import Fence
from dynconfig.model.key import Key

SERVER, PORT, CALL_SECONDS, LEASE_SECONDS = "10.9.0.2", 8080, 4.0, 5.0
MAC = "02:00:00:00:00:02"
executed: list[str] = []


class Handler(http.server.BaseHTTPRequestHandler):
    """Executes each write; a GET returns those that were executed."""

    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        """Return what was executed."""
        self._respond(" ".join(executed))

    def do_POST(self) -> None:
        """Execute a write."""
        body = self.rfile.read(int(self.headers["Content-Length"]))
        executed.append("second" if b"second" in body else "first")
        self._respond('{"metadata": {}}')

    do_PATCH = do_POST  # noqa: N815 - named as http.server calls it

    def _respond(self, text: str) -> None:
        self.send_response(200)
        self.send_header("Content-Length", str(len(text)))
        self.end_headers()
        self.wfile.write(text.encode())


def write_to_aws(fence: Fence) -> None:
    """Write twice through one connection; the parent partitions the network between them."""

    quota = Quota(time.monotonic, time.sleep, is_limited=False)
    url = f"http://{SERVER}:{PORT}"
    session = Session(quota, lambda *_: None, endpoint=url, pool=1, write_seconds=CALL_SECONDS)
    ssm: Any = session.client("ssm", "eu-west-1")
    for value in _values(fence):
        ssm.put_parameter(Name="/a", Value=value, Type="String", Overwrite=True)


async def write_to_kube(fence: Fence) -> None:
    """Write twice through one connection."""

    kube = Kube(Connection(User(token="t"), Cluster(server=f"http://{SERVER}:{PORT}"), "shop", "here"))
    for value in _values(fence):
        await kube.patch_status(Key("shop", "app"), {"status": value})


def _values(fence: Fence) -> Iterator[str]:
    yield "first"
    print("written", flush=True)
    sys.stdin.readline()
    ends_at = time.monotonic() + LEASE_SECONDS
    fence.extend(ends_at)
    print(ends_at, flush=True)
    yield "second"


def write(client: str) -> None:
    """Write behind a fence."""
    fence = Fence(0, time.monotonic, CALL_SECONDS, float("inf"))
    with fence.within():
        write_to_aws(fence) if client == "aws" else asyncio.run(write_to_kube(fence))


def unsent() -> bool:
    """Whether the kernel has data for the server that it may still send."""
    # https://docs.kernel.org/networking/proc_net_tcp.html
    rows = [line.split() for line in Path("/proc/net/tcp").read_text().splitlines()[1:]]
    return any(row[2].endswith(f":{PORT:04X}") and int(row[4].partition(":")[0], 16) > 0 for row in rows)


def main(client: str, number: int) -> int:
    """Return 0 if the second write is never executed."""
    served = ["/usr/bin/env", "unshare", "--net", sys.executable, __file__, "serve"]
    server = subprocess.Popen(served, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
    assert server.stdout
    inside = ["nsenter", f"--net=/proc/{server.pid}/ns/net", "ip"]
    server.stdout.readline()
    for command in (
        ["ip", "link", "add", "va", "type", "veth", "peer", "name", "vb", "address", MAC, "netns", str(server.pid)],
        ["ip", "addr", "add", "10.9.0.1/24", "dev", "va"],
        ["ip", "link", "set", "va", "up"],
        # Otherwise packets wait for three seconds for the answer to an ARP request.
        ["ip", "neigh", "add", SERVER, "lladdr", MAC, "dev", "va", "nud", "permanent"],
        [*inside, "addr", "add", f"{SERVER}/24", "dev", "vb"],
        [*inside, "link", "set", "vb", "up"],
    ):
        subprocess.run(command, check=True)
    replica = subprocess.Popen(
        [sys.executable, __file__, "write", client],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
    )
    assert replica.stdin
    assert replica.stdout
    try:
        replica.stdout.readline()
        subprocess.run([*inside, "link", "set", "vb", "down"], check=True)
        replica.stdin.write(b"\n")
        replica.stdin.flush()
        ends_at = float(replica.stdout.readline())
        until(unsent)
        if number:
            os.kill(replica.pid, number)
        time.sleep(max(0.0, ends_at - time.monotonic()))
        is_unsent = unsent()
        subprocess.run([*inside, "link", "set", "vb", "up"], check=True)
        if is_unsent:
            until(lambda: not unsent())
        with urllib.request.urlopen(f"http://{SERVER}:{PORT}/", timeout=20) as response:
            found = response.read()
        print(found.decode(), f"unsent after the lease: {is_unsent}")
        return int(is_unsent or found != b"first")
    finally:
        replica.kill()
        server.kill()


def until(condition: Callable[[], bool]) -> None:
    """Wait for a condition."""
    until_at = time.monotonic() + 30.0
    while not condition():
        assert time.monotonic() < until_at
        time.sleep(0.01)


def serve() -> None:
    """Serve in the namespace of this process."""
    with http.server.ThreadingHTTPServer(("", PORT), Handler) as server:
        print("serving", flush=True)
        server.serve_forever()


if __name__ == "__main__":
    match sys.argv[1:]:
        case ["serve"]:
            serve()
        case ["write", name]:
            write(name)
        case [name, number]:
            sys.exit(main(name, int(number)))
