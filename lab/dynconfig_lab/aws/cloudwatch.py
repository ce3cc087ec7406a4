"""CloudWatch as AWS implements it, in front of moto: alarms that are validated and evaluated, metric data, dashboards.

https://docs.aws.amazon.com/AmazonCloudWatch/latest/APIReference/Welcome.html
"""

import base64
import binascii
import json
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Any

from dynconfig_lab.aws import (
    cloudwatch_alarm,
    cloudwatch_dashboards,
    cloudwatch_expression,
    cloudwatch_history,
    cloudwatch_query,
    cloudwatch_rules,
    cloudwatch_tags,
    constraints,
)
from dynconfig_lab.aws.answers import Answer, AwsError
from dynconfig_lab.aws.calls import Call
from dynconfig_lab.aws.cloudwatch_alarm import LOCK, Alarm, alarms_of
from dynconfig_lab.aws.cloudwatch_metrics import metrics_of
from dynconfig_lab.aws.cloudwatch_watch import Watch
from dynconfig_lab.aws.cloudwatch_wire import Wire, operation

Request = Mapping[str, Any]
Document = dict[str, Any]

MOST_COMPOSITES_OF_ONE = 150


class CloudWatch:
    """Handles every CloudWatch call that the lab implements; moto is not called."""

    def __init__(self, clock: Callable[[], float], watch: Watch) -> None:
        self._clock = clock
        self._watch = watch

    def handle(self, call: Call, wire: Wire, body: bytes) -> Answer:
        """The response to a call. Raises AwsError."""
        request = wire.request(call, body)
        handler = _HANDLERS.get(call.operation)
        if handler is None:
            raise AwsError("NotEmulated", f"The lab does not emulate cloudwatch.{call.operation}.")
        if len(body) > cloudwatch_rules.MOST_REQUEST_BYTES and call.operation == "PutMetricAlarm":
            raise AwsError("ValidationError", "The request is larger than 120 KB.")
        constraints.check(operation(call.operation).input_shape, request)
        with LOCK:
            document = handler(self, call.region, request)
        return wire.answer(call, document or {})

    def put_metric_alarm(self, region: str, request: Request) -> None:
        """PutMetricAlarm."""
        cloudwatch_rules.check_metric_alarm(request, region)
        if (known := alarms_of(region).get(request["AlarmName"])) and known.is_composite:
            raise AwsError("ValidationError", f"{known.name} is the name of a composite alarm.")
        self._put(region, request)

    def put_composite_alarm(self, region: str, request: Request) -> None:
        """PutCompositeAlarm: the alarms in its rule have to exist; its state is evaluated at once."""
        cloudwatch_rules.check_emulated(request)
        cloudwatch_rules.check_actions(request, region)
        cloudwatch_rules.check_tags(request.get("Tags", []))
        name, known = request["AlarmName"], alarms_of(region)
        rule = cloudwatch_expression.parse(request["AlarmRule"])
        missing = [child for child in rule.children if child not in known and child != name]
        if missing:
            raise AwsError(
                "ValidationError",
                f"Could not save the composite alarm as alarms [{', '.join(missing)}] in the alarm rule do not exist",
            )
        if name in known and not known[name].is_composite:
            raise AwsError("ValidationError", f"{name} is the name of a metric alarm.")
        self._refuse_crowd(region, name, rule.children)
        is_new = name not in known
        self._watch.composed(self._put(region, request), "created" if is_new else "updated")

    def describe_alarms(self, region: str, request: Request) -> Document:
        """DescribeAlarms: composite alarms only if requested."""
        return _page(region, request)

    def describe_alarms_for_metric(self, region: str, request: Request) -> Document:
        """DescribeAlarmsForMetric: the alarms with exactly this metric and these dimensions."""
        found = [alarm for alarm in alarms_of(region).values() if _is_on(alarm, request)]
        return {"MetricAlarms": [alarm.described() for alarm in sorted(found, key=_name)]}

    def delete_alarms(self, region: str, request: Request) -> None:
        """DeleteAlarms: at most a hundred, at most one of them composite; unknown names are not an error."""
        known = alarms_of(region)
        alarms = [known[name] for name in dict.fromkeys(request["AlarmNames"]) if name in known]
        if sum(alarm.is_composite for alarm in alarms) > 1:
            raise AwsError("ValidationError", "Only one composite alarm can be deleted at a time.")
        self._refuse_used(region, alarms)
        for alarm in alarms:
            del known[alarm.name]
            cloudwatch_tags.forget(alarm.alarm_arn, region)
            cloudwatch_history.configured(alarm, "deleted", self._clock())

    def set_alarm_state(self, region: str, request: Request) -> None:
        """SetAlarmState: valid until the next evaluation."""
        alarm = alarms_of(region).get(request["AlarmName"])
        if alarm is None:
            raise AwsError("ResourceNotFound", "", 404)
        data = request.get("StateReasonData", "")
        if data and not _is_json(data):
            raise AwsError("InvalidFormat", "StateReasonData is not valid JSON.")
        self._watch.transition(alarm, request["StateValue"], request["StateReason"], data)

    def enable_actions(self, region: str, request: Request) -> None:
        """EnableAlarmActions."""
        _switch(region, request["AlarmNames"], True)

    def disable_actions(self, region: str, request: Request) -> None:
        """DisableAlarmActions."""
        _switch(region, request["AlarmNames"], False)

    def put_metric_data(self, region: str, request: Request) -> None:
        """PutMetricData."""
        now = self._clock()
        cloudwatch_rules.check_metric_data(request, datetime.fromtimestamp(now, UTC))
        metrics_of(region).put(request["Namespace"], request.get("MetricData") or [], now)

    def _put(self, region: str, request: Request) -> Alarm:
        now = self._clock()
        alarm, is_new = cloudwatch_alarm.put(region, request, now)
        cloudwatch_history.configured(alarm, "created" if is_new else "updated", now)
        # Tags apply to a new alarm only; an update does not change them.
        if is_new:
            cloudwatch_tags.add(alarm.alarm_arn, region, request.get("Tags", []))
        return alarm

    def _refuse_crowd(self, region: str, name: str, children: tuple[str, ...]) -> None:
        for child in children:
            parents = [alarm for alarm in alarms_of(region).values() if child in alarm.children and alarm.name != name]
            if len(parents) >= MOST_COMPOSITES_OF_ONE:
                raise AwsError("LimitExceeded", f"{child} is part of {MOST_COMPOSITES_OF_ONE} composite alarms.")

    def _refuse_used(self, region: str, alarms: list[Alarm]) -> None:
        """An alarm that a composite alarm uses cannot be deleted unless the composite alarm is deleted with it."""
        going = {alarm.name for alarm in alarms}
        used = {
            child: parent.name
            for parent in alarms_of(region).values()
            for child in parent.children
            if child in going and (parent.name not in going or parent.name == child)
        }
        if used:
            users = ", ".join(f"{child} (used by {parent})" for child, parent in sorted(used.items()))
            raise AwsError("ValidationError", f"Could not delete alarms that composite alarms use: {users}")


