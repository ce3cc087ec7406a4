"""Parameters whose Expiration has passed: refused if they were never written, and as declared after that. Pure."""

from collections.abc import Iterable, Iterator
from datetime import UTC, datetime

from dynconfig.api.parameter import ParameterSpec
from dynconfig.engine.checking import Finding
from dynconfig.engine.declaration import Declaration
from dynconfig.engine.errors import InvalidSpec


def check(declaration: Declaration) -> None:
    """Refuse to create what has expired already. Raises InvalidSpec, which names the fields."""
    new = set(declaration.expired_unwritten)
    indexed = enumerate(parameter.spec for parameter in declaration.parameters if parameter.name in new)
    texts = [finding.text for finding in past(indexed, declaration.now)]
    if texts:
        raise InvalidSpec("; ".join(texts[:5]) + (f"; and {len(texts) - 5} more" if len(texts) > 5 else ""))


def past(parameters: Iterable[tuple[int, ParameterSpec]], now: float) -> Iterator[Finding]:
    """The Timestamps that have passed at `now` (seconds since the epoch), of parameters with their indexes."""
    for index, parameter in parameters:
        for number, policy in enumerate(parameter.policies):
            if policy.expires is not None and policy.expires <= now:
                yield Finding(
                    ("spec", "parameters", index, "policies", number, "attributes", "Timestamp"),
                    f"spec.parameters[{parameter.name}].policies[{number}].attributes.Timestamp is in the past "
                    f"({datetime.fromtimestamp(policy.expires, UTC):%Y-%m-%dT%H:%M:%SZ}), and a parameter that has expired is "
                    "not created; set a later Timestamp, or remove the parameter",
                )
