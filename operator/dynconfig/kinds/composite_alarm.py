"""The composite alarm of a configuration: in ALARM if any of its alarms is. It has the notification actions."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

from dynconfig.api.alarms import UNHEALTHY
from dynconfig.kinds._shared.alarm_base import COMPOSITE, NOTIFIES, AlarmBase
from dynconfig.kinds._shared.context import Context
from dynconfig.model.allowed import METADATA, OWN, Grant, anything, with_alarms
from dynconfig.model.declaration import Declaration
from dynconfig.model.errors import NotFound
from dynconfig.model.facts import EventSource, Facts, Group
from dynconfig.model.naming import PREFIX
from dynconfig.model.resource import Scope

if TYPE_CHECKING:
    from mypy_boto3_cloudwatch.client import CloudWatchClient


@dataclass(frozen=True, slots=True, kw_only=True)
class CompositeAlarm(AlarmBase):
    """An alarm on other alarms. `suppressor` is an alarm that suppresses its actions; the operator never sets it."""

    kind: ClassVar[str] = "CompositeAlarm"
    rule: str
    suppressor: str = ""


class CompositeAlarms:
    """Manage the composite alarms of one place. They are created after the alarms they name, and deleted before them."""

    value = CompositeAlarm
    needs = ("Alarm", *NOTIFIES)

    def __init__(self, context: Context) -> None:
        self._cloudwatch: CloudWatchClient = context.client("cloudwatch")
        self._api = context.alarms
        self._arns = context.arns

    def desired(self, declaration: Declaration) -> Iterable[CompositeAlarm]:
        """Return the composite alarm, if there are alarms."""
        alarms = declaration.alarms
        if alarms is None or not alarms.all:
            return
        name = declaration.names.alarm(UNHEALTHY)
        topics = self._api.notified(declaration)
        yield CompositeAlarm(
            name=name,
            owner=declaration.owner.tag,
            arn=self._arns.alarm(name),
            description=f"The configuration {declaration.owner.title} is unhealthy: at least one of its alarms is in ALARM.",
            rule=rule(declaration.names.alarm(alarm.name) for alarm in alarms.all),
            alarm_actions=topics,
            ok_actions=topics,
            tags=declaration.tags,
        )

    def observe(self, scope: Scope, desired: Sequence[CompositeAlarm]) -> Iterator[CompositeAlarm]:
        """Return each composite alarm that is desired, reported, or named after the owner."""
        names = scope.where(CompositeAlarm.kind, desired, *(names.alarms for names in scope.names.versions))
        for answer, labels in self._api.read(COMPOSITE, scope, desired, names):
            yield CompositeAlarm(
                **self._api.common(answer, labels),
                rule=answer["AlarmRule"],
                suppressor=answer.get("ActionsSuppressor", ""),
            )

    def refuse(self, desired: CompositeAlarm, observed: CompositeAlarm | None) -> None:
        """Nothing to check: the maximum number of alarms with the longest names fits in a rule."""

    def put(self, desired: CompositeAlarm, observed: CompositeAlarm | None) -> CompositeAlarm:
        """Create the alarm with its tags, or update what differs."""
        return self._api.put(desired, observed, lambda is_new: self._write(desired, is_new=is_new))

    def delete(self, observed: Sequence[CompositeAlarm]) -> None:
        """Delete one by one: DeleteAlarms accepts only one composite alarm per call."""
        for alarm in observed:
            self._api.forget(alarm.name)
            try:
                self._cloudwatch.delete_alarms(AlarmNames=[alarm.name])
            except NotFound:
                continue

    def release(self, observed: CompositeAlarm) -> None:
        """Remove the owner tag."""
        self._api.release(observed)

    def _write(self, desired: CompositeAlarm, *, is_new: bool) -> Any:
        request = self._api.request(desired, is_new=is_new)
        return self._cloudwatch.put_composite_alarm(AlarmRule=desired.rule, **request)


def rule(names: Iterable[str]) -> str:
    """Return the rule that is in ALARM if any of these alarms is."""
    return " OR ".join(f'ALARM("{name}")' for name in names)


FACTS = Facts(
    kind=CompositeAlarm.kind,
    service="cloudwatch",
    noun="alarm",
    named_by=("AlarmName",),
    event_source=EventSource("monitoring"),
    grants=(
        # Only who may put all composite alarms can put one.
        # https://docs.aws.amazon.com/AmazonCloudWatch/latest/APIReference/API_PutCompositeAlarm.html
        Grant(statement=METADATA, rank=2, actions=("cloudwatch:PutCompositeAlarm",), resources=with_alarms(anything)),
        Grant(
            statement=OWN,
            rank=0,
            actions=("cloudwatch:DeleteAlarms", "cloudwatch:TagResource", "cloudwatch:UntagResource"),
            resources=with_alarms(lambda _allowed, arns: [arns.alarm(f"{PREFIX}*")]),
        ),
    ),
    quotas=(Group("cloudwatch.Put", ("cloudwatch.PutCompositeAlarm",), 3.0),),
    indexed_as="cloudwatch:alarm",
)

build = CompositeAlarms
