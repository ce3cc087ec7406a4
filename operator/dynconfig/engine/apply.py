"""Applies a plan: orders and batches the steps, isolates failures, and skips steps AWS cannot accept yet."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import fields, replace

from dynconfig.engine.outcome import Outcome
from dynconfig.model.declaration import Declaration, Successor
from dynconfig.model.errors import STOPPING, Conflict, DeletionDelayed, DynConfigError, Settling
from dynconfig.model.object_state import ObjectState
from dynconfig.model.plan import AnyKind, Create, Delete, Release, Step, Update
from dynconfig.model.refusal import Blocked, Refusal, blocker, is_watched, passed_on
from dynconfig.model.resource import ASSIGNED, HandsOver, Resource

DELETE_BATCH = 50
SETTLING_SECONDS = 0.5


def in_order(steps: Iterable[Step]) -> tuple[Step, ...]:
    """Return puts in kind order, then removals in reverse order. Parameter deletions, which may be delayed, come last."""
    listed = list(steps)
    puts = [step for step in listed if isinstance(step.change, Create | Update)]
    removals = [step for step in reversed(listed) if isinstance(step.change, Delete | Release)]
    return (*puts, *sorted(removals, key=lambda step: step.deletes_parameter))


def batches(steps: Sequence[Step]) -> Iterable[list[Step]]:
    """Yield single steps; deletions of one kind are batched because AWS accepts several names per call."""
    batch: list[Step] = []
    for step in steps:
        joins = batch and isinstance(step.change, Delete) and isinstance(batch[0].change, Delete)
        if batch and not (joins and batch[0].kind is step.kind and len(batch) < DELETE_BATCH):
            yield batch
            batch = []
        batch.append(step)
    if batch:
        yield batch


def refresh_derived(batch: Sequence[Step], declaration: Declaration, owned: Mapping[str, Resource]) -> Sequence[Step]:
    """Recompute the derived fields of a write from the current resources, so that no second write is needed."""
    step = batch[0]
    if isinstance(step.change, Delete | Release) or not _depends_on_others(step.resource):
        return batch
    desired = step.kind.desired(replace(declaration, observed_so_far=tuple(owned.values())))
    now = next((resource for resource in desired if resource.title == step.resource.title), step.resource)
    return [replace(step, change=replace(step.change, desired=now))]


def _depends_on_others(resource: Resource) -> bool:
    """Whether a field is derived from other resources; those marked `follows_from` are derived from spec alone."""
    derived = (item for item in fields(resource) if item.metadata.get("derived"))
    return any("follows_from" not in item.metadata for item in derived) or any(
        ASSIGNED in str(getattr(resource, item.name)) for item in fields(resource) if item.repr
    )


def apply_batch(batch: Sequence[Step], declaration: Declaration, owned: dict[str, Resource]) -> None:
    """Apply a batch and update `owned`."""
    first = batch[0]
    match first.change:
        case Create(desired):
            owned[desired.title] = first.kind.put(desired, None)
        case Update(observed, desired, _):
            owned[desired.title] = first.kind.put(desired, observed)
        case Delete():
            first.kind.delete([step.resource for step in batch])
        case Release(observed, Successor(may_own=True) as successor):
            hand_over(first.kind, observed, successor, declaration)
        case Release(observed, _):
            first.kind.release(observed)
    if isinstance(first.change, Delete | Release):
        for step in batch:
            owned.pop(step.resource.title, None)


def hand_over(kind: AnyKind, observed: Resource, successor: Successor, declaration: Declaration) -> None:
    """Make another object the owner. Raises Conflict if that object no longer takes the resource.

    The successor is checked before and after the write: if it is deleted meanwhile, either its own last observation finds the
    resource, or the second check here reverts the hand-over.
    """
    if not isinstance(kind, HandsOver):
        raise TypeError(f"{kind} hands nothing over")
    if not successor.has_finalizer:
        raise Conflict(f"{observed.title}: waiting for the first reconcile of {successor.owner.title}", delay=0.3)
    if declaration.successor_of(observed.name) == successor:
        kind.hand_over(observed, successor.owner)
        if declaration.successor_of(observed.name) == successor:
            return
        kind.hand_over(replace(observed, owner=successor.owner.tag), declaration.owner)
    raise Conflict(f"{observed.title} cannot be handed over: {successor.owner.title} no longer adopts it", delay=0.5)


class EarlierRefusals:
    """Refusals of earlier turns of objects whose turn was too short; they are retried after all other steps were tried."""

    def __init__(self, state: ObjectState[str]) -> None:
        self._refused: dict[str, tuple[int, dict[str, Refusal]]] = state.new_map()

    def refused(self, declaration: Declaration) -> Mapping[str, Refusal]:
        """Return, by title, the refusals that are not retried in this turn."""
        generation, refused = self._refused.get(declaration.owner.uid, (None, {}))
        return refused if generation == declaration.generation and not declaration.requested else {}

    def ended(self, outcome: Outcome) -> None:
        """Record the refusals at the end of a turn."""
        uid, declaration = outcome.declaration.owner.uid, outcome.declaration
        if outcome.untried and outcome.refused:
            before = {item.title for item in outcome.plan.refused}
            tried = {step.resource.title for step in outcome.plan.steps} - before
            refused = {item.title: item for item in outcome.refused if item.title in tried}
            self._refused[uid] = (declaration.generation, refused)
        else:
            self._refused.pop(uid, None)


class ApplyRun:
    """Progress of applying a plan: applied steps, refusals and blocked steps."""

    def __init__(self, outcome: Outcome, refused_before: Mapping[str, Refusal] | None = None) -> None:
        self._refused_before = refused_before or {}
        self.tried = 0
        self._declaration = outcome.declaration
        self._kinds = [part.kind for part in outcome.plan.parts]
        self._declared = {part.kind.value: part.declared for part in outcome.plan.parts}
        self.owned = {resource.title: resource for resource in outcome.owned}
        self.applied: list[Step] = []
        self.refused = list(outcome.refused)
        self.blocked = list(outcome.blocked)
        self._passed_on = [passed_on(item.step, item.by) for item in outcome.blocked]

    def do(self, batch: Sequence[Step]) -> None:
        """Apply a batch and record refusals. Raises errors that stop the whole run."""
        batch = [step for step in batch if self._is_free(step)]
        if not batch:
            return
        self.tried += 1
        try:
            check_not_pending(batch[0], self.owned)
            check_deletion_delay(batch[0], self._declaration)
            apply_batch(refresh_derived(batch, self._declaration, self.owned), self._declaration, self.owned)
        except STOPPING:
            raise
        except DynConfigError as error:
            if len(batch) == 1:
                self.refused.append(Refusal.of(batch[0], error, self._declared.get(batch[0].kind.value, ())))
                return
            # Find the refused one by deleting one at a time.
            for step in batch:
                self.do([step])
            return
        self.applied += batch

    def settle(self) -> None:
        """Record resources whose last write AWS has not finished."""
        known = {refusal.title for refusal in self.refused}
        for resource in self.owned.values():
            error = settling([resource])
            kind = self._kind_of(resource)
            if error and kind and resource.title not in known:
                self.refused.append(Refusal(resource.title, kind, error))

    def _users(self, step: Step) -> Iterator[Refusal]:
        """Yield resources that still use this one because their own update is pending, e.g. a function that changes its role."""
        for resource in self.owned.values() if step.is_removal else ():
            kind = self._kind_of(resource)
            error = settling([resource])
            if error and kind and step.resource.kind in getattr(kind, "needs_current", ()):
                yield Refusal(resource.title, kind, error)

    def _kind_of(self, resource: Resource) -> AnyKind | None:
        return next((kind for kind in self._kinds if kind.value is type(resource)), None)

    def _is_free(self, step: Step) -> bool:
        if (before := self._refused_before.get(step.resource.title)) is not None:
            self.refused.append(before)
            return False
        known = (*self.refused, *self._passed_on, *self._users(step))
        by = blocker(step, known, is_watched=is_watched(self._declaration))
        if by is None:
            return True
        self.blocked.append(Blocked(step, by))
        self._passed_on.append(passed_on(step, by))
        return False


def check_not_pending(step: Step, owned: Mapping[str, Resource]) -> None:
    """Raise Settling if AWS has not finished the last write to this resource."""
    resource = owned.get(step.resource.title)
    if isinstance(step.change, Update) and resource is not None and resource.pending:
        raise settling([resource])  # type: ignore[misc]  # it is pending


def check_deletion_delay(step: Step, declaration: Declaration) -> None:
    """Raise DeletionDelayed for a parameter just removed from spec: another object may be about to adopt it."""
    delay = declaration.deletes_from - declaration.now
    may_move = declaration.is_ahead_of_watch or not declaration.deleting
    if step.deletes_parameter and may_move and delay > 0:
        raise DeletionDelayed(
            f"Parameters removed from spec, such as {step.resource.name}, are deleted in {delay:.0f} s unless another "
            "object declares them",
            delay=delay,
        )


def settling(owned: Iterable[Resource]) -> Settling | None:
    """Return Settling if AWS has not finished a write to one of these, else None."""
    pending = next((f"{resource.title} {resource.pending}" for resource in owned if resource.pending), None)
    return Settling(pending, delay=SETTLING_SECONDS) if pending else None
