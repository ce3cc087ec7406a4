"""All AWS calls of an operator for the example of the README and more, recorded as IAM authorization requests."""

import json
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
import yaml
from botocore.client import BaseClient
from tests.emulated import AWS_DATE, AWS_TIME
from tests.kinds.aws_harness import AwsHarness
from tests.kinds.cases.all import CASES, everything, merged
from tests.kinds.cases.role import DENY, role_name
from tests.security.iam.calls import ACCOUNT, REGION, Present, arn, requests
from tests.security.iam.evaluator import Request

from dynconfig import wiring
from dynconfig.aws.session import OWN_USER_AGENT
from dynconfig.engine.outcome import Outcome
from dynconfig.events.patterns import event_rules
from dynconfig.events.queue import EventQueue, delete_queue_and_rules
from dynconfig.model.allowed import Allowed
from dynconfig.model.errors import Retryable
from dynconfig.model.previous_status import PreviousStatus
from dynconfig.settings import Settings

EXAMPLE = Path(__file__).parents[3] / "manifests" / "examples" / "myapp.yaml"
KEY = "arn:aws:kms:eu-west-1:123456789012:key/11111111-2222-3333-4444-555555555555"
# Seconds of real time for all kinds together, on a busy machine.
PATIENCE = 120.0
BOUNDARY, OTHER_BOUNDARY = (f"arn:aws:iam::123456789012:policy/{name}" for name in ("boundary", "other"))
OPERATOR = "arn:aws:iam::123456789012:role/dynconfig-operator"
ALLOWED: dict[str, Any] = {
    "paths": ["/myapp"],
    "account": ACCOUNT,
    "region": REGION,
    "keys": [KEY],
    "functions": ["dynconfig-*", "myapp-*"],
    "operator_role": OPERATOR,
}


def allowed(**about: Any) -> Allowed:
    """The permissions of the example's operator."""
    return Allowed(**{**ALLOWED, **about})


@dataclass
class Recorder:
    """The authorization requests of the operator's calls, which are identified by their user agent."""

    present: Present
    asked: list[Request] = field(default_factory=list)

    @contextmanager
    def recording(self) -> Iterator[None]:
        """Record within the `with` block."""
        direct = BaseClient._make_api_call  # type: ignore[attr-defined]  # botocore's one place for all calls

        def call(client: Any, operation: str, request: dict[str, Any]) -> Any:
            if OWN_USER_AGENT in client.meta.config.user_agent:
                service = client.meta.service_model.service_name
                self.asked += requests(service, operation, request, self.present)
            return direct(client, operation, request)

        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(BaseClient, "_make_api_call", call)
            yield


@dataclass(kw_only=True)
class Outsider(AwsHarness):
    """The resources of a test for another principal."""

    present: Present

    def aws(self, service: str = "ssm") -> Any:
        """boto3 itself."""
        return self.present.client(service)


