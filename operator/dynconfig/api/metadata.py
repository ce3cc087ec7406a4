"""What the API server takes for the name of an object and for that of a namespace.

https://kubernetes.io/docs/concepts/overview/working-with-objects/names/
"""

import re

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


def _fault(name: object, legal: re.Pattern[str], longest: int, takes: str) -> str | None:
    if name is None or name == "":
        return "is missing"
    if not isinstance(name, str):
        return "has to be a text: put it in quotes"
    if len(name) > longest:
        return f"must not be longer than {longest} characters"
    return None if legal.fullmatch(name) else f"is {name!r}, and Kubernetes takes {takes}"
