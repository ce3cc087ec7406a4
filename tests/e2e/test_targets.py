"""AWSTargets on the real API server: what it refuses, and what the operator reports about role and account."""

import itertools
import json
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import pytest
from tests.e2e.test_cli import dynconfig
from tests.e2e.world import GROUP, World
from tests.lab.aws.clients import connect

from dynconfig.events.patterns import of_shard
from dynconfig_lab.aws.accounts import ACCOUNT

pytestmark = pytest.mark.e2e

OTHER = "210987654321"
TARGETS = f"{GROUP}/awstargets"
_numbers = itertools.count(1)

Document = dict[str, Any]


class TargetWorld:
    """Creates targets, and roles in another account."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.created: list[str] = []

    def spec(self, role: str = "", account: str = OTHER, **more: Any) -> Document:
        """A spec with a role."""
        assumed = {"assumeRole": {"roleArn": role, **more.pop("assumed", {})}} if role else {}
        return {"region": "eu-west-1", "account": account, **assumed, **more}

    def create(self, spec: Document) -> tuple[str, str]:
        """Post a target; return its name, and the API server's message if it was refused."""
        name = f"target-{next(_numbers)}"
        document = {
            "apiVersion": "dynconfig.dev/v1alpha1",
            "kind": "AWSTarget",
            "metadata": {"name": name},
            "spec": spec,
        }
        answer = self.world.http.post(TARGETS, json=document)
        if answer.is_success:
            self.created.append(name)
        return name, "" if answer.is_success else str(answer.json()["message"])

    def edit(self, name: str, spec: Document) -> str:
        """Patch the spec of a target; return the API server's message if it was refused."""
        headers = {"Content-Type": "application/merge-patch+json"}
        answer = self.world.http.patch(f"{TARGETS}/{name}", json={"spec": spec}, headers=headers)
        return "" if answer.is_success else str(answer.json()["message"])

    def status(self, name: str) -> Document:
        """The status of a target."""
        return dict(self.world.http.get(f"{TARGETS}/{name}").raise_for_status().json()["status"])

    def ready(self, name: str) -> tuple[str, str, str]:
        """Status, reason and message of Ready."""
        found: Document = next(iter(self.status(name).get("conditions", [])), {})
        return found.get("status", ""), found.get("reason", ""), found.get("message", "")

    def wait(self, name: str, status: str, reason: str) -> str:
        """Wait until Ready has the reason; return the message."""
        self.world.wait(f"{name} reports {reason}", lambda: self.ready(name)[:2] == (status, reason))
        return self.ready(name)[2]

    def role(self, **statement: Any) -> str:
        """A role in the other account, which the operator may assume; return its ARN."""
        created = self.iam().create_role(RoleName=f"e2e-{next(_numbers)}", AssumeRolePolicyDocument=trust(**statement))
        return str(created["Role"]["Arn"])

    def iam(self) -> Any:
        """IAM of the other account."""
        return self.there("iam")

    def there(self, service: str) -> Any:
        """A client of an administrator of the other account."""
        keys = {"aws_access_key_id": OTHER, "aws_secret_access_key": "lab"}
        return connect(self.world.stack.environment["AWS_ENDPOINT_URL"], service, keys)

    def usable(self, **more: Any) -> str:
        """A target that the namespace of the test may use; return its name."""
        name, message = self.create({**self.spec(self.role()), "allow": self.rules(), **more})
        assert message == ""
        return name

    def rules(self) -> list[Document]:
        """Rules that let the namespace of the test use its paths."""
        return [{"namespaces": [self.world.namespace], "paths": ["/{namespace}"]}]

    def written(self, account: str) -> list[str]:
        """The names of the parameters below the path of the test in an account."""
        ssm = self.there("ssm") if account == OTHER else self.world.ssm
        found = ssm.get_parameters_by_path(Path=self.world.path, Recursive=True)["Parameters"]
        return sorted(item["Name"] for item in found)

    def value(self, name: str) -> str:
        """The value of a parameter below the path of the test in the other account."""
        return str(self.there("ssm").get_parameter(Name=f"{self.world.path}/{name}")["Parameter"]["Value"])

    def drift(self, name: str) -> None:
        """Change a parameter in the other account by hand."""
        self.there("ssm").put_parameter(Name=f"{self.world.path}/{name}", Value="drift", Overwrite=True)

    def named(self, what: str, target: str) -> str:
        """The name of the operator's queue or rule of a target."""
        cluster = self.world.http.get("/api/v1/namespaces/kube-system").json()["metadata"]["uid"]
        return of_shard(f"{cluster}-{what}", 0, target)

    def of_events(self, target: str) -> tuple[int, int]:
        """The numbers of queues and of rules of a target."""
        queues = self.there("sqs").list_queues(QueueNamePrefix=self.named("events", target)).get("QueueUrls", [])
        rules = self.there("events").list_rules(NamePrefix="dynconfig-")["Rules"]
        wanted = {self.named(what, target) for what in ("parameters", "alarms", "calls")}
        return len(queues), sum(item["Name"] in wanted for item in rules)

    def is_listening(self, target: str) -> bool:
        """Whether all rules of a target exist, and the last one sends to the queue."""
        events, rule = self.there("events"), self.named("calls", target)
        return self.of_events(target) == (1, 3) and bool(events.list_targets_by_rule(Rule=rule)["Targets"])

    def send(self, target: str, body: str) -> None:
        """Send a message to the queue of a target, as an administrator of its account can."""
        sqs = self.there("sqs")
        url = sqs.get_queue_url(QueueName=self.named("events", target))["QueueUrl"]
        sqs.send_message(QueueUrl=url, MessageBody=body)

    def forge(self, target: str, parameter: str, account: str) -> None:
        """Send an event of a parameter that was not changed there."""
        event = {
            "detail-type": "Parameter Store Change",
            "account": account,
            "region": "eu-west-1",
            "time": datetime.now(UTC).isoformat(),
            "detail": {"operation": "Update", "name": parameter},
        }
        self.send(target, json.dumps(event))

    def is_gone(self, name: str) -> bool:
        """Whether a target does not exist any more."""
        return bool(self.world.http.get(f"{TARGETS}/{name}").status_code == 404)


