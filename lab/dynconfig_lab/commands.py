"""Runs a command that takes minutes: shows that it lives, keeps its last words, and takes it along when interrupted."""

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
        """One line of output. True if it shows progress only, and does not help to understand a failure."""

    def tick(self) -> None:
        """A second has passed without output, or a line was read."""


def run(command: tuple[str, ...], folder: Path, environment: Mapping[str, str], watcher: Watcher) -> None:
    """Raises BuildFailed with the last lines of its output. Ctrl-C ends it with all that it started."""
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
    """Go's own cleaning would delay Ctrl-C by seconds; what it leaves is in a folder that is removed."""
    with suppress(ProcessLookupError):
        os.killpg(leader, signal.SIGKILL)


def _lines(output: IO[str] | None) -> Iterator[str]:
    """Each line as it comes, and an empty one for each second without."""
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
