"""EventBridge Scheduler's control plane as AWS implements it.

https://docs.aws.amazon.com/scheduler/latest/APIReference/API_CreateSchedule.html
"""

import re
import time
from collections.abc import Callable
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from moto.scheduler.models import scheduler_backends

from dynconfig_lab.aws import accounts
from dynconfig_lab.aws.answers import Answer, AwsError
from dynconfig_lab.aws.cron import BadExpression
from dynconfig_lab.aws.requests import Document, Request
from dynconfig_lab.aws.roles import Roles
from dynconfig_lab.aws.schedule_expressions import At, parse

MOST_TOKENS = 1000
_NAME = re.compile(r"[0-9a-zA-Z-_.]{1,64}")
_TARGET = re.compile(r"arn:aws[a-z-]*:[a-z0-9-]+:[a-z0-9-]*:\d*:.+")
_EMULATED = (
    *("CreateSchedule", "GetSchedule", "UpdateSchedule", "DeleteSchedule", "ListSchedules"),
    *("CreateScheduleGroup", "GetScheduleGroup", "ListScheduleGroups", "DeleteScheduleGroup"),
    *("TagResource", "UntagResource", "ListTagsForResource"),
)


class SchedulesControl:
    """Handles Scheduler's control plane; schedules fire elsewhere."""

    def __init__(self, roles: Roles, now: Callable[[], float] = time.time) -> None:
        self._roles = roles
        self._now = now
        # A repeated request with the same token gets the first response.
        self._tokens: dict[str, tuple[Document, Answer]] = {}

    def clear(self) -> None:
        """Forget the recorded requests."""
        self._tokens.clear()

    def handle(self, request: Request) -> Answer:
        """The response to a call. Raises AwsError."""
        operation = request.call.operation
        if operation not in _EMULATED:
            raise AwsError("NotEmulated", f"The lab does not emulate scheduler.{operation}.")
        if operation == "CreateSchedule":
            return self._create(request)
        if operation == "UpdateSchedule":
            return self._update(request)
        if operation == "DeleteScheduleGroup" and request.path.rpartition("/")[2] == "default":
            raise _invalid("The default schedule group cannot be deleted.")
        return request.forward()

    def _create(self, request: Request) -> Answer:
        document = request.document
        token = f"{request.region} {document.pop('ClientToken', '')}"
        known = self._tokens.get(token)
        if known is not None and known[0] == {**document, "path": request.path}:
            return known[1]
        name = request.path.rpartition("/")[2]
        self._check(name, document)
        group = self._group(request, document)
        if name in group:
            raise AwsError("ConflictException", f"Schedule {name} already exists.", 409)
        answer = request.forward({**document, "State": document.get("State", "ENABLED")})
        if answer.is_success and not token.endswith(" "):
            while len(self._tokens) >= MOST_TOKENS:
                self._tokens.pop(next(iter(self._tokens)))
            self._tokens[token] = ({**document, "path": request.path}, answer)
        return answer

    def _update(self, request: Request) -> Answer:
        document = request.document
        name = request.path.rpartition("/")[2]
        if name not in self._group(request, document):
            raise AwsError("ResourceNotFoundException", f"Schedule {name} does not exist.", 404)
        self._check(name, document)
        # An omitted field returns to its default; moto keeps no default.
        return request.forward({**document, "State": document.get("State", "ENABLED")})

    def _group(self, request: Request, document: Document) -> Document:
        """The schedules of the named group."""
        name = document.get("GroupName") or "default"
        group = scheduler_backends[accounts.current()][request.region].schedule_groups.get(name)
        if group is None:
            raise AwsError("ResourceNotFoundException", f"Schedule group {name} does not exist.", 404)
        found: Document = group.schedules
        return found

    def _check(self, name: str, document: Document) -> None:
        if not _NAME.fullmatch(name):
            raise _constraint("name", name, f"Member must satisfy regular expression pattern: {_NAME.pattern}")
        self._check_expression(document)
        window = document["FlexibleTimeWindow"]
        if (window["Mode"] == "FLEXIBLE") != ("MaximumWindowInMinutes" in window):
            raise _invalid(
                "MaximumWindowInMinutes is required for FlexibleTimeWindow.Mode FLEXIBLE, and not allowed otherwise."
            )
        if document.get("State", "ENABLED") not in ("ENABLED", "DISABLED"):
            raise _constraint("state", document["State"], "Member must satisfy enum value set: [ENABLED, DISABLED]")
        self._check_target(document["Target"])

    def _check_expression(self, document: Document) -> None:
        text, zone = document["ScheduleExpression"], document.get("ScheduleExpressionTimezone") or "UTC"
        try:
            expression = parse(text)
        except BadExpression:
            raise _invalid(f"Invalid Schedule Expression {text}.") from None
        try:
            known = ZoneInfo(zone)
        except (ZoneInfoNotFoundError, ValueError, OSError):
            raise _invalid(f"Invalid Schedule Expression Timezone {zone}.") from None
        if isinstance(expression, At) and expression.stamp(known) <= self._now():
            raise _invalid(f"Invalid Schedule Expression {text}.")

    def _check_target(self, target: Document) -> None:
        if not _TARGET.fullmatch(target["Arn"]):
            raise _invalid(f"Provided Arn is not in correct format: {target['Arn']}")
        if not self._roles.is_assumable(target["RoleArn"], "scheduler"):
            raise _invalid("The execution role you provide must allow AWS EventBridge Scheduler to assume the role.")


def _constraint(member: str, value: str, constraint: str) -> AwsError:
    text = f"1 validation error detected: Value '{value}' at '{member}' failed to satisfy constraint: {constraint}"
    return _invalid(text)


def _invalid(text: str) -> AwsError:
    return AwsError("ValidationException", text)