def trust(**statement: Any) -> str:
    found = {"Effect": "Allow", "Principal": {"AWS": ACCOUNT}, "Action": "sts:AssumeRole", **statement}
    return json.dumps({"Version": "2012-10-17", "Statement": [found]})


@pytest.fixture
def targets(world: World) -> Iterator[TargetWorld]:
    found = TargetWorld(world)
    yield found
    for name in found.created:
        world.http.delete(f"{TARGETS}/{name}")


def test_target_is_ready_when_its_role_is_in_the_account(targets: TargetWorld) -> None:
    role = targets.role()
    name, _ = targets.create(targets.spec(role, allow=[{"namespaces": ["shop"], "paths": ["/{namespace}"]}]))
    message = targets.wait(name, "True", "AccountVerified")
    assert message == f"The credentials of role {role} belong to account {OTHER}"
    status = targets.status(name)
    assert (status["account"], status["observedGeneration"]) == (OTHER, 1)
    assert status["lastCheckedTime"]


def test_denied_role_is_reported_and_used_as_soon_as_it_may_be_assumed(targets: TargetWorld) -> None:
    role = targets.role(Condition={"StringEquals": {"sts:ExternalId": "right"}})
    name, _ = targets.create(targets.spec(role, assumed={"externalId": "wrong"}))
    message = targets.wait(name, "False", "AccessDenied")
    assert f"sts:AssumeRole on resource: {role}" in message
    assert "sts:ExternalId" in message
    assert "account" not in targets.status(name)
    assert targets.edit(name, {"assumeRole": {"roleArn": role, "externalId": "right"}}) == ""
    targets.wait(name, "True", "AccountVerified")


def test_identity_of_another_account_is_reported(targets: TargetWorld) -> None:
    name, _ = targets.create(targets.spec(account="333333333333"))
    message = targets.wait(name, "False", "WrongAccount")
    assert f"belong to account {ACCOUNT}, not to spec.account 333333333333" in message


@pytest.mark.parametrize(
    ("changed", "words"),
    [
        ({"account": "12345"}, "spec.account"),
        ({"region": "Europe"}, "spec.region"),
        ({"assumeRole": {"roleArn": "arn:aws:iam::123456789012:role/x"}}, "must be a role of this account"),
        ({"assumeRole": {"roleArn": f"arn:aws:iam::{OTHER}:user/x"}}, "spec.assumeRole.roleArn"),
        ({"kmsKeyId": f"arn:aws:kms:us-east-1:{OTHER}:key/1"}, "must be a key of this region"),
        ({"permissionsBoundary": "boundary"}, "spec.permissionsBoundary"),
        ({"tags": {"aws:x": "1"}}, "tag keys"),
        ({"quota": {"ssm.Put": 0}}, "rates above 0"),
        ({"allow": [{"paths": ["/shop"]}]}, "requires namespaces or namespaceSelector"),
        ({"allow": [{"namespaces": ["shop"], "paths": ["shop"]}]}, "paths"),
        ({"allow": [{"namespaces": ["shop"], "resources": ["all"]}]}, "resources"),
        ({"allow": [{"namespaces": ["shop"], "topics": ["arn:aws:sns:eu-west-1:*:x"]}]}, "topics"),
        (
            {"allow": [{"namespaceSelector": {"matchExpressions": [{"key": "a", "operator": "In"}]}}]},
            "at least one value",
        ),
    ],
)
def test_invalid_target_is_refused(targets: TargetWorld, changed: Document, words: str) -> None:
    _, message = targets.create({**targets.spec(f"arn:aws:iam::{OTHER}:role/x"), **changed})
    assert words in message, message


