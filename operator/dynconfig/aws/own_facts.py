"""The facts of what the operator uses itself: its event queue and rules, the tag index, the drift metric, and layers."""

from dynconfig.api.alarms import OWN_NAMESPACE
from dynconfig.api.names import CLUSTER_TAG
from dynconfig.aws import layers
from dynconfig.model import errors
from dynconfig.model.allowed import (
    METADATA,
    NAMED_LIKE_OURS,
    Allowed,
    Conditions,
    Grant,
    Part,
    Statement,
    anything,
    in_region,
    with_alarms,
)
from dynconfig.model.arns import Arns
from dynconfig.model.facts import Facts, Group
from dynconfig.model.naming import PREFIX

# SQS returns these with or without a prefix, depending on the protocol.
_OF_QUEUES = {
    "QueueDeletedRecently": errors.Conflict,
    "UnsupportedOperation": errors.Refused,
    "TooManyEntriesInBatchRequest": errors.Refused,
    "EmptyBatchRequest": errors.Refused,
    "BatchEntryIdsNotDistinct": errors.Refused,
    "InvalidBatchEntryId": errors.Refused,
}

QUEUE = Facts(
    kind="",
    service="sqs",
    noun="queue",
    named_by=("QueueName", "QueueUrl"),
    # What events/queue.py does, where the operator makes its queue itself.
    grants=(
        Grant(
            statement=NAMED_LIKE_OURS,
            rank=0,
            actions=(
                "sqs:CreateQueue",
                "sqs:DeleteMessage",
                "sqs:DeleteQueue",
                "sqs:GetQueueAttributes",
                "sqs:GetQueueUrl",
                "sqs:ListQueueTags",
                "sqs:ReceiveMessage",
                "sqs:SetQueueAttributes",
                "sqs:TagQueue",
            ),
            resources=lambda allowed, arns: [arns.queue(f"{PREFIX}*")] if allowed.events else [],
        ),
    ),
    errors={
        **_OF_QUEUES,
        **{f"AWS.SimpleQueueService.{code}": error for code, error in _OF_QUEUES.items()},
        "AWS.SimpleQueueService.NonExistentQueue": errors.NotFound,
        "QueueDoesNotExist": errors.NotFound,
        "QueueAlreadyExists": errors.AlreadyExists,
        "QueueNameExists": errors.AlreadyExists,
        "RequestThrottled": errors.Throttled,
        "OverLimit": errors.QuotaExceeded,
        "InvalidAddress": errors.Refused,
        "InvalidAttributeName": errors.Refused,
        "InvalidAttributeValue": errors.Refused,
        "InvalidIdFormat": errors.Refused,
        "ReceiptHandleIsInvalid": errors.Refused,
        "InvalidSecurity": errors.Refused,
    },
)
RULES = Facts(
    kind="",
    service="events",
    # PutRule and PutTargets make new rules of the operator, which no object owns.
    grants=(
        Grant(
            statement=NAMED_LIKE_OURS,
            rank=1,
            actions=(
                "events:DescribeRule",
                "events:ListTagsForResource",
                "events:ListTargetsByRule",
                "events:PutRule",
                "events:PutTargets",
                "events:TagResource",
            ),
            resources=lambda allowed, arns: [arns.rule(f"{PREFIX}*")] if allowed.events else [],
        ),
        # Of rules whose tag names a cluster: those that fill the queue.
        Grant(
            statement=Statement(
                sid="EventRules",
                part=Part.PARAMETERS,
                conditions=lambda _allowed, _arns: {"StringLike": {f"aws:ResourceTag/{CLUSTER_TAG}": "*"}},
                rank=4,
            ),
            actions=("events:DeleteRule", "events:RemoveTargets"),
            resources=lambda allowed, arns: arns.rule(f"{PREFIX}*") if allowed.events else "",
        ),
    ),
)
TAG_INDEX = Facts(
    kind="",
    service="resourcegroupstaggingapi",
    grants=(Grant(statement=METADATA, rank=0, actions=("tag:GetResources",), resources=anything),),
    errors={"PaginationTokenExpiredException": errors.Conflict},
    quotas=(Group("tagging.Get", ("resourcegroupstaggingapi.GetResources",), 5.0),),
)


def _of_own_metrics(allowed: Allowed, arns: Arns) -> Conditions:
    return {"StringEquals": {"cloudwatch:namespace": OWN_NAMESPACE, **in_region(allowed, arns)["StringEquals"]}}


DRIFT_METRIC = Facts(
    kind="",
    service="cloudwatch",
    grants=(
        # It has no resource level, but the namespace can be limited.
        # https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/iam-cw-condition-keys-namespace.html
        Grant(
            statement=Statement(
                sid="Metrics",
                part=Part.PARAMETERS,
                conditions=_of_own_metrics,
                rank=5,
            ),
            actions=("cloudwatch:PutMetricData",),
            resources=with_alarms(anything),
        ),
    ),
)


def _layers(allowed: Allowed, _arns: Arns) -> list[str]:
    if not allowed.all_functions:
        return []
    return [layers.public_parameters(allowed.region), *layers.patterns(allowed.region), *allowed.own_layers]


LAYERS = Facts(
    kind="",
    service="lambda",
    grants=(
        Grant(
            statement=Statement(sid="Layers", rank=10),
            actions=("lambda:GetLayerVersion", "ssm:GetParameter"),
            resources=_layers,
        ),
    ),
)
OWN_FACTS = (QUEUE, RULES, TAG_INDEX, DRIFT_METRIC, LAYERS)
