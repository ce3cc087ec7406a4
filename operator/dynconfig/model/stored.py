"""Tolerant access to stored objects, which an older CRD, another operator or a person may have written.

Nothing here fails for any shape of spec or status, so that every object can be deleted and have its status updated. Pure.
"""

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from pydantic import ValidationError

from dynconfig.api.function import FUNCTION_NAME, ROLE_NAME
from dynconfig.api.parameter import LEVEL, MAX_LEVELS, DeletionPolicy
from dynconfig.api.spec import REGION, TARGET_NAME
from dynconfig.api.status import ConditionType, DynamicConfigStatus, Reason
from dynconfig.model.naming import LONGEST
from dynconfig.model.target import Target

# Limits of SSM parameter names: others cannot exist, and requests for them are rejected.
# https://docs.aws.amazon.com/systems-manager/latest/APIReference/API_PutParameter.html
LONGEST_NAME = 1011
_IMMUTABLE = ("path", "region", "target")
# Required members of list entries; others may be missing, as in a status of an older version.
_NEEDED: Mapping[int | str, frozenset[str]] = {
    "conditions": frozenset({"type", "status"}),
    "parameters": frozenset({"name", "version"}),
    "drift": frozenset({"resource", "field"}),
    "resources": frozenset({"kind", "name"}),
}


