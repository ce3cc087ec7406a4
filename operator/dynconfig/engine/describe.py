"""A plan as people read it and as programs read it; secrets stay masked."""

from collections.abc import Iterator
from typing import Any

from dynconfig.engine.plan import Create, Delete, Plan, Release, Step, Update, shown
from dynconfig.engine.resource import Resource

_SIGNS = {Create: "+", Update: "~", Delete: "-", Release: "="}
_VERBS = {Create: "create", Update: "update", Delete: "delete", Release: "release"}
_HIDDEN = ("owner",)


def lines(plan: Plan) -> Iterator[tuple[str, str]]:
    """Sign and text of each line: + create, ~ update, - delete, = leave without an owner, space for a detail."""
    for step in plan.steps:
        yield _SIGNS[type(step.change)], f"{_VERBS[type(step.change)]} {step.resource.title}"
        for text in _details(step):
            yield " ", text


def summary(plan: Plan) -> str:
    """The plan in one sentence."""
    if plan.is_empty:
        return f"Nothing to do: {len(plan.declared)} resources are in AWS as declared."
    counts = {kind: sum(isinstance(step.change, kind) for step in plan.steps) for kind in _VERBS}
    told = ", ".join(f"{count} to {_VERBS[kind]}" for kind, count in counts.items() if count)
    return f"Plan: {told}; {len(plan.declared)} resources declared."


def document(plan: Plan) -> dict[str, Any]:
    """The plan for programs."""
    return {"declared": len(plan.declared), "owned": len(plan.owned), "changes": [_change(step) for step in plan.steps]}


def _details(step: Step) -> list[str]:
    if isinstance(step.change, Create):
        return [f"{name}: {text}" for name, text in _fields(step.change.desired)]
    if isinstance(step.change, Update):
        return [
            f"{because.field}: {because.observed or '(empty)'} → {because.declared or '(empty)'}"
            for because in step.because
        ]
    return []


def _fields(resource: Resource) -> Iterator[tuple[str, str]]:
    """Fields that say something: neither empty nor what everybody has."""
    for name in type(resource).__dataclass_fields__:
        item = type(resource).__dataclass_fields__[name]
        value = getattr(resource, name)
        usual = value == item.default
        if name not in ("name", *_HIDDEN) and item.metadata.get("compare", True) and value is not None and not usual:
            yield name, shown(value)


def _change(step: Step) -> dict[str, Any]:
    differences = [
        {"field": because.field, "declared": because.declared, "observed": because.observed} for because in step.because
    ]
    return {"change": _VERBS[type(step.change)], "resource": step.resource.title, "differences": differences}
