"""The SNS topic that the alarms of a configuration notify, if spec.alarms.topic is set; people subscribe to it.

https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/Notify_Users_Alarm_Changes.html
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING, Any, ClassVar

from dynconfig.api.names import OWNER_TAG
from dynconfig.api.spec import DynamicConfigSpec
from dynconfig.kinds._shared import tags
from dynconfig.kinds._shared.context import Context
from dynconfig.kinds._shared.detail_cache import DetailCache
from dynconfig.kinds._shared.documents import canonical, policy
from dynconfig.kinds._shared.tags import Pairs
from dynconfig.model import errors
from dynconfig.model.allowed import NAMED_LIKE_OURS, NEW, OWN, Grant, with_alarms
from dynconfig.model.declaration import Declaration
from dynconfig.model.errors import Conflict, NotFound, Refused
from dynconfig.model.facts import EventSource, Facts, Group
from dynconfig.model.naming import PREFIX, Names
from dynconfig.model.resource import Resource, Scope

if TYPE_CHECKING:
    from mypy_boto3_sns.client import SNSClient


@dataclass(frozen=True, slots=True, kw_only=True)
class Topic(Resource):
    """A topic; its access policy as canonical JSON. Subscriptions belong to those who subscribe."""

    kind: ClassVar[str] = "Topic"
    arn: str = field(default="", metadata={"compare": False})
    policy: str
    tags: Pairs = ()


class Topics:
    """Manage the topics of one place."""

    value = Topic
    named_after = ("Function", "Attachment")
    is_independent = True

    def __init__(self, context: Context) -> None:
        self._sns: SNSClient = context.client("sns")
        self._arns = context.arns
        self._ignored = context.ignored_tags
        self._cache = DetailCache[Mapping[str, str]](context.clock)

    def desired(self, declaration: Declaration) -> Iterable[Topic]:
        """Return the topic, if it is declared."""
        if declaration.alarms is None or not declaration.alarms.topic:
            return
        name = declaration.names.topic
        arn = self._arns.of("sns", name)
        yield Topic(
            name=name,
            owner=declaration.owner.tag,
            arn=arn,
            policy=canonical(policy(self._statement(arn, declaration.names))),
            tags=declaration.tags,
        )

    def observe(self, scope: Scope, desired: Sequence[Topic]) -> Iterator[Topic]:
        """Return each topic that is desired, reported or named after the owner."""
        for name in scope.where(Topic.kind, desired, *scope.names.topics):
            arn = self._arns.of("sns", name)
            try:
                attributes = self._sns.get_topic_attributes(TopicArn=arn)["Attributes"]
                found = canonical(attributes.get("Policy", ""))
                # A topic that was replaced by someone else has another policy.
                labels = self._cache.get(name, scope, desired, partial(self._tags, arn), version=found)
            except NotFound:
                self._cache.forget(name)
                continue
            yield Topic(
                name=name,
                owner=tags.owner_of(labels),
                arn=arn,
                policy=found,
                tags=tags.own(labels, self._ignored),
            )

    def refuse(self, desired: Topic, observed: Topic | None) -> None:
        """Nothing to check: nothing in the topic is chosen by the user, except for tags, which the CRD validates."""

    def put(self, desired: Topic, observed: Topic | None) -> Topic:
        """Create the topic with its tags and policy, or update what differs."""
        self._cache.forget(desired.name)
        if observed is None:
            self._create(desired)
            return desired
        added, removed = tags.change(observed.tags, observed.owner, desired.tags, desired.owner)
        if added:
            labels: Any = tags.as_list(added)
            self._sns.tag_resource(ResourceArn=desired.arn, Tags=labels)
        if removed:
            self._sns.untag_resource(ResourceArn=desired.arn, TagKeys=removed)
        if observed.policy != desired.policy:
            self._sns.set_topic_attributes(TopicArn=desired.arn, AttributeName="Policy", AttributeValue=desired.policy)
        return desired

    def delete(self, observed: Sequence[Topic]) -> None:
        """Delete the topics with their subscriptions. DeleteTopic succeeds if the topic does not exist.

        https://docs.aws.amazon.com/sns/latest/api/API_DeleteTopic.html
        """
        for topic in observed:
            self._cache.forget(topic.name)
            self._sns.delete_topic(TopicArn=topic.arn)

    def release(self, observed: Topic) -> None:
        """Remove the owner tag."""
        self._cache.forget(observed.name)
        self._sns.untag_resource(ResourceArn=observed.arn, TagKeys=[OWNER_TAG])

    def _create(self, desired: Topic) -> None:
        labels: Any = tags.as_list(tags.with_owner(desired.tags, desired.owner))
        try:
            self._sns.create_topic(Name=desired.name, Attributes={"Policy": desired.policy}, Tags=labels)
        except Refused as error:
            # CreateTopic returns an existing topic, and rejects other tags or attributes as an invalid parameter.
            # https://docs.aws.amazon.com/sns/latest/api/API_CreateTopic.html
            if "already exists" not in str(error):
                raise
            raise Conflict(f"topic {desired.name} was created concurrently; retrying", delay=0.5) from None

    def _statement(self, arn: str, names: Names) -> dict[str, Any]:
        """Only the alarms of this object may publish. Within the account, IAM decides who may subscribe.

        https://docs.aws.amazon.com/sns/latest/dg/sns-access-policy-use-cases.html
        """
        return {
            "Sid": "Alarms",
            "Effect": "Allow",
            "Principal": {"Service": "cloudwatch.amazonaws.com"},
            "Action": "sns:Publish",
            "Resource": arn,
            "Condition": {
                "StringEquals": {"aws:SourceAccount": self._arns.account},
                "ArnLike": {"aws:SourceArn": self._arns.alarm(f"{names.alarms}*")},
            },
        }

    def _tags(self, arn: str) -> Mapping[str, str]:
        return tags.of_list(self._sns.list_tags_for_resource(ResourceArn=arn)["Tags"])


def _names(spec: DynamicConfigSpec, names: Names) -> Iterator[tuple[str, str]]:
    if spec.alarms and spec.alarms.topic:
        yield "spec.alarms.topic", names.topic


_ARNS = with_alarms(lambda _allowed, arns: [arns.of("sns", f"{PREFIX}*")])

FACTS = Facts(
    kind=Topic.kind,
    service="sns",
    noun="topic",
    named_by=("TopicArn", "ResourceArn", "Name"),
    # SNS logs Publish as a data event, of which there may be many.
    # https://docs.aws.amazon.com/sns/latest/dg/logging-using-cloudtrail.html
    event_source=EventSource(
        "sns",
        (
            "AddPermission",
            "CreateTopic",
            "DeleteTopic",
            "RemovePermission",
            "SetTopicAttributes",
            "TagResource",
            "UntagResource",
        ),
    ),
    # https://docs.aws.amazon.com/service-authorization/latest/reference/list_amazonsns.html
    grants=(
        Grant(
            statement=NAMED_LIKE_OURS,
            actions=("sns:GetTopicAttributes", "sns:ListTagsForResource"),
            resources=_ARNS,
        ),
        Grant(statement=NEW, actions=("sns:CreateTopic", "sns:TagResource"), resources=_ARNS),
        Grant(
            statement=OWN,
            actions=("sns:DeleteTopic", "sns:SetTopicAttributes", "sns:TagResource", "sns:UntagResource"),
            resources=_ARNS,
        ),
    ),
    # https://docs.aws.amazon.com/sns/latest/api/API_CreateTopic.html
    errors={
        "Throttled": errors.Throttled,
        "InternalError": errors.Unavailable,
        "ConcurrentAccess": errors.Conflict,
        # A topic of this name was just deleted.
        "StaleTag": errors.Conflict,
        "NotFound": errors.NotFound,
        "ResourceNotFound": errors.NotFound,
        "TagLimitExceeded": errors.QuotaExceeded,
        "TopicLimitExceeded": errors.QuotaExceeded,
        "AuthorizationError": errors.AccessDenied,
        "InvalidParameter": errors.Refused,
        "InvalidSecurity": errors.Refused,
        "InvalidState": errors.Refused,
        "TagPolicy": errors.Refused,
    },
    quotas=(
        # https://docs.aws.amazon.com/general/latest/gr/sns.html
        Group(
            "sns.Control",
            ("sns.CreateTopic", "sns.DeleteTopic", "sns.GetTopicAttributes", "sns.SetTopicAttributes"),
            30.0,
        ),
        # https://docs.aws.amazon.com/sns/latest/api/API_TagResource.html
        Group("sns.Tag", ("sns.ListTagsForResource", "sns.TagResource", "sns.UntagResource"), 10.0),
    ),
    indexed_as="sns:topic",
    default_names=_names,
)

build = Topics
