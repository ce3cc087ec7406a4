"""YAML as people would write it: no anchors, fields in their order, texts of several lines as blocks."""

import re

import yaml

from dynconfig import kubectl_yaml

# YAML takes them for ends of lines, and readers do not agree what becomes of them.
_STRANGE_ENDS = re.compile("[\x85\u2028\u2029]")


def written(document: object) -> str:
    """A document as YAML."""
    text: str = yaml.dump(document, Dumper=_Dumper, sort_keys=False, width=120)
    return text


def readable(document: object, *, is_unicode: bool = True) -> str:
    """A document as YAML, with its texts as they are: line by line, and not escaped, unless it has to be ASCII."""
    text: str = yaml.dump(document, Dumper=_Readable, sort_keys=False, width=120, allow_unicode=is_unicode)
    return text


class _Dumper(yaml.SafeDumper):
    """Every field stands where it is read."""

    def ignore_aliases(self, data: object) -> bool:  # noqa: ARG002 - the answer is the same for all
        return True


class _Readable(_Dumper):
    """Texts of several lines are blocks."""


def _text(dumper: yaml.SafeDumper, text: str) -> yaml.ScalarNode:
    style = '"' if _STRANGE_ENDS.search(text) else "|" if "\n" in text else None
    return dumper.represent_scalar("tag:yaml.org,2002:str", text, style=style)


# PyYAML puts in quotes what it would misread itself; so it has to know what kubectl reads otherwise.
for _tag, _pattern, _first in kubectl_yaml.WORDS:
    _Dumper.add_implicit_resolver(_tag, _pattern, list(_first))
_Readable.add_representer(str, _text)
