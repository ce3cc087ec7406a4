"""Fixtures for the tests of functions: functions written in the test, run by the lab, called through boto3."""

import base64
import io
import itertools
import json
import zipfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import httpx2
from botocore.exceptions import ClientError

from dynconfig_lab.aws import Faults
from dynconfig_lab.processes import wait_until

ACCOUNT = "123456789012"
REGION = "eu-west-1"
EXTENSION = f"arn:aws:lambda:{REGION}:015030872274:layer:AWS-Parameters-and-Secrets-Lambda-Extension-Arm64:24"
EVERYTHING = ({"Effect": "Allow", "Action": "*", "Resource": "*"},)
PATIENCE = 20.0
# Each test creates functions, and few depend on how long that takes.
QUICK = Faults(settle_seconds=0.0)

_numbers = itertools.count(1)


@dataclass(frozen=True)
class Answer:
    """The response of an invocation."""

    status: int
    payload: Any
    error: str
    log: str


@dataclass
class Bench:
    """Creates roles and functions in the lab, and invokes them."""

    aws: Callable[[str], Any]
    control_url: str = ""
    roles: dict[str, str] = field(default_factory=dict)

    def role(self, *statements: Mapping[str, Any], service: str = "lambda") -> str:
        """The ARN of a role with these statements."""
        text = json.dumps([service, statements])
        if text not in self.roles:
            self.roles[text] = self._role(statements, service)
        return self.roles[text]

    def new_role(self) -> str:
        """The ARN of a new role with all permissions."""
        return self._role(EVERYTHING, "lambda")

    def function(self, source: str, **more: Any) -> str:
        """The name of an active function; its handler is `handle` in the module `app`."""
        wanted = {
            "FunctionName": f"function-{next(_numbers)}",
            "Role": self.role(*EVERYTHING),
            "Runtime": "python3.13",
            "Handler": "app.handle",
            "Code": {"ZipFile": zipped({"app.py": source})},
            **more,
        }
        assert wait_until(lambda: self._created(wanted), PATIENCE)
        self.settle(wanted["FunctionName"])
        return str(wanted["FunctionName"])

    def settle(self, name: str) -> None:
        """Wait until the last write is carried out."""

        def is_settled() -> bool:
            found = self.aws("lambda").get_function_configuration(FunctionName=name)
            return (found["State"], found.get("LastUpdateStatus")) == ("Active", "Successful")

        assert wait_until(is_settled, PATIENCE)

    def configure(self, name: str, **more: Any) -> None:
        """Change the configuration, and wait until the change is carried out."""
        self.aws("lambda").update_function_configuration(FunctionName=name, **more)
        self.settle(name)

    def invoke(self, name: str, payload: Any = None, **more: Any) -> Answer:
        """Invoke a function."""
        given = {} if payload is None else {"Payload": json.dumps(payload)}
        answer = self.aws("lambda").invoke(FunctionName=name, LogType="Tail", **given, **more)
        body = answer["Payload"].read()
        log = base64.b64decode(answer.get("LogResult", "")).decode()
        return Answer(answer["StatusCode"], json.loads(body) if body else None, answer.get("FunctionError", ""), log)

    def lines(self, name: str) -> list[str]:
        """The content of the function's log group by stream."""
        logs, group = self.aws("logs"), f"/aws/lambda/{name}"
        try:
            streams = logs.describe_log_streams(logGroupName=group)["logStreams"]
        except ClientError:
            return []
        found: list[str] = []
        for stream in streams:
            events = logs.get_log_events(logGroupName=group, logStreamName=stream["logStreamName"], startFromHead=True)
            found += [event["message"] for event in events["events"]]
        return found

    def said(self, name: str, text: str, count: int = 1) -> bool:
        """Wait until a text is in this many lines of the function's log."""
        return wait_until(lambda: sum(text in line for line in self.lines(name)) >= count, PATIENCE)

    def code(self, source: str) -> bytes:
        """The zip file of a function."""
        return zipped({"app.py": source})

    def fire(self, schedule: str) -> int:
        """Fire schedules of this name through the lab's control interface; return their number."""
        with httpx2.Client(trust_env=False) as http:
            answer = http.post(f"{self.control_url}/fire", json={"schedule": schedule})
        return int(answer.json()["fired"])

    def _created(self, wanted: Mapping[str, Any]) -> bool:
        """Whether Lambda can assume the role and has created the function."""
        try:
            self.aws("lambda").create_function(**wanted)
        except ClientError as error:
            if "cannot be assumed by Lambda" in str(error):
                return False
            raise
        return True

    def _role(self, statements: tuple[Mapping[str, Any], ...], service: str) -> str:
        iam, name = self.aws("iam"), f"role-{next(_numbers)}"
        arn = str(iam.create_role(RoleName=name, AssumeRolePolicyDocument=trust(service))["Role"]["Arn"])
        if statements:
            iam.put_role_policy(RoleName=name, PolicyName="all", PolicyDocument=policy(*statements))
        return arn


def trust(service: str) -> str:
    """A trust policy."""
    principal = {"Service": f"{service}.amazonaws.com"}
    return policy({"Effect": "Allow", "Principal": principal, "Action": "sts:AssumeRole"})


def policy(*statements: Mapping[str, Any]) -> str:
    """A policy document."""
    return json.dumps({"Version": "2012-10-17", "Statement": list(statements)})


def zipped(files: Mapping[str, str]) -> bytes:
    """A zip file."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for name, text in files.items():
            archive.writestr(name, text)
    return buffer.getvalue()
