"""The IAM policy that the operator needs: the calls that its kinds make, on the paths that it may use, and no more."""

from collections.abc import Sequence
from typing import Any

from dynconfig.aws.patterns import PREFIX

# Every SSM call of kinds/parameter.py that has a resource; a test holds this against the calls that the tests make.
PARAMETER_ACTIONS = (
    "ssm:AddTagsToResource",
    "ssm:DeleteParameters",
    "ssm:GetParameter",
    "ssm:GetParameterHistory",
    "ssm:GetParameters",
    "ssm:ListTagsForResource",
    "ssm:PutParameter",
    "ssm:RemoveTagsFromResource",
    "ssm:UnlabelParameterVersion",
)
# These have no resource level.
# https://docs.aws.amazon.com/service-authorization/latest/reference/list_awssystemsmanager.html
ACCOUNT_ACTIONS = ("ssm:DescribeParameters", "tag:GetResources")
# What aws/mailbox.py does, where the operator makes its queue and rules itself.
QUEUE_ACTIONS = (
    "sqs:CreateQueue",
    "sqs:DeleteMessage",
    "sqs:GetQueueAttributes",
    "sqs:GetQueueUrl",
    "sqs:ListQueueTags",
    "sqs:ReceiveMessage",
    "sqs:SetQueueAttributes",
    "sqs:TagQueue",
)
EVENT_RULE_ACTIONS = (
    "events:DescribeRule",
    "events:ListTagsForResource",
    "events:ListTargetsByRule",
    "events:PutRule",
    "events:PutTargets",
    "events:TagResource",
)
# Standard parameters are encrypted directly, advanced ones with a data key.
# https://docs.aws.amazon.com/kms/latest/developerguide/services-parameter-store.html
KEY_ACTIONS = ("kms:Decrypt", "kms:Encrypt", "kms:GenerateDataKey")


def operator_policy(paths: Sequence[str], account: str, region: str, keys: Sequence[str] = ()) -> dict[str, Any]:
    """The policy for parameters below `paths`, and for SecureStrings under the KMS keys given by ARN."""
    parameters = [f"arn:aws:ssm:{region}:{account}:parameter{path.rstrip('/')}/*" for path in paths]
    mailbox = f"{PREFIX}*"
    statements = [
        {"Sid": "Parameters", "Effect": "Allow", "Action": list(PARAMETER_ACTIONS), "Resource": parameters},
        {"Sid": "Metadata", "Effect": "Allow", "Action": list(ACCOUNT_ACTIONS), "Resource": "*"},
        {
            "Sid": "Queue",
            "Effect": "Allow",
            "Action": list(QUEUE_ACTIONS),
            "Resource": f"arn:aws:sqs:{region}:{account}:{mailbox}",
        },
        {
            "Sid": "EventRules",
            "Effect": "Allow",
            "Action": list(EVENT_RULE_ACTIONS),
            "Resource": f"arn:aws:events:{region}:{account}:rule/{mailbox}",
        },
    ]
    if keys:
        statements.append(_key_statement(keys, parameters, region))
    return {"Version": "2012-10-17", "Statement": statements}


def _key_statement(keys: Sequence[str], parameters: Sequence[str], region: str) -> dict[str, Any]:
    """KMS through SSM only. ViaService is compared literally, so the region is named and there is no wildcard in it."""
    return {
        "Sid": "Keys",
        "Effect": "Allow",
        "Action": list(KEY_ACTIONS),
        "Resource": list(keys),
        "Condition": {
            "StringEquals": {"kms:ViaService": f"ssm.{region}.amazonaws.com"},
            "StringLike": {"kms:EncryptionContext:PARAMETER_ARN": list(parameters)},
        },
    }
