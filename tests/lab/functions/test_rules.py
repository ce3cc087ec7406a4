"""Rules that invoke functions: a parameter change reaches a function that allows the rule, and no other."""

import itertools
import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

import pytest
from tests.lab.functions.bench import ACCOUNT, REGION, Bench

from dynconfig_lab.aws import Faults
from dynconfig_lab.processes import wait_until

pytestmark = pytest.mark.lab

LOGS_EVENT = "import json\n\ndef handle(event, context):\n    print('received', json.dumps(event))\n"
_numbers = itertools.count(1)


@dataclass
class Wire:
    """A rule for the parameters below a path."""

    aws: Callable[[str], Any]
    path: str
    name: str
    targets: list[str] = field(default_factory=list)

    @property
    def arn(self) -> str:
        return f"arn:aws:events:{REGION}:{ACCOUNT}:rule/{self.name}"

    def lead_to(self, function: str, **more: Any) -> None:
        arn = f"arn:aws:lambda:{REGION}:{ACCOUNT}:function:{function}"
        self.aws("events").put_targets(Rule=self.name, Targets=[{"Id": function, "Arn": arn, **more}])
        self.targets.append(function)

    def let_in(self, function: str, source: str = "", **more: Any) -> None:
        self.aws("lambda").add_permission(
            FunctionName=function,
            StatementId=f"{self.name}-{next(_numbers)}",
            Action="lambda:InvokeFunction",
            Principal="events.amazonaws.com",
            SourceArn=source or self.arn,
            **more,
        )

    def change(self, name: str, value: str = "red") -> None:
        self.aws("ssm").put_parameter(Name=f"{self.path}/{name}", Value=value, Type="String", Overwrite=True)


@pytest.fixture
def wire(aws: Callable[[str], Any]) -> Iterator[Wire]:
    wire = Wire(aws, f"/wire-{next(_numbers)}", f"wire-{next(_numbers)}")
    pattern = {"source": ["aws.ssm"], "detail": {"name": [{"prefix": f"{wire.path}/"}]}}
    aws("events").put_rule(Name=wire.name, EventPattern=json.dumps(pattern))
    yield wire
    if wire.targets:
        aws("events").remove_targets(Rule=wire.name, Ids=wire.targets)
    aws("events").delete_rule(Name=wire.name)


@pytest.fixture(scope="module")
def logging_function(bench: Bench) -> str:
    return bench.function(LOGS_EVENT)


def test_change_reaches_the_function(bench: Bench, wire: Wire, logging_function: str) -> None:
    wire.lead_to(logging_function)
    wire.let_in(logging_function)
    wire.change("a")
    assert bench.said(logging_function, f'"operation": "Create", "name": "{wire.path}/a"')


def test_function_without_a_permission_is_not_invoked(
    bench: Bench, wire: Wire, logging_function: str, caplog: pytest.LogCaptureFixture
) -> None:
    closed = bench.function(LOGS_EVENT)
    wire.lead_to(closed)
    wire.let_in(closed, source=f"arn:aws:events:{REGION}:{ACCOUNT}:rule/another")
    wire.change("a")
    # Events are delivered in order, so this one is processed before the next.
    wire.lead_to(logging_function)
    wire.let_in(logging_function)
    wire.change("b")
    assert bench.said(logging_function, f"{wire.path}/b")
    assert bench.lines(closed) == []
    assert f"{wire.arn} may not invoke" in caplog.text


def test_permission_for_another_account_allows_nothing(
    bench: Bench, wire: Wire, caplog: pytest.LogCaptureFixture
) -> None:
    closed = bench.function(LOGS_EVENT)
    wire.lead_to(closed)
    wire.let_in(closed, SourceAccount="999999999999")
    wire.change("a")
    assert wait_until(lambda: "may not invoke" in caplog.text, 10)
    assert bench.lines(closed) == []


def test_target_may_have_its_own_input(bench: Bench, wire: Wire, logging_function: str) -> None:
    wire.lead_to(logging_function, InputPath="$.detail.name")
    wire.let_in(logging_function)
    wire.change("a")
    assert bench.said(logging_function, f'received "{wire.path}/a"')


def test_event_waits_for_a_function_that_is_being_created(
    bench: Bench, wire: Wire, aws: Callable[[str], Any], faults: Callable[[Faults], None], logging_function: str
) -> None:
    role = aws("lambda").get_function_configuration(FunctionName=logging_function)["Role"]
    name = f"young-{next(_numbers)}"
    wire.lead_to(name)
    faults(Faults(settle_seconds=3600))
    aws("lambda").create_function(
        FunctionName=name,
        Role=role,
        Code={"ZipFile": bench.code(LOGS_EVENT)},
        Runtime="python3.13",
        Handler="app.handle",
    )
    wire.let_in(name)
    wire.change("a")
    faults(Faults(settle_seconds=0))
    assert bench.said(name, f"{wire.path}/a")
