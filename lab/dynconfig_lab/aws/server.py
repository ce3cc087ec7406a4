"""The emulated AWS as two servers in one process: AWS itself, and the control interface."""

import json
import logging
import socket
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from functools import lru_cache
from typing import Any, Self
from urllib.request import ProxyHandler, Request, build_opener

from moto.moto_api._internal.models import moto_api_backend
from moto.moto_server.werkzeug_app import DomainDispatcherApplication, create_backend_app
from werkzeug.serving import BaseWSGIServer, WSGIRequestHandler, make_server

from dynconfig_lab.aws.call_log import CallLog, LoggedCall
from dynconfig_lab.aws.calls import Calls
from dynconfig_lab.aws.cloudwatch import CloudWatch
from dynconfig_lab.aws.cloudwatch_alarm import LOCK
from dynconfig_lab.aws.cloudwatch_watch import Watch
from dynconfig_lab.aws.control import Control
from dynconfig_lab.aws.events import Bus
from dynconfig_lab.aws.faults import FaultInjector, Faults
from dynconfig_lab.aws.layer import Layer
from dynconfig_lab.aws.roles import Roles
from dynconfig_lab.aws.services import Services
from dynconfig_lab.aws.sessions import Sessions
from dynconfig_lab.aws.sqs import Queues
from dynconfig_lab.aws.ssm import ParameterStore
from dynconfig_lab.aws.stale_reads import StaleReads
from dynconfig_lab.functions.schedules import Schedules
from dynconfig_lab.functions.service import Functions

HOST = "127.0.0.1"
# The environment's proxies and certificates do not apply to local addresses.
_OPENER = build_opener(ProxyHandler({}))


class Dispatcher(DomainDispatcherApplication):
    """moto's dispatcher, which would list the folders of all services for each request."""

    @lru_cache(maxsize=256)  # noqa: B019 - one dispatcher per emulation
    def get_backend_for_host(self, host: str | None) -> Any:
        """Return moto's name of the service that a host name belongs to."""
        return super().get_backend_for_host(host)


class CannotListen(OSError):
    """A port is in use or not allowed, or the address is not local."""


class Handler(WSGIRequestHandler):
    """Keeps connections open and sends each response at once: two sends cost 40 ms by delayed ACK."""

    protocol_version = "HTTP/1.1"
    wbufsize = 65536
    disable_nagle_algorithm = True

    def log_request(self, *_: object) -> None:
        """Requests are counted, not logged."""

    def log(self, type: str, message: str, *args: Any) -> None:  # noqa: A002 - werkzeug's name
        logging.getLogger("dynconfig_lab.aws").log(logging.getLevelNamesMapping()[type.upper()], message, *args)

    def connection_dropped(self, error: BaseException, environ: dict[str, Any] | None = None) -> None:  # noqa: ARG002
        """The client has disconnected."""
        self.close_connection = True