def test_account_and_region_are_immutable(targets: TargetWorld) -> None:
    name, _ = targets.create(targets.spec())
    assert "account is immutable" in targets.edit(name, {"account": "333333333333"})
    assert "region is immutable" in targets.edit(name, {"region": "us-east-1"})
    assert targets.edit(name, {"kmsKeyId": "alias/prod"}) == ""


# --- objects in a target


def test_object_is_written_with_the_role_of_its_target(targets: TargetWorld) -> None:
    world = targets.world
    key = targets.there("kms").create_key()["KeyMetadata"]["Arn"]
    name = targets.usable(tags={"env": "prod", "team": "x"}, kmsKeyId=key)
    world.secret("s", password="2")
    secret = {"name": "b", "valueFrom": {"secretKeyRef": {"name": "s", "key": "password"}}}
    world.declare(
        "app", world.spec({"name": "a", "value": "1"}, secret, target=name, tags={"team": "shop"}, dashboard=True)
    )
    world.wait_ready("app")
    assert targets.written(OTHER) == [f"{world.path}/a", f"{world.path}/b"]
    assert targets.written(ACCOUNT) == []
    status = world.status("app")
    assert (status["target"], status["region"]) == (name, "eu-west-1")
    ssm = targets.there("ssm")
    tags = {
        item["Key"]: item["Value"]
        for item in ssm.list_tags_for_resource(ResourceType="Parameter", ResourceId=f"{world.path}/a")["TagList"]
    }
    assert (tags["env"], tags["team"]) == ("prod", "shop")
    (described,) = [item for item in ssm.describe_parameters()["Parameters"] if item["Name"] == f"{world.path}/b"]
    assert described["KeyId"] == key
    ssm.put_parameter(Name=f"{world.path}/a", Value="drift", Overwrite=True)
    world.reconcile_now("app")
    world.wait("drift is corrected", lambda: ssm.get_parameter(Name=f"{world.path}/a")["Parameter"]["Value"] == "1")
    world.delete("app")
    world.wait("the object is deleted", lambda: world.is_gone("app"))
    assert targets.written(OTHER) == []


def test_commands_read_the_account_of_the_target_or_none(targets: TargetWorld) -> None:
    world = targets.world
    role = targets.role()
    rule = {"namespaces": [world.namespace], "paths": ["/{namespace}"]}
    name, _ = targets.create({**targets.spec(role), "allow": [rule]})
    world.declare("app", world.spec({"name": "a", "value": "1"}, target=name, driftPolicy="Report"))
    world.wait_ready("app")
    inside = ("-n", world.namespace)
    plan = dynconfig(world, "plan", *inside)
    assert plan.code == 0, plan.text
    assert f"in eu-west-1 (AWSTarget {name}, account {OTHER})" in plan.out
    targets.there("ssm").put_parameter(Name=f"{world.path}/a", Value="2", Overwrite=True)
    drift = dynconfig(world, "drift", *inside)
    assert drift.code == 2, drift.text
    assert "1 field changed in AWS." in drift.out
    assert "Deletion: 1 to delete" in dynconfig(world, "plan", *inside, "app", "--delete").out
    for command in ("status", "history"):
        assert f"eu-west-1 ({name}, {OTHER})" in dynconfig(world, command, *inside).out
    targets.iam().update_assume_role_policy(
        RoleName=role.rpartition("/")[2], PolicyDocument=trust(Principal={"AWS": "333333333333"})
    )
    # Other services see the new trust policy seconds later.
    world.wait("the role is denied", lambda: dynconfig(world, "drift", *inside).code == 1)
    denied = dynconfig(world, "drift", *inside)
    assert f"your AWS credentials may not assume {role}, the role of AWSTarget {name}" in denied.err
    targets.iam().update_assume_role_policy(RoleName=role.rpartition("/")[2], PolicyDocument=trust())


def test_object_waits_for_its_target(targets: TargetWorld) -> None:
    world = targets.world
    world.declare("app", world.spec({"name": "a", "value": "1"}, target="target-late"))
    assert "AWSTarget target-late does not exist" in world.wait_reason("app", "TargetNotFound")
    rule = {"namespaces": [world.namespace], "paths": ["/{namespace}"]}
    role = targets.role(Effect="Deny")
    spec = {**targets.spec(role), "allow": [rule]}
    document = {
        "apiVersion": "dynconfig.dev/v1alpha1",
        "kind": "AWSTarget",
        "metadata": {"name": "target-late"},
        "spec": spec,
    }
    world.http.post(TARGETS, json=document).raise_for_status()
    targets.created.append("target-late")
    assert "AWSTarget target-late is not ready" in world.wait_reason("app", "TargetNotReady")
    assert targets.written(OTHER) == []
    targets.iam().update_assume_role_policy(RoleName=role.rpartition("/")[2], PolicyDocument=trust())
    world.wait_ready("app", 60)


