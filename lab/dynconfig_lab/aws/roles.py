"""The roles of IAM as other services see them: a change becomes visible with a delay, as in AWS.

https://docs.aws.amazon.com/IAM/latest/UserGuide/troubleshoot.html#troubleshoot_general_eventual-consistency
"""

from collections.abc import Callable
from typing import Any

from moto.iam.models import iam_backends

from dynconfig_lab.aws import policies
from dynconfig_lab.aws.calls import ACCOUNT
from dynconfig_lab.aws.turns import turn

PROPAGATION_SECONDS = 0.5


class Roles:
    """The roles of the account, as another service sees them."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        # When a trust policy was written, and the previous policy: None for a new role.
        self._written: dict[str, tuple[float, str]] = {}

    def clear(self) -> None:
        """Forget when roles were written."""
        self._written.clear()

    def written(self, name: str, before: str = "") -> None:
        """Record a new role, or a trust policy that replaced `before`."""
        self._written[name.lower()] = (self._clock(), before)

    def is_assumable(self, arn: str, service: str) -> bool:
        """Whether a service can already assume a role."""
        role = find(arn)
        if role is None:
            return False
        at, before = self._written.get(role.name.lower(), (float("-inf"), ""))
        is_fresh = self._clock() - at < PROPAGATION_SECONDS
        document = before if is_fresh else str(role.assume_role_policy_document)
        return policies.trusts(document, f"{service}.amazonaws.com", ACCOUNT)

    def allows(self, arn: str, action: str, resource: str, context: policies.Context | None = None) -> bool:
        """Whether a role's policies allow an action."""
        return policies.allows(_policies(arn), action, resource, context)

    def denies(self, arn: str, action: str, resource: str, context: policies.Context) -> bool:
        """Whether a role's policies deny what another policy allows."""
        return "Deny" in policies.effects(_policies(arn), action, resource, context)


def _policies(arn: str) -> list[str]:
    role = find(arn)
    if role is None:
        return []
    attached = [str(policy.document) for policy in role.managed_policies.values()]
    return [*map(str, role.policies.values()), *attached]


def find(arn: str) -> Any:
    """Moto's role with this ARN, or None."""
    with turn("iam"):
        return next((role for role in iam_backends[ACCOUNT]["aws"].roles.values() if role.arn == arn), None)


def named(name: str) -> Any:
    """Moto's role with this case-insensitive name, or None."""
    with turn("iam"):
        roles = iam_backends[ACCOUNT]["aws"].roles.values()
        return next((role for role in roles if role.name.lower() == name.lower()), None)