class AwsLab:
    """A running emulation. Emulations in one process share moto's state, which is global."""

    def __init__(
        self,
        aws_port: int = 0,
        control_port: int = 0,
        address: str = HOST,
        *,
        now: Callable[[], float] = time.time,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._calls = Calls()
        self._log = CallLog(now)
        self._trouble = FaultInjector(time.monotonic)
        self._stale_reads = StaleReads(clock, lambda: self._trouble.faults.stale_read_seconds)
        self._parameters = ParameterStore(time.monotonic, lambda: self._trouble.faults.recreate_delay_seconds, now)
        sockets = _listening(address, aws_port, control_port)
        moto = Dispatcher(create_backend_app)
        roles, sessions = Roles(clock), Sessions(now)
        self._runner = Functions(f"http://{HOST}:{sockets[0].getsockname()[1]}", roles)
        self._bus = Bus(self._runner)
        self._services = Services(
            roles, self._runner, self._bus, lambda: self._trouble.faults.settle_seconds, clock, sessions=sessions
        )
        self._schedules = Schedules(self._runner, roles, time.time)
        self._watch = Watch(now, self._bus.emit, self._runner)
        self._queues = Queues()
        self.application = Layer(
            moto,
            self._calls,
            self._log,
            self._trouble,
            self._stale_reads,
            self._parameters,
            self._bus,
            self._services.by_name(),
            self._runner,
            CloudWatch(now, self._watch),
            self._queues,
            sessions,
        )
        control = Control(self._calls, self._log, self._trouble, self.clear, self._schedules.fire, self._watch)
        self._servers = (_server(self.application, sockets[0], now), _server(control, sockets[1], now))
        self.endpoint, self.control_url = (f"http://{HOST}:{server.port}" for server in self._servers)
        self._threads = [threading.Thread(target=server.serve_forever, daemon=True) for server in self._servers]

    @classmethod
    @contextmanager
    def start(
        cls,
        aws_port: int = 0,
        control_port: int = 0,
        address: str = HOST,
        *,
        now: Callable[[], float] = time.time,
        clock: Callable[[], float] = time.monotonic,
        evaluates: bool = True,
    ) -> Iterator[Self]:
        """Serve in threads of this process until the `with` block ends. Raises CannotListen.

        `now` is AWS's clock in seconds since the epoch, `clock` measures durations. Without `evaluates` alarms
        change their state only on request.
        """
        lab = cls(aws_port, control_port, address, now=now, clock=clock)
        for thread in lab._threads:
            thread.start()
        if evaluates:
            lab._watch.start()
        try:
            yield lab
        finally:
            lab.stop()

    def calls(self) -> dict[str, int]:
        """The number of calls of each operation."""
        return self._calls.all()

    def calls_by_account(self) -> dict[str, dict[str, int]]:
        """The number of calls of each operation, by the account of the caller."""
        return self._calls.by_account()

    def call_log(self, after: int = 0, *, only_writes: bool = False) -> list[LoggedCall]:
        """The most recent calls with a number above `after`, oldest first."""
        return self._log.all(after, only_writes=only_writes)

    def reset_calls(self) -> None:
        """Reset the counters and the log."""
        self._calls.reset()
        self._log.reset()

    def faults(self, faults: Faults) -> None:
        """Replace the faults."""
        self._trouble.set(faults)
        if not faults.stale_read_seconds:
            self._stale_reads.clear()

    def held(self) -> tuple[str, str] | None:
        """Operation and resource of the call that is held now; None if none is."""
        return self._trouble.held

    def clear(self) -> None:
        """Clear all AWS state; counters and faults stay."""
        self._stale_reads.clear()
        self._parameters.clear()
        self._services.clear()
        # An evaluation in progress would restore its alarm.
        with LOCK:
            moto_api_backend.reset()

    def alarms(self, period_seconds: float | None) -> None:
        """How long each period of an alarm lasts from now on; None: as declared."""
        self._watch.period_seconds = period_seconds

    def evaluate_alarms(self) -> dict[str, str]:
        """Evaluate all alarms now; return the new state of each changed alarm by ARN."""
        return self._watch.evaluate_all()

    def stop(self) -> None:
        """Stop both servers."""
        self._watch.stop()
        self._queues.stop()
        for server in self._servers:
            server.shutdown()
            server.server_close()
        for thread in self._threads:
            thread.join()
        self._schedules.stop()
        self._bus.stop()
        self._runner.stop()


class RemoteLab:
    """The control interface of a lab in another process."""

    def __init__(self, control_url: str) -> None:
        self.control_url = control_url

    def calls(self) -> dict[str, int]:
        """The number of calls of each operation."""
        found: dict[str, int] = self._ask("GET", "/calls")
        return found

    def calls_by_account(self) -> dict[str, dict[str, int]]:
        """The number of calls of each operation, by the account of the caller."""
        found: dict[str, dict[str, int]] = self._ask("GET", "/calls/accounts")
        return found

    def call_log(self, after: int = 0, *, only_writes: bool = False) -> list[LoggedCall]:
        """The most recent calls with a number above `after`, oldest first."""
        query = f"?after={after}" + ("&writes=true" if only_writes else "")
        return [LoggedCall(**item) for item in self._ask("GET", f"/calls/log{query}")["calls"]]

    def fill(self, region: str, parameters: Sequence[Mapping[str, Any]], modified: float) -> None:
        """Create parameters without events and calls."""
        document = {"region": region, "modified": modified, "parameters": list(parameters)}
        self._ask("POST", "/parameters", json.dumps(document).encode())

    def reset_calls(self) -> None:
        """Reset the counters and the log."""
        self._ask("POST", "/calls/reset")

    def faults(self, faults: Faults) -> None:
        """Replace the faults."""
        self._ask("POST", "/faults", json.dumps(faults.to_json()).encode())

    def held(self) -> tuple[str, str] | None:
        """Operation and resource of the call that is held now; None if none is."""
        found = self._ask("GET", "/held")
        return (found["operation"], found["resource"]) if found else None

    def clear(self) -> None:
        """Clear all AWS state."""
        self._ask("POST", "/reset")

    def fire(self, schedule: str) -> int:
        """Fire the schedules of this name now; return their number."""
        return int(self._ask("POST", "/fire", json.dumps({"schedule": schedule}).encode())["fired"])

    def alarms(self, period_seconds: float | None) -> None:
        """How long each period of an alarm lasts from now on; None: as declared."""
        self._ask("POST", "/alarms", json.dumps({"period_seconds": period_seconds}).encode())

    def evaluate_alarms(self) -> dict[str, str]:
        """Evaluate all alarms now; return the new state of each changed alarm by ARN."""
        found: dict[str, str] = self._ask("POST", "/alarms/evaluate")["changed"]
        return found

    def _ask(self, method: str, path: str, body: bytes | None = None) -> Any:
        with _OPENER.open(Request(self.control_url + path, data=body, method=method)) as answer:  # noqa: S310
            return json.load(answer)


def _listening(address: str, *ports: int) -> list[socket.socket]:
    """A socket for each port, or none. Raises CannotListen."""
    with ExitStack() as stack:
        found = [stack.enter_context(_socket(address, port)) for port in ports]
        stack.pop_all()
        return found


def _socket(address: str, port: int) -> socket.socket:
    try:
        return socket.create_server((address, port))
    except OSError as error:
        raise CannotListen(f"Port {port} on {address} cannot be had: {error.strerror}") from None


def _handler(now: Callable[[], float]) -> type[Handler]:
    """A handler whose responses carry the date of this clock."""

    class Dated(Handler):
        def date_time_string(self, timestamp: float | None = None) -> str:
            return super().date_time_string(now() if timestamp is None else timestamp)

    return Dated


def _server(application: Any, listening: socket.socket, now: Callable[[], float]) -> BaseWSGIServer:
    # werkzeug would exit the process if a port is in use.
    port = listening.getsockname()[1]
    with listening:
        server = make_server(
            HOST, port, application, threaded=True, request_handler=_handler(now), fd=listening.fileno()
        )
    # A connection that a client keeps open must not keep the process alive.
    server.daemon_threads = True  # type: ignore[attr-defined]
    return server