def spec_of(document: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return spec as a map; empty if it is not a map."""
    return _map(document.get("spec"))


class _ValidStatus(dict[str, Any]):
    """A status that `status_of` returned."""


def status_of(document: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return status without invalid members and without list entries that lack their identifying members."""
    status = _map(document.get("status"))
    return status if isinstance(status, _ValidStatus) else _fitting(status, _is_tolerable)


def with_valid_status(document: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return an object for which `status_of` need not validate the status once more, which takes milliseconds."""
    return {**document, "status": _ValidStatus(status_of(document))}


def complete(status: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return the part of a status that the API server accepts unchanged."""
    return _fitting(status, lambda _problem: False)


def listed_names(listed: object) -> tuple[str, ...]:
    """Return the unique names in a list of maps; entries without a name are skipped."""
    found = (_map(item).get("name") for item in listed) if isinstance(listed, Sequence) else iter(())
    return tuple(dict.fromkeys(name for name in found if isinstance(name, str) and name))


def is_parameter_name(name: str) -> bool:
    """Whether this is a valid full name of an SSM parameter."""
    levels = name.count("/")
    is_legal = re.fullmatch(rf"(/{LEVEL})+", name) is not None and levels <= MAX_LEVELS and len(name) <= LONGEST_NAME
    return is_legal and not re.match(r"/(aws|ssm)", name, re.IGNORECASE)


def region_of(document: Mapping[str, Any]) -> str | None:
    """Return the region in spec; None if it is missing or malformed."""
    return _text(spec_of(document).get("region"), REGION)


@dataclass(frozen=True, slots=True)
class RecordedPlace:
    """Where an object writes. Status records it before the first write, and it decides until the object is gone."""

    target: str = ""
    """The name of the AWSTarget; empty for the operator's own identity."""
    account: str = ""
    """The account of the target; empty if it is unknown, as for the operator's own identity."""
    region: str = ""
    """Empty if it is unknown."""

    def __str__(self) -> str:
        return f"{self.region} ({self.target}, {self.account})" if self.target else self.region

    def completed(self, target: Target) -> "RecordedPlace":
        """Return the place in which what is not recorded is that of a target."""
        return RecordedPlace(self.target or target.name, self.account or target.account, self.region or target.region)

    def is_in(self, target: Target) -> bool:
        """Whether this is the target, account and region, as far as they are known."""
        return self.completed(target) == RecordedPlace(target.name, target.account, target.region)


def recorded_place(status: object) -> RecordedPlace | None:
    """Return where an object writes, by its status; None if nothing was written, so that spec and settings decide.

    Versions without targets wrote with the operator's own identity. They recorded the region last.
    """
    found = _map(status)
    target, account, region = (_string(found.get(name)) for name in ("target", "account", "region"))
    is_written = any(found.get(name) for name in ("lastObservedTime", "parameters", "resources"))
    if not (target or region or is_written or is_first_write(found)):
        return None
    return RecordedPlace(target, account, region)


def is_first_write(status: Mapping[str, Any]) -> bool:
    """Whether status is the one that precedes the first write; earlier versions did not record the place with it."""
    conditions = status.get("conditions")
    found = [_map(item) for item in conditions] if isinstance(conditions, Sequence) else []
    return any(item.get("type") == ConditionType.READY and item.get("reason") == Reason.APPLYING for item in found)


def _string(value: object) -> str:
    return value if isinstance(value, str) else ""


def target_of(document: Mapping[str, Any], default: str) -> str:
    """Return the name of the target of an object; empty for the operator's own identity.

    Resources stay where they are: without spec.target, the recorded place decides.
    """
    named = _text(spec_of(document).get("target"), TARGET_NAME)
    if named is not None:
        return named
    recorded = recorded_place(document.get("status"))
    return default if recorded is None else recorded.target


def function_names_of(document: Mapping[str, Any]) -> tuple[str | None, str | None]:
    """Return the function name and role name in spec, each None if it is missing or malformed."""
    function = _map(spec_of(document).get("function"))
    return _text(function.get("name"), FUNCTION_NAME), _text(function.get("roleName"), ROLE_NAME)


def deletion_policy_of(document: Mapping[str, Any]) -> DeletionPolicy:
    """Return the deletion policy of the object; Retain if it is invalid."""
    return policy_of(spec_of(document).get("deletionPolicy"))


def deletion_policies_of(
    document: Mapping[str, Any], reported: Mapping[str, DeletionPolicy]
) -> dict[str, DeletionPolicy]:
    """Return the parameters' own deletion policies by full name: from spec, or from status if they were removed from spec."""
    path, listed = spec_of(document).get("path"), spec_of(document).get("parameters")
    items = [_map(item) for item in listed] if isinstance(listed, Sequence) else []
    declared = {f"{path}/{item['name']}": item.get("deletionPolicy") for item in items if "name" in item}
    left = {name: policy for name, policy in reported.items() if name not in declared}
    return {**left, **{name: policy_of(text) for name, text in declared.items() if text is not None}}


def policy_of(text: object) -> DeletionPolicy:
    """Parse a deletion policy: Delete if it is missing, Retain if it is invalid."""
    return DeletionPolicy.DELETE if text in (None, DeletionPolicy.DELETE.value) else DeletionPolicy.RETAIN


def is_suspended(document: Mapping[str, Any]) -> bool:
    """Whether spec.suspend is set."""
    return spec_of(document).get("suspend") in (True, "true", "True")


def _fitting(status: Mapping[str, Any], is_tolerable: Callable[[Mapping[str, Any]], bool]) -> dict[str, Any]:
    try:
        DynamicConfigStatus.model_validate(dict(status), strict=True)
    except ValidationError as error:
        problems = error.errors(include_url=False, include_context=False, include_input=False)
        return _without(status, [problem["loc"] for problem in problems if not is_tolerable(problem)])
    return dict(status)


def _is_tolerable(problem: Mapping[str, Any]) -> bool:
    """Whether a member is missing but not required, or unknown, as if added by a later version."""
    place = problem["loc"]
    is_missing = problem["type"] == "missing" and place[0] in _NEEDED and place[-1] not in _NEEDED[place[0]]
    return is_missing or problem["type"] == "extra_forbidden"


def _without(status: Mapping[str, Any], wrong: Sequence[tuple[int | str, ...]]) -> dict[str, Any]:
    entries: dict[Any, set[Any]] = {}
    for field, *rest in wrong:
        entries.setdefault(field, set()).add(rest[0] if rest and isinstance(rest[0], int) else None)
    return dict(_kept(status, entries))


def _kept(status: Mapping[str, Any], wrong: Mapping[Any, set[Any]]) -> Iterator[tuple[str, Any]]:
    for field, value in status.items():
        if field not in wrong:
            yield field, value
        elif isinstance(value, list) and None not in wrong[field]:
            yield field, [item for index, item in enumerate(value) if index not in wrong[field]]


def _map(value: object) -> Mapping[str, Any]:
    return value if isinstance(value, Mapping) else {}


def _text(value: object, pattern: str) -> str | None:
    return value if isinstance(value, str) and len(value) <= LONGEST and re.fullmatch(pattern, value) else None


def emptied(spec: Mapping[str, Any]) -> dict[str, Any]:
    """Return a patch that removes all fields of spec except immutable ones, so that the object is valid again.

    CEL rules are evaluated on each write, also for fields that are not written, and fail for fields of a wrong type. An object
    that is being deleted does not need its spec any more.
    https://kubernetes.io/docs/tasks/extend-kubernetes/custom-resources/custom-resource-definitions/#validation-rules
    """
    return {field: None for field in spec if field not in _IMMUTABLE}
