"""Write readable YAML: no anchors, fields in declaration order, multi-line strings as blocks."""

import yaml

from dynconfig.cli import kubectl_yaml
from dynconfig.model.printable import printable


def written(document: object) -> str:
    """Return a document as YAML."""
    text: str = yaml.dump(document, Dumper=_Dumper, sort_keys=False, width=120)
    return text


def readable(document: object, *, is_unicode: bool = True) -> str:
    """Return a document as YAML with unescaped, multi-line strings; escaped if they are not printable, or not ASCII."""
    text: str = yaml.dump(document, Dumper=_Readable, sort_keys=False, width=120, allow_unicode=is_unicode)
    return printable(text, kept="\n")


class _Dumper(yaml.SafeDumper):
    """Writes no anchors and aliases."""

    def ignore_aliases(self, data: object) -> bool:  # noqa: ARG002 - the answer is the same for all
        return True


class _Readable(_Dumper):
    """Writes multi-line strings as blocks."""


def _text(dumper: yaml.SafeDumper, text: str) -> yaml.ScalarNode:
    # In double quotes only, characters can be escaped.
    style = '"' if printable(text, kept="\n") != text else "|" if "\n" in text else None
    return dumper.represent_scalar("tag:yaml.org,2002:str", text, style=style)


# PyYAML quotes strings that it would resolve to another type itself; add those that kubectl would.
for _tag, _pattern, _first in kubectl_yaml.WORDS:
    _Dumper.add_implicit_resolver(_tag, _pattern, list(_first))
_Readable.add_representer(str, _text)
