"""`dynconfig iam`."""

import json
import sys
from typing import Annotated

import typer

from dynconfig.aws import permissions
from dynconfig.cli.terminal import Terminal


def command(
    *,
    path: Annotated[list[str], typer.Option("--path", help="Path that the operator may use; repeat for more.")],
    account: Annotated[str, typer.Option("--account", help="AWS account id.")] = "123456789012",
    region: Annotated[str, typer.Option("--region", help="AWS region.")] = "eu-west-1",
    key: Annotated[list[str] | None, typer.Option("--key", help="ARN of a KMS key for SecureStrings.")] = None,
    function: Annotated[
        list[str] | None,
        typer.Option(
            "--function",
            help="Pattern of names of functions and of their roles; repeat for more. If absent all of the account, "
            "since users may name them; dynconfig-* where they do not.",
        ),
    ] = None,
    attached_role: Annotated[
        list[str] | None,
        typer.Option("--attached-role", help="Pattern of names of roles of functions that mode Attach may add to."),
    ] = None,
    layer: Annotated[
        list[str] | None, typer.Option("--layer", help="ARN of a layer beside AWS's own extension.")
    ] = None,
    boundary: Annotated[
        str, typer.Option("--boundary", help="ARN of the permissions boundary that DYNCONFIG_BOUNDARY names.")
    ] = "",
    parameters_only: Annotated[
        bool, typer.Option("--parameters-only", help="For an operator that keeps parameters and no functions.")
    ] = False,
    alarms: Annotated[
        bool,
        typer.Option(
            "--alarms", help="With --parameters-only: for alarms and dashboards, too, which need no function."
        ),
    ] = False,
) -> None:
    """Print the IAM policy that the operator needs.

    Example: dynconfig iam --path /myapp --function 'dynconfig-*' --account 123456789012 --region eu-west-1
    """
    allowed = permissions.Allowed(
        paths=path,
        account=account,
        region=region,
        keys=key or (),
        functions=() if parameters_only else function or ("*",),
        alarms=alarms,
        attached_roles=attached_role or (),
        own_layers=layer or (),
        boundary=boundary,
    )
    policy = permissions.operator_policy(allowed)
    sys.stdout.write(json.dumps(policy, indent=2) + "\n")
    advice = permissions.advice(policy)
    if advice:
        Terminal.err().line(f"warning: {advice}", "yellow")
