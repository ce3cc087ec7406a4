"""Tags as the kinds compare them: sorted pairs, the owner's apart. Pure."""

from collections.abc import Iterable, Mapping
from typing import Any

from dynconfig.api.names import OWNER_TAG
from dynconfig.engine.errors import AccessDenied, Conflict

Pairs = tuple[tuple[str, str], ...]


def pairs(tags: Mapping[str, str]) -> Pairs:
    """Tags as sorted pairs."""
    return tuple(sorted(tags.items()))


def of_list(tags: Iterable[Any]) -> dict[str, str]:
    """Tags from the list of Key and Value that most services answer."""
    return {tag["Key"]: tag["Value"] for tag in tags}


def as_list(tags: Mapping[str, str]) -> list[dict[str, str]]:
    """Tags as the list of Key and Value that most services take."""
    return [{"Key": key, "Value": value} for key, value in sorted(tags.items())]


def of_function(answer: Mapping[str, Any]) -> dict[str, str]:
    """Tags from GetFunction, which succeeds without them: without them nobody knows whose the function is."""
    error = answer.get("TagsError")
    if not error:
        return dict(answer.get("Tags", {}))
    message = f"function {answer['Configuration']['FunctionName']}: its tags cannot be read: {error.get('Message', '')}"
    if "AccessDenied" in error.get("ErrorCode", ""):
        raise AccessDenied(f"{message}; allow the operator's role to do this, as in manifests/iam")
    raise Conflict(message)


def with_owner(tags: Pairs, owner: str) -> dict[str, str]:
    """All tags that a resource should carry."""
    return {**dict(tags), OWNER_TAG: owner}


def owner_of(tags: Mapping[str, str]) -> str:
    """The owner in the tags, or an empty text."""
    return tags.get(OWNER_TAG, "")


def own(tags: Mapping[str, str], ignored: tuple[str, ...]) -> Pairs:
    """The tags that are compared: neither the owner's nor those of a prefix that others keep."""
    return pairs({key: value for key, value in tags.items() if key != OWNER_TAG and not key.startswith(ignored)})


def change(before: Pairs, before_owner: str, after: Pairs, owner: str) -> tuple[dict[str, str], list[str]]:
    """The tags to write and the keys to remove, from what is to what should be."""
    old = with_owner(before, before_owner) if before_owner else dict(before)
    new = with_owner(after, owner)
    return {key: value for key, value in new.items() if old.get(key) != value}, sorted(set(old) - set(new))
