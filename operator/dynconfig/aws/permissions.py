"""The IAM policy that the operator needs: the calls that its kinds make, on the names that it may use, and no more.

It is derived from the facts of the kinds; a test compares it with the calls that the tests make.
"""

import json
import re
from collections.abc import Iterable, Sequence
from typing import Any

from dynconfig.aws.facts import EVERYTHING
from dynconfig.model.allowed import Allowed, Grant, Part, Statement
from dynconfig.model.arns import Arns

# White space not counted.
# https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_iam-quotas.html
MANAGED_CHARACTERS, INLINE_CHARACTERS = 6144, 10240
# A pattern of names with less before its first wildcard is one of other people's names as well.
DISTINCT = 3


def operator_policy(allowed: Allowed, part: Part | None = None) -> dict[str, Any]:
    """The policy, or one of its parts, which a role needs both. A statement for each condition: each takes room."""
    arns = Arns(allowed.region, lambda: allowed.account)
    by_statement: dict[Statement, list[Grant]] = {}
    for grant in (grant for facts in EVERYTHING for grant in facts.grants):
        if grant.resources(allowed, arns):
            by_statement.setdefault(grant.statement, []).append(grant)
    statements = [
        _rendered(statement, grants, allowed, arns)
        for statement, grants in sorted(by_statement.items(), key=lambda item: item[0].rank)
        if part in (None, statement.part if allowed.all_functions else Part.PARAMETERS)
    ]
    if allowed.operator_role and part is not Part.PARAMETERS:
        # Else it could give itself more than it has, or pass itself on.
        statements.append({"Sid": "Self", "Effect": "Deny", "Action": "iam:*", "Resource": allowed.operator_role})
    return document(*statements)


def document(*statements: dict[str, Any]) -> dict[str, Any]:
    """Return a policy document."""
    return {"Version": "2012-10-17", "Statement": list(statements)}


def broad(allowed: Allowed) -> list[str]:
    """The patterns of names that begin with nothing in particular, and so allow what others have."""
    names = (*allowed.all_functions, *allowed.attached_roles)
    return [name for name in dict.fromkeys(names) if len(re.split(r"[*?]", name, maxsplit=1)[0]) < DISTINCT]


def advice(policy: dict[str, Any], part: Part | None = None) -> str:
    """What to do where IAM would find the policy too long, or an empty text."""
    length = len("".join(json.dumps(policy, separators=(",", ":")).split()))
    if length <= MANAGED_CHARACTERS:
        return ""
    message = f"the policy has {length:,} characters, and a managed policy takes {MANAGED_CHARACTERS:,}"
    shorter, split = "name fewer paths, by a common beginning", "print two, with --part parameters and --part functions"
    if length <= INLINE_CHARACTERS:
        inline = f"give it to the role as an inline policy, which takes {INLINE_CHARACTERS:,}"
        return f"{message}: {shorter if part else split}, or {inline}"
    message = f"{message}, an inline policy of a role {INLINE_CHARACTERS:,}"
    return f"{message}: {shorter}" if part else f"{message}: {split}, and {shorter}"


def _rendered(statement: Statement, grants: Iterable[Grant], allowed: Allowed, arns: Arns) -> dict[str, Any]:
    ranked = sorted(grants, key=lambda grant: grant.rank)
    actions = sorted((grant.rank, action) for grant in ranked for action in grant.actions)
    conditions = statement.conditions(allowed, arns)
    return {
        "Sid": statement.sid,
        "Effect": statement.effect,
        "Action": list(dict.fromkeys(action for _rank, action in actions)),
        "Resource": _merged([grant.resources(allowed, arns) for grant in ranked]),
        **({"Condition": dict(conditions)} if conditions else {}),
    }


def _merged(resources: Sequence[str | Sequence[str]]) -> str | list[str]:
    """Return a single text as it is, and lists as one list."""
    first = resources[0]
    if isinstance(first, str):
        return first
    return list(dict.fromkeys(arn for listed in resources for arn in listed))