def _page(region: str, request: Request) -> Document:
    if "AlarmNames" in request and "AlarmNamePrefix" in request:
        raise AwsError("ValidationError", "AlarmNames and AlarmNamePrefix cannot be specified together.")
    found = sorted((alarm for alarm in alarms_of(region).values() if _is_wanted(alarm, region, request)), key=_place)
    after = _decoded(request["NextToken"]) if request.get("NextToken") else ("", "")
    rest = [alarm for alarm in found if _place(alarm) > after]
    size = request.get("MaxRecords", 50)
    page = rest[:size]
    document: Document = {"CompositeAlarms": [], "MetricAlarms": []}
    for alarm in page:
        document[f"{alarm.kind}s"].append(_shown(alarm, request))
    return {**document, "NextToken": _encoded(page[-1])} if len(rest) > size else document


def _is_wanted(alarm: Alarm, region: str, request: Request) -> bool:
    if "ChildrenOfAlarmName" in request or "ParentsOfAlarmName" in request:
        return _is_related(alarm, region, request)
    actions = [arn for name in cloudwatch_rules.ACTIONS for arn in alarm.fields.get(name) or ()]
    return (
        alarm.kind in request.get("AlarmTypes", ["MetricAlarm"])
        and ("AlarmNames" not in request or alarm.name in request["AlarmNames"])
        and alarm.name.startswith(request.get("AlarmNamePrefix", ""))
        and request.get("StateValue") in (None, alarm.state.value)
        and ("ActionPrefix" not in request or any(arn.startswith(request["ActionPrefix"]) for arn in actions))
    )


