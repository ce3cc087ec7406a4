"""What metric and composite alarms share: reading both in one call per object, tags, and release."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from email.utils import parsedate_to_datetime
from typing import TYPE_CHECKING, Any, TypeVar

from dynconfig.api.names import OWNER_TAG
from dynconfig.kinds._shared import tags
from dynconfig.kinds._shared.tags import Pairs, TagIndex
from dynconfig.model.arns import Arns
from dynconfig.model.declaration import Declaration
from dynconfig.model.resource import Scope
from dynconfig.rollout.state import Alarming

if TYPE_CHECKING:
    from mypy_boto3_cloudwatch.client import CloudWatchClient

# https://docs.aws.amazon.com/AmazonCloudWatch/latest/APIReference/API_DescribeAlarms.html
PAGE = 100
METRIC, COMPOSITE = "MetricAlarms", "CompositeAlarms"
# DescribeAlarms returns the configuration without tags, and reading tags takes one call per alarm. So tags are cached until the
# configuration of the alarm changes, an event names it, or this TTL ends. The cost: without an event, an external change of a tag
# is detected late, or on a manual request. A change of the configuration is detected at once.
SEEN_SECONDS = 3600
# A write returns only the Date header, in whole seconds; it is taken as the configuration time of what was written.
WRITE_SLACK = timedelta(seconds=2)

NOTIFIES = ("Topic",)
"""The kinds that alarms notify. They are created first, so that no alarm notifies a topic of someone else."""

Answer = Mapping[str, Any]
A = TypeVar("A", bound="AlarmBase")


@dataclass(frozen=True, slots=True, kw_only=True)
class AlarmBase(Alarming):
    """Fields of metric and composite alarms; the state is not declared."""

    arn: str = field(default="", metadata={"compare": False})
    description: str = ""
    actions_enabled: bool = True
    alarm_actions: tuple[str, ...] = ()
    ok_actions: tuple[str, ...] = ()
    insufficient_data_actions: tuple[str, ...] = ()
    tags: Pairs = ()


@dataclass(frozen=True, slots=True)
class _Seen:
    """The tags of an alarm with this configuration time, within the slack.

    Not in a TtlCache: a read confirms the configuration time, but not the tags, so it does not extend their validity.
    """

    at: float
    configured: datetime
    tags: Mapping[str, str]
    slack: timedelta = timedelta()

    def is_of(self, answer: Answer) -> bool:
        """Return whether the configuration time of the alarm is unchanged."""
        configured: datetime = answer["AlarmConfigurationUpdatedTimestamp"]
        return abs(configured - self.configured) <= self.slack


class AlarmApi:
    """Read and tag the alarms of one place. Thread-safe as long as each thread serves another owner."""

    def __init__(
        self,
        cloudwatch: "CloudWatchClient",
        tag_index: TagIndex,
        clock: Callable[[], float],
        arns: Arns,
        *,
        ignored_tags: tuple[str, ...],
    ) -> None:
        self._cloudwatch = cloudwatch
        self._tag_index = tag_index
        self._clock = clock
        self._arns = arns
        self._ignored = ignored_tags
        self._seen: dict[str, _Seen] = {}
        self._kept: dict[str, tuple[tuple[str, ...], list[Answer]]] = {}

    def read(
        self, member: str, scope: Scope, desired: Sequence[AlarmBase], names: Iterable[str]
    ) -> Iterator[tuple[Answer, Mapping[str, str]]]:
        """Yield configuration and tags of all alarms with the same prefix as these names, regardless of their owner."""
        answers = self._answers(member, scope, names)
        wanted = {alarm.name: tags.with_owner(alarm.tags, alarm.owner) for alarm in desired}
        stale = {answer["AlarmName"] for answer in answers if not self._is_seen(answer, scope, wanted)}
        # The tag index is older than an event.
        is_indexed = bool(stale - scope.changed)
        indexed = self._tag_index.refresh(scope.owner, bypass_cache=scope.bypass_cache) if is_indexed else 0.0
        for answer in answers:
            name = answer["AlarmName"]
            seen = self._seen.get(name)
            if seen is None or name in stale:
                seen = _Seen(self._clock(), answer["AlarmConfigurationUpdatedTimestamp"], {})
                hint = None if name in scope.changed else wanted.get(name)
                seen = replace(seen, tags=self._tags_of(answer, hint, indexed))
            self._seen[name] = replace(seen, configured=answer["AlarmConfigurationUpdatedTimestamp"], slack=timedelta())
            yield answer, seen.tags

    def common(self, answer: Answer, labels: Mapping[str, str]) -> dict[str, Any]:
        """Return the fields of `AlarmBase` from a response."""
        return {
            "name": answer["AlarmName"],
            "owner": tags.owner_of(labels),
            "arn": answer["AlarmArn"],
            "description": answer.get("AlarmDescription", ""),
            "actions_enabled": answer.get("ActionsEnabled", True),
            "alarm_actions": tuple(answer.get("AlarmActions", ())),
            "ok_actions": tuple(answer.get("OKActions", ())),
            "insufficient_data_actions": tuple(answer.get("InsufficientDataActions", ())),
            "tags": tags.own(labels, self._ignored),
            "state": answer["StateValue"],
            "since": (answer.get("StateTransitionedTimestamp") or answer["StateUpdatedTimestamp"]).timestamp(),
        }

    def request(self, desired: AlarmBase, *, is_new: bool) -> dict[str, Any]:
        """Return the members that PutMetricAlarm and PutCompositeAlarm share; both reset members that are omitted."""
        # Updates ignore tags.
        # https://docs.aws.amazon.com/AmazonCloudWatch/latest/APIReference/API_PutMetricAlarm.html
        labels = tags.as_list(tags.with_owner(desired.tags, desired.owner)) if is_new else None
        return {
            "AlarmName": desired.name,
            "AlarmDescription": desired.description,
            "ActionsEnabled": desired.actions_enabled,
            "AlarmActions": list(desired.alarm_actions),
            "OKActions": list(desired.ok_actions),
            "InsufficientDataActions": list(desired.insufficient_data_actions),
            **({"Tags": labels} if labels else {}),
        }

    def notified(self, declaration: Declaration) -> tuple[str, ...]:
        """Return the ARNs of the topics that the alarms of an object notify: its own first. Pure."""
        alarms = declaration.alarms
        if alarms is None:
            return ()
        own = (self._arns.of("sns", declaration.names.topic),) if alarms.topic else ()
        return (*own, *alarms.notify)

    def put(self, desired: A, observed: A | None, write: Callable[[bool], Answer]) -> A:
        """Create with tags, or replace what differs. `write` takes whether the alarm is new, and returns the response."""
        if observed is None:
            # A cached entry belongs to an alarm that was deleted.
            self.forget(desired.name)
            self._wrote(desired, write(True))
            return desired
        # Ownership first: a put replaces any alarm of this name.
        self._retag(desired, observed)
        # An alarm keeps its state when its configuration changes.
        result = replace(desired, state=observed.state, since=observed.since)
        if replace(observed, owner=desired.owner, tags=desired.tags) != result:
            self._wrote(desired, write(False))
        return result

    def _wrote(self, desired: AlarmBase, answer: Answer) -> None:
        """Cache the tags after a put: the ones before, or the ones it was created with."""
        date = answer["ResponseMetadata"]["HTTPHeaders"].get("date")
        seen = self._seen.pop(desired.name, None)
        if date:
            labels = seen.tags if seen else tags.with_owner(desired.tags, desired.owner)
            self._seen[desired.name] = _Seen(self._clock(), parsedate_to_datetime(date), labels, WRITE_SLACK)

    def _retag(self, desired: AlarmBase, observed: AlarmBase) -> None:
        """Write the tags that differ, including the owner tag."""
        seen = self._seen.pop(desired.name, None)
        added, removed = tags.change(observed.tags, observed.owner, desired.tags, desired.owner)
        if added:
            labels: Any = tags.as_list(added)
            self._cloudwatch.tag_resource(ResourceARN=desired.arn, Tags=labels)
        if removed:
            self._cloudwatch.untag_resource(ResourceARN=desired.arn, TagKeys=removed)
        if seen:
            kept = {key: text for key, text in seen.tags.items() if key not in removed}
            self._seen[desired.name] = replace(seen, at=self._clock(), tags={**kept, **added})

    def release(self, observed: AlarmBase) -> None:
        """Remove the owner tag."""
        self.forget(observed.name)
        self._cloudwatch.untag_resource(ResourceARN=observed.arn, TagKeys=[OWNER_TAG])

    def forget(self, name: str) -> None:
        """Drop an alarm from the cache."""
        self._seen.pop(name, None)

    def _answers(self, member: str, scope: Scope, names: Iterable[str]) -> list[Answer]:
        """Read both alarm types in one call; keep the composite alarms for the kind that reads them next."""
        prefixes = tuple(dict.fromkeys(f"{name.rpartition('/')[0]}/" for name in names))
        kept = self._kept.pop(scope.owner.tag, None)
        if member == COMPOSITE and kept and kept[0] == prefixes:
            return kept[1]
        found = {METRIC: list[Answer](), COMPOSITE: list[Answer]()}
        for prefix in prefixes:
            for page in self._cloudwatch.get_paginator("describe_alarms").paginate(
                AlarmNamePrefix=prefix,
                AlarmTypes=["MetricAlarm", "CompositeAlarm"],
                PaginationConfig={"PageSize": PAGE},
            ):
                found[METRIC] += page.get("MetricAlarms", [])
                found[COMPOSITE] += page.get("CompositeAlarms", [])
        if member == METRIC and prefixes:
            self._kept[scope.owner.tag] = (prefixes, found[COMPOSITE])
        return found[member]

    def _is_seen(self, answer: Answer, scope: Scope, wanted: Mapping[str, Mapping[str, str]]) -> bool:
        seen = self._seen.get(answer["AlarmName"])
        if seen is None or not seen.is_of(answer):
            return False
        # Tags are always re-read before a deletion.
        is_surplus = answer["AlarmName"] not in wanted and tags.owner_of(seen.tags) == scope.owner.tag
        is_reported = answer["AlarmName"] in scope.changed
        return self._clock() - seen.at < SEEN_SECONDS and not (scope.bypass_cache or is_surplus or is_reported)

    def _tags_of(self, answer: Answer, wanted: Mapping[str, str] | None, indexed: float) -> Mapping[str, str]:
        """Return the indexed tags if they are as desired; otherwise read them by name, because the index lags."""
        name = answer["AlarmName"]
        seen = self._seen.get(name)
        is_unchanged = seen is None or (seen.is_of(answer) and seen.at <= indexed)
        found = self._tag_index.tags(name) if is_unchanged else None
        if found is not None and wanted is not None and dict(found) == dict(wanted):
            return wanted
        return tags.of_list(self._cloudwatch.list_tags_for_resource(ResourceARN=answer["AlarmArn"])["Tags"])
