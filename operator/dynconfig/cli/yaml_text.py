"""YAML as people would write it: no anchors, fields in their order, texts of several lines as blocks."""

import yaml


def written(document: object) -> str:
    """A document as YAML."""
    text: str = yaml.dump(document, Dumper=_Dumper, sort_keys=False, width=120)
    return text


def readable(document: object) -> str:
    """A document as YAML, with its texts as they are: not escaped, and line by line."""
    text: str = yaml.dump(document, Dumper=_Readable, sort_keys=False, width=120, allow_unicode=True)
    return text


class _Dumper(yaml.SafeDumper):
    """Every field stands where it is read."""

    def ignore_aliases(self, data: object) -> bool:  # noqa: ARG002 - the answer is the same for all
        return True


class _Readable(_Dumper):
    """Texts of several lines are blocks."""


def _text(dumper: yaml.SafeDumper, text: str) -> yaml.ScalarNode:
    return dumper.represent_scalar("tag:yaml.org,2002:str", text, style="|" if "\n" in text else None)


_Readable.add_representer(str, _text)