def _is_related(alarm: Alarm, region: str, request: Request) -> bool:
    parent = alarms_of(region).get(request.get("ChildrenOfAlarmName", ""))
    is_child = parent is not None and alarm.name in parent.children
    return is_child or request.get("ParentsOfAlarmName") in alarm.children


def _shown(alarm: Alarm, request: Request) -> Document:
    described = alarm.described()
    if "ParentsOfAlarmName" in request:
        return {name: described[name] for name in ("AlarmName", "AlarmArn")}
    if "ChildrenOfAlarmName" in request:
        users = ("AlarmName", "AlarmArn", "StateValue", "StateUpdatedTimestamp")
        return {name: described[name] for name in users}
    return described


def _is_on(alarm: Alarm, request: Request) -> bool:
    names = ("MetricName", "Namespace", "Statistic", "ExtendedStatistic", "Period", "Unit")
    same = all(alarm.fields.get(name) == request[name] for name in names if name in request)
    return same and _pairs(alarm.fields) == _pairs(request)


def _pairs(fields: Request) -> set[tuple[str, str]]:
    return {(item["Name"], item["Value"]) for item in fields.get("Dimensions") or ()}


def _switch(region: str, names: list[str], enabled: bool) -> None:
    for name in names:
        if alarm := alarms_of(region).get(name):
            alarms_of(region)[name] = cloudwatch_alarm.switched(alarm, enabled)


def _name(alarm: Alarm) -> str:
    return alarm.name


def _place(alarm: Alarm) -> tuple[str, str]:
    return alarm.kind, alarm.name


def _encoded(alarm: Alarm) -> str:
    return base64.urlsafe_b64encode(json.dumps(_place(alarm)).encode()).decode()


def _decoded(token: str) -> tuple[str, str]:
    try:
        kind, name = json.loads(base64.urlsafe_b64decode(token))
    except (ValueError, binascii.Error):
        raise AwsError("InvalidNextToken", "The next token is not valid.") from None
    return kind, name


def _is_json(text: str) -> bool:
    try:
        json.loads(text)
    except ValueError:
        return False
    return True


_HANDLERS: dict[str, Callable[[CloudWatch, str, Request], Document | None]] = {
    "PutMetricAlarm": CloudWatch.put_metric_alarm,
    "PutCompositeAlarm": CloudWatch.put_composite_alarm,
    "DescribeAlarms": CloudWatch.describe_alarms,
    "DescribeAlarmsForMetric": CloudWatch.describe_alarms_for_metric,
    "DescribeAlarmHistory": lambda _, region, request: cloudwatch_history.describe(region, request),
    "DeleteAlarms": CloudWatch.delete_alarms,
    "SetAlarmState": CloudWatch.set_alarm_state,
    "EnableAlarmActions": CloudWatch.enable_actions,
    "DisableAlarmActions": CloudWatch.disable_actions,
    "PutMetricData": CloudWatch.put_metric_data,
    "GetMetricData": lambda _, region, request: cloudwatch_query.get_metric_data(request, metrics_of(region)),
    "GetMetricStatistics": lambda _, region, request: cloudwatch_query.get_metric_statistics(
        request, metrics_of(region)
    ),
    "ListMetrics": lambda _, region, request: cloudwatch_query.list_metrics(request, metrics_of(region)),
    "PutDashboard": lambda this, _, request: cloudwatch_dashboards.put(request, this._clock()),
    "GetDashboard": lambda _, __, request: cloudwatch_dashboards.get(request),
    "ListDashboards": lambda _, __, request: cloudwatch_dashboards.listed(request),
    "DeleteDashboards": lambda _, __, request: cloudwatch_dashboards.delete(request),
    "ListTagsForResource": lambda _, region, request: cloudwatch_tags.listed(request, region),
    "TagResource": lambda _, region, request: cloudwatch_tags.tag(request, region),
    "UntagResource": lambda _, region, request: cloudwatch_tags.untag(request, region),
}
