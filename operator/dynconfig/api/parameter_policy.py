"""SSM parameter policies: expiration, and notifications before it or after a period without change.

https://docs.aws.amazon.com/systems-manager/latest/userguide/parameter-store-policies.html
"""

import re
from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Annotated, ClassVar, Literal

from pydantic import Field

from dynconfig.api.model import Model, Rule

EXPIRATION, EXPIRATION_NOTIFICATION, NO_CHANGE_NOTIFICATION = (
    "Expiration",
    "ExpirationNotification",
    "NoChangeNotification",
)
_ATTRIBUTES = {
    EXPIRATION: {"Timestamp"},
    EXPIRATION_NOTIFICATION: {"Before", "Unit"},
    NO_CHANGE_NOTIFICATION: {"After", "Unit"},
}
_UNITS = ("Days", "Hours")


class ParameterPolicy(Model):
    """An SSM parameter policy. Advanced tier only."""

    type: Literal["Expiration", "ExpirationNotification", "NoChangeNotification"]
    """Policy type. Expiration deletes the parameter at its Timestamp; it then counts as in sync and is not created again."""
    version: Annotated[str, Field(max_length=8)] = "1.0"
    """Version of the policy format."""
    attributes: Annotated[dict[str, Annotated[str, Field(max_length=64)]], Field(max_length=8)] = Field(
        default_factory=dict
    )
    """Attributes of the policy as in the AWS API, for example Timestamp, or Before and Unit."""

    rules: ClassVar[tuple[Rule, ...]] = (
        Rule(
            message="attributes must be Timestamp for Expiration, Before and Unit for ExpirationNotification, and After and "
            "Unit for NoChangeNotification",
            holds=lambda policy: set(policy.attributes) == _ATTRIBUTES[policy.type],
        ),
        Rule(
            message="Timestamp must be an ISO 8601 time with time zone, for example 2030-12-31T12:00:00.000Z",
            holds=lambda policy: "Timestamp" not in policy.attributes or policy.expires is not None,
        ),
        Rule(
            message="Before and After must be positive whole numbers, and Unit must be Days or Hours",
            holds=lambda policy: _is_span(policy.attributes),
        ),
    )

    @property
    def expires(self) -> float | None:
        """When SSM deletes the parameter, in seconds since the epoch; None if this is no Expiration policy."""
        return _moment(self.attributes.get("Timestamp", "")) if self.type == EXPIRATION else None

    def as_aws(self) -> dict[str, object]:
        """Return the policy in the format of PutParameter."""
        return {"Type": self.type, "Version": self.version, "Attributes": self.attributes}


def expiration(policies: Iterable[ParameterPolicy]) -> float | None:
    """Return when SSM deletes a parameter with these policies, in seconds since the epoch; None if it does not."""
    return min((policy.expires for policy in policies if policy.expires is not None), default=None)


def is_whole(policies: Iterable[ParameterPolicy]) -> bool:
    """Whether the policies are valid together: at most one Expiration, and one if there is an ExpirationNotification."""
    kinds: list[str] = [policy.type for policy in policies]
    return kinds.count(EXPIRATION) <= 1 and (EXPIRATION_NOTIFICATION not in kinds or EXPIRATION in kinds)


def _is_span(attributes: Mapping[str, str]) -> bool:
    spans = [attributes[name] for name in ("Before", "After") if name in attributes]
    is_number = all(re.fullmatch(r"[1-9][0-9]{0,8}", span) for span in spans)
    return is_number and attributes.get("Unit", _UNITS[0]) in _UNITS


def _moment(text: str) -> float | None:
    try:
        found = datetime.fromisoformat(text)
    except ValueError:
        return None
    return found.timestamp() if found.tzinfo else None
