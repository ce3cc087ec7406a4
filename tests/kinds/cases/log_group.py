"""The log group of the function."""

from tests.kinds.cases.case import Case
from tests.kinds.workshop import Workshop

from dynconfig.kinds.log_group import LogGroup


def group(workshop: Workshop) -> str:
    return f"/aws/lambda/{workshop.name}"


def listed(workshop: Workshop) -> set[str]:
    pages = workshop.aws("logs").get_paginator("describe_log_groups").paginate(logGroupNamePrefix=group(workshop))
    return {found["logGroupName"] for page in pages for found in page["logGroups"]}


def retag(workshop: Workshop) -> None:
    arn = f"arn:aws:logs:eu-west-1:123456789012:log-group:{group(workshop)}"
    workshop.aws("logs").tag_resource(resourceArn=arn, tags={"team": "other"})


LOG_GROUP = Case(
    value=LogGroup,
    base={"function": {}, "tags": {"team": "shop"}},
    edits={
        "retention": {"function": {"logRetentionDays": 30}, "tags": {"team": "shop"}},
        "tags": {"function": {}, "tags": {"stage": "dev"}},
    },
    tampers={
        "retention": lambda workshop: workshop.aws("logs").delete_retention_policy(logGroupName=group(workshop)),
        "tags": retag,
    },
    listed=listed,
    neighbour=lambda workshop: workshop.aws("logs").create_log_group(logGroupName=f"{group(workshop)}-theirs"),
    stranger=lambda workshop: workshop.aws("logs").create_log_group(logGroupName=group(workshop)),
    writes=(
        "logs.CreateLogGroup",
        "logs.PutRetentionPolicy",
        "logs.TagResource",
        "logs.UntagResource",
        "logs.DeleteLogGroup",
    ),
    busy="OperationAbortedException",
)
