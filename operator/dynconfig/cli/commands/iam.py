"""`dynconfig iam`."""

import json
import sys
from typing import Annotated

import typer

from dynconfig.aws import permissions


def command(
    path: Annotated[list[str], typer.Option("--path", help="Path that the operator may use; repeat for more.")],
    account: Annotated[str, typer.Option("--account", help="AWS account id.")] = "123456789012",
    region: Annotated[str, typer.Option("--region", help="AWS region.")] = "eu-west-1",
    key: Annotated[list[str] | None, typer.Option("--key", help="ARN of a KMS key for SecureStrings.")] = None,
) -> None:
    """Print the IAM policy that the operator needs.

    Example: dynconfig iam --path /myapp --account 123456789012 --region eu-west-1
    """
    sys.stdout.write(json.dumps(permissions.operator_policy(path, account, region, key or ()), indent=2) + "\n")
