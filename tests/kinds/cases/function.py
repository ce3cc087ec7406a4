"""The managed function."""

from typing import Any

from tests.kinds import functions
from tests.kinds.aws_harness import AwsHarness
from tests.kinds.cases.case import Case, Spec

from dynconfig.kinds.function.value import Function
from dynconfig.kinds.parameter.value import Parameter

SCHEMA = {"type": "string", "minLength": 1, "maxLength": 64}


def spec(value: str = "1", tags: Any = None, **function: Any) -> Spec:
    return {
        "function": {"roleName": functions.ROLE, **function},
        "parameters": [{"name": "one", "value": value}],
        "cache": {"onChange": "Refresh"},
        "tags": tags or {"team": "shop"},
    }


def many() -> Spec:
    """Parameters that exceed the environment and are stored in the package."""
    listed = [{"name": f"p/{number:03}", "value": "x", "schema": SCHEMA} for number in range(100)]
    return {**spec(), "parameters": listed}


def recode(harness: AwsHarness) -> None:
    functions.recode(harness, harness.name, ZipFile=functions.code())


def remachine(harness: AwsHarness) -> None:
    """The same code on another architecture."""
    (kind,) = harness.kinds(Function)
    (desired,) = kind.desired(harness.declare(spec()))
    functions.recode(harness, harness.name, ZipFile=desired.package.content, Architectures=["x86_64"])


def retag(harness: AwsHarness) -> None:
    harness.aws("lambda").tag_resource(Resource=functions.arn(harness.name), Tags={"team": "other"})


def by_hand(**changes: Any) -> Any:
    return lambda harness: functions.configure(harness, harness.name, **changes)


FUNCTION = Case(
    value=Function,
    needs=(Parameter,),
    base=spec(),
    feature={"function": {}, "cache": {"onChange": "Refresh"}},
    edits={
        "runtime": spec(runtime="python3.12"),
        "architecture": spec(architecture="x86_64"),
        "role": spec(roleName=functions.OTHER_ROLE),
        "memory": spec(memoryMiB=512),
        "timeout": spec(timeoutSeconds=60),
        "layers": spec(extension={"layerArn": functions.OLD_ARM_LAYER}),
        "environment": spec(environment={"LOG_LEVEL": "DEBUG"}),
        "revision": spec("2"),
        "code": many(),
        "tags": spec(tags={"stage": "dev"}),
    },
    tampers={
        "runtime": by_hand(Runtime="python3.12"),
        "architecture": remachine,
        "handler": by_hand(Handler="theirs.handler"),
        "role": by_hand(Role=functions.role_arn(functions.OTHER_ROLE)),
        "memory": by_hand(MemorySize=512),
        "timeout": by_hand(Timeout=60),
        "layers": by_hand(Layers=[]),
        "environment": lambda harness: functions.set_variables(harness, harness.name, LOG_LEVEL="DEBUG"),
        "revision": lambda harness: functions.set_variables(harness, harness.name, DYNCONFIG_REVISION="theirs"),
        "code": recode,
        "tags": retag,
    },
    list_names=functions.listed,
    create_similar=lambda harness: functions.create(harness, f"{harness.name}-theirs"),
    create_foreign=lambda harness: functions.create(harness, harness.name),
    writes=(
        "lambda.CreateFunction",
        "lambda.UpdateFunctionConfiguration",
        "lambda.UpdateFunctionCode",
        "lambda.TagResource",
        "lambda.UntagResource",
        "lambda.DeleteFunction",
    ),
    busy="ResourceConflictException",
    prepare=functions.roles,
    not_editable=frozenset({"handler", "failed"}),
    not_tamperable=frozenset({"failed"}),
)
