"""A plan as people read it and as programs read it; secrets stay masked."""

from collections.abc import Iterator
from typing import Any

from dynconfig.engine import field_diff
from dynconfig.engine.assessment import Assessment
from dynconfig.engine.counting import agreeing, counted
from dynconfig.engine.plan import Create, Delete, Difference, Plan, Release, Step, Update
from dynconfig.engine.refusal import Refusal
from dynconfig.engine.resource import Resource
from dynconfig.engine.text import in_full, shown

_SIGNS = {Create: "+", Update: "~", Delete: "-", Release: "="}
_VERBS = {Create: "create", Update: "update", Delete: "delete", Release: "release"}
_HIDDEN = ("owner",)


def lines(plan: Plan) -> Iterator[tuple[str, str]]:
    """Sign and text of each line: + create, ~ update, - delete, = leave without an owner, space for a detail.

    What is refused has the sign "!", what is not carried out now ".".
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
    for step in plan.held:
        yield ".", f"not corrected (driftPolicy: Report): {step.resource.title}"
        yield from _details(step)
    for step in plan.waiting:
        yield ".", f"{_VERBS[type(step.change)]} {step.resource.title} after the bake time"


def summary(found: Assessment) -> str:
    """The assessment in one sentence."""
    plan = found.plan
    counts = {kind: sum(isinstance(step.change, kind) for step in plan.steps) for kind in _VERBS}
    told = [f"{count} to {_VERBS[kind]}" for kind, count in counts.items() if count]
    told += [f"{len(plan.refused)} refused"] if plan.refused else []
    told += [f"{len(plan.blocked)} waiting for these"] if plan.blocked else []
    told += [f"{len(plan.held)} drifted and not corrected"] if plan.held else []
    told += [f"{len(plan.waiting)} to delete later"] if plan.waiting else []
    declared = counted(len(plan.declared), "resource")
    if not told and found.declaration.undone:
        return f"Nothing to do: AWS has the stable revision, {declared}."
    if not told and not plan.declared:
        return "Nothing to do: nothing is declared."
    if not told:
        return f"Nothing to do: {declared} {agreeing(len(plan.declared), 'is', 'are')} in sync with AWS."
    suspended = " Nothing is written while spec.suspend is true." if found.declaration.suspended else ""
    return f"Plan: {', '.join(told)}; {declared} declared.{suspended}"


def document(found: Assessment) -> dict[str, Any]:
    """The assessment for programs: `changes` are carried out now, the others are not."""
    plan = found.plan
    others = {"reported": plan.held, "waiting": plan.waiting}
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


def finer(step: Step) -> tuple[Difference, ...]:
    """What differs in an update; of what is made of named parts, only the parts that differ."""
    if not isinstance(step.change, Update):
        return step.because
    return tuple(part for because in step.because for part in _finer(_in_words(because, step.change), step.change))


def _refused(item: Refusal) -> dict[str, str]:
    return {"resource": item.title, "reason": item.error.reason, "message": str(item.error)}


def _details(step: Step) -> Iterator[tuple[str, str]]:
    if isinstance(step.change, Create):
        yield from ((" ", f"{name}: {text}") for name, text in _fields(step.change.added or step.change.desired))
    if isinstance(step.change, Update):
        for part in finer(step):
            yield from ((" ", line) for line in field_diff.lines(part.field, part.observed, part.declared))


def _finer(because: Difference, change: Update) -> Iterator[Difference]:
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


def _in_words(because: Difference, change: Update) -> Difference:
    """A field that spec does not have by that name, by the field and the value that it follows from."""
    item = type(change.desired).__dataclass_fields__.get(because.field)
    field, value = item.metadata.get("follows_from", ("", "")) if item else ("", "")
    if not field:
        return because
    declared, observed = (value if getattr(each, because.field) else "" for each in (change.desired, change.observed))
    return Difference(field, declared, observed)


def _fields(resource: Resource) -> Iterator[tuple[str, str]]:
    """Fields that say something: neither empty nor what everybody has."""
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
    """The parts of a value that is made of pairs of name and text; None for any other value."""
    if not isinstance(value, tuple) or not value:
        return None
    return dict(value) if all(isinstance(part, tuple) and len(part) == 2 for part in value) else None


def _change(step: Step) -> dict[str, Any]:
    differences = [difference(because.field, because.declared, because.observed) for because in finer(step)]
    successor = step.change.successor if isinstance(step.change, Release) else None
    found = {"change": _VERBS[type(step.change)], "resource": step.resource.title, "differences": differences}
    return {**found, **({"handedOverTo": successor.owner.title} if successor else {})}


def difference(field: str, declared: str, observed: str) -> dict[str, Any]:
    """One field that differs, for programs: both texts in full, and the members of JSON that differ."""
    parts = [
        {"path": part.path, "declared": part.after, "observed": part.before}
        for part in field_diff.parts(observed, declared)
    ]
    return {"field": field, "declared": declared, "observed": observed, **({"parts": parts} if parts else {})}
