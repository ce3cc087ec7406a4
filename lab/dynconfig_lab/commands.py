"""Runs a command that takes minutes: shows progress, keeps its last lines, and stops it on interruption."""

import os
import queue
import signal
import subprocess
import threading
from collections import deque
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO, Protocol

from dynconfig_lab.errors import BuildFailed
from dynconfig_lab.processes import leashed

TICK = 1.0
KEPT = 30


class Watcher(Protocol):
    def line(self, text: str) -> bool:
        """One line of output. True if it only shows progress and does not help to understand a failure."""

    def tick(self) -> None:
        """Called after each line and after each second without output."""


def run(command: tuple[str, ...], folder: Path, environment: Mapping[str, str], watcher: Watcher) -> None:
    """Run it. Raises BuildFailed with the last lines of its output. Ctrl-C stops it with its child processes."""
    kept: deque[str] = deque(maxlen=KEPT)
    with _running(command, folder, environment) as process:
        for line in _lines(process.stdout):
            if line and not watcher.line(line):
                kept.append(line)
            watcher.tick()
        code = process.wait()
    if code != 0:
        raise BuildFailed("\n".join(kept) + f"\n{Path(command[0]).name} ended with exit code {code}.")


@contextmanager
def _running(command: tuple[str, ...], folder: Path, environment: Mapping[str, str]) -> Iterator[subprocess.Popen[str]]:
    process = subprocess.Popen(
        leashed(command),
        cwd=folder,
        env=environment,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        errors="replace",
        process_group=0,
    )
    try:
        yield process
    finally:
        if process.poll() is None:
            _end_group(process.pid)
        process.wait()
        if process.stdout:
            process.stdout.close()


def _end_group(leader: int) -> None:
    """Go's own cleanup would delay Ctrl-C by seconds; its leftovers are in a folder that is removed."""
    with suppress(ProcessLookupError):
        os.killpg(leader, signal.SIGKILL)


def _lines(output: IO[str] | None) -> Iterator[str]:
    """Each line as it arrives, and an empty one for each second without output."""
    lines: queue.SimpleQueue[str | None] = queue.SimpleQueue()

    def read() -> None:
        for line in output or ():
            lines.put(line.rstrip("\n"))
        lines.put(None)

    reader = threading.Thread(target=read, daemon=True)
    reader.start()
    while True:
        try:
            line = lines.get(timeout=TICK)
        except queue.Empty:
            yield ""
            continue
        if line is None:
            break
        yield line
    reader.join()
