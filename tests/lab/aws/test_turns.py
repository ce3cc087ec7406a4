"""Concurrent callers: a unique resource is created once, and no call fails with an internal error."""

import threading
from collections import Counter
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from botocore.exceptions import ClientError
from tests.lab.aws.clients import connect
from tests.lab.functions.bench import Bench, trust

from dynconfig_lab.aws import AwsLab

pytestmark = pytest.mark.lab

CALLERS = 8


@pytest.fixture
def crowd(lab: AwsLab) -> Iterator[Callable[[str], Any]]:
    """Clients with a connection for each caller."""
    clients: dict[str, Any] = {}
    yield lambda name: clients.setdefault(name, connect(lab.endpoint, name, max_pool_connections=CALLERS))
    for client in clients.values():
        client.close()


def at_once(call: Callable[[int], object]) -> Counter[str]:
    """How often the call succeeded or was rejected when all callers make it concurrently."""
    start, answers = threading.Barrier(CALLERS), list[str]()

    def run(number: int) -> None:
        start.wait()
        try:
            call(number)
            answers.append("made")
        except ClientError as error:
            answers.append(error.response["Error"]["Code"])

    threads = [threading.Thread(target=run, args=(number,)) for number in range(CALLERS)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return Counter(answers)


def test_role_is_created_once(crowd: Callable[[str], Any]) -> None:
    iam = crowd("iam")
    names = [f"{'ab'[number % 2]}-Role".upper() if number % 3 else "a-role" for number in range(CALLERS)]
    found = at_once(lambda number: iam.create_role(RoleName=names[number], AssumeRolePolicyDocument=trust("lambda")))
    assert found == {"made": len({name.lower() for name in names}), "EntityAlreadyExists": CALLERS - 2}


def test_statement_and_function_are_created_once(crowd: Callable[[str], Any]) -> None:
    bench = Bench(crowd)
    name = bench.function("def handle(event, context):\n    return 1\n")
    about = {"Action": "lambda:InvokeFunction", "Principal": "events.amazonaws.com"}
    found = at_once(lambda _: crowd("lambda").add_permission(FunctionName=name, StatementId="one", **about))
    assert found == {"made": 1, "ResourceConflictException": CALLERS - 1}
    made = {
        "FunctionName": f"{name}-crowd",
        "Role": next(iter(bench.roles.values())),
        "Runtime": "python3.13",
        "Handler": "app.handle",
        "Code": {"ZipFile": bench.code("")},
    }
    assert at_once(lambda _: crowd("lambda").create_function(**made)) == {
        "made": 1,
        "ResourceConflictException": CALLERS - 1,
    }


def test_route_and_stage_are_created_once(crowd: Callable[[str], Any]) -> None:
    apis = crowd("apigatewayv2")
    api = apis.create_api(Name="crowd", ProtocolType="HTTP")["ApiId"]
    expected = {"made": 1, "ConflictException": CALLERS - 1}
    assert at_once(lambda _: apis.create_route(ApiId=api, RouteKey="$default")) == expected
    assert at_once(lambda _: apis.create_stage(ApiId=api, StageName="$default")) == expected
    apis.delete_api(ApiId=api)


def test_groups_can_be_listed_while_others_are_created(crowd: Callable[[str], Any]) -> None:
    logs = crowd("logs")

    def work(number: int) -> None:
        for turn in range(10):
            logs.create_log_group(logGroupName=f"/crowd/{number}/{turn}")
            logs.describe_log_groups(logGroupNamePrefix="/crowd")

    assert at_once(work) == {"made": CALLERS}
