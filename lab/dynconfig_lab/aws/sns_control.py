"""SNS topics as AWS implements them where moto differs.

https://docs.aws.amazon.com/sns/latest/api/API_CreateTopic.html
"""

import json

from moto.sns.models import sns_backends

from dynconfig_lab.aws import accounts
from dynconfig_lab.aws.answers import Answer, AwsError, parse_form
from dynconfig_lab.aws.requests import Request


def handle(request: Request) -> Answer:
    """The response to a call. Raises AwsError."""
    if request.call.operation == "CreateTopic":
        _check_same(request)
    return request.forward()


def _check_same(request: Request) -> None:
    """CreateTopic is idempotent, unless tags or attributes differ from those of the existing topic.

    Recorded: https://github.com/localstack/localstack/issues/2405 (tags),
    https://github.com/MassTransit/MassTransit/issues/3720 (attributes)
    """
    form = dict(parse_form(request.body))
    topic = sns_backends[accounts.current()][request.region].topics.get(
        f"arn:aws:sns:{request.region}:{accounts.current()}:{form['Name']}"
    )
    if topic is None:
        return
    tags = _entries(form, "Tags.member", "Key", "Value")
    if tags and tags != topic._tags:
        raise AwsError("InvalidParameter", "Invalid parameter: Tags Reason: Topic already exists with different tags")
    policy = _entries(form, "Attributes.entry", "key", "value").get("Policy")
    if policy and json.loads(policy) != json.loads(topic.policy):
        text = "Invalid parameter: Attributes Reason: Topic already exists with different attributes"
        raise AwsError("InvalidParameter", text)


def _entries(form: dict[str, str], member: str, key: str, value: str) -> dict[str, str]:
    """A map or list of pairs in a form."""
    found = {}
    for name, text in form.items():
        if name.startswith(f"{member}.") and name.endswith(f".{key}"):
            found[text] = form.get(f"{name.removesuffix(key)}{value}", "")
    return found
