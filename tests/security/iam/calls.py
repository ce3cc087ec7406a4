"""The IAM authorization requests of an operator's call: actions, resources and condition context.

From the service authorization reference, one page for each service.
https://docs.aws.amazon.com/service-authorization/latest/reference/reference_policies_actions-resources-contextkeys.html
"""

from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any
from urllib.parse import quote

import boto3
from botocore.exceptions import ClientError
from tests.security.iam.evaluator import Context, Request

ACCOUNT, REGION = "123456789012", "eu-west-1"
LAMBDA, SCHEDULER = "lambda.amazonaws.com", "scheduler.amazonaws.com"
# No statement depends on the tags of read resources, which would need a call for each.
_READS = ("Get", "GET", "List", "Describe", "Receive")
Call = Mapping[str, Any]
Tags = Mapping[str, str]


def arn(service: str, rest: str) -> str:
    return f"arn:aws:{service}:{REGION}:{ACCOUNT}:{rest}"


def listed(tags: Iterable[Mapping[str, str]]) -> dict[str, str]:
    """Tags from the list of Key and Value that most services use."""
    return {tag["Key"]: tag["Value"] for tag in tags}


@dataclass
class Present:
    """The current state of AWS; missing resources have no tags."""

    endpoint: str
    _clients: dict[str, Any] = field(default_factory=dict)

    @cached_property
    def _session(self) -> boto3.Session:
        return boto3.Session(aws_access_key_id="lab", aws_secret_access_key="lab", region_name=REGION)

    def client(self, service: str) -> Any:
        """boto3 itself, with a user agent other than the operator's."""
        if service not in self._clients:
            made = self._session.client(service, endpoint_url=self.endpoint)  # type: ignore[call-overload]
            self._clients[service] = made
        return self._clients[service]

    def tags(self, resource: str) -> dict[str, str]:
        """The tags of this ARN."""
        read = _TAGS.get(resource.split(":")[2])
        with suppress(ClientError):
            return read(self, resource) if read else {}
        return {}

    def role(self, name: str) -> dict[str, Any]:
        """A role, or what is known of a missing one: its name."""
        with suppress(ClientError):
            found: dict[str, Any] = self.client("iam").get_role(RoleName=name)["Role"]
            return found
        return {"Arn": f"arn:aws:iam::{ACCOUNT}:role/{name}"}

    def is_secret(self, name: str) -> str:
        """The key of a SecureString, or an empty string."""
        found = self.client("ssm").describe_parameters(ParameterFilters=[{"Key": "Name", "Values": [name]}])
        return next((str(item.get("KeyId", "")) for item in found["Parameters"] if item["Type"] == "SecureString"), "")


_TAGS: dict[str, Callable[[Present, str], dict[str, str]]] = {
    "lambda": lambda aws, found: aws.client("lambda").list_tags(Resource=found)["Tags"],
    "logs": lambda aws, found: aws.client("logs").list_tags_for_resource(resourceArn=found.removesuffix(":*"))["tags"],
    "events": lambda aws, found: listed(aws.client("events").list_tags_for_resource(ResourceARN=found)["Tags"]),
    "cloudwatch": lambda aws, found: listed(aws.client("cloudwatch").list_tags_for_resource(ResourceARN=found)["Tags"]),
    "iam": lambda aws, found: listed(aws.role(found.rpartition("/")[2]).get("Tags", [])),
    # Routes, integrations and stages have the tags of their API. The reference lists aws:ResourceTag for each of them;
    # that a part inherits them from its API is documented for REST APIs only.
    # https://docs.aws.amazon.com/apigateway/latest/developerguide/apigateway-tagging-supported-resources.html
    "apigateway": lambda aws, found: (
        aws.client("apigatewayv2").get_api(ApiId=found.split("/apis/")[1].split("/")[0]).get("Tags", {})
        if "::/apis/" in found
        else {}
    ),
    "ssm": lambda aws, found: listed(
        aws.client("ssm").list_tags_for_resource(ResourceType="Parameter", ResourceId=found.partition(":parameter")[2])[
            "TagList"
        ]
    ),
    "sns": lambda aws, found: listed(aws.client("sns").list_tags_for_resource(ResourceArn=found)["Tags"]),
    "sqs": lambda aws, found: aws.client("sqs").list_queue_tags(
        QueueUrl=aws.client("sqs").get_queue_url(QueueName=found.rpartition(":")[2])["QueueUrl"]
    ).get("Tags", {}),
}  # fmt: skip


