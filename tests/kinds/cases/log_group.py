"""The log group of the function."""

from tests.kinds.aws_harness import AwsHarness
from tests.kinds.cases.case import Case

from dynconfig.kinds.log_group import LogGroup


def group(harness: AwsHarness) -> str:
    return f"/aws/lambda/{harness.name}"


def listed(harness: AwsHarness) -> set[str]:
    pages = harness.aws("logs").get_paginator("describe_log_groups").paginate(logGroupNamePrefix=group(harness))
    return {found["logGroupName"] for page in pages for found in page["logGroups"]}


def retag(harness: AwsHarness) -> None:
    arn = f"arn:aws:logs:eu-west-1:123456789012:log-group:{group(harness)}"
    harness.aws("logs").tag_resource(resourceArn=arn, tags={"team": "other"})


LOG_GROUP = Case(
    value=LogGroup,
    base={"function": {}, "tags": {"team": "shop"}},
    feature={"function": {}},
    edits={
        "retention": {"function": {"logRetentionDays": 30}, "tags": {"team": "shop"}},
        "tags": {"function": {}, "tags": {"stage": "dev"}},
    },
    tampers={
        "retention": lambda harness: harness.aws("logs").delete_retention_policy(logGroupName=group(harness)),
        "tags": retag,
    },
    list_names=listed,
    create_similar=lambda harness: harness.aws("logs").create_log_group(logGroupName=f"{group(harness)}-theirs"),
    create_foreign=lambda harness: harness.aws("logs").create_log_group(logGroupName=group(harness)),
    writes=(
        "logs.CreateLogGroup",
        "logs.PutRetentionPolicy",
        "logs.TagResource",
        "logs.UntagResource",
        "logs.DeleteLogGroup",
    ),
    busy="OperationAbortedException",
)
