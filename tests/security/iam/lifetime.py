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
from tests.emulated import AWS_TIME
from tests.kinds import functions
from tests.kinds.aws_harness import SETTLED_WITHIN, AwsHarness
from tests.kinds.cases.failure_destination import QUEUE
from tests.kinds.cases.role import DENY, TRUST
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
BOUNDARY, OTHER_BOUNDARY = (f"arn:aws:iam::123456789012:policy/{name}" for name in ("boundary", "other"))
OPERATOR = "arn:aws:iam::123456789012:role/dynconfig-operator"
NAME = "myapp-config"
ROLE = "myapp-config-eu-west-1-function"
TOPIC = arn("sns", f"dynconfig-{NAME}-alarms")
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
        spec["function"]["onFailure"] = QUEUE
        more = {"alarms": {"drift": True, "topic": True}, "dashboard": True, "rollout": {"bakeTime": "60s"}}
        return {**spec, **more}

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
        end = time.monotonic() + SETTLED_WITHIN
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
    tampered(life)
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


def cleared(life: Life) -> None:
    """Delete retained resources by hand."""
    ssm, iam, cloudwatch = (life.aws(name) for name in ("ssm", "iam", "cloudwatch"))
    found = ssm.get_parameters_by_path(Path="/myapp", Recursive=True)["Parameters"]
    ssm.delete_parameters(Names=[item["Name"] for item in found])
    life.aws("lambda").delete_function(FunctionName=NAME)
    life.aws("logs").delete_log_group(logGroupName=f"/aws/lambda/{NAME}")
    life.aws("events").remove_targets(Rule=f"{NAME}-parameters", Ids=["function"])
    life.aws("events").delete_rule(Name=f"{NAME}-parameters")
    life.aws("scheduler").delete_schedule(Name=NAME)
    life.aws("apigatewayv2").delete_api(ApiId=api_id(life))
    alarms = cloudwatch.describe_alarms(
        AlarmTypes=["MetricAlarm", "CompositeAlarm"], AlarmNamePrefix=f"dynconfig-{NAME}/"
    )
    for kind in ("CompositeAlarms", "MetricAlarms"):
        cloudwatch.delete_alarms(AlarmNames=[alarm["AlarmName"] for alarm in alarms[kind]])
    life.aws("sns").delete_topic(TopicArn=TOPIC)
    cloudwatch.delete_dashboards(DashboardNames=[f"dynconfig-{NAME}-{REGION}"])
    for role in (ROLE, ROLE.replace("-function", "-schedule")):
        iam.delete_role_policy(RoleName=role, PolicyName="dynconfig")
        iam.delete_role(RoleName=role)


