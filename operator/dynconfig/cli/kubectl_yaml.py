"""Parse YAML like kubectl: the same numbers and booleans, and no duplicate keys.

kubectl resolves plain scalars as https://github.com/yaml/go-yaml/blob/v2/resolve.go does: booleans of YAML 1.1, numbers
of 1.1 and 1.2, no timestamps. With any other rules a value could be valid here and rejected or changed by kubectl.
"""

import json
import re
from collections.abc import Hashable, Iterator

import yaml
from yaml.composer import ComposerError
from yaml.constructor import ConstructorError

from dynconfig.kube.yaml_bounds import Bounded, Parser

_TAG = "tag:yaml.org,2002:"
_TRUE = ("y", "yes", "true", "on")
_DIGITS = "0123456789"
# Larger numbers are not integers in Go.
_TOO_LARGE, _LONGEST = 2**63, 70

_PAIR = re.compile(
    r"(?P<before>(?<!\\)(?:\\\\)*)\\u(?P<high>[dD][89abAB][0-9a-fA-F]{2})\\u(?P<low>[dD][c-fC-F][0-9a-fA-F]{2})"
)

# Tag, pattern, and possible first characters of each type. Underscores in numbers are ignored.
WORDS: tuple[tuple[str, re.Pattern[str], str], ...] = (
    (f"{_TAG}bool", re.compile(r"(?:[yYnN]|yes|Yes|YES|no|No|NO|on|On|ON|off|Off|OFF)$"), "yYnNoO"),
    (f"{_TAG}bool", re.compile(r"(?:true|True|TRUE|false|False|FALSE)$"), "tTfF"),
    (f"{_TAG}null", re.compile(r"(?:~|null|Null|NULL)$"), "~nN"),
    (f"{_TAG}int", re.compile(r"[-+]?_*(?:0[0-7_]*|[1-9][0-9_]*)$"), f"-+{_DIGITS}"),
    (f"{_TAG}int", re.compile(r"[-+]?_*0_*(?:[bB]_*[01]|[oO]_*[0-7]|[xX]_*[0-9a-fA-F])[0-9a-fA-F_]*$"), "-+0"),
    (
        f"{_TAG}float",
        re.compile(r"[-+]?_*[0-9][0-9_]*(?:\.[0-9_]*)?(?:[eE]_*(?:[-+]_*)?[0-9][0-9_]*)?$"),
        f"-+{_DIGITS}",
    ),
    (f"{_TAG}float", re.compile(r"[-+]?\._*[0-9][0-9_]*(?:[eE]_*(?:[-+]_*)?[0-9][0-9_]*)?$"), "-+."),
    (f"{_TAG}float", re.compile(r"(?:[-+]?\.(?:inf|Inf|INF)|\.(?:nan|NaN|NAN))$"), "-+."),
    (f"{_TAG}merge", re.compile(r"<<$"), "<"),
)


def documents(text: str) -> Iterator[tuple[object, yaml.Node]]:
    """Yield each document of a text with its node, which has line numbers. Raises yaml.YAMLError."""
    loader = _Loader(_join_surrogates(text))
    while loader.check_node():
        if (node := loader.get_node()) is not None:
            yield loader.construct_document(node), node


def _join_surrogates(text: str) -> str:
    """Join surrogate pairs in a text that kubectl parses as JSON; YAML does not support them."""
    return _PAIR.sub(_character, text) if text.lstrip().startswith("{") else text


def _character(found: re.Match[str]) -> str:
    high, low = int(found["high"], 16), int(found["low"], 16)
    return found["before"] + chr(0x10000 + ((high - 0xD800) << 10) + low - 0xDC00)


class _UniqueKeys(Bounded):
    """Rejects duplicate keys."""

    def compose_mapping_node(self, anchor: str | None) -> yaml.MappingNode:  # type: ignore[override]  # its stub errs
        node = super().compose_mapping_node(anchor)  # type: ignore[arg-type]
        seen: dict[str, yaml.Mark] = {}
        for key, _ in node.value:
            if isinstance(key, yaml.ScalarNode) and key.tag != f"{_TAG}merge":
                if key.value in seen:
                    problem = f"duplicate key {key.value}; the first one is in line {seen[key.value].line + 1}"
                    raise ComposerError(None, None, problem, key.start_mark)
                seen[key.value] = key.start_mark
        return node


class _Loader(_UniqueKeys, Parser):
    """Resolves scalars like kubectl."""

    yaml_implicit_resolvers: dict[str, list[tuple[str, re.Pattern[str]]]] = {}  # noqa: RUF012 - filled below, as yaml wants it

    def __init__(self, text: str) -> None:
        Parser.__init__(self, text)
        Bounded.__init__(self)

    def construct_mapping(self, node: yaml.Node, deep: bool = False) -> dict[Hashable, object]:
        """Return a map with string keys, as in the JSON that kubectl sends."""
        if not isinstance(node, yaml.MappingNode):
            raise ConstructorError(None, None, "tagged as a map, but is not one", node.start_mark)
        self.flatten_mapping(node)
        return {self._key(key): self.construct_object(value, deep=deep) for key, value in node.value}

    def _key(self, node: yaml.Node) -> str:
        key = self.construct_object(node, deep=True)
        if isinstance(key, bool | int | float):
            return json.dumps(key)
        if not isinstance(key, str):
            raise ConstructorError(None, None, "a key is not a string", node.start_mark)
        return key


def _boolean(_loader: _Loader, node: yaml.ScalarNode) -> bool:
    return node.value.lower() in _TRUE


def _integer(loader: _Loader, node: yaml.ScalarNode) -> int | float:
    plain = node.value.replace("_", "").lower()
    is_octal = re.fullmatch(r"[-+]?0[0-7]+", plain)
    try:
        # Python rejects integers of thousands of digits.
        number = int(plain, 8 if is_octal else 0) if len(plain) < _LONGEST else _TOO_LARGE
    except ValueError:
        return _float(loader, node)
    return number if abs(number) < _TOO_LARGE else _float(loader, node)


def _float(_loader: _Loader, node: yaml.ScalarNode) -> int | float:
    """Return whole numbers as int, as in JSON."""
    plain = node.value.replace("_", "").lower().replace(".inf", "inf").replace(".nan", "nan")
    try:
        number = float(plain)
        return int(number) if number.is_integer() and abs(number) < _TOO_LARGE else number
    except ValueError:
        raise ConstructorError(None, None, f"{node.value} is not a number", node.start_mark) from None


def _text(_loader: _Loader, node: yaml.ScalarNode) -> str:
    return str(node.value)


_Loader.add_implicit_resolver(f"{_TAG}null", re.compile(r"$"), [""])
for _tag, _pattern, _first in WORDS:
    _Loader.add_implicit_resolver(_tag, _pattern, list(_first))
for _name, _construct in {
    "bool": _boolean,
    "int": _integer,
    "float": _float,
    "timestamp": _text,
    "merge": _text,
}.items():
    _Loader.add_constructor(f"{_TAG}{_name}", _construct)
