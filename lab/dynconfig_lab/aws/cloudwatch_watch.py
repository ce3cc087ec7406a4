"""Evaluates each alarm at its period, and emits each state change.

https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/AlarmThatSendsEmail.html
"""

import json
import logging
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextvars import copy_context
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

from moto.cloudwatch.models import cloudwatch_backends
from moto.core.exceptions import ServiceException
from moto.sns.models import sns_backends

from dynconfig_lab.aws import accounts, cloudwatch_events, cloudwatch_expression, cloudwatch_history, cloudwatch_query
from dynconfig_lab.aws.answers import AwsError
from dynconfig_lab.aws.cloudwatch_alarm import LOCK, Alarm, State, alarms_of, changed, regions
from dynconfig_lab.aws.cloudwatch_evaluation import SPARE_PERIODS, Datapoint, evaluate
from dynconfig_lab.aws.cloudwatch_metrics import metrics_of
from dynconfig_lab.aws.resource_policy import allows
from dynconfig_lab.functions.service import Functions

log = logging.getLogger(__name__)

TICK_SECONDS = 0.25
# AWS evaluates an alarm once a minute, and more often if its period is shorter.
RHYTHM_SECONDS = 60.0
LAMBDA = "lambda.alarms.cloudwatch.amazonaws.com"
CLOUDWATCH = "cloudwatch.amazonaws.com"


