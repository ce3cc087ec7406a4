"""The function: from `kubectl apply` to a response of the running function, and its complete deletion."""

import json
import signal
from typing import Any

import pytest
from tests.e2e.readers import PASSWORD, Reader, inventory
from tests.e2e.world import World

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(1800)]

TRUST = json.dumps(
    {
        "Version": "2012-10-17",
        "Statement": {
            "Effect": "Allow",
            "Principal": {"Service": ["lambda.amazonaws.com", "scheduler.amazonaws.com"]},
            "Action": "sts:AssumeRole",
        },
    }
)


def test_function_returns_the_values_of_parameter_store(world: World) -> None:
    reader = Reader(world)
    reader.declare()
    world.wait_ready(reader.name)
    answer = reader.call(show=["database/host", "api/timeout", "database/password"])
    assert answer["values"] == {"database/host": "db.shop.internal", "api/timeout": "30"}
    assert answer["errors"] == {"database/password": "is a SecureString, which is never shown"}
    assert answer["parameters"]["database/password"]["version"] == 1
    assert world.status(reader.name)["function"] == reader.function
    assert reader.function in world.kubectl("get", "dcfg", "-o", "wide")
    assert not [line for line in reader.logs() if PASSWORD in line]


def test_extension_cache_saves_parameter_store_calls(world: World) -> None:
    reader = Reader(world)
    reader.declare()
    world.wait_ready(reader.name)
    reader.call()
    world.stack.lab.reset_calls()
    for _ in range(20):
        reader.call()
    assert not [name for name in world.stack.calls() if name.startswith("ssm.GetParameter")]
    assert not [line for line in reader.logs() if "the extension" in line]


def test_second_reconcile_of_a_full_object_writes_nothing_and_needs_few_calls(world: World) -> None:
    reader = Reader(world)
    reader.declare()
    world.wait_ready(reader.name)
    world.reconcile_now(reader.name)
    world.stack.lab.reset_calls()
    world.reconcile_now(reader.name)
    calls = world.stack.calls()
    assert not [name for name in calls if not name.split(".")[1].startswith(("Get", "List", "Describe"))]


def test_refresh_serves_a_changed_value_at_once_and_status_has_the_revision(world: World) -> None:
    reader = Reader(world)
    reader.declare(cache={"onChange": "Refresh"})
    world.wait_ready(reader.name)
    assert reader.timeout() == "30"
    before = world.status(reader.name)
    assert before["servedRevision"] == before["revision"] == reader.call()["revision"]
    reader.set_timeout("45")
    world.wait_ready(reader.name)
    assert reader.timeout() == "45"
    after = world.status(reader.name)
    assert after["servedRevision"] == after["revision"] != before["revision"]


def test_expire_does_not_touch_the_function_which_serves_the_old_value_within_the_ttl(world: World) -> None:
    reader = Reader(world)
    reader.declare({"triggers": {}})
    world.wait_ready(reader.name)
    assert reader.timeout() == "30"
    environment = reader.environment()
    reader.set_timeout("45")
    world.wait_ready(reader.name)
    assert world.value("api/timeout") == "45"
    assert reader.timeout() == "30"
    assert reader.environment() == environment


def test_parameter_change_invokes_the_function_and_a_neighbours_does_not(world: World) -> None:
    reader = Reader(world)
    reader.declare({"triggers": {"parameterChange": True}})
    world.wait_ready(reader.name)
    reader.set_timeout("45")
    # None of these is an invocation of the test.
    world.wait("the event calls the function", lambda: any(line.startswith("START") for line in reader.logs()))
    assert reader.timeout() == "45"
    invocations = len([line for line in reader.logs() if line.startswith("START")])
    world.ssm.put_parameter(Name=f"{world.path}-other/api/timeout", Value="1", Type="String")
    reader.call()
    assert len([line for line in reader.logs() if line.startswith("START")]) == invocations + 1


def test_schedule_invokes_the_function(world: World) -> None:
    reader = Reader(world)
    reader.declare({"triggers": {"schedule": "rate(5 minutes)"}})
    world.wait_ready(reader.name)
    assert world.stack.lab.fire(reader.function) == 1
    world.wait("it was called", lambda: any(line.startswith("END") for line in reader.logs()))