def requests(service: str, operation: str, call: Call, aws: Present) -> list[Request]:
    """All authorization requests of a call."""
    if (service, operation) == ("sts", "GetCallerIdentity"):
        # https://docs.aws.amazon.com/STS/latest/APIReference/API_GetCallerIdentity.html
        return []
    # https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_condition-keys.html#condition-keys-requestedregion
    region = {"aws:RequestedRegion": "us-east-1" if service == "iam" else REGION}
    return [replace(each, context={**each.context, **region}) for each in _SERVICES[service](operation, call, aws)]


def _request(
    action: str, resource: str, aws: Present, tags: Tags | None = None, more: Context | None = None
) -> Request:
    """With the tags of the resource, for writes, and those in the request."""
    known = {} if action.partition(":")[2].startswith(_READS) else aws.tags(resource)
    context: dict[str, str | tuple[str, ...]] = {f"aws:ResourceTag/{key}": value for key, value in known.items()}
    if tags:
        context |= {f"aws:RequestTag/{key}": value for key, value in tags.items()}
        context["aws:TagKeys"] = tuple(tags)
    return Request(action, resource, {**context, **(more or {})})


# https://docs.aws.amazon.com/service-authorization/latest/reference/list_awssystemsmanager.html
def _ssm(operation: str, call: Call, aws: Present) -> Iterator[Request]:
    if operation == "DescribeParameters":
        yield Request("ssm:DescribeParameters", "*")
        return
    for name in call.get("Names") or [call.get("Name") or call["ResourceId"]]:
        parameter = _parameter(name)
        tags = listed(call.get("Tags", []))
        yield _request(f"ssm:{operation}", parameter, aws, tags)
        if operation == "PutParameter":
            if tags:
                yield _request("ssm:AddTagsToResource", parameter, aws, tags)
            if call.get("DataType") == "aws:ec2:image":
                yield Request("ec2:DescribeImages", "*")
            yield from _encryption(call, parameter)
        elif call.get("WithDecryption"):
            yield from _key("kms:Decrypt", aws.is_secret(name.partition(":")[0]), parameter)


def _parameter(name: str) -> str:
    if name.startswith("/aws/service/"):
        return f"arn:aws:ssm:{REGION}::parameter{name}"
    return arn("ssm", f"parameter{name.partition(':')[0]}")


def _encryption(call: Call, parameter: str) -> Iterator[Request]:
    """https://docs.aws.amazon.com/kms/latest/developerguide/services-parameter-store.html"""
    action = "kms:GenerateDataKey" if call.get("Tier") == "Advanced" else "kms:Encrypt"
    yield from _key(action, call.get("KeyId", ""), parameter)


def _key(action: str, key: str, parameter: str) -> Iterator[Request]:
    """The AWS managed key is usable by the whole account through the service."""
    if key.startswith("arn:"):
        context = {"kms:ViaService": f"ssm.{REGION}.amazonaws.com", "kms:EncryptionContext:PARAMETER_ARN": parameter}
        yield Request(action, key, context)


# https://docs.aws.amazon.com/service-authorization/latest/reference/list_amazonresourcegrouptaggingapi.html
def _tag(operation: str, _call: Call, _aws: Present) -> Iterator[Request]:
    yield Request(f"tag:{operation}", "*")


