"""Parses only what the operator uses of JSON from the API server.

Labels, managed fields, owner references and keys of Secrets and ConfigMaps are written by users in any number, and take up to
forty times their size as Python objects. They are left out of the text before it is parsed.
"""

import json
import re
from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

from dynconfig.api.names import GROUP
from dynconfig.kube import json_levels
from dynconfig.model.size import OMITTED_BYTES

SMALL = 16_000
"""Bytes of a document that is parsed as a whole."""
# Searching a map for each of more keys is slower than parsing it.
_SEARCHED_KEYS = 20

_TEXT = r'"[^"\\]*+(?:\\.[^"\\]*+)*+"'
_ENTRY = rf"{_TEXT}\s*:\s*{_TEXT}\s*,?\s*"
_STRING = re.compile(_TEXT.encode(), re.DOTALL)
_BEFORE_MAP = re.compile(rb"\s*:\s*(?=\{)")
_STRINGS = re.compile(rf"\{{\s*(?:{_ENTRY})*+\}}".encode(), re.DOTALL)
# Quotes in strings are escaped, so that neither "{" nor "," is in front of them.
_OWN_ANNOTATION = re.compile(rf'(?<=[{{,])"{re.escape(GROUP)}/[^"\\]*+(?:\\.[^"\\]*+)*+"\s*:\s*{_TEXT}', re.DOTALL)


class Part(Protocol):
    """Selects a part of a JSON value, in text that has a character for each byte of UTF-8."""

    def of(self, text: str, begin: int) -> tuple[str, int, int]:
        """Return the text of that part of the value that begins here, the number of bytes left out, and the end of the value.

        Each character is looked at once, whatever the levels. Raises ValueError.
        """


@dataclass(frozen=True, slots=True)
class Members:
    """Members of an object, by name; the values of some are selected further."""

    keeps: Callable[[str], bool] = lambda _name: True
    inner: Mapping[str, Part] = field(default_factory=dict)

    def of(self, text: str, begin: int) -> tuple[str, int, int]:
        """Return the object with these members only, and another value as it is."""
        if text[begin : begin + 1] != "{":
            end = json_levels.value_end(text, begin)
            return text[begin:end], 0, end
        kept, omitted = list[str](), 0
        at = json_levels.after_separator(text, begin + 1)
        while member := json_levels.member_at(text, at):
            quoted, value_at = member
            name = json.loads(quoted)
            if name in self.inner and self.keeps(name):
                value, more, end = self.inner[name].of(text, value_at)
                omitted += more
                kept.append(f"{quoted}:{value}")
            else:
                end = json_levels.value_end(text, value_at)
                if self.keeps(name):
                    kept.append(f"{quoted}:{text[value_at:end]}")
                else:
                    omitted += end - at + 1
            at = json_levels.after_separator(text, end)
        return "{" + ",".join(kept) + "}", omitted, at + 1


class OwnAnnotations:
    """The annotations of this operator."""

    def of(self, text: str, begin: int) -> tuple[str, int, int]:
        """Return a map with these annotations only."""
        end = json_levels.value_end(text, begin)
        kept = "{" + ",".join(_OWN_ANNOTATION.findall(text, begin, end)) + "}"
        return kept, end - begin - len(kept), end


@dataclass(frozen=True, slots=True)
class Identity:
    """What a line of a watch is about."""

    event: str
    namespace: str
    """Empty for an object of the cluster, and for a bookmark."""
    name: str
    """Empty for a bookmark."""
    version: str


_UNUSED = frozenset(("labels", "managedFields", "ownerReferences"))
_VERSION = frozenset(("name", "namespace", "resourceVersion"))
_METADATA = Members(lambda name: name not in _UNUSED, {"annotations": OwnAnnotations()})
OBJECT = Members(inner={"metadata": _METADATA, "object": Members(inner={"metadata": _METADATA})})
"""An object, or a watch event, without the metadata that the operator does not use."""
_IDENTITY = Members(_VERSION.__contains__)
IDENTITY = Members(inner={"metadata": _IDENTITY, "object": Members(inner={"metadata": _IDENTITY})})
"""The same with nothing but name, namespace and version as its metadata."""