def test_http_api_requires_a_signature_and_returns_no_secret(world: World) -> None:
    reader = Reader(world)
    reader.declare()
    world.wait_ready(reader.name)
    assert reader.http("/config").status_code == 403
    answer = reader.http("/config", Authorization="AWS4-HMAC-SHA256 Credential=lab")
    assert answer.status_code == 200
    assert sorted(answer.json()["parameters"]) == ["api/timeout", "database/host", "database/password"]
    assert answer.json()["values"] == {"api/timeout": "30", "database/host": "db.shop.internal"}
    assert PASSWORD not in answer.text


def test_invocation_without_event_returns_all_values_except_secrets(world: World) -> None:
    reader = Reader(world)
    reader.declare()
    world.wait_ready(reader.name)
    answer = json.loads(reader.aws.invoke(FunctionName=reader.function)["Payload"].read())
    assert answer["values"] == {"api/timeout": "30", "database/host": "db.shop.internal"}
    assert PASSWORD not in json.dumps(answer)


def test_unavailable_configuration_is_an_error_and_counted_in_the_metric(world: World) -> None:
    reader = Reader(world)
    reader.declare({"triggers": {}}, driftPolicy="Report", cache={"ttlSeconds": 0})
    world.wait_ready(reader.name)
    world.ssm.delete_parameter(Name=f"{world.path}/api/timeout")
    answer = reader.aws.invoke(FunctionName=reader.function, Payload=b"{}")
    payload = json.loads(answer["Payload"].read())
    assert answer["FunctionError"] == "Unhandled"
    assert f"{world.path}/api/timeout" in payload["errorMessage"]
    assert [line for line in reader.logs() if '"ConfigurationErrors": 1' in line or '"ConfigurationErrors":1' in line]


def test_deletion_removes_owned_resources_of_every_service_and_nothing_else(world: World) -> None:
    before = inventory(world)
    reader = Reader(world)
    _foreign_resources(world, f"{reader.function}-2")
    foreign = inventory(world)
    assert foreign != before
    reader.declare()
    world.wait_ready(reader.name)
    assert all(inventory(world)[service] != names for service, names in foreign.items())
    world.delete(reader.name)
    world.wait("the object is deleted", lambda: world.is_gone(reader.name))
    assert inventory(world) == foreign


def test_undeclared_function_is_deleted_with_all_its_resources(world: World) -> None:
    before = inventory(world)
    reader = Reader(world)
    reader.declare()
    world.wait_ready(reader.name)
    world.edit(reader.name, {"spec": {"function": None}})
    world.wait_ready(reader.name)
    after = inventory(world)
    assert after.pop("parameters") == ["api/timeout", "database/host", "database/password"]
    assert after == {service: names for service, names in before.items() if service != "parameters"}
    assert "function" not in world.status(reader.name)


def test_killed_operator_resumes_the_creation_of_the_function(world: World) -> None:
    reader = Reader(world)
    reader.declare()
    roles = world.stack.aws("iam")

    def has_role() -> bool:
        return any(item["RoleName"].startswith(reader.function) for item in roles.list_roles()["Roles"])

    world.wait("the role is made", has_role)
    world.stack.operator.signal("operator", signal.SIGKILL)
    world.stack.operator.restart("operator")
    world.wait_ready(reader.name)
    assert reader.timeout() == "30"


def test_foreign_function_with_the_same_name_is_reported_and_not_changed(world: World) -> None:
    reader = Reader(world)
    _function(world, reader.function)
    before = reader.aws.get_function(FunctionName=reader.function)
    reader.declare()
    message = world.wait_reason(reader.name, "NotOwned")
    assert f"function {reader.function}" in message
    after = reader.aws.get_function(FunctionName=reader.function)
    assert after.get("Tags") == before.get("Tags")
    assert after["Configuration"]["LastModified"] == before["Configuration"]["LastModified"]