class Watch:
    """All alarms of all accounts and regions. Periods end at the time of the evaluation; AWS aligns them to whole minutes."""

    def __init__(self, clock: Callable[[], float], emit: Callable[[str, Any], None], functions: Functions) -> None:
        self._clock = clock
        self._emit = emit
        self._functions = functions
        self._warned: set[str] = set()
        # A notification may be slow; state changes must not be delayed by it.
        self._actions = ThreadPoolExecutor(1, thread_name_prefix="actions")
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._tick, name="alarms", daemon=True)
        self.period_seconds: float | None = None
        """How long each period lasts here; as declared where it is None."""

    def start(self) -> None:
        """Start periodic evaluation."""
        self._thread.start()

    def stop(self) -> None:
        """Stop periodic evaluation."""
        self._stopped.set()
        if self._thread.is_alive():
            self._thread.join()
        self._actions.shutdown()

    def evaluate_all(self) -> dict[str, str]:
        """Evaluate all metric alarms now; return the new state of each changed alarm by ARN."""
        found: dict[str, str] = {}
        with LOCK:
            for account in list(cloudwatch_backends):
                with accounts.acting_in(account):
                    found |= self._evaluate_account()
        return found

    def _evaluate_account(self) -> dict[str, str]:
        before = {alarm.alarm_arn: alarm.state.value for alarm in _all()}
        for alarm in _all():
            self._evaluate_alarm(alarm)
        now = {alarm.alarm_arn: alarm.state.value for alarm in _all()}
        return {arn: value for arn, value in now.items() if before.get(arn) != value}

    def transition(self, alarm: Alarm, value: str, reason: str, data: str, seen: frozenset[str] = frozenset()) -> None:
        """Set the state of an alarm; on a change, emit the event, run the actions and evaluate the alarms that depend
        on it."""
        with LOCK:
            after = changed(alarm, value, reason, data, self._clock())
            alarms_of(alarm.region)[alarm.name] = after
            if after.state.value == alarm.state.value:
                return
            self._on_change(after, alarm.state)
            for parent in list(alarms_of(alarm.region).values()):
                # Circular references are not evaluated.
                if alarm.name in parent.children and parent.name not in seen:
                    self._decide(parent, after, seen | {alarm.name})

    def composed(self, alarm: Alarm, verb: str) -> None:
        """Evaluate a composite alarm right after it was put."""
        with LOCK:
            value = cloudwatch_expression.decide(alarm.rule, self._states(alarm.region))
            reason = f"{alarm.alarm_arn} was {verb} and its alarm rule evaluates to {value}"
            self.transition(alarm, value, reason, self._triggers(alarm))

    def _tick(self) -> None:
        while not self._stopped.wait(TICK_SECONDS):
            with LOCK:
                for account in list(cloudwatch_backends):
                    with accounts.acting_in(account):
                        for alarm in _all():
                            self._evaluate_when_due(alarm)

    def _evaluate_when_due(self, alarm: Alarm) -> None:
        try:
            if self._clock() - alarm.evaluated_at >= min(self._period(alarm), RHYTHM_SECONDS):
                self._evaluate_alarm(alarm)
        except Exception:  # the thread also serves all other alarms
            log.exception("The lab itself failed at the alarm %s", alarm.name)

    def _period(self, alarm: Alarm) -> float:
        return self.period_seconds or float(alarm.period)

    def _evaluate_alarm(self, alarm: Alarm) -> None:
        now = self._clock()
        criteria = alarm.criteria(self._period(alarm))
        alarms_of(alarm.region)[alarm.name] = replace(alarm, evaluated_at=now)
        points = _points(alarm, criteria.period, criteria.periods + SPARE_PERIODS, now)
        verdict = evaluate(criteria, points, alarm.state.value, now)
        if verdict is not None and verdict.state != alarm.state.value:
            self.transition(alarm, verdict.state, verdict.reason, verdict.data)

    def _decide(self, parent: Alarm, child: Alarm, seen: frozenset[str]) -> None:
        value = cloudwatch_expression.decide(parent.rule, self._states(parent.region))
        if value != parent.state.value:
            at = datetime.fromtimestamp(child.state.at, UTC).strftime("%A %d %B, %Y %H:%M:%S UTC")
            reason = f"{child.alarm_arn} transitioned to {child.state.value} at {at}"
            self.transition(parent, value, reason, self._triggers(parent), seen)

    def _states(self, region: str) -> cloudwatch_expression.States:
        known = alarms_of(region)
        return lambda name: known[name].state.value if name in known else "INSUFFICIENT_DATA"

    def _triggers(self, parent: Alarm) -> str:
        """The child alarms in ALARM, in the format of StateReasonData."""
        known = alarms_of(parent.region)
        firing = [known[name] for name in parent.children if name in known and known[name].state.value == "ALARM"]
        children_in_alarm = [
            {"arn": alarm.alarm_arn, "state": {"value": "ALARM", "timestamp": alarm.state.to_json()["timestamp"]}}
            for alarm in firing
        ]
        return json.dumps({"triggeringAlarms": children_in_alarm}, separators=(",", ":"))

    def _on_change(self, alarm: Alarm, previous: State) -> None:
        cloudwatch_history.state_changed(alarm, previous)
        self._emit(alarm.region, cloudwatch_events.event(alarm, previous))
        if alarm.actions_enabled:
            for arn in alarm.fields.get(cloudwatch_events.ACTIONS_OF[alarm.state.value]) or ():
                # The executor logs an unexpected error.
                in_account = copy_context()
                self._actions.submit(in_account.run, self._act, arn, alarm, previous).add_done_callback(Future.result)

    def _act(self, arn: str, alarm: Alarm, previous: State) -> None:
        if ":sns:" in arn:
            self._publish(arn, alarm, previous)
        elif ":lambda:" in arn and self._functions.allows(alarm.region, arn, LAMBDA, alarm.alarm_arn):
            self._invoke(arn, alarm, previous)
        else:
            self._warn(arn, "The action %s of an alarm is neither a topic nor a function that lets alarms invoke it")

    def _invoke(self, arn: str, alarm: Alarm, previous: State) -> None:
        document = cloudwatch_events.payload(alarm, previous)
        try:
            self._functions.invoke(alarm.region, arn, json.dumps(document).encode(), "Event")
        except AwsError as error:
            self._warn(arn, f"The function %s is not invoked: {error}")

    def _publish(self, arn: str, alarm: Alarm, previous: State) -> None:
        message, subject = cloudwatch_events.notification(alarm, previous), cloudwatch_events.subject(alarm)
        topics = sns_backends[accounts.current()][alarm.region].topics
        if arn in topics and not allows(topics[arn].policy, arn, CLOUDWATCH, alarm.alarm_arn, "sns:Publish"):
            # https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/Notify_Users_Alarm_Changes.html
            self._warn(arn, "The policy of topic %s does not allow CloudWatch to publish")
            return
        try:
            sns_backends[accounts.current()][alarm.region].publish(message, arn=arn, subject=subject[:100])
        except ServiceException as error:
            self._warn(arn, f"The topic %s gets no notification: {error}")

    def _warn(self, arn: str, message: str) -> None:
        if arn not in self._warned:
            self._warned.add(arn)
            log.warning(message, arn)


def _all() -> Sequence[Alarm]:
    """Every metric alarm of the current account."""
    return [alarm for region in regions() for alarm in list(alarms_of(region).values()) if not alarm.is_composite]


def _points(alarm: Alarm, period: float, count: int, now: float) -> list[Datapoint]:
    """The datapoints of the last periods, newest first."""
    # Include the data of the current instant.
    edges = [now + 0.001 - period * number for number in range(count, -1, -1)]
    try:
        found = cloudwatch_query.evaluate(alarm.queries, metrics_of(alarm.region), lambda _period: edges)
    except AwsError as error:
        log.warning("The alarm %s can not be evaluated: %s", alarm.name, error.message)
        return [Datapoint(at) for at in reversed(edges[:-1])]
    returned = next(query["Id"] for query in alarm.queries if query.get("ReturnData", True))
    points = found[returned]
    return [
        Datapoint(at, points[at].value, points[at].count) if at in points else Datapoint(at)
        for at in reversed(edges[:-1])
    ]