# https://docs.aws.amazon.com/service-authorization/latest/reference/list_awsidentityandaccessmanagementiam.html
def _iam(operation: str, call: Call, aws: Present) -> Iterator[Request]:
    tags = listed(call.get("Tags", []))
    if operation == "CreateRole":
        role = f"arn:aws:iam::{ACCOUNT}:role{call['Path']}{call['RoleName']}"
        bound = {"iam:PermissionsBoundary": call["PermissionsBoundary"]} if "PermissionsBoundary" in call else {}
        yield _request("iam:CreateRole", role, aws, tags, bound)
        if tags:
            yield _request("iam:TagRole", role, aws, tags)
        return
    found = aws.role(call["RoleName"])
    boundary = found.get("PermissionsBoundary", {}).get("PermissionsBoundaryArn", "")
    # For a call that sets one, it is the new value.
    # https://docs.aws.amazon.com/IAM/latest/UserGuide/access_policies_boundaries.html
    boundary = call.get("PermissionsBoundary", boundary)
    knows = operation not in ("TagRole", "UntagRole", "GetRolePolicy", "ListRolePolicies", "ListAttachedRolePolicies")
    more = {"iam:PermissionsBoundary": boundary} if boundary and knows else {}
    yield _request(f"iam:{operation}", found["Arn"], aws, tags, more)


# https://docs.aws.amazon.com/service-authorization/latest/reference/list_awslambda.html
def _lambda(operation: str, call: Call, aws: Present) -> Iterator[Request]:
    name = call.get("FunctionName") or call["Resource"]
    function = name if name.startswith("arn:") else arn("lambda", f"function:{name}")
    tags = call.get("Tags", {})
    yield _request(f"lambda:{operation}", function, aws, tags)
    if operation == "GetFunction":
        yield _request("lambda:ListTags", function, aws)
    if operation == "CreateFunction" and tags:
        yield _request("lambda:TagResource", function, aws, tags)
    if "Role" in call:
        yield _request("iam:PassRole", call["Role"], aws, more={"iam:PassedToService": LAMBDA})
    for layer in call.get("Layers", ()):
        yield Request("lambda:GetLayerVersion", layer)


# https://docs.aws.amazon.com/service-authorization/latest/reference/list_amazoncloudwatchlogs.html
def _logs(operation: str, call: Call, aws: Present) -> Iterator[Request]:
    if operation == "DescribeLogGroups":
        yield Request("logs:DescribeLogGroups", "*")
        return
    if "resourceArn" in call:
        yield _request(f"logs:{operation}", call["resourceArn"], aws, call.get("tags"))
        return
    group = arn("logs", f"log-group:{call['logGroupName']}")
    yield _request(f"logs:{operation}", f"{group}:*", aws, call.get("tags"))
    if call.get("tags"):
        yield _request("logs:TagResource", group, aws, call["tags"])


# https://docs.aws.amazon.com/service-authorization/latest/reference/list_amazoneventbridge.html
def _events(operation: str, call: Call, aws: Present) -> Iterator[Request]:
    name = call.get("Name") or call.get("Rule")
    rule = arn("events", f"rule/{name}") if name else call["ResourceARN"]
    tags = listed(call.get("Tags", []))
    yield _request(f"events:{operation}", rule, aws, tags)
    if operation == "PutRule" and tags:
        yield _request("events:TagResource", rule, aws, tags)


# https://docs.aws.amazon.com/service-authorization/latest/reference/list_amazoneventbridgescheduler.html
def _scheduler(operation: str, call: Call, aws: Present) -> Iterator[Request]:
    yield _request(f"scheduler:{operation}", arn("scheduler", f"schedule/default/{call['Name']}"), aws)
    if "Target" in call:
        yield _request("iam:PassRole", call["Target"]["RoleArn"], aws, more={"iam:PassedToService": SCHEDULER})


