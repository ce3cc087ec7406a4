"""Carries out a plan: in which order, in which batches, and not what AWS could not take yet."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import fields, replace

from dynconfig.engine.declaration import Declaration
from dynconfig.engine.errors import DeletionDelayed, Settling
from dynconfig.engine.plan import Create, Delete, Release, Step, Update
from dynconfig.engine.resource import Resource

DELETE_BATCH = 50
SETTLING_SECONDS = 0.5


def in_order(steps: Iterable[Step]) -> tuple[Step, ...]:
    """Puts in the order of the kinds, then removals backwards; deletions of parameters, which may have to wait, at the end."""
    listed = list(steps)
    puts = [step for step in listed if isinstance(step.change, Create | Update)]
    removals = [step for step in reversed(listed) if isinstance(step.change, Delete | Release)]
    return (*puts, *sorted(removals, key=lambda step: step.deletes_parameter))


def batches(steps: Sequence[Step]) -> Iterable[list[Step]]:
    """One step at a time, deletions of one kind together, since AWS takes several names in a call."""
    batch: list[Step] = []
    for step in steps:
        joins = batch and isinstance(step.change, Delete) and isinstance(batch[0].change, Delete)
        if batch and not (joins and batch[0].kind is step.kind and len(batch) < DELETE_BATCH):
            yield batch
            batch = []
        batch.append(step)
    if batch:
        yield batch


def up_to_date(batch: Sequence[Step], declaration: Declaration, owned: Mapping[str, Resource]) -> Sequence[Step]:
    """A write with what it derives from others as these are now: as it was planned, another write would have to follow."""
    step = batch[0]
    if isinstance(step.change, Delete | Release) or not any(
        item.metadata.get("derived") for item in fields(step.resource)
    ):
        return batch
    desired = step.kind.desired(replace(declaration, found=tuple(owned.values())))
    now = next((resource for resource in desired if resource.title == step.resource.title), step.resource)
    return [replace(step, change=replace(step.change, desired=now))]


def carry_out(batch: Sequence[Step], owned: dict[str, Resource]) -> None:
    """Make the changes, and keep `owned` true."""
    first = batch[0]
    match first.change:
        case Create(desired):
            owned[desired.title] = first.kind.put(desired, None)
        case Update(observed, desired, _):
            owned[desired.title] = first.kind.put(desired, observed)
        case Delete():
            first.kind.delete([step.resource for step in batch])
        case Release(observed, _):
            first.kind.release(observed)
    if isinstance(first.change, Delete | Release):
        for step in batch:
            owned.pop(step.resource.title, None)


def refuse_pending(step: Step, owned: Mapping[str, Resource]) -> None:
    """Raise Settling where AWS is still at work on what would be written."""
    resource = owned.get(step.resource.title)
    if isinstance(step.change, Update) and resource is not None and resource.pending:
        raise settling([resource])  # type: ignore[misc]  # it is pending


def refuse_early(step: Step, declaration: Declaration) -> None:
    """Raise DeletionDelayed where a parameter has left spec a moment ago: an object that takes it over may be on its way."""
    delay = declaration.deletes_from - declaration.now
    if step.deletes_parameter and not declaration.deleting and delay > 0:
        raise DeletionDelayed(
            f"Parameters that left spec, such as {step.resource.name}, are deleted in {delay:.0f} s, unless another object "
            "declares them until then",
            delay=delay,
        )


def settling(owned: Iterable[Resource]) -> Settling | None:
    """What AWS is still at work on, if it is."""
    pending = next((f"{resource.title} {resource.pending}" for resource in owned if resource.pending), None)
    return Settling(pending, delay=SETTLING_SECONDS) if pending else None
