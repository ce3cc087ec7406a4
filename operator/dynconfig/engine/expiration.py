"""Expired parameters: rejected if they were never written; after that, they count as in sync. Pure."""

from collections.abc import Iterable, Iterator
from datetime import UTC, datetime

from dynconfig.api.parameter import ParameterSpec
from dynconfig.model.declaration import Declaration
from dynconfig.model.errors import InvalidSpec
from dynconfig.validation.checking import Finding


def check(declaration: Declaration) -> None:
    """Raise InvalidSpec, with the fields, if a parameter has expired before its creation."""
    new = set(declaration.expired_unwritten)
    indexed = enumerate(parameter.spec for parameter in declaration.parameters if parameter.name in new)
    texts = [finding.text for finding in past(indexed, declaration.now)]
    if texts:
        raise InvalidSpec("; ".join(texts[:5]) + (f"; and {len(texts) - 5} more" if len(texts) > 5 else ""))


def past(parameters: Iterable[tuple[int, ParameterSpec]], now: float) -> Iterator[Finding]:
    """Yield a finding for each Timestamp before `now` (seconds since the epoch)."""
    for index, parameter in parameters:
        for number, policy in enumerate(parameter.policies):
            if policy.expires is not None and policy.expires <= now:
                yield Finding(
                    ("spec", "parameters", index, "policies", number, "attributes", "Timestamp"),
                    f"spec.parameters[{parameter.name}].policies[{number}].attributes.Timestamp is in the past "
                    f"({datetime.fromtimestamp(policy.expires, UTC):%Y-%m-%dT%H:%M:%SZ}); an expired parameter is not created. "
                    "Set a later Timestamp, or remove the parameter",
                )
