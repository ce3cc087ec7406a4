"""Plans as text and as JSON; secrets are masked."""

from collections.abc import Iterator
from typing import Any

from dynconfig.cli import field_diff
from dynconfig.engine.assessment import Assessment
from dynconfig.model.counting import agreeing, counted
from dynconfig.model.plan import Create, Delete, Difference, Plan, Release, Step, Update
from dynconfig.model.refusal import Refusal
from dynconfig.model.resource import Resource
from dynconfig.model.window import in_full, shown

_SIGNS = {Create: "+", Update: "~", Delete: "-", Release: "="}
_VERBS = {Create: "create", Update: "update", Delete: "delete", Release: "release"}
_HIDDEN = ("owner",)


def lines(plan: Plan, *, rolled_back: bool = False) -> Iterator[tuple[str, str]]:
    """Yield sign and text of each line: + create, ~ update, - delete, = release, space for a detail.

    Rejected and blocked changes have the sign "!", changes that are not applied now ".".
    """
    for step in plan.steps:
        yield _SIGNS[type(step.change)], f"{_VERBS[type(step.change)]} {step.resource.title}"
        if isinstance(step.change, Release) and step.change.successor:
            yield " ", f"handed over to {step.change.successor.owner.title}"
        yield from _details(step)
    for item in plan.refused:
        yield "!", f"{item.title}: {item.error.reason}: {item.error}"
    for waiting in plan.blocked:
        yield "!", waiting.message
    for step in plan.reported:
        yield ".", f"not corrected (driftPolicy: Report): {step.resource.title}"
        yield from _details(step)
    for step in plan.waiting:
        if rolled_back:
            yield ".", f"keep {step.resource.title}: the rollback does not delete it"
        else:
            yield ".", f"{_VERBS[type(step.change)]} {step.resource.title} after the bake time"


def summary(found: Assessment) -> str:
    """Return the assessment in one sentence."""
    plan = found.plan
    counts = {kind: sum(isinstance(step.change, kind) for step in plan.steps) for kind in _VERBS}
    parts = [f"{count} to {_VERBS[kind]}" for kind, count in counts.items() if count]
    parts += [f"{len(plan.refused)} refused"] if plan.refused else []
    parts += [f"{len(plan.blocked)} blocked by these"] if plan.blocked else []
    parts += [f"{len(plan.reported)} drifted and not corrected"] if plan.reported else []
    kept = "kept by the rollback" if found.declaration.rolled_back else "to delete later"
    parts += [f"{len(plan.waiting)} {kept}"] if plan.waiting else []
    declared = counted(len(plan.declared), "resource")
    if not parts and found.declaration.rolled_back:
        return f"No changes: AWS has the stable revision, {declared}."
    if not parts and not plan.declared:
        return "No changes: nothing is declared."
    if not parts:
        return f"No changes: {declared} {agreeing(len(plan.declared), 'is', 'are')} in sync with AWS."
    suspended = " Nothing is applied while spec.suspend is true." if found.declaration.suspended else ""
    return f"Plan: {', '.join(parts)}; {declared} declared.{suspended}"


def document(found: Assessment) -> dict[str, Any]:
    """Return the assessment as JSON: only `changes` are applied now."""
    plan = found.plan
    others = {"reported": plan.reported, "kept" if found.declaration.rolled_back else "waiting": plan.waiting}
    now, suspended = ([], plan.steps) if found.declaration.suspended else (plan.steps, [])
    return {
        "declared": len(plan.declared),
        "owned": len(plan.owned),
        "changes": [_change(step) for step in now],
        **({"suspended": [_change(step) for step in suspended]} if suspended else {}),
        **{name: [_change(step) for step in steps] for name, steps in others.items() if steps},
        **({"refused": [_refused(item) for item in plan.refused]} if plan.refused else {}),
        **({"waitingForRefused": [_change(item.step) for item in plan.blocked]} if plan.blocked else {}),
        **({"blocked": {"reason": found.blocked.reason, "message": str(found.blocked)}} if found.blocked else {}),
    }


def per_key(step: Step) -> tuple[Difference, ...]:
    """Return the differences of an update; for fields with named parts, one difference for each part."""
    if not isinstance(step.change, Update):
        return step.because
    return tuple(
        part for because in step.because for part in _per_key(_source_field(because, step.change), step.change)
    )


def _refused(item: Refusal) -> dict[str, str]:
    return {"resource": item.title, "reason": item.error.reason, "message": str(item.error)}


def _details(step: Step) -> Iterator[tuple[str, str]]:
    if isinstance(step.change, Create):
        yield from ((" ", f"{name}: {text}") for name, text in _fields(step.change.added or step.change.desired))
    if isinstance(step.change, Update):
        for part in per_key(step):
            yield from ((" ", line) for line in field_diff.lines(part.field, part.observed, part.declared))


def _per_key(because: Difference, change: Update) -> Iterator[Difference]:
    pair = _named(getattr(change.desired, because.field, None)), _named(getattr(change.observed, because.field, None))
    if pair == (None, None):
        yield because
        return
    declared, observed = (part or {} for part in pair)
    for name in sorted({**declared, **observed}):
        if declared.get(name) != observed.get(name):
            yield Difference(
                f"{because.field}.{name}", in_full(declared.get(name) or ""), in_full(observed.get(name) or "")
            )


def _source_field(because: Difference, change: Update) -> Difference:
    """Replace a field that is derived from another field of spec by that field."""
    item = type(change.desired).__dataclass_fields__.get(because.field)
    if item is None or "follows_from" not in item.metadata:
        return because
    field, value = item.metadata["follows_from"]
    declared, observed = (
        value if getattr(each, because.field) != item.default else "" for each in (change.desired, change.observed)
    )
    return Difference(field, declared, observed)


def _fields(resource: Resource) -> Iterator[tuple[str, str]]:
    """Yield the fields that are neither empty nor have the default value."""
    for name in type(resource).__dataclass_fields__:
        item = type(resource).__dataclass_fields__[name]
        value = getattr(resource, name)
        usual = value == item.default
        if name in ("name", *_HIDDEN) or not item.metadata.get("compare", True) or value in (None, "") or usual:
            continue
        parts = _named(value)
        if "follows_from" in item.metadata:
            yield item.metadata["follows_from"]
        elif parts is None:
            yield name, shown(value)
        else:
            yield from ((f"{name}.{part}", shown(text)) for part, text in sorted(parts.items()))


def _named(value: object) -> dict[str, str] | None:
    """Return the named parts of a value that consists of pairs of name and text; None for any other value."""
    if not isinstance(value, tuple) or not value:
        return None
    return dict(value) if all(isinstance(part, tuple) and len(part) == 2 for part in value) else None


def _change(step: Step) -> dict[str, Any]:
    differences = [difference(because.field, because.declared, because.observed) for because in per_key(step)]
    successor = step.change.successor if isinstance(step.change, Release) else None
    found = {"change": _VERBS[type(step.change)], "resource": step.resource.title, "differences": differences}
    return {**found, **({"handedOverTo": successor.owner.title} if successor else {})}


def difference(field: str, declared: str, observed: str) -> dict[str, Any]:
    """Return one field that differs as JSON: both values in full, and the JSON members that differ."""
    parts = [
        {"path": part.path, "declared": part.after, "observed": part.before}
        for part in field_diff.parts(observed, declared)
    ]
    return {"field": field, "declared": declared, "observed": observed, **({"parts": parts} if parts else {})}