# https://docs.aws.amazon.com/service-authorization/latest/reference/list_amazonapigatewaymanagementv2.html
def _apigatewayv2(operation: str, call: Call, aws: Present) -> Iterator[Request]:
    model = aws.client("apigatewayv2").meta.service_model.operation_model(operation).http
    path = model["requestUri"].removeprefix("/v2")
    for member, value in call.items():
        path = path.replace(f"{{{_named(member)}}}", quote(str(value), safe="$"))
    base = f"arn:aws:apigateway:{REGION}::"
    tags = call.get("Tags")
    yield _request(f"apigateway:{model['method']}", f"{base}{path.partition('?')[0]}", aws, tags)
    if operation == "CreateApi" and tags:
        # As AWS names it in access denied errors reported by users: the id is not known yet.
        tagged = quote(f"{base}/v2/apis/", safe="")
        yield _request("apigateway:POST", f"{base}/tags/{tagged}*", aws, tags)
        yield _request("apigateway:POST", f"{base}{base}/tags/", aws, tags)


def _named(member: str) -> str:
    """Members of requests, as the paths name them."""
    return {"ResourceArn": "resource-arn"}.get(member, f"{member[:1].lower()}{member[1:]}")


# https://docs.aws.amazon.com/service-authorization/latest/reference/list_amazoncloudwatch.html
def _cloudwatch(operation: str, call: Call, aws: Present) -> Iterator[Request]:
    action, tags = f"cloudwatch:{operation}", listed(call.get("Tags", []))
    if operation == "PutMetricData":
        yield Request(action, "*", {"cloudwatch:namespace": call["Namespace"]})
    elif operation in ("DescribeAlarms", "DescribeAlarmHistory", "PutCompositeAlarm"):
        # Writers of composite alarms need it on all alarms.
        # https://docs.aws.amazon.com/AmazonCloudWatch/latest/APIReference/API_PutCompositeAlarm.html
        yield Request(action, "*")
    elif "ResourceARN" in call:
        yield _request(action, call["ResourceARN"], aws, tags)
    elif "Dashboard" in operation:
        for name in call.get("DashboardNames") or [call["DashboardName"]]:
            yield Request(action, f"arn:aws:cloudwatch::{ACCOUNT}:dashboard/{name}")
    else:
        for name in call.get("AlarmNames") or [call["AlarmName"]]:
            yield _request(action, arn("cloudwatch", f"alarm:{name}"), aws, tags)
    if tags and "AlarmName" in call:
        yield _request("cloudwatch:TagResource", arn("cloudwatch", f"alarm:{call['AlarmName']}"), aws, tags)


# https://docs.aws.amazon.com/service-authorization/latest/reference/list_amazonsns.html
def _sns(operation: str, call: Call, aws: Present) -> Iterator[Request]:
    topic = call.get("TopicArn") or call.get("ResourceArn") or arn("sns", call["Name"])
    tags = listed(call.get("Tags", []))
    yield _request(f"sns:{operation}", topic, aws, tags)
    if operation == "CreateTopic" and tags:
        yield _request("sns:TagResource", topic, aws, tags)


# https://docs.aws.amazon.com/service-authorization/latest/reference/list_amazonsqs.html
def _sqs(operation: str, call: Call, aws: Present) -> Iterator[Request]:
    queue = arn("sqs", call.get("QueueName") or call["QueueUrl"].rpartition("/")[2])
    tags = call.get("tags")
    # https://docs.aws.amazon.com/AWSSimpleQueueService/latest/SQSDeveloperGuide/sqs-api-permissions-reference.html
    yield _request(f"sqs:{operation.removesuffix('Batch')}", queue, aws, tags)
    if operation == "CreateQueue" and tags:
        yield _request("sqs:TagQueue", queue, aws, tags)


_SERVICES: dict[str, Callable[[str, Call, Present], Iterator[Request]]] = {
    "ssm": _ssm,
    "resourcegroupstaggingapi": _tag,
    "iam": _iam,
    "lambda": _lambda,
    "logs": _logs,
    "events": _events,
    "scheduler": _scheduler,
    "apigatewayv2": _apigatewayv2,
    "cloudwatch": _cloudwatch,
    "sns": _sns,
    "sqs": _sqs,
}