@dataclass
class Life:
    """One object, and its operator."""

    harness: AwsHarness
    present: Present
    boundary: str = ""
    status: dict[str, Any] = field(default_factory=dict)
    generation: int = 0

    def __post_init__(self) -> None:
        settings = Settings(region=REGION, boundary=self.boundary)
        clients, clock = self.harness.session, self.harness.clock
        self.engine = wiring.engine(settings, account=ACCOUNT, clock=clock, clients=clients)
        self.harness.secrets["myapp-db/password"] = "pw"
        self.key = str(self.aws("kms").create_key()["KeyMetadata"]["Arn"])

    def aws(self, service: str) -> Any:
        """boto3 for another principal."""
        return self.present.client(service)

    @property
    def role(self) -> str:
        """The name of the function's role."""
        return role_name(self.harness)

    @property
    def outsider(self) -> AwsHarness:
        """The harness for external changes, whose calls are not those of the operator."""
        return Outsider(self.harness.lab, self.harness.session, number=self.harness.number, present=self.present)

    def example(self) -> dict[str, Any]:
        """The example with all optional features: a key, an image, alarms, a dashboard, a rollout and a destination."""
        documents = yaml.safe_load_all(EXAMPLE.read_text())
        spec: dict[str, Any] = next(item["spec"] for item in documents if item["kind"] == "DynamicConfig")
        for parameter in spec["parameters"]:
            if parameter["name"] == "database/password":
                parameter["kmsKeyId"] = self.key
        large = {"name": "large", "type": "SecureString", "kmsKeyId": self.key, "tier": "Advanced"}
        spec["parameters"] += [
            {**large, "valueFrom": {"secretKeyRef": {"name": "myapp-db", "key": "password"}}},
            {"name": "image", "value": "ami-12345678", "dataType": "aws:ec2:image"},
            {"name": "tuned", "value": "1", "description": "first", "valuePolicy": "CreateOnly"},
        ]
        # The cases of the kinds use default names.
        del spec["function"]["name"]
        features = {key: value for key, value in everything().items() if key != "parameters"}
        return merged(merged(spec, features), {"alarms": {"drift": True}, "rollout": {"bakeTime": "60s"}})

    def tamper_parameter(self) -> None:
        """Change value and tags of a parameter externally."""
        ssm, name = self.aws("ssm"), "/myapp/config/database/host"
        ssm.put_parameter(Name=name, Value="by hand", Type="String", Overwrite=True)
        ssm.add_tags_to_resource(ResourceType="Parameter", ResourceId=name, Tags=[{"Key": "team", "Value": "other"}])

    def edited(self, spec: dict[str, Any], *, after: float = 0.0) -> Outcome:
        """Apply a new generation until AWS is in sync."""
        self.generation += 1
        return self.settled(spec, after=after)

    def settled(self, spec: dict[str, Any], *, after: float = 0.0) -> Outcome:
        """Reconcile again after this many seconds."""
        return self._settle(
            lambda: self.harness.declare(
                spec,
                generation=self.generation,
                status=self.status or None,
                metadata={"annotations": {"dynconfig.dev/reconcileRequestedAt": str(time.time_ns())}},
            ),
            after,
        )

    def deleted(self, spec: dict[str, Any]) -> Outcome:
        """Delete the object."""
        return self._settle(lambda: self.harness.deletion(spec, self.status), 0.0)

    def _settle(self, declared: Callable[[], Any], after: float) -> Outcome:
        with AWS_DATE.ahead(after):
            return self._settle_now(declared, after)

    def _settle_now(self, declared: Callable[[], Any], after: float) -> Outcome:
        end = time.monotonic() + PATIENCE
        while True:
            now = time.time() + after
            outcome = self.engine.run(declared(), now=now)
            self.status = wiring_status(outcome, self.status, now)
            if outcome.is_complete and outcome.requeue_after != 0:
                return outcome
            if not outcome.is_complete and not isinstance(outcome.error, Retryable):
                raise outcome.error or AssertionError(f"it stopped short: {outcome.remaining}")
            assert time.monotonic() < end, outcome
            self.harness.clock.now += 60
            AWS_TIME.pass_quickly()


def wiring_status(outcome: Outcome, previous: dict[str, Any], now: float) -> dict[str, Any]:
    """The status that the operator would write."""
    from dynconfig.status import report

    return report.status(outcome, PreviousStatus.of(previous), now, None)


def whole_life(life: Life) -> None:
    """Created, changed externally, edited, rolled back, deleted with everything, and again with everything retained."""
    spec = life.example()
    life.edited(spec)
    life.settled(spec, after=120)
    tampered(life, spec)
    life.settled(spec, after=130)
    spec["parameters"][0]["value"] = "other.example.com"
    spec["parameters"][-1]["description"] = "second"
    spec["tags"] = {"stage": "dev"}
    life.edited(spec, after=140)
    rolled_back(life, spec)
    removed_by_hand(life)
    bare = {key: value for key, value in spec.items() if key not in ("alarms", "dashboard")}
    less = {key: value for key, value in spec["function"].items() if key not in ("triggers", "onFailure")}
    life.edited({**bare, "function": less}, after=400)
    life.edited(spec, after=500)
    strangers_policies(life)
    life.deleted(spec)
    life.status, life.generation = {}, 0
    kept = {**spec, "deletionPolicy": "Retain"}
    life.edited(kept)
    life.settled(kept, after=120)
    life.deleted(kept)


