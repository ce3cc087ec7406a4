"""The input of a target for an event: the whole event, a part of it or a transformation. Pure.

https://docs.aws.amazon.com/eventbridge/latest/userguide/eb-transform-target-input.html
"""

import json
import re
from collections.abc import Mapping
from typing import Any

Event = Mapping[str, Any]
_STEP = re.compile(r"\.([^.\[\]]+)|\[(\d+)\]|\[['\"]([^'\"]+)['\"]\]")
_VARIABLE = re.compile(r"<([^<>]+)>")


def render(target: Mapping[str, Any], event: Event, rule: str) -> str:
    """The text that the target receives."""
    if target.get("Input") is not None:
        return str(target["Input"])
    if target.get("InputPath") is not None:
        return json.dumps(_at(event, str(target["InputPath"])))
    transformer = target.get("InputTransformer")
    return _transformed(transformer, event, rule) if transformer else json.dumps(event)


def _at(event: Event, path: str) -> Any:
    """The value at a path such as $.detail.name; None if there is none."""
    found: Any = event
    for name, index, quoted in _STEP.findall(path):
        try:
            found = found[int(index)] if index else found[name or quoted]
        except (KeyError, IndexError, TypeError):
            return None
    return found


def _transformed(transformer: Mapping[str, Any], event: Event, rule: str) -> str:
    values: dict[str, Any] = {name: _at(event, path) for name, path in transformer.get("InputPathsMap", {}).items()}
    values |= {
        "aws.events.rule-arn": rule,
        "aws.events.rule-name": rule.rpartition("/")[2],
        "aws.events.event.ingestion-time": event.get("time"),
        "aws.events.event": {key: value for key, value in event.items() if key != "detail"},
        "aws.events.event.json": event,
    }
    template: str = transformer["InputTemplate"]

    def filled(found: re.Match[str]) -> str:
        value = values.get(found[1])
        if not _is_within_text(template, found.start()):
            return json.dumps(value)
        return json.dumps(value if isinstance(value, str) else json.dumps(value))[1:-1]

    return _VARIABLE.sub(filled, template)


def _is_within_text(template: str, position: int) -> bool:
    """Whether a placeholder is inside quotation marks."""
    return len(re.findall(r'(?<!\\)"', template[:position])) % 2 == 1
