"""A set of programs that is started in order, watched and stopped together."""

import http.client
import signal
import ssl
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from urllib.parse import urlsplit

from dynconfig_lab.errors import NotReady
from dynconfig_lab.processes import INTERVAL, Child, Program, last_lines


class ProcessGroup:
    """Each program is started as soon as its dependencies are ready."""

    def __init__(self, programs: Sequence[Program], logs: Path, changed: Callable[[], None] = lambda: None) -> None:
        self.children: dict[str, Child] = {}
        self.ready: set[str] = set()
        self._programs = {program.name: program for program in programs}
        self._logs = logs
        self._changed = changed

    def start(self, seconds: float = 60, stopped: Callable[[], bool] = lambda: False) -> None:
        """Return when all are ready, or early when `stopped` returns true.

        Raises NotReady with the end of the log if one exits or is late; call `stop` for those already started.
        """
        deadline = time.monotonic() + seconds
        while len(self.ready) < len(self._programs) and not stopped():
            self._start_next()
            self.check()
            self._poll_readiness()
            if time.monotonic() > deadline:
                raise NotReady(self._late(seconds))
            time.sleep(INTERVAL)

    def check(self) -> None:
        """Raise NotReady if one of them has exited."""
        for child in self.children.values():
            if child.exit_code is not None:
                raise NotReady(
                    f"{child.program.name} ended with exit code {child.exit_code}. The last lines of {child.log}:\n"
                    f"{last_lines(child.log)}"
                )

    def restart(self, name: str, seconds: float = 60) -> None:
        """Stop one program, start it again and wait until it is ready."""
        self.end(name)
        self.start(seconds)

    def end(self, name: str) -> None:
        """Stop one program; `start` starts it again."""
        child = self.children.pop(name)
        self.ready.discard(name)
        child.end()
        child.wait()

    def revive(self, seconds: float = 60, stopped: Callable[[], bool] = lambda: False) -> None:
        """Start again what has exited and may be restarted, and wait until it is ready. Raises NotReady."""
        ended = [
            name
            for name, child in self.children.items()
            if child.program.restarts and name in self.ready and child.exit_code is not None
        ]
        for name in ended:
            self.end(name)
        if ended:
            self._changed()
            self.start(seconds, stopped)

    def signal(self, name: str, number: signal.Signals) -> None:
        self.children[name].signal(number)

    def stop(self) -> None:
        """Stop all, in reverse order. Leaves no process, and may be called twice."""
        for child in reversed(self.children.values()):
            child.end()
        for child in reversed(self.children.values()):
            child.wait()
        self.children.clear()
        self.ready.clear()

    def _start_next(self) -> None:
        for program in self._programs.values():
            if program.name not in self.children and self.ready.issuperset(program.after):
                self.children[program.name] = Child.start(program, self._logs / f"{program.name}.log")
                self._changed()

    def _poll_readiness(self) -> None:
        for name in self.children.keys() - self.ready:
            url = self._programs[name].ready_url
            if not url or answers(url):
                self.ready.add(name)
                self._changed()

    def _late(self, seconds: float) -> str:
        late = [child for name, child in self.children.items() if name not in self.ready]
        ends = "\n".join(f"The last lines of {child.log}:\n{last_lines(child.log)}" for child in late)
        return f"Not ready after {seconds:.0f} s: {', '.join(child.program.name for child in late)}. {ends}"


def answers(url: str, timeout: float = 2) -> bool:
    """Whether a local process responds with 200; proxies and certificates of the environment are ignored."""
    parts = urlsplit(url)
    connection = _connection(parts.scheme, parts.netloc, timeout)
    try:
        connection.request("GET", parts.path or "/")
        return connection.getresponse().status == http.client.OK
    except (OSError, http.client.HTTPException):
        return False
    finally:
        connection.close()


def _connection(scheme: str, netloc: str, timeout: float) -> http.client.HTTPConnection:
    if scheme == "http":
        return http.client.HTTPConnection(netloc, timeout=timeout)
    # It sends no secret, and the server creates its certificate while it starts.
    return http.client.HTTPSConnection(netloc, timeout=timeout, context=ssl._create_unverified_context())  # noqa: S323