def test_attached_function_gets_what_it_needs_and_detach_removes_only_that(world: World) -> None:
    reader = Reader(world)
    _function(world, reader.function, {"THEIRS": "1"})
    before = reader.aws.get_function(FunctionName=reader.function)
    reader.declare({"mode": "Attach", "architecture": "x86_64"})
    world.wait_ready(reader.name)
    assert {"THEIRS", "DYNCONFIG_PREFIX", "SSM_PARAMETER_STORE_TTL"} <= set(reader.environment())
    world.delete(reader.name)
    world.wait("the object is deleted", lambda: world.is_gone(reader.name))
    after = reader.aws.get_function(FunctionName=reader.function)
    for member in ("Environment", "Layers", "Role", "MemorySize", "Handler", "CodeSha256"):
        assert after["Configuration"].get(member) == before["Configuration"].get(member)
    assert after.get("Tags", {}) == before.get("Tags", {})
    role = reader.function
    assert world.stack.aws("iam").list_role_policies(RoleName=role)["PolicyNames"] == []


def test_attach_to_a_missing_function_is_reported_and_does_not_block_other_resources(world: World) -> None:
    reader = Reader(world)
    reader.declare({"mode": "Attach"})
    message = world.wait_reason(reader.name, "SourceMissing", "Unknown")
    assert f"spec.function.name: function {reader.function} does not exist" in message
    assert {"api/timeout", "database/host"} <= set(world.names())


@pytest.mark.parametrize(
    ("function", "field"),
    [
        ({"runtime": "python3.7"}, "spec.function.runtime"),
        ({"architecture": "mips"}, "spec.function.architecture"),
        ({"memoryMiB": 64}, "spec.function.memoryMiB"),
        ({"timeoutSeconds": 901}, "spec.function.timeoutSeconds"),
        ({"environment": {"AWS_REGION": "x"}}, "spec.function.environment"),
        ({"triggers": {"schedule": "rate(10 seconds)"}}, "spec.function.triggers.schedule"),
        ({"roleName": "r" * 65}, "spec.function.roleName"),
        ({"logRetentionDays": 8}, "spec.function.logRetentionDays"),
        ({"mode": "Attach", "triggers": {"parameterChange": True}}, "spec.function.triggers"),
    ],
)
def test_function_specs_that_lambda_would_reject_are_rejected_by_the_api_server(
    world: World, function: dict[str, Any], field: str
) -> None:
    answer = world.create("bad", world.spec(function={"name": "bad", **function}))
    assert answer.status_code == 422
    assert field in answer.json()["message"]


def _function(world: World, name: str, variables: dict[str, str] | None = None) -> None:
    """An existing function of another owner, with its role."""
    world.stack.aws("iam").create_role(RoleName=name, AssumeRolePolicyDocument=TRUST)
    client = world.stack.aws("lambda")

    def create() -> bool:
        try:
            client.create_function(
                FunctionName=name,
                Runtime="python3.13",
                Role=f"arn:aws:iam::123456789012:role/{name}",
                Handler="theirs.handler",
                Code={"ZipFile": _code()},
                Environment={"Variables": variables or {}},
            )
        except client.exceptions.InvalidParameterValueException:
            return False
        return True

    world.wait("IAM has made the role known", create)


def _code() -> bytes:
    from dynconfig.aws.package import package

    return package("").content


def _foreign_resources(world: World, name: str) -> None:
    """Foreign resources with names that start like the operator's."""
    aws = world.stack.aws
    _function(world, name)
    aws("logs").create_log_group(logGroupName=f"/aws/lambda/{name}")
    aws("events").put_rule(Name=f"{name}-parameters", EventPattern='{"source": ["theirs"]}')
    aws("apigatewayv2").create_api(Name=name, ProtocolType="HTTP")
    aws("scheduler").create_schedule(
        Name=name,
        ScheduleExpression="rate(1 hour)",
        FlexibleTimeWindow={"Mode": "OFF"},
        Target={
            "Arn": "arn:aws:sqs:eu-west-1:123456789012:theirs",
            "RoleArn": f"arn:aws:iam::123456789012:role/{name}",
        },
    )
    world.ssm.put_parameter(Name=f"{world.path}/neighbour", Value="1", Type="String")
