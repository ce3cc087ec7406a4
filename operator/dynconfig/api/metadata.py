"""What the API server takes for the metadata of an object: names, labels, annotations, and which fields there are.

https://kubernetes.io/docs/concepts/overview/working-with-objects/names/
https://kubernetes.io/docs/concepts/overview/working-with-objects/labels/#syntax-and-character-set
https://kubernetes.io/docs/reference/kubernetes-api/common-definitions/object-meta/
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from difflib import get_close_matches

from dynconfig.api import names

MAX_NAMESPACE = 63

_LABEL = re.compile(r"[a-z0-9]([-a-z0-9]*[a-z0-9])?")
_SUBDOMAIN = re.compile(rf"{_LABEL.pattern}(\.{_LABEL.pattern})*")


def name_fault(name: object) -> str | None:
    """What is wrong with the name of an object, or None."""
    return _fault(
        name, _SUBDOMAIN, names.MAX_NAME, "small letters, digits, - and ., with a letter or digit at each end"
    )


def namespace_fault(namespace: object) -> str | None:
    """What is wrong with the name of a namespace, or None."""
    return _fault(namespace, _LABEL, MAX_NAMESPACE, "small letters, digits and -, with a letter or digit at each end")


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
_TEXT = "has to be a text: put it in quotes"

Path = tuple[str, ...]


def unknown_field(name: str, known: Sequence[str]) -> str:
    """What to say of a field that does not exist."""
    near = get_close_matches(name, known, n=1)
    return f"is an unknown field{f'; did you mean {near[0]}?' if near else ''}"


def faults(document: Mapping[str, object]) -> Iterator[tuple[Path, str]]:
    """What the API server refuses of an object around its spec, each with its path."""
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
        yield ("metadata", "finalizers"), "has to be a list of texts: begin each item with -"


def _map_faults(path: Path, texts: object, *, takes_any: bool) -> Iterator[tuple[Path, str]]:
    """What is wrong with labels, or with annotations, whose values are any text."""
    if texts is None:
        return
    if not isinstance(texts, Mapping):
        yield path, "has to be a map of texts"
        return
    for key, value in texts.items():
        if fault := _key_fault(str(key), ignores_case=takes_any) or _text_fault(value, takes_any=takes_any):
            yield (*path, str(key)), fault


def _key_fault(key: str, *, ignores_case: bool) -> str:
    prefix, separator, name = key.rpartition("/")
    prefix = prefix.lower() if ignores_case else prefix
    if separator and not (len(prefix) <= MAX_PREFIX and _SUBDOMAIN.fullmatch(prefix)):
        return "has a key whose part before / is not the name of a domain, such as example.com"
    return "" if _WORD.fullmatch(name) else f"has a key that Kubernetes does not take: write {_WORDS}"


def _text_fault(value: object, *, takes_any: bool) -> str:
    if value is None:
        return ""
    if not isinstance(value, str):
        return _TEXT
    return "" if takes_any or not value or _WORD.fullmatch(value) else f"is no value of a label: write {_WORDS}"


def _fault(name: object, legal: re.Pattern[str], longest: int, takes: str) -> str | None:
    if name is None or name == "":
        return "is missing"
    if not isinstance(name, str):
        return _TEXT
    if len(name) > longest:
        return f"must not be longer than {longest} characters"
    return None if legal.fullmatch(name) else f"is {name!r}, and Kubernetes takes {takes}"