def test_what_the_target_does_not_allow_is_denied_and_not_written(targets: TargetWorld) -> None:
    world = targets.world
    name = targets.usable()
    # The API server would refuse a new object that the rules do not allow.
    world.declare("app", world.spec({"name": "a", "value": "1"}, target=name, suspend=True))
    targets.edit(name, {"allow": [{"namespaces": [world.namespace], "paths": [f"{world.path}x", "/other"]}]})
    world.wait("the operator has the rules", lambda: targets.status(name).get("observedGeneration") == 2)
    world.edit("app", {"spec": {"suspend": False}})
    assert f"it may use paths below {world.path}x" in world.wait_reason("app", "PathNotAllowed")
    assert targets.written(OTHER) == []
    # The policy of the operator's own account does not count here, and a change of the rules takes effect at once.
    targets.edit(
        name, {"allow": [{"namespaces": [world.namespace], "paths": ["/{namespace}"], "resources": ["alarms"]}]}
    )
    assert "spec.parameters" in world.wait_reason("app", "NotAllowed")
    targets.edit(name, {"allow": [{"namespaces": [world.namespace], "paths": ["/{namespace}"]}]})
    world.wait_ready("app")


def test_target_in_use_is_held(targets: TargetWorld) -> None:
    world, name = targets.world, targets.usable()
    world.declare("app", world.spec({"name": "a", "value": "1"}, target=name))
    world.wait_ready("app")
    world.http.delete(f"{TARGETS}/{name}").raise_for_status()
    message = targets.wait(name, "False", "TargetInUse")
    assert f"Deletion waits for 1 object with this target: {world.namespace}/app." in message
    world.delete("app")
    world.wait("the object is deleted", lambda: world.is_gone("app"))
    assert targets.written(OTHER) == []
    # It is kept for 30 s after its deletion: another object may have started to use it.
    world.wait("the target is deleted", lambda: targets.is_gone(name), seconds=60.0)


def test_target_of_an_object_is_immutable(targets: TargetWorld) -> None:
    world = targets.world
    world.declare("app", world.spec(target="one"))
    assert "target is immutable" in world.edit("app", {"spec": {"target": "two"}}).text
    assert "target is immutable" in world.edit("app", {"spec": {"target": None}}).text


# --- events of a target


SECONDS = 5.0


def test_drift_in_another_account_is_corrected_in_seconds_and_its_messages_concern_nothing_else(
    targets: TargetWorld,
) -> None:
    world, name = targets.world, targets.usable()
    world.wait_listening("home")
    denied, message = targets.create({**targets.spec(targets.role(Effect="Deny")), "allow": targets.rules()})
    assert message == ""
    world.declare("denied", world.spec({"name": "c", "value": "1"}, target=denied))
    world.declare("app", world.spec({"name": "a", "value": "1"}, target=name))
    world.wait_ready("app")
    world.wait("events come", lambda: targets.is_listening(name))
    targets.drift("a")
    world.wait("it is corrected", lambda: targets.value("a") == "1", SECONDS)
    assert "(by arn:aws:" in world.wait_event("app", "DriftFound")
    # The drift at home causes no event: only the messages below are about it.
    events, rule = world.stack.aws("events"), world.listening_rule()
    at_home = events.list_targets_by_rule(Rule=rule)["Targets"]
    events.remove_targets(Rule=rule, Ids=[target["Id"] for target in at_home])
    world.put_by_hand("home", "2")
    for account in (ACCOUNT, OTHER):
        targets.forge(name, f"{world.path}/home", account)
    targets.send(name, "no event")
    targets.drift("a")
    world.wait("the next one is corrected", lambda: targets.value("a") == "1", SECONDS)
    assert world.value("home") == "2"
    events.put_targets(Rule=rule, Targets=at_home)
    world.reconcile_now("home")
    assert world.value("home") == "1"
    assert world.condition("denied")[1] == "TargetNotReady"


def test_queue_and_rules_are_removed_after_the_last_object_although_the_target_is_gone(targets: TargetWorld) -> None:
    world, name = targets.world, targets.usable()
    world.declare("app", world.spec({"name": "a", "value": "1"}, target=name))
    world.wait_ready("app")
    world.wait("events come", lambda: targets.is_listening(name))
    world.delete("app")
    world.http.delete(f"{TARGETS}/{name}").raise_for_status()
    world.wait("object and target are gone", lambda: world.is_gone("app") and targets.is_gone(name), 60.0)
    world.wait("queue and rules are removed", lambda: targets.of_events(name) == (0, 0), 120.0)
