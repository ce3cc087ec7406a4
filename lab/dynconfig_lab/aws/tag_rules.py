"""The lengths and characters of tags, which moto does not check. Pure.

https://docs.aws.amazon.com/systems-manager/latest/APIReference/API_Tag.html
"""

import unicodedata
from collections.abc import Iterable, Iterator, Mapping, Sequence

from dynconfig_lab.aws.answers import AwsError

LONGEST_KEY = 128
LONGEST_VALUE = 256
_SIGNS = "_.:/=+-@"
_PATTERN = r"[\p{L}\p{Z}\p{N}_.:/=+\-@]*"


def check_list(tags: Sequence[Mapping[str, str]], code: str) -> None:
    """Raise the error of a service whose tags are a list of Key and Value."""
    found = [
        f"Value '{text}' at 'tags.{number}.member.{member}' failed to satisfy constraint: {constraint}"
        for number, tag in enumerate(tags, 1)
        for member, text, longest in (("key", tag["Key"], LONGEST_KEY), ("value", tag["Value"], LONGEST_VALUE))
        for constraint in _broken(text, longest)
    ]
    _refuse(found, code)


def check_map(tags: Mapping[str, str], code: str) -> None:
    """Raise the error of a service whose tags are a map."""
    shown = "{" + ", ".join(f"{key}={value}" for key, value in tags.items()) + "}"
    found = [
        f"Value '{shown}' at 'tags' failed to satisfy constraint: Map {what} must satisfy constraint: "
        f"[Member must have length less than or equal to {longest}, Member must have length greater than or equal to "
        f"{least}, Member must satisfy regular expression pattern: ^({_PATTERN})$]"
        for what, texts, least, longest in (("keys", tags, 1, LONGEST_KEY), ("value", tags.values(), 0, LONGEST_VALUE))
        if _any_broken(texts, longest)
    ]
    _refuse(found, code)


def _refuse(found: Sequence[str], code: str) -> None:
    if found:
        errors = "error" if len(found) == 1 else "errors"
        raise AwsError(code, f"{len(found)} validation {errors} detected: {'; '.join(found)}")


def _any_broken(texts: Iterable[str], longest: int) -> bool:
    return any(True for text in texts for _ in _broken(text, longest))


def _broken(text: str, longest: int) -> Iterator[str]:
    if len(text) > longest:
        yield f"Member must have length less than or equal to {longest}"
    # Letters, digits and separators of all scripts; Python's \w and \s are different sets.
    if any(sign not in _SIGNS and unicodedata.category(sign)[0] not in "LZN" for sign in text):
        yield f"Member must satisfy regular expression pattern: {_PATTERN}"
