"""The processes of the lab: what to run, a running one, and its identity after its pid was reused."""

import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Self

from dynconfig_lab import child_guard, detach

INTERVAL = 0.05
_ENDS = (signal.SIGTERM, signal.SIGHUP)
LOOPBACK = "127.0.0.1,localhost,::1"


@dataclass(frozen=True)
class Program:
    """What to run: plain data that can be written to a file and read by another process."""

    name: str
    command: tuple[str, ...]
    ready_url: str = ""
    after: tuple[str, ...] = ()
    """The names of the programs that have to be ready before this one is started."""
    graceful: bool = True
    """Whether it gets SIGTERM before it is killed."""
    environment: Mapping[str, str] = field(default_factory=dict)
    restarts: bool = False
    """Whether the supervisor starts it again if it exits after it was ready, for example because a test killed it."""


@dataclass(frozen=True)
class Identity:
    """The identity of a process: pid and start time."""

    pid: int
    started: str

    @classmethod
    def of(cls, pid: int) -> Self | None:
        """None if there is no such process, or it is a zombie."""
        started = _started(pid)
        return cls(pid, started) if started else None

    @classmethod
    def of_this_process(cls) -> Self:
        return cls(os.getpid(), _started(os.getpid()))

    @property
    def alive(self) -> bool:
        return _started(self.pid) == self.started

    def send(self, number: signal.Signals) -> None:
        """Send a signal if it is still the same process; an exited one is not an error."""
        if self.alive:
            with suppress(ProcessLookupError):
                os.kill(self.pid, number)

    def end(self, seconds: float) -> None:
        """Send SIGTERM, and kill it if it has not exited in time."""
        self.send(signal.SIGTERM)
        if not self.ended_within(seconds):
            self.send(signal.SIGKILL)
            self.ended_within(5)

    def ended_within(self, seconds: float) -> bool:
        return wait_until(lambda: not self.alive, seconds)


class Child:
    """A running program in its own process group, which ends with the process that started it.

    Start it from a thread that lives as long as the program: Linux treats the end of the thread as the end of the
    parent.
    """

    def __init__(self, program: Program, log: Path, process: subprocess.Popen[bytes]) -> None:
        self.program = program
        self.log = log
        self.identity = Identity.of(process.pid) or Identity(process.pid, "")
        self._process = process

    @classmethod
    def start(cls, program: Program, log: Path) -> Self:
        with log.open("ab") as output:
            process = subprocess.Popen(
                leashed(program.command),
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                env=local_environment() | dict(program.environment),
                process_group=0,
            )
        return cls(program, log, process)

    @property
    def exit_code(self) -> int | None:
        return self._process.poll()

    def signal(self, number: signal.Signals) -> None:
        if self.exit_code is None:
            os.killpg(self._process.pid, number)

    def end(self) -> None:
        """Send SIGTERM if the program supports it; `wait` ensures the end."""
        self.signal(signal.SIGTERM if self.program.graceful else signal.SIGKILL)
        self.signal(signal.SIGCONT)  # a stopped process receives nothing but SIGKILL

    def wait(self, seconds: float = 5) -> None:
        try:
            self._process.wait(seconds)
        except subprocess.TimeoutExpired:
            self.signal(signal.SIGKILL)
            self._process.wait()
        # Children that it did not stop are still in its group.
        with suppress(ProcessLookupError, PermissionError):
            os.killpg(self._process.pid, signal.SIGKILL)


def end_as_interrupted() -> None:
    """Treat SIGTERM and SIGHUP as Ctrl-C, so that started processes are stopped and files removed."""
    for number in _ENDS:
        # Under nohup SIGHUP is ignored.
        if signal.getsignal(number) is not signal.SIG_IGN:
            signal.signal(number, _interrupt)


def _interrupt(*_: object) -> None:
    # Often both arrive, and the second must not interrupt the cleanup.
    for number in _ENDS:
        signal.signal(number, signal.SIG_IGN)
    raise KeyboardInterrupt


def start_detached(command: tuple[str, ...], log: Path) -> Identity:
    """A process that keeps running when this one exits."""
    answer = subprocess.run(
        [sys.executable, "-I", "-S", detach.__file__, str(log), *command],
        env=local_environment(),
        stdout=subprocess.PIPE,
        check=True,
    )
    pid = int(answer.stdout)
    return Identity.of(pid) or Identity(pid, "")


def leashed(command: tuple[str, ...]) -> list[str]:
    """The command, bound to the life of this process; its pid is the one that was started."""
    return [sys.executable, "-I", "-S", child_guard.__file__, str(os.getpid()), *command]


def local_environment() -> dict[str, str]:
    """The environment of programs that use only local addresses: no proxy."""
    return {**os.environ, "NO_PROXY": LOOPBACK, "no_proxy": LOOPBACK}


def wait_until(condition: Callable[[], bool], seconds: float) -> bool:
    """Whether the condition became true in time."""
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            return False
        time.sleep(INTERVAL)
    return True


def last_lines(log: Path, count: int = 15) -> str:
    if not log.exists():
        return ""
    return "\n".join(log.read_text(errors="replace").splitlines()[-count:])


def _started(pid: int) -> str:
    if sys.platform == "linux":
        return _started_linux(pid)
    listing = subprocess.run(
        ["/bin/ps", "-o", "state=,lstart=", "-p", str(pid)], capture_output=True, text=True, check=False
    ).stdout.strip()
    return "" if listing.startswith("Z") else listing.partition(" ")[2].strip()


def _started_linux(pid: int) -> str:
    try:
        stat = Path(f"/proc/{pid}/stat").read_text()
    except (FileNotFoundError, ProcessLookupError):
        return ""
    # The name in parentheses may contain anything; the state (field 3) and the start time (field 22) follow it.
    state, *fields = re.sub(r"^.*\) ", "", stat, flags=re.DOTALL).split()
    return "" if state in "ZX" else fields[18]