def short_life(life: Life, spec: dict[str, Any]) -> None:
    """Created, changed externally, edited and deleted, without a function."""
    life.edited(spec)
    life.settled(spec, after=120)
    life.tamper_parameter()
    for case in CASES.values():
        if case.feature and case.feature.keys() <= spec.keys() - {"parameters"}:
            for tamper in case.tampers.values():
                tamper(life.outsider)
    life.settled(spec, after=130)
    spec["parameters"][0]["value"] = "other.example.com"
    spec["tags"] = {"stage": "dev"}
    life.edited(spec, after=140)
    life.edited({key: value for key, value in spec.items() if key not in ("alarms", "dashboard")}, after=400)
    life.edited(spec, after=500)
    life.deleted(spec)


def tampered(life: Life, spec: dict[str, Any]) -> None:
    """External changes: of each kind as in its contract case, of the boundary, and of a parameter."""
    for name in sorted(CASES.keys() - {"attachment", "parameter"}):
        for tamper in CASES[name].tampers.values():
            tamper(life.outsider)
    if life.boundary:
        life.aws("iam").put_role_permissions_boundary(RoleName=life.role, PermissionsBoundary=OTHER_BOUNDARY)
    life.tamper_parameter()


def rolled_back(life: Life, spec: dict[str, Any]) -> None:
    """A change after which an alarm fires, and recovers before the operator reads it: its history decides."""
    life.settled(spec, after=260)
    bad = json.loads(json.dumps(spec))
    bad["parameters"][0]["value"] = "bad.example.com"
    life.edited(bad)
    alarms = life.aws("cloudwatch").describe_alarms(AlarmNamePrefix=f"{life.harness.name}/")["MetricAlarms"]
    name = next(item["AlarmName"] for item in alarms if "rift" not in item["AlarmName"])
    for state in ("ALARM", "OK"):
        life.aws("cloudwatch").set_alarm_state(AlarmName=name, StateValue=state, StateReason="external")
    life.settled(bad)
    assert life.status["conditions"][0]["reason"] == "RolledBack"


def removed_by_hand(life: Life) -> None:
    """External deletions."""
    events, rule = life.aws("events"), f"{life.harness.name}-parameters"
    events.remove_targets(Rule=rule, Ids=["function"])


def strangers_policies(life: Life) -> None:
    """Policies that others add to our role."""
    iam = life.aws("iam")
    policy = iam.create_policy(PolicyName=f"theirs-{life.harness.number}", PolicyDocument=DENY)["Policy"]["Arn"]
    iam.attach_role_policy(RoleName=life.role, PolicyArn=policy)
    iam.put_role_policy(RoleName=life.role, PolicyName="theirs", PolicyDocument=DENY)
    if life.boundary:
        iam.delete_role_permissions_boundary(RoleName=life.role)


def event_queue_life(life: Life) -> None:
    """The event queue and rules: created, changed externally, read and removed."""
    cluster = f"sim{life.harness.number}"
    sqs, events = (life.harness.session.client(name, REGION) for name in ("sqs", "events"))
    rules, queue = event_rules(cluster), f"dynconfig-{cluster}-events"

    def opened() -> EventQueue:
        made = EventQueue(sqs, events, cluster=cluster, queue=queue, rules=rules, tags={"team": "shop"}, wait_seconds=1)
        made.ensure()
        return made

    box = opened()
    theirs = life.aws("sqs")
    url = theirs.get_queue_url(QueueName=queue)["QueueUrl"]
    theirs.send_message(QueueUrl=url, MessageBody="{}")
    box.delete(box.receive())
    theirs.untag_queue(QueueUrl=url, TagKeys=["team"])
    theirs.set_queue_attributes(QueueUrl=url, Attributes={"Policy": "", "VisibilityTimeout": "7"})
    life.aws("events").disable_rule(Name=rules[0].name)
    life.aws("events").untag_resource(ResourceARN=arn("events", f"rule/{rules[0].name}"), TagKeys=["team"])
    opened()
    assert list(delete_queue_and_rules(sqs, events, cluster, queue, rules))
