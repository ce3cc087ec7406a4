"""Validation of object metadata as in the API server: names, labels, annotations and known fields.

https://kubernetes.io/docs/concepts/overview/working-with-objects/names/
https://kubernetes.io/docs/concepts/overview/working-with-objects/labels/#syntax-and-character-set
https://kubernetes.io/docs/reference/kubernetes-api/common-definitions/object-meta/
"""

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from difflib import get_close_matches

from dynconfig.api import names

MAX_NAMESPACE = 63

_LABEL = re.compile(r"[a-z0-9]([-a-z0-9]*[a-z0-9])?")
_SUBDOMAIN = re.compile(rf"{_LABEL.pattern}(\.{_LABEL.pattern})*")


def name_fault(name: object) -> str | None:
    """Return why the name of an object is invalid, or None."""
    return _fault(
        name, _SUBDOMAIN, names.MAX_NAME, "lowercase letters, digits, - and ., with a letter or digit at each end"
    )


def namespace_fault(namespace: object) -> str | None:
    """Return why the name of a namespace is invalid, or None."""
    return _fault(
        namespace, _LABEL, MAX_NAMESPACE, "lowercase letters, digits and -, with a letter or digit at each end"
    )


_OBJECT_FIELDS = ("apiVersion", "kind", "metadata", "spec", "status")
_FIELDS = (
    "annotations",
    "creationTimestamp",
    "deletionGracePeriodSeconds",
    "deletionTimestamp",
    "finalizers",
    "generateName",
    "generation",
    "labels",
    "managedFields",
    "name",
    "namespace",
    "ownerReferences",
    "resourceVersion",
    "selfLink",
    "uid",
)
_WORD = re.compile(r"[A-Za-z0-9]([-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?")
_WORDS = "letters, digits, -, _ and ., with a letter or digit at each end, 63 characters at most"
MAX_PREFIX = 253
_TEXT = "must be a string: put it in quotes"

Path = tuple[str, ...]


def near(name: str, known: Iterable[str]) -> str:
    """Return the known name that a misspelt one is meant to be; empty if none has three of four letters in common with it."""
    by_lower = {each.lower(): each for each in known}
    return next((by_lower[found] for found in get_close_matches(name.lower(), by_lower, n=1, cutoff=0.75)), "")


def unknown_field(name: str, known: Sequence[str]) -> str:
    """Return the message for an unknown field, with a suggestion."""
    meant = near(name, known)
    return f"is an unknown field{f'; did you mean {meant}?' if meant else ''}"


def faults(document: Mapping[str, object]) -> Iterator[tuple[Path, str]]:
    """Yield what the API server rejects in an object outside of its spec, each with its path."""
    yield from (((name,), unknown_field(name, _OBJECT_FIELDS)) for name in document if name not in _OBJECT_FIELDS)
    metadata = document.get("metadata")
    if not isinstance(metadata, Mapping):
        return
    yield from ((("metadata", name), unknown_field(name, _FIELDS)) for name in metadata if name not in _FIELDS)
    for field in ("name", "namespace"):
        check = name_fault if field == "name" else namespace_fault
        if fault := check(metadata.get(field)):
            yield ("metadata", field), fault
    for field in ("labels", "annotations"):
        yield from _map_faults(("metadata", field), metadata.get(field), takes_any=field == "annotations")
    finalizers = metadata.get("finalizers")
    if finalizers is not None and not (isinstance(finalizers, list) and all(isinstance(i, str) for i in finalizers)):
        yield ("metadata", "finalizers"), "must be a list of strings: begin each item with -"


def _map_faults(path: Path, texts: object, *, takes_any: bool) -> Iterator[tuple[Path, str]]:
    """Yield what is invalid in labels, or in annotations, whose values may be any string."""
    if texts is None:
        return
    if not isinstance(texts, Mapping):
        yield path, "must be a map of strings"
        return
    for key, value in texts.items():
        if fault := _key_fault(str(key), ignores_case=takes_any) or _text_fault(value, takes_any=takes_any):
            yield (*path, str(key)), fault


def _key_fault(key: str, *, ignores_case: bool) -> str:
    prefix, separator, name = key.rpartition("/")
    prefix = prefix.lower() if ignores_case else prefix
    if separator and not (len(prefix) <= MAX_PREFIX and _SUBDOMAIN.fullmatch(prefix)):
        return "has a key whose prefix before / is not a DNS subdomain, such as example.com"
    return "" if _WORD.fullmatch(name) else f"has an invalid key: use {_WORDS}"


def _text_fault(value: object, *, takes_any: bool) -> str:
    if value is None:
        return ""
    if not isinstance(value, str):
        return _TEXT
    return "" if takes_any or not value or _WORD.fullmatch(value) else f"is not a valid label value: use {_WORDS}"


def _fault(name: object, legal: re.Pattern[str], longest: int, takes: str) -> str | None:
    if name is None or name == "":
        return "is missing"
    if not isinstance(name, str):
        return _TEXT
    if len(name) > longest:
        return f"must not be longer than {longest} characters"
    return None if legal.fullmatch(name) else f"{name!r} is invalid: use {takes}"
