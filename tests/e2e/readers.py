"""A DynamicConfig with its function: declare it, invoke it and list its resources."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import httpx2
from tests.e2e.world import World

PARAMETERS: tuple[Mapping[str, Any], ...] = (
    {"name": "database/host", "value": "db.shop.internal", "schema": {"type": "host"}},
    {"name": "api/timeout", "value": "30", "schema": {"type": "integer"}},
    {"name": "database/password", "valueFrom": {"secretKeyRef": {"name": "db", "key": "password"}}},
)
TRIGGERS = {"parameterChange": True, "schedule": "rate(5 minutes)", "httpApi": {"authorization": "AWS_IAM"}}
PASSWORD = "correct-horse-of-the-function"


@dataclass(frozen=True)
class Reader:
    """One object with a function, and that function."""

    world: World
    name: str = "reader"

    @property
    def function(self) -> str:
        """The function's name in AWS."""
        return f"{self.world.namespace}-config"

    def declare(self, function: Mapping[str, Any] | None = None, **spec: Any) -> None:
        """Declare it, with its Secret."""
        self.world.secret("db", password=PASSWORD)
        about = (
            {"name": self.function, "triggers": TRIGGERS} if function is None else {"name": self.function, **function}
        )
        self.world.declare(self.name, self.world.spec(*PARAMETERS, function=about, **spec))

    def set_timeout(self, value: str) -> None:
        """Declare another api/timeout."""
        listed = [{**item, "value": value} if item["name"] == "api/timeout" else item for item in PARAMETERS]
        assert self.world.edit(self.name, {"spec": {"parameters": listed}}).is_success

    @cached_property
    def aws(self) -> Any:
        """boto3's client of Lambda."""
        return self.world.stack.aws("lambda")

    def call(self, **event: Any) -> dict[str, Any]:
        """The result of a direct invocation; a function error fails the test."""
        answer = self.aws.invoke(FunctionName=self.function, Payload=json.dumps(event).encode())
        document: dict[str, Any] = json.loads(answer["Payload"].read())
        assert "FunctionError" not in answer, document
        return document

    def timeout(self) -> str:
        """The value of api/timeout that the function returns."""
        return str(self.call(show=["api/timeout"])["values"]["api/timeout"])

    def environment(self) -> dict[str, str]:
        """The function's environment."""
        answer = self.aws.get_function_configuration(FunctionName=self.function)
        return dict(answer["Environment"]["Variables"])

    def logs(self) -> list[str]:
        """The function's complete log."""
        logs, group = self.world.stack.aws("logs"), f"/aws/lambda/{self.function}"
        streams = logs.describe_log_streams(logGroupName=group)["logStreams"]
        events = (logs.get_log_events(logGroupName=group, logStreamName=item["logStreamName"]) for item in streams)
        return [event["message"] for found in events for event in found["events"]]

    def http(self, path: str, **headers: str) -> httpx2.Response:
        """The response of the HTTP API in the lab."""
        resources = self.world.status(self.name)["resources"]
        api_id = next(item["arn"].rpartition("/")[2] for item in resources if item["kind"] == "HttpApi")
        endpoint = self.world.stack.environment["AWS_ENDPOINT_URL"]
        with httpx2.Client(trust_env=False) as client:
            return client.get(f"{endpoint}/http-api/{api_id}{path}", headers=headers)


def inventory(world: World) -> dict[str, list[str]]:
    """The names of all resources in AWS, by service."""
    aws = world.stack.aws
    return {
        "parameters": world.names(),
        "functions": _names(aws("lambda").list_functions()["Functions"], "FunctionName"),
        "roles": _names(aws("iam").list_roles()["Roles"], "RoleName"),
        "log groups": _names(aws("logs").describe_log_groups()["logGroups"], "logGroupName"),
        "rules": _names(aws("events").list_rules()["Rules"], "Name"),
        "schedules": _names(aws("scheduler").list_schedules()["Schedules"], "Name"),
        "HTTP APIs": _names(aws("apigatewayv2").get_apis()["Items"], "Name"),
    }


def _names(items: list[dict[str, Any]], member: str) -> list[str]:
    return sorted(item[member] for item in items)
