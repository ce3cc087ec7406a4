"""The resource policy of a function.

https://docs.aws.amazon.com/lambda/latest/dg/access-control-resource-based.html
"""

import json
import re
from typing import Any

from dynconfig_lab.aws.answers import Answer, AwsError
from dynconfig_lab.aws.functions_names import LATEST, arn_of
from dynconfig_lab.aws.functions_rules import refused
from dynconfig_lab.aws.requests import Document, Request

POLICY_BYTES = 20480
_STATEMENT = re.compile(r"[a-zA-Z0-9-_]{1,100}")
_ACTION = re.compile(r"lambda:\*|lambda:[a-zA-Z]+|\*")
_PRINCIPAL = re.compile(r"\*|\d{12}|arn:aws[a-z-]*:(iam|sts)::\d{12}:.+|[a-z0-9.-]+\.amazonaws\.com(\.cn)?")


def add(request: Request, function: Any, path: str) -> Answer:
    """AddPermission: each statement has a unique id."""
    document = request.document
    _check(document)
    if request.query.get("Qualifier") == LATEST:
        raise refused("We currently do not support adding policies for $LATEST.")
    statement = document["StatementId"]
    if any(known.get("Sid") == statement for known in function.policy.statements):
        text = (
            f"The statement id ({statement}) provided already exists. Please provide a new statement id, or remove the "
            "existing statement."
        )
        raise AwsError("ResourceConflictException", text, 409)
    _check_size(document, function)
    return request.forward(path=path)


def remove(request: Request, function: Any, path: str) -> Answer:
    """RemovePermission: a missing statement and a missing policy have different errors."""
    statement = path.rstrip("/").rpartition("/")[2]
    present = [known.get("Sid") for known in function.policy.statements]
    if not present:
        raise AwsError("ResourceNotFoundException", "No policy is associated with the given resource.", 404)
    if statement not in present:
        text = f"Statement {statement} is not found in resource policy."
        raise AwsError("ResourceNotFoundException", text, 404)
    return request.forward(path=path)


def no_function(region: str, name: str) -> AwsError:
    """RemovePermission if there is no function."""
    return AwsError("ResourceNotFoundException", f"No policy found for: {arn_of(region, name)}", 404)


def _check(document: Document) -> None:
    for member, pattern in (("StatementId", _STATEMENT), ("Action", _ACTION)):
        if not pattern.fullmatch(document.get(member, "")):
            text = (
                f"1 validation error detected: Value '{document.get(member, '')}' at '{member[0].lower()}{member[1:]}' "
                f"failed to satisfy constraint: Member must satisfy regular expression pattern: {pattern.pattern}"
            )
            raise AwsError("ValidationException", text)
    if not _PRINCIPAL.fullmatch(document.get("Principal", "")):
        raise refused("The provided principal was invalid. Please check the principal and try again.")


def _check_size(document: Document, function: Any) -> None:
    size = len(json.dumps([*function.policy.statements, document]).encode())
    if size > POLICY_BYTES:
        text = f"The final policy size ({size}) is bigger than the limit ({POLICY_BYTES})."
        raise AwsError("PolicyLengthExceededException", text)
