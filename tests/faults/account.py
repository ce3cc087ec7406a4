"""What is in the emulated AWS, read as any client would: each resource with its owner and what a write could change."""

import json
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

from botocore.exceptions import ClientError

from dynconfig_lab.stack import Stack

OWNER_TAG = "dynconfig.dev/owner"

Document = dict[str, Any]


@dataclass(frozen=True)
class Item:
    """One resource."""

    kind: str
    name: str
    owner: str
    """The value of the owner tag, empty if it has none: cluster/namespace/name/uid."""
    content: str
    """What the operator declares of it, as JSON."""

    @property
    def object(self) -> str:
        """Namespace and name of the owner."""
        return "/".join(self.owner.split("/")[1:3])

    @property
    def uid(self) -> str:
        """The uid of the owner."""
        return self.owner.rpartition("/")[2]

    def __str__(self) -> str:
        return f"{self.kind} {self.name}"


@dataclass
class Account:
    """The account, with one client for each service."""

    stack: Stack
    _clients: dict[str, Any] = field(default_factory=dict)

    def client(self, service: str) -> Any:
        """The client of a service."""
        if service not in self._clients:
            self._clients[service] = self.stack.aws(service)
        return self._clients[service]

    def items(self) -> list[Item]:
        """All resources of the kinds that the operator manages, sorted."""
        found = [item for list_all in _LISTS for item in list_all(self)]
        return sorted(found, key=lambda item: (item.kind, item.name, item.owner))

    def parameters(self) -> Iterator[Item]:
        """Parameters with value, version and labels."""
        ssm = self.client("ssm")
        pages = ssm.get_paginator("get_parameters_by_path").paginate(Path="/", Recursive=True, WithDecryption=True)
        for item in (item for page in pages for item in page["Parameters"]):
            tags = _tags(ssm.list_tags_for_resource(ResourceType="Parameter", ResourceId=item["Name"])["TagList"])
            yield _item("Parameter", item["Name"], tags, {key: item[key] for key in ("Type", "Value", "Version")})

    def alarms(self) -> Iterator[Item]:
        """Metric alarms and composite alarms."""
        cloudwatch = self.client("cloudwatch")
        pages = list(cloudwatch.get_paginator("describe_alarms").paginate(AlarmTypes=["MetricAlarm", "CompositeAlarm"]))
        for item in (item for page in pages for item in (*page["MetricAlarms"], *page["CompositeAlarms"])):
            tags = _tags(cloudwatch.list_tags_for_resource(ResourceARN=item["AlarmArn"])["Tags"])
            kept = ("MetricName", "Threshold", "Period", "AlarmRule", "AlarmActions", "ComparisonOperator")
            yield _item("Alarm", item["AlarmName"], tags, {key: item.get(key) for key in kept})

    def dashboards(self) -> Iterator[Item]:
        """Dashboards, whose text names the owner."""
        cloudwatch = self.client("cloudwatch")
        for entry in _all(cloudwatch, "list_dashboards", "DashboardEntries"):
            body = cloudwatch.get_dashboard(DashboardName=entry["DashboardName"])["DashboardBody"]
            yield _item(
                "Dashboard", entry["DashboardName"], _named_in(body), {"widgets": len(json.loads(body)["widgets"])}
            )

    def functions(self) -> Iterator[Item]:
        """Functions with their policy and on-failure destination."""
        client = self.client("lambda")
        for item in _all(client, "list_functions", "Functions"):
            name = item["FunctionName"]
            kept: Document = {key: item.get(key) for key in ("MemorySize", "Timeout", "Role", "Runtime", "Description")}
            kept["variables"] = sorted(item.get("Environment", {}).get("Variables", {}))
            kept["layers"] = [layer["Arn"] for layer in item.get("Layers", ())]
            kept["statements"], kept["destination"] = [], None
            with suppress(client.exceptions.ResourceNotFoundException):
                policy = json.loads(client.get_policy(FunctionName=name)["Policy"])
                kept["statements"] = sorted(statement["Sid"] for statement in policy["Statement"])
            with suppress(client.exceptions.ResourceNotFoundException):
                answer = client.get_function_event_invoke_config(FunctionName=name)
                kept["destination"] = answer.get("DestinationConfig")
            yield _item("Function", name, client.list_tags(Resource=item["FunctionArn"])["Tags"], kept)

    def roles(self) -> Iterator[Item]:
        """Roles with their inline policies."""
        iam = self.client("iam")
        for item in _all(iam, "list_roles", "Roles"):
            name = item["RoleName"]
            policies = sorted(iam.list_role_policies(RoleName=name)["PolicyNames"])
            yield _item("Role", name, _tags(iam.list_role_tags(RoleName=name)["Tags"]), {"policies": policies})

    def log_groups(self) -> Iterator[Item]:
        """Log groups with their retention."""
        logs = self.client("logs")
        for item in _all(logs, "describe_log_groups", "logGroups"):
            arn = item["arn"].removesuffix(":*")
            tags = logs.list_tags_for_resource(resourceArn=arn)["tags"]
            yield _item("LogGroup", item["logGroupName"], tags, {"retention": item.get("retentionInDays")})

    def rules(self) -> Iterator[Item]:
        """Rules with the number of their targets."""
        events = self.client("events")
        for item in _all(events, "list_rules", "Rules"):
            tags = _tags(events.list_tags_for_resource(ResourceARN=item["Arn"])["Tags"])
            targets = len(events.list_targets_by_rule(Rule=item["Name"])["Targets"])
            yield _item("Rule", item["Name"], tags, {"pattern": item.get("EventPattern"), "targets": targets})

    def schedules(self) -> Iterator[Item]:
        """Schedules, whose description names the owner."""
        scheduler = self.client("scheduler")
        for entry in _all(scheduler, "list_schedules", "Schedules"):
            item = scheduler.get_schedule(Name=entry["Name"])
            kept = {"expression": item["ScheduleExpression"]}
            yield _item("Schedule", entry["Name"], _named_in(item.get("Description", "")), kept)

    def apis(self) -> Iterator[Item]:
        """HTTP APIs with the number of their parts."""
        client = self.client("apigatewayv2")
        for item in _all(client, "get_apis", "Items"):
            found = {"ApiId": item["ApiId"]}
            parts = (client.get_integrations(**found), client.get_routes(**found), client.get_stages(**found))
            yield _item(
                "HttpApi", item["Name"], item.get("Tags", {}), {"parts": [len(part["Items"]) for part in parts]}
            )

    def topics(self) -> Iterator[Item]:
        """Topics."""
        sns = self.client("sns")
        for item in _all(sns, "list_topics", "Topics"):
            tags = _tags(sns.list_tags_for_resource(ResourceArn=item["TopicArn"])["Tags"])
            yield _item("Topic", item["TopicArn"].rpartition(":")[2], tags, {})

    def queues(self) -> Iterator[Item]:
        """Queues; those of the operator have no owner."""
        sqs = self.client("sqs")
        for url in _all(sqs, "list_queues", "QueueUrls"):
            with suppress(ClientError):
                yield _item("Queue", url.rpartition("/")[2], sqs.list_queue_tags(QueueUrl=url).get("Tags", {}), {})


_LISTS = (
    Account.parameters,
    Account.alarms,
    Account.dashboards,
    Account.functions,
    Account.roles,
    Account.log_groups,
    Account.rules,
    Account.schedules,
    Account.apis,
    Account.topics,
    Account.queues,
)


def _all(client: Any, method: str, member: str) -> Iterator[Any]:
    """All pages of a list."""
    return (item for page in client.get_paginator(method).paginate() for item in page.get(member, ()))


def _item(kind: str, name: str, tags: Mapping[str, str], content: Mapping[str, Any]) -> Item:
    theirs = {key: value for key, value in tags.items() if key != OWNER_TAG}
    described = json.dumps({**content, "tags": theirs}, sort_keys=True, default=str)
    return Item(kind, name, tags.get(OWNER_TAG, ""), described)


def _tags(listed: list[Mapping[str, str]]) -> dict[str, str]:
    return {item["Key"]: item["Value"] for item in listed}


def _named_in(text: str) -> dict[str, str]:
    """The owner that a text names, in place of a tag."""
    _, found, rest = text.partition(f"{OWNER_TAG}: ")
    return {OWNER_TAG: rest.split("`")[0].split("\\n")[0].split()[0]} if found else {}
