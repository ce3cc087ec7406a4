"""The roles of IAM as other services see them: a change becomes visible with a delay, as in AWS.

https://docs.aws.amazon.com/IAM/latest/UserGuide/troubleshoot.html#troubleshoot_general_eventual-consistency
"""

from collections.abc import Callable
from typing import Any

from moto.iam.models import iam_backends

from dynconfig_lab.aws import accounts, policies
from dynconfig_lab.aws.conditions import Context
from dynconfig_lab.aws.turns import turn

PROPAGATION_SECONDS = 0.5


class Roles:
    """The roles of all accounts, as another service sees them."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        # When a trust policy was written, and the previous policy, by account and name; empty for a new role.
        self._written: dict[tuple[str, str], tuple[float, str]] = {}

    def clear(self) -> None:
        """Forget when roles were written."""
        self._written.clear()

    def written(self, name: str, before: str = "") -> None:
        """Record a new role, or a trust policy that replaced `before`."""
        self._written[accounts.current(), name.lower()] = (self._clock(), before)

    def is_assumable(self, arn: str, service: str) -> bool:
        """Whether a service can already assume a role."""
        return policies.trusts(self.trust(arn), f"{service}.amazonaws.com", accounts.current())

    def trust(self, arn: str) -> str:
        """Return a role's trust policy as other services see it; empty if they see no role."""
        role = find(arn)
        if role is None:
            return ""
        at, before = self._written.get((arn.split(":")[4], role.name.lower()), (float("-inf"), ""))
        is_fresh = self._clock() - at < PROPAGATION_SECONDS
        return before if is_fresh else str(role.assume_role_policy_document)

    def allows(self, arn: str, action: str, resource: str, context: Context | None = None) -> bool:
        """Whether a role's policies allow an action."""
        return policies.allows(_policies(arn), action, resource, context)

    def denies(self, arn: str, action: str, resource: str, context: Context) -> bool:
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
        owner = arn.split(":")[4] if arn.count(":") >= 5 else ""
        roles = iam_backends[owner]["aws"].roles.values() if owner in iam_backends else ()
        return next((role for role in roles if role.arn == arn), None)


def named(name: str) -> Any:
    """Moto's role with this case-insensitive name, or None."""
    with turn("iam"):
        roles = iam_backends[accounts.current()]["aws"].roles.values()
        return next((role for role in roles if role.name.lower() == name.lower()), None)
