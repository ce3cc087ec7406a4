"""The process of a function: start, output, end."""

import os
import select
import signal
import subprocess
import threading
from collections.abc import Mapping, Sequence
from concurrent.futures import Executor
from contextlib import suppress
from pathlib import Path

from dynconfig_lab.processes import leashed

_CHUNK = 65536


class Process:
    """A process in its own group; its output is read as lines."""

    def __init__(self, command: Sequence[str], folder: Path, environment: Mapping[str, str], keeper: Executor) -> None:
        """Start it. `keeper` runs in a thread that lives as long as the process. Raises OSError."""
        self._rest = b""
        self._lock = threading.Lock()
        self._is_reaped = False
        self._process = keeper.submit(_start, tuple(command), folder, dict(environment)).result()
        assert self._process.stdout is not None, "it was started with a pipe"  # noqa: S101 - for the type checker
        self._output = self._process.stdout

    @property
    def id(self) -> int:
        """Its process id."""
        return self._process.pid

    def read(self, lines: list[str], wake: int, seconds: float) -> bool:
        """Read output until something arrives or the time is over; False at the end of the output."""
        ready = _readable(seconds, self._output.fileno(), wake)
        if wake in ready:
            os.read(wake, _CHUNK)
        return self._output.fileno() not in ready or self._take(lines)

    def drain(self, lines: list[str]) -> None:
        """Read what is in the pipe, including an unfinished last line."""
        while _readable(0, self._output.fileno()) and self._take(lines):
            pass
        if self._rest:
            lines.append(self._rest.decode(errors="replace"))
            self._rest = b""

    def kill(self) -> None:
        """Kill it with its child processes; safe from any thread, and after its exit."""
        with self._lock:
            # After it is reaped, its pid may belong to another process.
            if not self._is_reaped:
                with suppress(ProcessLookupError, PermissionError):
                    os.killpg(self._process.pid, signal.SIGKILL)

    def end(self) -> int:
        """Kill it, wait, and close its output; return the exit code."""
        self.kill()
        code = self._process.wait()
        with self._lock:
            self._is_reaped = True
        self._output.close()
        return code

    def fate(self) -> str:
        """How a process ended that closed its output, in Lambda's words."""
        try:
            code = self._process.wait(1)
        except subprocess.TimeoutExpired:
            return "Runtime exited without providing a reason"
        if code < 0:
            return f"Runtime exited with error: signal: {signal.Signals(-code).name.removeprefix('SIG').lower()}"
        return f"Runtime exited with error: exit status {code}" if code else "Runtime exited without providing a reason"

    def _take(self, lines: list[str]) -> bool:
        chunk = os.read(self._output.fileno(), _CHUNK)
        *whole, self._rest = (self._rest + chunk).split(b"\n")
        lines += [line.decode(errors="replace") for line in whole if line]
        return bool(chunk)


def _readable(seconds: float, *files: int) -> set[int]:
    """The files that are readable or closed. Not with select, which accepts no descriptor from 1024 on."""
    watched = select.poll()
    for file in files:
        watched.register(file, select.POLLIN)
    return {file for file, _ in watched.poll(max(0.0, seconds) * 1000)}


def _start(command: tuple[str, ...], folder: Path, environment: dict[str, str]) -> "subprocess.Popen[bytes]":
    return subprocess.Popen(
        leashed(command),
        cwd=folder,
        env=environment,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        process_group=0,
        bufsize=0,
    )
