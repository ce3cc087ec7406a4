"""The control interface of the lab: counters, faults and reset, over HTTP."""

import json
from collections.abc import Callable, Iterable
from typing import Any
from urllib.parse import parse_qs

from dynconfig_lab.aws import ssm_fill
from dynconfig_lab.aws.answers import StartResponse
from dynconfig_lab.aws.call_log import CallLog, to_json
from dynconfig_lab.aws.calls import Calls
from dynconfig_lab.aws.cloudwatch_watch import Watch
from dynconfig_lab.aws.faults import BadFaults, FaultInjector, Faults

HELP = """The lab's emulated AWS.

GET  /calls        how often each operation was called, as JSON
GET  /calls/accounts  the same by account of the caller: {"123456789012": {"ssm.PutParameter": 12}}
GET  /calls/log    the most recent calls, oldest first: time, operation, resource, is_write, access_key and user_agent of
                   the caller, content (equal for equal requests), outcome, took_effect; ?writes=true: only writes;
                   ?after=17: only calls after number 17
POST /calls/reset  count from zero; empties the log
GET  /faults       the faults in force
POST /faults       set faults; {} ends them all, for example:
                   {"throttle": {"ssm.PutParameter": 3}, "error_rate": 0.1, "latency_ms": 50, "down": true,
                    "hang_seconds": 5, "errors": {"ssm.PutParameter": {"code": "AccessDeniedException", "times": 1}},
                    "settle_seconds": 5, "kill": {"pid": 4711, "call": 3, "when": "before"}}
                   kill: SIGKILL for the operator of that pid at its third write, before it is carried out or "after";
                   with "operation": "ssm.PutParameter" or "resource": "/a/b" only such writes count
                   {"lost_answers": {"ssm.PutParameter": 1, "*": null}}: calls that are carried out and not answered, how
                   many by operation; "*": all writes together, "each": each operation that writes, null: every time;
                   half_answers: the answer ends in the middle
                   {"stale_read_seconds": 3, "credentials_expired": true, "aws_quotas": true, "access_keys": ["lab"]}
                   {"hold": {"call": 3, "when": "after"}}: the third write gets no answer until the faults are replaced; it
                   takes effect, or with "before" never does
                   access_keys: only the callers with these keys have the faults
GET  /held         the call that is held now, as {"operation": "ssm.PutParameter", "resource": "/a/b"}; {} if none
                   is
POST /parameters   create parameters without events and calls, for an account with many: {"region": "eu-west-1",
                   "modified": 1700000000, "parameters": [{"Name": "/a/b", "Value": "1", "Type": "String", "Tags": []}]}
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

    def __init__(  # noqa: PLR0917 - constructed in one place
        self,
        calls: Calls,
        log: CallLog,
        trouble: FaultInjector,
        clear: Callable[[], None],
        fire: Callable[[str], int],
        watch: Watch,
    ) -> None:
        self._calls = calls
        self._log = log
        self._fire_schedule = fire
        self._watch = watch
        self._trouble = trouble
        self._routes: dict[tuple[str, str], Route] = {
            ("GET", "/"): lambda _body: HELP,
            ("GET", "/healthz"): lambda _body: "ok\n",
            ("GET", "/calls"): lambda _body: calls.all(),
            ("GET", "/calls/accounts"): lambda _body: calls.by_account(),
            ("POST", "/calls/reset"): self._reset_calls,
            ("GET", "/faults"): lambda _body: trouble.faults.to_json(),
            ("POST", "/faults"): self._set_faults,
            ("GET", "/held"): lambda _body: dict(zip(("operation", "resource"), trouble.held or (), strict=False)),
            ("POST", "/parameters"): lambda body: {"created": ssm_fill.fill(_parsed(body))},
            ("POST", "/fire"): self._fire,
            ("GET", "/alarms"): lambda _body: {"period_seconds": watch.period_seconds},
            ("POST", "/alarms"): self._set_alarms,
            ("POST", "/alarms/evaluate"): lambda _body: {"changed": watch.evaluate_all()},
            ("POST", "/reset"): lambda _body: clear() or {},  # type: ignore[func-returns-value]
        }

    def __call__(self, environ: dict[str, Any], start_response: StartResponse) -> Iterable[bytes]:
        body = environ["wsgi.input"].read(int(environ.get("CONTENT_LENGTH") or 0))
        asked = (environ["REQUEST_METHOD"], environ["PATH_INFO"])
        route = self._routes.get(asked)
        try:
            if asked == ("GET", "/calls/log"):
                return _send(start_response, "200 OK", self._logged(environ.get("QUERY_STRING", "")))
            if route is None:
                return _send(start_response, "404 Not Found", f"404 not found\n\n{HELP}")
            return _send(start_response, "200 OK", route(body))
        except BadFaults as error:
            return _send(start_response, "400 Bad Request", {"error": str(error)})

    def _logged(self, query: str) -> object:
        asked = {name: values[-1] for name, values in parse_qs(query).items()}
        after, writes = asked.pop("after", "0"), asked.pop("writes", "false")
        if asked or not after.isdecimal() or writes not in ("true", "false"):
            raise BadFaults("the query may have after, a number, and writes, true or false")
        return {"calls": [to_json(call) for call in self._log.all(int(after), only_writes=writes == "true")]}

    def _reset_calls(self, _body: bytes) -> object:
        self._calls.reset()
        self._log.reset()
        return {}

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
