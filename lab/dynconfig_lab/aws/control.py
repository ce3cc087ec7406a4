"""The control interface of the lab: counters, faults and reset, over HTTP."""

import json
from collections.abc import Callable, Iterable
from typing import Any

from dynconfig_lab.aws.answers import StartResponse
from dynconfig_lab.aws.calls import Calls
from dynconfig_lab.aws.cloudwatch_watch import Watch
from dynconfig_lab.aws.faults import BadFaults, FaultInjector, Faults

HELP = """The lab's emulated AWS.

GET  /calls        how often each operation was called, as JSON
POST /calls/reset  count from zero
GET  /faults       the faults in force
POST /faults       set faults; {} ends them all, for example:
                   {"throttle": {"ssm.PutParameter": 3}, "error_rate": 0.1, "latency_ms": 50, "down": true,
                    "hang_seconds": 5, "errors": {"ssm.PutParameter": {"code": "AccessDeniedException", "times": 1}},
                    "settle_seconds": 5, "kill": {"pid": 4711, "call": 3, "when": "before"}}
                   kill: SIGKILL for the operator of that pid at its third write, before it is carried out or "after"
POST /fire         fire the schedules of this name now: {"schedule": "NAME"}
GET  /alarms       how long the periods of alarms last here
POST /alarms       make each period last so many seconds, whatever was declared: {"period_seconds": 2}; {} ends it
POST /alarms/evaluate  evaluate all alarms now; answers those that changed
POST /reset        forget all AWS state
GET  /healthz      200 when ready
"""

Route = Callable[[bytes], object]


class Control:
    """A WSGI application."""

    def __init__(
        self, calls: Calls, trouble: FaultInjector, clear: Callable[[], None], fire: Callable[[str], int], watch: Watch
    ) -> None:
        self._fire_schedule = fire
        self._watch = watch
        self._trouble = trouble
        self._routes: dict[tuple[str, str], Route] = {
            ("GET", "/"): lambda _body: HELP,
            ("GET", "/healthz"): lambda _body: "ok\n",
            ("GET", "/calls"): lambda _body: calls.all(),
            ("POST", "/calls/reset"): lambda _body: calls.reset() or {},  # type: ignore[func-returns-value]
            ("GET", "/faults"): lambda _body: trouble.faults.to_json(),
            ("POST", "/faults"): self._set_faults,
            ("POST", "/fire"): self._fire,
            ("GET", "/alarms"): lambda _body: {"period_seconds": watch.period_seconds},
            ("POST", "/alarms"): self._set_alarms,
            ("POST", "/alarms/evaluate"): lambda _body: {"changed": watch.evaluate_all()},
            ("POST", "/reset"): lambda _body: clear() or {},  # type: ignore[func-returns-value]
        }

    def __call__(self, environ: dict[str, Any], start_response: StartResponse) -> Iterable[bytes]:
        body = environ["wsgi.input"].read(int(environ.get("CONTENT_LENGTH") or 0))
        route = self._routes.get((environ["REQUEST_METHOD"], environ["PATH_INFO"]))
        if route is None:
            return _send(start_response, "404 Not Found", f"404 not found\n\n{HELP}")
        try:
            return _send(start_response, "200 OK", route(body))
        except BadFaults as error:
            return _send(start_response, "400 Bad Request", {"error": str(error)})

    def _set_faults(self, body: bytes) -> object:
        self._trouble.set(Faults.parse(_parsed(body)))
        return self._trouble.faults.to_json()

    def _set_alarms(self, body: bytes) -> object:
        document = _parsed(body)
        seconds = document.get("period_seconds") if isinstance(document, dict) else False
        is_number = isinstance(seconds, int | float) and not isinstance(seconds, bool) and seconds > 0
        if seconds is not None and not is_number:
            raise BadFaults('period_seconds: has to be a number above 0, as in {"period_seconds": 2}')
        self._watch.period_seconds = seconds
        return {"period_seconds": seconds}

    def _fire(self, body: bytes) -> object:
        document = _parsed(body)
        name = document.get("schedule") if isinstance(document, dict) else None
        if not isinstance(name, str):
            raise BadFaults('schedule: has to be the name of a schedule, as in {"schedule": "myapp"}')
        return {"fired": self._fire_schedule(name)}


def _parsed(body: bytes) -> object:
    try:
        return json.loads(body or b"{}")
    except ValueError as error:
        raise BadFaults(f"the body is not JSON: {error}") from None


def _send(start_response: StartResponse, status: str, content: object) -> list[bytes]:
    text = content if isinstance(content, str) else json.dumps(content, indent=2) + "\n"
    body = text.encode()
    kind = "text/plain; charset=utf-8" if text is content else "application/json"
    start_response(status, [("Content-Type", kind), ("Content-Length", str(len(body)))])
    return [body]