def loads(text: str | bytes, part: Part) -> Any:
    """Parse a part of an object or watch event, as `json_levels.loads`; OMITTED_BYTES says how large the rest is."""
    content = text.encode() if isinstance(text, str) else text
    if len(content) <= SMALL:
        return json_levels.loads(content)
    # A character for each byte: in a text with one emoji each would take four bytes.
    text = content.decode("latin-1").strip()
    kept, omitted, end = part.of(text, 0)
    if end != len(text):
        raise ValueError("more than one JSON value")
    found = json_levels.loads(kept.encode("latin-1"))
    if omitted:
        document = found if "metadata" in found else found["object"]
        document[OMITTED_BYTES] = omitted
    return found


def identity(line: bytes) -> Identity | None:
    """Return what a line of a watch is about, None if it is not about an object; nothing after the metadata is looked at."""
    text, found = line.decode("latin-1").lstrip(), dict[str, Any]()
    try:
        for name, begin in _members(text, 0):
            if name == '"type"':
                found[name] = json.loads(text[begin : json_levels.value_end(text, begin)])
            elif name == '"object"':
                metadata = next((at for inner, at in _members(text, begin) if inner == '"metadata"'), None)
                found.update(_scalars(text, metadata, _IDENTIFYING) if metadata else ())
            if len(found) == len(_IDENTIFYING) + 1:
                break
    except ValueError:
        return None
    event, version, namespace, name = (
        found.get(f'"{each}"', "") for each in ("type", "resourceVersion", "namespace", "name")
    )
    if not all(isinstance(each, str) for each in (event, version, namespace, name)) or event == "ERROR":
        return None
    return Identity(event, namespace, name, version) if version and (name or event == "BOOKMARK") else None


_IDENTIFYING = frozenset(('"name"', '"namespace"', '"resourceVersion"'))


def _scalars(text: str, begin: int, names: Collection[str]) -> Iterator[tuple[str, Any]]:
    """Yield these members of an object, with their names in quotes."""
    left = set(names)
    for name, at in _members(text, begin):
        if name in left:
            left.remove(name)
            yield name, json.loads(text[at : json_levels.value_end(text, at)].encode("latin-1"))
        if not left:
            return


def _members(text: str, begin: int) -> Iterator[tuple[str, int]]:
    """Yield the name, in quotes, of each member of an object, and where its value begins. Raises ValueError."""
    if text[begin : begin + 1] != "{":
        raise ValueError("not a JSON object")
    at = json_levels.after_separator(text, begin + 1)
    while member := json_levels.member_at(text, at):
        yield member
        at = json_levels.after_separator(text, json_levels.value_end(text, member[1]))


def strings(content: bytes, member: str, keys: Collection[str]) -> dict[str, str]:
    """Return these entries of the map of strings that an object has as a member. Raises ValueError.

    Quotes in strings are escaped, so that a quoted name with a colon after it is a key.
    """
    begin = _map_at(content, b'"' + member.encode() + b'"')
    if begin is None:
        return {}
    entries = _STRINGS.match(content, begin)
    if entries is None:
        raise ValueError(f"{member} is not a map of strings")
    if len(keys) > _SEARCHED_KEYS:
        parsed = json.loads(entries[0])
        return {key: parsed[key] for key in keys if key in parsed}
    found: dict[str, str] = {}
    for key in keys:
        name = json.dumps(key, ensure_ascii=False).encode() + b":"
        at = content.find(name, entries.start(), entries.end())
        if at >= 0 and (value := _STRING.match(content, at + len(name))):
            found[key] = json.loads(value[0])
    return found


def _map_at(content: bytes, quoted: bytes) -> int | None:
    """Return where the map with this quoted name begins. A search for bytes is ten times as fast as a regular expression."""
    at = content.find(quoted)
    while at >= 0:
        head = _BEFORE_MAP.match(content, at + len(quoted))
        if head is not None and content[at - 1 : at] != b"\\":
            return head.end()
        at = content.find(quoted, at + len(quoted))
    return None