def tampered(life: Life) -> None:
    """External changes."""
    iam, logs, events, apis = (life.aws(name) for name in ("iam", "logs", "events", "apigatewayv2"))
    iam.update_assume_role_policy(RoleName=ROLE, PolicyDocument=TRUST.replace("lambda", "ec2"))
    iam.tag_role(RoleName=ROLE, Tags=[{"Key": "team", "Value": "other"}, {"Key": "more", "Value": "x"}])
    if life.boundary:
        iam.put_role_permissions_boundary(RoleName=ROLE, PermissionsBoundary=OTHER_BOUNDARY)
    group = f"/aws/lambda/{NAME}"
    logs.put_retention_policy(logGroupName=group, retentionInDays=1)
    logs.tag_resource(resourceArn=arn("logs", f"log-group:{group}"), tags={"team": "other", "more": "x"})
    rule = f"{NAME}-parameters"
    events.put_targets(Rule=rule, Targets=[{"Id": "theirs", "Arn": QUEUE}])
    labels = [{"Key": "team", "Value": "other"}, {"Key": "more", "Value": "x"}]
    events.tag_resource(ResourceARN=arn("events", f"rule/{rule}"), Tags=labels)
    function = functions.arn(NAME)
    life.aws("lambda").tag_resource(Resource=function, Tags={"team": "other", "more": "x"})
    life.aws("lambda").update_function_configuration(FunctionName=NAME, Timeout=31)
    at_rest(life)
    life.aws("lambda").update_function_code(FunctionName=NAME, ZipFile=functions.code())
    at_rest(life)
    life.aws("lambda").remove_permission(FunctionName=NAME, StatementId="dynconfig-parameters")
    life.aws("lambda").add_permission(
        FunctionName=NAME,
        StatementId="dynconfig-parameters",
        Action="lambda:InvokeFunction",
        Principal="events.amazonaws.com",
        SourceArn=arn("events", "rule/other"),
    )
    schedule = life.aws("scheduler").get_schedule(Name=NAME)
    target = {key: schedule["Target"][key] for key in ("Arn", "RoleArn", "Input")}
    life.aws("scheduler").update_schedule(
        Name=NAME,
        ScheduleExpression="rate(9 minutes)",
        FlexibleTimeWindow={"Mode": "OFF"},
        Description=schedule["Description"],
        Target=target,
    )
    api = api_id(life)
    apis.update_api(ApiId=api, Name="theirs")
    (route,) = apis.get_routes(ApiId=api)["Items"]
    apis.update_route(ApiId=api, RouteId=route["RouteId"], AuthorizationType="NONE")
    apis.create_route(ApiId=api, RouteKey="GET /theirs", Target=route["Target"])
    apis.create_stage(ApiId=api, StageName="theirs", AutoDeploy=True)
    integration = route["Target"].rpartition("/")[2]
    apis.update_integration(ApiId=api, IntegrationId=integration, IntegrationUri=functions.arn("other"))
    apis.tag_resource(ResourceArn=f"arn:aws:apigateway:{REGION}::/apis/{api}", Tags={"team": "other", "more": "x"})
    found = life.aws("cloudwatch").describe_alarms(AlarmNamePrefix=f"dynconfig-{NAME}/")["MetricAlarms"]
    alarm = found[0]["AlarmName"]
    life.aws("cloudwatch").tag_resource(ResourceARN=arn("cloudwatch", f"alarm:{alarm}"), Tags=labels)
    keys = ("AlarmName", "MetricName", "Namespace", "Statistic", "Period", "EvaluationPeriods", "ComparisonOperator")
    life.aws("cloudwatch").put_metric_alarm(**{key: found[0][key] for key in keys if key in found[0]}, Threshold=77.0)
    everyone = {"Effect": "Allow", "Principal": "*", "Action": "sns:Publish", "Resource": TOPIC}
    policy = json.dumps({"Version": "2012-10-17", "Statement": [everyone]})
    life.aws("sns").set_topic_attributes(TopicArn=TOPIC, AttributeName="Policy", AttributeValue=policy)
    dashboard = f"dynconfig-{NAME}-{REGION}"
    body = json.loads(life.aws("cloudwatch").get_dashboard(DashboardName=dashboard)["DashboardBody"])
    body["widgets"].pop()
    life.aws("cloudwatch").put_dashboard(DashboardName=dashboard, DashboardBody=json.dumps(body))
    ssm, name = life.aws("ssm"), "/myapp/config/database/host"
    ssm.put_parameter(Name=name, Value="by hand", Type="String", Overwrite=True)
    ssm.add_tags_to_resource(ResourceType="Parameter", ResourceId=name, Tags=labels)


def at_rest(life: Life) -> None:
    """Wait until Lambda has carried out the last update."""
    functions.until(
        lambda: (
            life.aws("lambda").get_function(FunctionName=NAME)["Configuration"].get("LastUpdateStatus", "Successful")
            == "Successful"
        )
    )


def rolled_back(life: Life, spec: dict[str, Any]) -> None:
    """A change after which an alarm fires."""
    life.settled(spec, after=260)
    bad = json.loads(json.dumps(spec))
    bad["parameters"][0]["value"] = "bad.example.com"
    life.edited(bad, after=270)
    alarms = life.aws("cloudwatch").describe_alarms(AlarmNamePrefix=f"dynconfig-{NAME}/")["MetricAlarms"]
    name = next(item["AlarmName"] for item in alarms if "rift" not in item["AlarmName"])
    life.aws("cloudwatch").set_alarm_state(AlarmName=name, StateValue="ALARM", StateReason="it fires")
    life.settled(bad, after=0)


def removed_by_hand(life: Life) -> None:
    """External deletions."""
    events, rule = life.aws("events"), f"{NAME}-parameters"
    events.remove_targets(Rule=rule, Ids=["function"])


def strangers_policies(life: Life) -> None:
    """Policies that others add to our role."""
    iam = life.aws("iam")
    policy = iam.create_policy(PolicyName=f"theirs-{life.harness.number}", PolicyDocument=DENY)["Policy"]["Arn"]
    iam.attach_role_policy(RoleName=ROLE, PolicyArn=policy)
    iam.put_role_policy(RoleName=ROLE, PolicyName="theirs", PolicyDocument=DENY)
    if life.boundary:
        iam.delete_role_permissions_boundary(RoleName=ROLE)


def api_id(life: Life) -> str:
    """The id of the example's API."""
    found = life.aws("apigatewayv2").get_apis()["Items"]
    return next(str(api["ApiId"]) for api in found if api["Name"] in (NAME, "theirs"))


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
