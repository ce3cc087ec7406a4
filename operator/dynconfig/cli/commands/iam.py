"""`dynconfig iam`."""

import json
import os
import re
import sys
from collections.abc import Iterable
from typing import Annotated, Any

import typer

from dynconfig.api.spec import REGION
from dynconfig.aws import permissions
from dynconfig.cli.failures import Failed
from dynconfig.cli.options import check_region, tidy_path
from dynconfig.cli.terminal import Terminal
from dynconfig.model.allowed import Allowed, Part
from dynconfig.model.naming import PREFIX
from dynconfig.settings import POLICY_ARN, BadSetting, Settings

# IAM accepts ARNs of resources that cannot exist. A key alias in a policy allows nothing; patterns like key/* do.
# https://docs.aws.amazon.com/kms/latest/developerguide/alias-authorization.html
_FORMS = {
    "--account": (r"[0-9]{12}", "123456789012"),
    "--region": (REGION, "eu-west-1"),
    "--key": (r"arn:aws[a-z-]*:kms:[^:]+:[^:]+:key/\S+", "arn:aws:kms:eu-west-1:123456789012:key/…"),
    "--layer": (r"arn:aws[a-z-]*:lambda:[^:]+:[^:]+:layer:\S+", "arn:aws:lambda:eu-west-1:123456789012:layer:own:3"),
    "--operator-role": (r"arn:aws[a-z-]*:iam::[0-9]{12}:role/\S+", "arn:aws:iam::123456789012:role/dynconfig-operator"),
    "--boundary": (POLICY_ARN, "arn:aws:iam::123456789012:policy/boundary"),
    # https://docs.aws.amazon.com/lambda/latest/api/API_CreateFunction.html
    "--function": (r"[A-Za-z0-9_*?-]{1,64}", "shop-*"),
    # https://docs.aws.amazon.com/IAM/latest/APIReference/API_CreateRole.html
    "--attached-role": (r"[A-Za-z0-9_+=,.@*?-]{1,64}", "shop-*"),
}


def command(
    *,
    path: Annotated[list[str], typer.Option("--path", help="Path that the operator may use. May be repeated.")],
    account: Annotated[
        str | None, typer.Option("--account", help="AWS account ID. Default: that of the AWS credentials.")
    ] = None,
    region: Annotated[
        str | None, typer.Option("--region", help="AWS region. Default: AWS_REGION or that of the AWS profile.")
    ] = None,
    key: Annotated[
        list[str] | None, typer.Option("--key", help="ARN of a KMS key for SecureStrings. May be repeated.")
    ] = None,
    function: Annotated[
        list[str] | None,
        typer.Option(
            "--function",
            help="Name pattern of functions and of the resources named after them. May be repeated. "
            "Default: dynconfig-*, the default names.",
        ),
    ] = None,
    attached_role: Annotated[
        list[str] | None,
        typer.Option(
            "--attached-role",
            help="Name pattern of the roles of functions that mode: Attach may extend; with --boundary only roles that have it.",
        ),
    ] = None,
    layer: Annotated[
        list[str] | None, typer.Option("--layer", help="ARN of a layer other than the AWS extension. May be repeated.")
    ] = None,
    boundary: Annotated[
        str,
        typer.Option(
            "--boundary",
            help="ARN of the permissions boundary in DYNCONFIG_BOUNDARY; the operator may then not write roles without it.",
        ),
    ] = "",
    operator_role: Annotated[
        str,
        typer.Option("--operator-role", help="ARN of the operator's own role, which it must never change or pass."),
    ] = "",
    earlier_roles: Annotated[
        bool,
        typer.Option(
            "--earlier-roles",
            help="For an upgrade: also allow deleting roles outside of the IAM path /dynconfig/, as created by version 0.2.0.",
        ),
    ] = False,
    parameters_only: Annotated[
        bool, typer.Option("--parameters-only", help="For an operator that manages parameters but no functions.")
    ] = False,
    alarms: Annotated[
        bool,
        typer.Option(
            "--alarms", help="With --parameters-only: also allow alarms and dashboards that need no function."
        ),
    ] = False,
    part: Annotated[
        Part | None,
        typer.Option(
            "--part", help="Print one of two policies if a single one is too long for IAM; the role needs both."
        ),
    ] = None,
    untagged_api_parts: Annotated[
        bool,
        typer.Option(
            "--untagged-api-parts",
            help="Allow routes, integrations and stages of any HTTP API; only if AWS denies those of the operator's own APIs.",
        ),
    ] = False,
) -> None:
    """Print the IAM policy that the operator needs.

    Example: dynconfig iam --path /myapp --function 'dynconfig-*' --account 123456789012 --region eu-west-1
    """
    _check_paths(path)
    for option, texts in (
        ("--account", [] if account is None else [account]),
        ("--region", [] if region is None else [region]),
        ("--key", key or ()),
        ("--layer", layer or ()),
        ("--function", function or ()),
        ("--attached-role", attached_role or ()),
        ("--boundary", [boundary] if boundary else ()),
        ("--operator-role", [operator_role] if operator_role else ()),
    ):
        _check(option, texts)
    check_region("--region", region)
    region = region or _region()
    account = account or _account(region)
    allowed = Allowed(
        paths=path,
        account=account,
        region=region,
        keys=key or (),
        functions=() if parameters_only else function or (f"{PREFIX}*",),
        alarms=alarms,
        attached_roles=attached_role or (),
        own_layers=layer or (),
        boundary=boundary,
        operator_role=operator_role,
        earlier_roles=earlier_roles,
        untagged_api_parts=untagged_api_parts,
    )
    policy = permissions.operator_policy(allowed, part)
    sys.stdout.write(json.dumps(policy, indent=2) + "\n")
    for warning in _warnings(allowed, policy, part):
        Terminal.err().line(f"warning: {warning}", "yellow")


def _warnings(allowed: Allowed, policy: dict[str, Any], part: Part | None) -> Iterable[str]:
    for pattern in permissions.broad(allowed):
        yield f"the pattern {pattern!r} also matches names that are not meant for the operator; use a longer prefix"
    if allowed.functions and not allowed.boundary:
        yield (
            "without --boundary, anyone with the operator's credentials can create a role with any permissions; pass the ARN of "
            "a permissions boundary, and set DYNCONFIG_BOUNDARY to it"
        )
    advice = permissions.advice(policy, part)
    if advice:
        yield advice


def _region() -> str:
    """Return the region of the environment or the AWS profile. Raises Failed."""
    from dynconfig import wiring

    try:
        return wiring.default_region(Settings.from_environment(os.environ))
    except BadSetting as error:
        raise Failed(f"--region is not set, and there is {error}") from None


def _account(region: str) -> str:
    """Return the account of the AWS credentials. Raises Failed."""
    from dynconfig import wiring
    from dynconfig.model.errors import DynConfigError

    settings = Settings.from_environment(os.environ).model_copy(update={"region": region})
    try:
        return wiring.account(wiring.session(settings), settings)
    except DynConfigError as error:
        raise Failed(f"--account is not set and cannot be determined: {error}") from None


def _check_paths(paths: Iterable[str]) -> None:
    wrong = next((path for path in paths if tidy_path(path) is None), None)
    if wrong is not None:
        raise Failed(f"--path: invalid value {wrong!r}, expected e.g. /myapp")


def _check(option: str, texts: Iterable[str]) -> None:
    pattern, example = _FORMS[option]
    wrong = next((text for text in texts if not re.fullmatch(pattern, text)), None)
    if wrong is not None:
        raise Failed(f"{option}: invalid value {wrong!r}, expected e.g. {example}")
