"""The function's log group: created before the function, so that it has a retention."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING, ClassVar

from dynconfig.api.function import Mode
from dynconfig.api.names import OWNER_TAG
from dynconfig.kinds._shared import tags
from dynconfig.kinds._shared.context import Context
from dynconfig.kinds._shared.detail_cache import DetailCache
from dynconfig.kinds._shared.tags import Pairs
from dynconfig.model import errors
from dynconfig.model.allowed import METADATA, NAMED, NEW, OWN, Allowed, Grant, anything, with_functions
from dynconfig.model.arns import Arns
from dynconfig.model.declaration import Declaration
from dynconfig.model.errors import AlreadyExists, Conflict, NotFound
from dynconfig.model.facts import Facts
from dynconfig.model.resource import Resource, Scope

if TYPE_CHECKING:
    from mypy_boto3_logs.client import CloudWatchLogsClient


@dataclass(frozen=True, slots=True, kw_only=True)
class LogGroup(Resource):
    """A log group; retention in days, 0 means never expire."""

    kind: ClassVar[str] = "LogGroup"
    declared_in: ClassVar[str] = "spec.function.name"
    arn: str = field(default="", metadata={"compare": False})
    retention: int
    tags: Pairs = ()


class LogGroups:
    """Manage the log groups of one place."""

    value = LogGroup
    named_after = ("Function",)
    is_independent = True

    def __init__(self, context: Context) -> None:
        self._logs: CloudWatchLogsClient = context.client("logs")
        self._arns = context.arns
        self._ignored = context.ignored_tags
        self._cache = DetailCache[Mapping[str, str]](context.clock)

    def desired(self, declaration: Declaration) -> Iterable[LogGroup]:
        """Return the log group of a managed function."""
        function = declaration.function
        if function is None or function.mode is Mode.ATTACH:
            return
        name = declaration.names.log_group
        yield LogGroup(
            name=name,
            owner=declaration.owner.tag,
            arn=self._arns.log_group(name),
            retention=function.log_retention_days,
            tags=declaration.tags,
        )

    def observe(self, scope: Scope, desired: Sequence[LogGroup]) -> Iterator[LogGroup]:
        """Return each log group that is desired, reported or named after the owner."""
        for name in scope.where(LogGroup.kind, desired, scope.names.log_group):
            pages = self._logs.get_paginator("describe_log_groups").paginate(logGroupNamePrefix=name)
            # The exact name sorts before all names that it is a prefix of.
            group = next((item for item in next(iter(pages))["logGroups"] if item["logGroupName"] == name), None)
            if group is None:
                continue
            arn = self._arns.log_group(name)
            # Lambda recreates a deleted log group without tags.
            ask = partial(self._tags, arn)
            found = self._cache.get(name, scope, desired, ask, version=group.get("creationTime"))
            yield LogGroup(
                name=name,
                owner=tags.owner_of(found),
                arn=arn,
                retention=group.get("retentionInDays", 0),
                tags=tags.own(found, self._ignored),
            )

    def refuse(self, desired: LogGroup, observed: LogGroup | None) -> None:
        """Nothing to check: the CRD validates all fields."""

    def put(self, desired: LogGroup, observed: LogGroup | None) -> LogGroup:
        """Create the log group with its tags, or update what differs."""
        self._cache.forget(desired.name)
        if observed is None:
            labels = tags.with_owner(desired.tags, desired.owner)
            try:
                self._logs.create_log_group(logGroupName=desired.name, tags=labels)
            except AlreadyExists:
                raise Conflict(f"log group {desired.name} was created concurrently; retrying", delay=0.5) from None
        else:
            added, removed = tags.change(observed.tags, observed.owner, desired.tags, desired.owner)
            if added:
                self._logs.tag_resource(resourceArn=desired.arn, tags=added)
            if removed:
                self._logs.untag_resource(resourceArn=desired.arn, tagKeys=removed)
        if observed is None or observed.retention != desired.retention:
            self._logs.put_retention_policy(logGroupName=desired.name, retentionInDays=desired.retention)
        return desired

    def delete(self, observed: Sequence[LogGroup]) -> None:
        """Delete the log groups with all their logs."""
        for group in observed:
            self._cache.forget(group.name)
            try:
                self._logs.delete_log_group(logGroupName=group.name)
            except NotFound:
                continue

    def release(self, observed: LogGroup) -> None:
        """Remove the owner tag."""
        self._cache.forget(observed.name)
        self._logs.untag_resource(resourceArn=observed.arn, tagKeys=[OWNER_TAG])

    def _tags(self, arn: str) -> Mapping[str, str]:
        return self._logs.list_tags_for_resource(resourceArn=arn)["tags"]


def _arns(allowed: Allowed, arns: Arns) -> list[str]:
    # Calls about a group name it with an asterisk, calls about its tags without one.
    groups = [arns.log_group(f"/aws/lambda/{name}") for name in allowed.functions]
    return [arn for group in groups for arn in ([group] if group.endswith("*") else [group, f"{group}:*"])]


FACTS = Facts(
    kind=LogGroup.kind,
    service="logs",
    noun="log group",
    named_by=("logGroupName",),
    grants=(
        Grant(statement=METADATA, rank=1, actions=("logs:DescribeLogGroups",), resources=with_functions(anything)),
        Grant(statement=NAMED, rank=1, actions=("logs:ListTagsForResource",), resources=_arns),
        Grant(statement=NEW, rank=1, actions=("logs:CreateLogGroup", "logs:TagResource"), resources=_arns),
        Grant(
            statement=OWN,
            rank=1,
            actions=("logs:DeleteLogGroup", "logs:PutRetentionPolicy", "logs:TagResource", "logs:UntagResource"),
            resources=_arns,
        ),
    ),
    errors={"OperationAbortedException": errors.Conflict},
    indexed_as="logs:log-group",
)

build = LogGroups
