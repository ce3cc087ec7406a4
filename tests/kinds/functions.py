"""Helpers to create, change and read functions as a user; a role that Lambda already knows."""

import io
import time
import zipfile
from collections.abc import Callable
from typing import Any

from tests.emulated import AWS_TIME
from tests.kinds.aws_harness import SETTLED_WITHIN, AwsHarness
from tests.kinds.cases.role import TRUST

from dynconfig_lab.aws.roles import PROPAGATION_SECONDS

ROLE, OTHER_ROLE = "kinds-tests", "kinds-tests-other"
LAYER = "arn:aws:lambda:eu-west-1:015030872274:layer:AWS-Parameters-and-Secrets-Lambda-Extension"
OLD_ARM_LAYER = f"{LAYER}-Arm64:11"


def arn(name: str) -> str:
    return f"arn:aws:lambda:eu-west-1:123456789012:function:{name}"


def role_arn(name: str = ROLE) -> str:
    return f"arn:aws:iam::123456789012:role/dynconfig/{name}"


def code(text: str = "x = 1") -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr(zipfile.ZipInfo("theirs.py"), text)
    return buffer.getvalue()


def until(what: Callable[[], Any]) -> Any:
    """Poll until the result is true, and return it."""
    end = time.monotonic() + SETTLED_WITHIN
    while not (found := what()):
        assert time.monotonic() < end, "it never came"
        AWS_TIME.pass_quickly()
    return found


def roles(harness: AwsHarness) -> None:
    """Create two roles for functions, and wait until Lambda can assume them."""
    iam = harness.aws("iam")
    known = {role["RoleName"] for page in iam.get_paginator("list_roles").paginate() for role in page["Roles"]}
    for name in {ROLE, OTHER_ROLE} - known:
        iam.create_role(Path="/dynconfig/", RoleName=name, AssumeRolePolicyDocument=TRUST)
    AWS_TIME.pass_seconds(PROPAGATION_SECONDS)


def of(harness: AwsHarness, name: str) -> dict[str, Any]:
    """The function as AWS returns it, once no update is pending."""

    def at_rest() -> dict[str, Any] | None:
        found: dict[str, Any] = harness.aws("lambda").get_function(FunctionName=name)["Configuration"]
        states = (found.get("State", "Active"), found.get("LastUpdateStatus", "Successful"))
        return found if states == ("Active", "Successful") else None

    found: dict[str, Any] = until(at_rest)
    return found


def variables(harness: AwsHarness, name: str) -> dict[str, str]:
    return dict(of(harness, name).get("Environment", {}).get("Variables", {}))


def configure(harness: AwsHarness, name: str, **changes: Any) -> None:
    """Change the configuration by hand."""
    of(harness, name)
    harness.aws("lambda").update_function_configuration(FunctionName=name, **changes)
    of(harness, name)


def set_variables(harness: AwsHarness, name: str, **changes: str) -> None:
    """Add to the environment by hand."""
    configure(harness, name, Environment={"Variables": {**variables(harness, name), **changes}})


def recode(harness: AwsHarness, name: str, **request: Any) -> None:
    """Update the code by hand."""
    of(harness, name)
    harness.aws("lambda").update_function_code(FunctionName=name, **request)
    of(harness, name)


def create(harness: AwsHarness, name: str, **more: Any) -> None:
    """A user's own function."""
    roles(harness)
    request: dict[str, Any] = {
        "FunctionName": name,
        "Role": role_arn(),
        "Runtime": "python3.13",
        "Handler": "theirs.handler",
        "Code": {"ZipFile": code()},
        "Architectures": ["arm64"],
        **more,
    }
    client = harness.aws("lambda")

    def created() -> bool:
        try:
            client.create_function(**request)
        except client.exceptions.InvalidParameterValueException as error:
            # A new role is visible to Lambda with a delay.
            if "cannot be assumed" in str(error):
                return False
            raise
        return True

    until(created)
    of(harness, name)


def listed(harness: AwsHarness) -> set[str]:
    pages = harness.aws("lambda").get_paginator("list_functions").paginate()
    names = (found["FunctionName"] for page in pages for found in page["Functions"])
    return {name for name in names if name.startswith(harness.name)}
