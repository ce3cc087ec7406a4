"""What metric and composite alarms have in common: how they are read, both in one call for an object, tagged and let go."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from email.utils import parsedate_to_datetime
from typing import TYPE_CHECKING, Any, Protocol, TypeVar

from dynconfig.api.names import OWNER_TAG
from dynconfig.engine.resource import Owner, Scope
from dynconfig.engine.rollout import Alarming
from dynconfig.kinds import tags
from dynconfig.kinds.tags import Pairs

if TYPE_CHECKING:
    from mypy_boto3_cloudwatch.client import CloudWatchClient

# https://docs.aws.amazon.com/AmazonCloudWatch/latest/APIReference/API_DescribeAlarms.html
PAGE = 100
METRIC, COMPOSITE = "MetricAlarms", "CompositeAlarms"
# DescribeAlarms answers the whole configuration, but no tags, and asking for those is a call for each alarm. So they are
# remembered for as long as the alarm was configured at the same time. That costs: a tag that somebody changes is noticed
# when this is over, or when a person asks for a look; a configuration that somebody changes is noticed at once.
SEEN_SECONDS = 3600
# A write answers nothing but the time in its header, in whole seconds; what is configured then is what was written.
WRITE_SLACK = timedelta(seconds=2)

Answer = Mapping[str, Any]
A = TypeVar("A", bound="AlarmBase")


class Tagged(Protocol):
    """Answers which alarms carry the owner tag, for many objects in few calls; late, as AWS's index is."""

    def look(self, owner: Owner, *, closely: bool) -> float:
        """Have the index no older than is fit for the purpose; answers when this owner's part of it was read."""

    def tags(self, name: str) -> Pairs | None:
        """All tags of an owned alarm, or None where the index does not have it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class AlarmBase(Alarming):
    """What every alarm has besides its state, which nobody declares."""

    arn: str = field(default="", metadata={"compare": False})
    description: str = ""
    actions_enabled: bool = True
    alarm_actions: tuple[str, ...] = ()
    ok_actions: tuple[str, ...] = ()
    insufficient_data_actions: tuple[str, ...] = ()
    tags: Pairs = ()


@dataclass(frozen=True, slots=True)
class _Seen:
    """The tags of an alarm that was configured at a certain time, give or take the slack."""

    at: float
    configured: datetime
    tags: Mapping[str, str]
    slack: timedelta = timedelta()

    def is_of(self, answer: Answer) -> bool:
        """Whether the alarm is still the one whose tags these are."""
        configured: datetime = answer["AlarmConfigurationUpdatedTimestamp"]
        return abs(configured - self.configured) <= self.slack


class AlarmApi:
    """Reads and tags the alarms of one place; safe for threads that serve different owners."""

    def __init__(
        self,
        cloudwatch: "CloudWatchClient",
        tagged: Tagged,
        clock: Callable[[], float],
        *,
        ignored_tags: tuple[str, ...] = (),
    ) -> None:
        self._cloudwatch = cloudwatch
        self._tagged = tagged
        self._clock = clock
        self._ignored = ("aws:", *ignored_tags)
        self._seen: dict[str, _Seen] = {}
        self._kept: dict[str, tuple[tuple[str, ...], list[Answer]]] = {}

    def read(
        self, member: str, scope: Scope, desired: Sequence[AlarmBase], names: Iterable[str]
    ) -> Iterator[tuple[Answer, Mapping[str, str]]]:
        """Configuration and tags of all alarms that stand beside these names, whoever owns them."""
        answers = self._answers(member, scope, names)
        wanted = {alarm.name: tags.with_owner(alarm.tags, alarm.owner) for alarm in desired}
        stale = {answer["AlarmName"] for answer in answers if not self._is_seen(answer, scope, wanted)}
        indexed = self._tagged.look(scope.owner, closely=scope.closely) if stale else 0.0
        for answer in answers:
            name = answer["AlarmName"]
            seen = self._seen.get(name)
            if seen is None or name in stale:
                seen = _Seen(self._clock(), answer["AlarmConfigurationUpdatedTimestamp"], {})
                seen = replace(seen, tags=self._tags_of(answer, wanted.get(name), indexed))
            self._seen[name] = replace(seen, configured=answer["AlarmConfigurationUpdatedTimestamp"], slack=timedelta())
            yield answer, seen.tags

    def common(self, answer: Answer, labels: Mapping[str, str]) -> dict[str, Any]:
        """The fields of `AlarmBase`, from what AWS answered."""
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
        """The members that PutMetricAlarm and PutCompositeAlarm share; both overwrite all that they do not name."""
        # An update ignores tags.
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

    def put(self, desired: A, observed: A | None, write: Callable[[bool], Answer]) -> A:
        """Create with tags, or replace what differs; `write` is told whether the alarm is new, and answers what AWS did."""
        if observed is None:
            # What was seen of this name was another alarm, which is gone.
            self.forget(desired.name)
            self._wrote(desired, write(True))
            return desired
        # Ownership comes first: a put replaces whatever has the name.
        self._retag(desired, observed)
        # An alarm keeps its state when its configuration changes.
        result = replace(desired, state=observed.state, since=observed.since)
        if replace(observed, owner=desired.owner, tags=desired.tags) != result:
            self._wrote(desired, write(False))
        return result

    def _wrote(self, desired: AlarmBase, answer: Answer) -> None:
        """An alarm was put: its tags are known without asking, those that it had or those that it was made with."""
        date = answer["ResponseMetadata"]["HTTPHeaders"].get("date")
        seen = self._seen.pop(desired.name, None)
        if date:
            labels = seen.tags if seen else tags.with_owner(desired.tags, desired.owner)
            self._seen[desired.name] = _Seen(self._clock(), parsedate_to_datetime(date), labels, WRITE_SLACK)

    def _retag(self, desired: AlarmBase, observed: AlarmBase) -> None:
        """Write the tags that differ, the owner's with them."""
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
        """Take the owner tag off."""
        self.forget(observed.name)
        self._cloudwatch.untag_resource(ResourceARN=observed.arn, TagKeys=[OWNER_TAG])

    def forget(self, name: str) -> None:
        """What was seen of an alarm is no longer true."""
        self._seen.pop(name, None)

    def _answers(self, member: str, scope: Scope, names: Iterable[str]) -> list[Answer]:
        """One call answers for both kinds of alarm: the composite ones are kept for the kind that asks for them next."""
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
        # Nothing is deleted without having been asked for.
        is_surplus = answer["AlarmName"] not in wanted and tags.owner_of(seen.tags) == scope.owner.tag
        return self._clock() - seen.at < SEEN_SECONDS and not scope.closely and not is_surplus

    def _tags_of(self, answer: Answer, wanted: Mapping[str, str] | None, indexed: float) -> Mapping[str, str]:
        """Tags as the index has them where they are as wanted, else asked for by name, since the index is late."""
        name = answer["AlarmName"]
        seen = self._seen.get(name)
        is_unchanged = seen is None or (seen.is_of(answer) and seen.at <= indexed)
        found = self._tagged.tags(name) if is_unchanged else None
        if found is not None and wanted is not None and dict(found) == dict(wanted):
            return wanted
        return tags.of_list(self._cloudwatch.list_tags_for_resource(ResourceARN=answer["AlarmArn"])["Tags"])
