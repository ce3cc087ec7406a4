"""The function: from `kubectl apply` to an answer of the running function, and away again without a trace."""

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


def test_the_function_answers_what_parameter_store_has(world: World) -> None:
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


def test_the_extension_serves_and_its_cache_spares_parameter_store(world: World) -> None:
    reader = Reader(world)
    reader.declare()
    world.wait_ready(reader.name)
    reader.call()
    world.stack.lab.reset_calls()
    for _ in range(20):
        reader.call()
    assert not [name for name in world.stack.calls() if name.startswith("ssm.GetParameter")]
    assert not [line for line in reader.logs() if "the extension" in line]


def test_a_second_look_at_a_full_object_writes_nothing_and_is_cheap(world: World) -> None:
    reader = Reader(world)
    reader.declare()
    world.wait_ready(reader.name)
    world.look_now(reader.name)
    world.stack.lab.reset_calls()
    world.look_now(reader.name)
    calls = world.stack.calls()
    assert not [name for name in calls if not name.split(".")[1].startswith(("Get", "List", "Describe"))]


def test_with_refresh_a_changed_value_is_served_at_once_and_status_tells_the_revision(world: World) -> None:
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


def test_with_expire_the_function_is_left_alone_and_serves_the_old_value_within_the_ttl(world: World) -> None:
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


def test_a_changed_parameter_calls_the_function_and_a_neighbours_does_not(world: World) -> None:
    reader = Reader(world)
    reader.declare({"triggers": {"parameterChange": True}})
    world.wait_ready(reader.name)
    reader.set_timeout("45")
    # No call of ours is among these.
    world.wait("the event calls the function", lambda: any(line.startswith("START") for line in reader.logs()))
    assert reader.timeout() == "45"
    invocations = len([line for line in reader.logs() if line.startswith("START")])
    world.ssm.put_parameter(Name=f"{world.path}-other/api/timeout", Value="1", Type="String")
    reader.call()
    assert len([line for line in reader.logs() if line.startswith("START")]) == invocations + 1


def test_the_schedule_calls_the_function(world: World) -> None:
    reader = Reader(world)
    reader.declare({"triggers": {"schedule": "rate(5 minutes)"}})
    world.wait_ready(reader.name)
    assert world.stack.lab.fire(reader.function) == 1
    world.wait("it was called", lambda: any(line.startswith("END") for line in reader.logs()))


def test_the_http_api_wants_a_signature_and_answers_no_secret(world: World) -> None:
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


def test_a_configuration_that_cannot_be_had_is_an_error_that_the_metric_counts(world: World) -> None:
    reader = Reader(world)
    reader.declare({"triggers": {}}, driftPolicy="Report", cache={"ttlSeconds": 0})
    world.wait_ready(reader.name)
    world.ssm.delete_parameter(Name=f"{world.path}/api/timeout")
    answer = reader.aws.invoke(FunctionName=reader.function, Payload=b"{}")
    told = json.loads(answer["Payload"].read())
    assert answer["FunctionError"] == "Unhandled"
    assert f"{world.path}/api/timeout" in told["errorMessage"]
    assert [line for line in reader.logs() if '"ConfigurationErrors": 1' in line or '"ConfigurationErrors":1' in line]


def test_deletion_leaves_nothing_of_ours_in_any_service_and_takes_nothing_of_others(world: World) -> None:
    before = inventory(world)
    reader = Reader(world)
    _strangers(world, f"{reader.function}-2")
    strangers = inventory(world)
    assert strangers != before
    reader.declare()
    world.wait_ready(reader.name)
    assert all(inventory(world)[service] != names for service, names in strangers.items())
    world.delete(reader.name)
    world.wait("the object is gone", lambda: world.is_gone(reader.name))
    assert inventory(world) == strangers


def test_a_function_that_is_no_longer_declared_goes_with_all_that_belongs_to_it(world: World) -> None:
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


def test_an_operator_killed_while_it_makes_the_function_goes_on_where_it_was(world: World) -> None:
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


def test_a_strangers_function_of_the_same_name_is_refused_by_name_and_left_alone(world: World) -> None:
    reader = Reader(world)
    _function(world, reader.function)
    before = reader.aws.get_function(FunctionName=reader.function)
    reader.declare()
    message = world.wait_reason(reader.name, "NotOwned")
    assert f"function {reader.function}" in message
    after = reader.aws.get_function(FunctionName=reader.function)
    assert after.get("Tags") == before.get("Tags")
    assert after["Configuration"]["LastModified"] == before["Configuration"]["LastModified"]


def test_an_attached_function_gets_what_it_needs_and_loses_only_that(world: World) -> None:
    reader = Reader(world)
    _function(world, reader.function, {"THEIRS": "1"})
    before = reader.aws.get_function(FunctionName=reader.function)
    reader.declare({"mode": "Attach", "architecture": "x86_64"})
    world.wait_ready(reader.name)
    assert {"THEIRS", "DYNCONFIG_PREFIX", "SSM_PARAMETER_STORE_TTL"} <= set(reader.environment())
    world.delete(reader.name)
    world.wait("the object is gone", lambda: world.is_gone(reader.name))
    after = reader.aws.get_function(FunctionName=reader.function)
    for member in ("Environment", "Layers", "Role", "MemorySize", "Handler", "CodeSha256"):
        assert after["Configuration"].get(member) == before["Configuration"].get(member)
    assert after.get("Tags", {}) == before.get("Tags", {})
    role = reader.function
    assert world.stack.aws("iam").list_role_policies(RoleName=role)["PolicyNames"] == []


def test_attaching_to_a_function_that_does_not_exist_says_so_and_holds_back_nothing_else(world: World) -> None:
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
def test_what_lambda_would_refuse_the_api_server_refuses_and_names(
    world: World, function: dict[str, Any], field: str
) -> None:
    answer = world.create("bad", world.spec(function={"name": "bad", **function}))
    assert answer.status_code == 422
    assert field in answer.json()["message"]


def _function(world: World, name: str, variables: dict[str, str] | None = None) -> None:
    """Somebody else's function, with its role."""
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


def _strangers(world: World, name: str) -> None:
    """Things of others whose names begin as ours do."""
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
