"""Resources as plain documents, as they would be in AWS; secrets are masked. Pure."""

import json
from dataclasses import Field, fields
from typing import Any

from dynconfig.model.resource import Resource, Versioned
from dynconfig.model.secret import Secret
from dynconfig.model.secret_mark import UNMARKED, SecretMark

_NOT_IN_AWS = ("name", "owner")


def rendered(resource: Resource) -> dict[str, Any]:
    """Return kind, name and all fields that are set."""
    # The value of a parameter is user data, so it is not parsed even if it looks like JSON.
    is_text = isinstance(resource, Versioned)
    values = {
        item.name: _plain(getattr(resource, item.name), is_text=is_text)
        for item in fields(resource)
        if item.name not in _NOT_IN_AWS and item.metadata.get("compare", True) and not _is_unset(item, resource)
    }
    set_fields = {name: value for name, value in values.items() if value not in (None, "", [], {})}
    return {"kind": resource.kind, "name": resource.name, **set_fields}


def _is_unset(item: Field[Any], resource: Resource) -> bool:
    """Whether it is a derived flag that is not set."""
    return bool(item.metadata.get("derived")) and getattr(resource, item.name) in (False, UNMARKED)


def _plain(value: object, *, is_text: bool) -> Any:
    if isinstance(value, Secret):
        return str(value)
    if isinstance(value, SecretMark):
        return value.is_set
    if isinstance(value, tuple):
        if value and all(isinstance(part, tuple) and len(part) == 2 for part in value):
            return {name: _plain(part, is_text=True) for name, part in value}
        return [_plain(part, is_text=is_text) for part in value]
    return value if is_text or not isinstance(value, str) else _document(value)


def _document(text: str) -> Any:
    """Parse policies and event patterns, which are JSON strings, for readability."""
    if not text.startswith(("{", "[")):
        return text
    try:
        return json.loads(text)
    except ValueError:
        return text
