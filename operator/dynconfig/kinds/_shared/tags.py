"""Tags as the kinds compare them: sorted pairs without the owner tag. Pure."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Protocol

from dynconfig.api.names import OWNER_TAG
from dynconfig.model.errors import AccessDenied, Conflict
from dynconfig.model.resource import Owner

Pairs = tuple[tuple[str, str], ...]


class TagIndex(Protocol):
    """Index of the resources of one type with the owner tag, for many objects in few calls; lags like AWS's index."""

    def refresh(self, owner: Owner, *, bypass_cache: bool) -> float:
        """Refresh the index if it is too old; return when this owner's part of it was read."""

    def tags(self, name: str) -> Pairs | None:
        """Return all tags of an owned resource, or None if it is not in the index."""

    def owned(self, owner: str) -> Sequence[str]:
        """Return the names of the resources with this owner tag."""


def pairs(tags: Mapping[str, str]) -> Pairs:
    """Return tags as sorted pairs."""
    return tuple(sorted(tags.items()))


def of_list(tags: Iterable[Any]) -> dict[str, str]:
    """Convert the list of Key and Value that most services return."""
    return {tag["Key"]: tag["Value"] for tag in tags}


def as_list(tags: Mapping[str, str]) -> list[dict[str, str]]:
    """Convert tags to the list of Key and Value that most services accept."""
    return [{"Key": key, "Value": value} for key, value in sorted(tags.items())]


def of_function(answer: Mapping[str, Any]) -> dict[str, str]:
    """Return the tags from a GetFunction response. Raises if they are missing: the owner would be unknown."""
    error = answer.get("TagsError")
    if not error:
        return dict(answer.get("Tags", {}))
    message = f"function {answer['Configuration']['FunctionName']}: its tags cannot be read: {error.get('Message', '')}"
    if "AccessDenied" in error.get("ErrorCode", ""):
        raise AccessDenied(f"{message}; allow this action in the operator's IAM role, see manifests/iam")
    raise Conflict(message)


def with_owner(tags: Pairs, owner: str) -> dict[str, str]:
    """Return all tags that a resource should have."""
    return {**dict(tags), OWNER_TAG: owner}


def owner_of(tags: Mapping[str, str]) -> str:
    """Return the value of the owner tag, or an empty string."""
    return tags.get(OWNER_TAG, "")


def own(tags: Mapping[str, str], ignored: tuple[str, ...]) -> Pairs:
    """Return the tags that are compared: without the owner tag and ignored prefixes."""
    return pairs({key: value for key, value in tags.items() if key != OWNER_TAG and not key.startswith(ignored)})


def change(before: Pairs, before_owner: str, after: Pairs, owner: str) -> tuple[dict[str, str], list[str]]:
    """Return the tags to write and the keys to remove."""
    old = with_owner(before, before_owner) if before_owner else dict(before)
    new = with_owner(after, owner)
    return {key: value for key, value in new.items() if old.get(key) != value}, sorted(set(old) - set(new))
