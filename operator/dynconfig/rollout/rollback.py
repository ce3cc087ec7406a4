"""Evaluates baking changes and rolls back those that fail: the stable revision then replaces the declaration.

Before any value is restored, the rejection of a generation is recorded in AWS as a label on the versions it wrote.
"""

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, replace

from dynconfig.api import names
from dynconfig.api.alarms import DRIFT
from dynconfig.api.spec import AdoptionPolicy
from dynconfig.model.declaration import Declaration, Place, Rollout
from dynconfig.model.errors import AlarmFiring
from dynconfig.model.object_state import ObjectState
from dynconfig.model.plan import Create, Delete, Plan, Release, Step, Update, drifted
from dynconfig.model.resource import Resource, Unread, Versioned
from dynconfig.model.safety import is_safe
from dynconfig.model.secret import SealedSecret
from dynconfig.rollout.alarm_history import AlarmHistoryOf, AlarmPasts
from dynconfig.rollout.labels import REJECTED, STABLE, VERSIONS_KEPT, Labels, LabelsOf, StableComparison, label_each
from dynconfig.rollout.rolled_back import (
    Rejection,
    RolledBack,
    RolloutEvaluation,
    removals_since,
    stable_declaration,
    text_of,
)
from dynconfig.rollout.state import Alarming, Evidence, RolloutPhase, RolloutState, evaluate, firing

HELD_BACK_SECONDS = 10.0


# The time of an own write comes from the Date header, with a resolution of one second.
HEADER_SECONDS = 1.0


@dataclass(frozen=True, slots=True)
class Restoration:
    """Changed resources, by the effect of a rollback."""

    changed: tuple[Versioned, ...] = ()
    """Resources with a stable version, which is restored."""
    created: tuple[Versioned, ...] = ()
    """Resources created by the change, which are deleted."""
    older: tuple[Versioned, ...] = ()
    """Resources without a stable version that were last written before the change. They are not touched."""
    not_restorable: tuple[Versioned, ...] = ()
    """Resources written since the change began that have no stable version in AWS."""


def restoration(unstable: Sequence[Versioned], stable: Collection[str], created: Collection[str]) -> Restoration:
    """Return the effect of a rollback on these resources; `created` are the names that the change created."""
    changed = tuple(item for item in unstable if item.name in stable)
    new = tuple(item for item in unstable if item.name in created and item.name not in stable)
    others = [item for item in unstable if item.name not in stable and item.name not in created]
    began = min((item.last_modified or 0.0 for item in (*changed, *new)), default=0.0) - HEADER_SECONDS
    older = tuple(item for item in others if item.last_modified is not None and item.last_modified < began)
    return Restoration(changed, new, older, tuple(item for item in others if item not in older))


class Rollbacks:
    """Thread-safe, except for concurrent calls for one owner."""

    def __init__(
        self, labels_of: LabelsOf | None, state: ObjectState[str], history_of: AlarmHistoryOf | None = None
    ) -> None:
        self._labels_of = labels_of or _no_labels
        self._alarm_pasts = AlarmPasts(history_of, state)
        self._undone: dict[str, tuple[int, RolledBack | None]] = state.new_map()

    def effective(self, declaration: Declaration) -> Declaration:
        """Return the declaration, or the stable declaration if its generation was rolled back."""
        rollout = declaration.rollout
        if rollout is None or rollout.is_forced or declaration.deleting:
            return declaration
        uid = declaration.owner.uid
        generation, rolled_back = self._undone.get(uid, (None, None))
        is_known = generation == declaration.generation
        if not is_known:
            rolled_back = self._from_labels(declaration)
            self._remember(declaration, rolled_back)
        if rolled_back is None or not rolled_back.concerns(declaration):
            return declaration
        if is_known:
            names = [kept.name for kept in rolled_back.stable]
            rolled_back = replace(rolled_back, stable=self._labels_of(declaration.place).versions_with(names, STABLE))
        return stable_declaration(declaration, rolled_back)

    def evaluate(self, plan: Plan, declaration: Declaration, now: float) -> RolloutEvaluation:
        """Return the plan without deferred deletions, and the state of the current change."""
        if declaration.rollout is None or declaration.deleting:
            return RolloutEvaluation(plan, RolloutState(RolloutPhase.STABLE))
        externally_changed = self._externally_changed(declaration, plan.steps)
        owned = [item for item in plan.owned if item.name not in externally_changed]
        evidence = self._evidence(declaration, owned, plan, plan.steps)
        if declaration.rolled_back:
            return RolloutEvaluation(plan, RolloutState(RolloutPhase.STABLE))
        rollout_state = self._evaluated(declaration, plan, evidence, now)
        if rollout_state.phase is RolloutPhase.FAILED:
            return RolloutEvaluation(plan, rollout_state)
        later = plan if rollout_state.phase is RolloutPhase.STABLE else _defer(plan, lambda _step: True)
        is_quiet = not evidence.unstable and declaration.applied is not None and not declaration.applied.is_baking
        held_back = _held_back(plan, declaration, evidence.alarms) if is_quiet and evidence.has_stable else None
        # A change that is held back has not started to bake.
        return RolloutEvaluation(later, RolloutState(RolloutPhase.STABLE) if held_back else rollout_state, held_back)

    def rejection(self, declaration: Declaration, plan: Plan) -> Rejection:
        """Return what has to be written to roll back this generation. Writes nothing."""
        labels = self._labels_of(declaration.place)
        mine = sorted((item for item in plan.owned if isinstance(item, Versioned)), key=lambda item: item.name)
        compared, others = labels.compare_with_stable(mine), _of_others(plan)
        # The first label is the decision. It is put on a version that will not be deleted.
        anchor = min((item for item in mine if item.name in compared.stable), key=lambda item: item.name in others)
        found = self._restoration(declaration, plan, compared)
        # The label means that the value was declared; without a stable version, that the generation created the parameter.
        failed = sorted((*found.changed, *found.created), key=lambda item: item.name)
        declared = {parameter.name: parameter.value for parameter in declaration.parameters}
        # Unreadable resources are restored as well, or left unchanged.
        existing = [item.name for item in mine] + [title.partition(" ")[2] for title in declaration.unread]
        rolled_back = RolledBack(
            declaration.generation,
            rejected={item.name: SealedSecret.of(declared[item.name]) for item in failed if item.name in declared},
            stable=labels.versions_with(existing, STABLE),
            created=frozenset(item.name for item in found.created),
            existing=frozenset(existing),
        )
        return Rejection((anchor, *(other for other in failed if other.name != anchor.name)), rolled_back)

    def reject(self, declaration: Declaration, rejection: Rejection) -> tuple[Unread, ...]:
        """Label the versions of this generation as rejected; from now on `effective` returns the stable declaration.

        Returns the resources AWS refuses to label. Raises the first refusal if no remaining resource is labelled.
        """
        labels = self._labels_of(declaration.place)
        failed = label_each(rejection.marked, lambda item: labels.set_label(item, _label(declaration)))
        marked = {item.name for item in rejection.marked} - {item.name for item in failed}
        if failed and not marked & {kept.name for kept in rejection.rolled_back.stable}:
            raise failed[0].error
        self._remember(declaration, rejection.rolled_back)
        return failed

    def finish(
        self, declaration: Declaration, owned: Sequence[Resource], plan: Plan, now: float, *, is_whole: bool = True
    ) -> tuple[RolloutState, tuple[Unread, ...]]:
        """Return the rollout state, and label stable versions if the change is completely applied.

        Also returns the resources whose labels could not be read or moved.
        """
        if declaration.rollout is None or declaration.deleting:
            return RolloutState(RolloutPhase.STABLE), ()
        labels, mine = self._labels_of(declaration.place), [item for item in owned if isinstance(item, Versioned)]
        externally_changed = self._externally_changed(declaration, plan.reported)
        remaining = [item for item in owned if item.name not in externally_changed]
        evidence = self._evidence(declaration, remaining, plan, plan.waiting)
        rollout_state = self._evaluated(declaration, replace(plan, steps=()), evidence, now)
        waiting = {item.name for item in evidence.unstable} if rollout_state.phase is not RolloutPhase.STABLE else set()
        # Reported drift is not a stable version.
        waiting |= {step.resource.name for step in plan.reported if _is_edit(step)}
        # Of a parameter that is to be deleted, only the value before the change is known to be good.
        waiting |= {step.resource.name for step in plan.waiting if _is_removal(step)}
        if not is_whole:
            return rollout_state, evidence.unread
        waiting |= self._unrestored(declaration) | {item.name for item in evidence.unread}
        failed = labels.mark_stable(item for item in mine if item.name not in waiting)
        if rollout_state.phase is RolloutPhase.STABLE and not declaration.rolled_back:
            self._clear_rejection(declaration, [item.name for item in mine])
        return rollout_state, (*evidence.unread, *failed)

    def _unrestored(self, declaration: Declaration) -> frozenset[str]:
        """Return names of rejected parameters without a stable version: they never become stable themselves."""
        _generation, rolled_back = self._undone.get(declaration.owner.uid, (None, None))
        if not declaration.rolled_back or rolled_back is None:
            return frozenset()
        return frozenset(rolled_back.rejected) - {kept.name for kept in rolled_back.stable}

    def _remember(self, declaration: Declaration, rolled_back: RolledBack | None) -> None:
        self._undone[declaration.owner.uid] = (
            declaration.generation,
            rolled_back.without_texts() if rolled_back else None,
        )

    def _clear_rejection(self, declaration: Declaration, owned: Sequence[str]) -> None:
        """Remove the rejection of a generation that failed once and has become stable since."""
        uid, rollout = declaration.owner.uid, declaration.rollout
        is_known = self._undone.get(uid) == (declaration.generation, None)
        if is_known or rollout is None or not (rollout.is_forced or uid in self._undone):
            return
        labels, label = self._labels_of(declaration.place), _label(declaration)
        for kept in labels.versions_with(owned, label):
            labels.remove_label(kept, label)
        self._remember(declaration, None)

    def _evaluated(self, declaration: Declaration, plan: Plan, evidence: Evidence, now: float) -> RolloutState:
        """Return the rollout state. FAILED is confirmed with fresh labels, and only if every value can be restored."""
        if declaration.rollout is None or declaration.rolled_back:
            return RolloutState(RolloutPhase.STABLE)
        rollout_state = self._judged(declaration, declaration.rollout, evidence, now)
        if rollout_state.phase is not RolloutPhase.FAILED:
            return rollout_state
        labels, known = self._labels_of(declaration.place), {item.name: item for item in evidence.known}
        labels.forget(known)
        compared = labels.compare_with_stable(list(known.values()))
        fresh = replace(evidence, unstable=compared.unstable, has_stable=bool(compared.stable))
        rollout_state = self._judged(declaration, declaration.rollout, fresh, now)
        if rollout_state.phase is not RolloutPhase.FAILED:
            return rollout_state
        found = self._restoration(declaration, plan, compared)
        # The KMS key of a stable version may be unusable or unknown now.
        kept = labels.versions_with([item.name for item in found.changed], STABLE)
        readable = {version.name for version in kept if version.is_restorable}
        not_restorable = [item.name for item in (*found.not_restorable, *found.changed) if item.name not in readable]
        not_restorable += [item.name for item in compared.unread if _is_of(rollout_state, known[item.name])]
        return (
            replace(rollout_state, phase=RolloutPhase.ALARMED, not_restorable=tuple(not_restorable))
            if not_restorable
            else rollout_state
        )

    def _judged(self, declaration: Declaration, rollout: Rollout, evidence: Evidence, now: float) -> RolloutState:
        return evaluate(rollout, self._alarm_pasts.added_to(evidence, declaration, now), now)

    def _restoration(self, declaration: Declaration, plan: Plan, compared: StableComparison) -> Restoration:
        others, applied = _of_others(plan), declaration.applied
        failed = [item for item in compared.unstable if item.name not in others]
        return restoration(failed, compared.stable, applied.created if applied else frozenset())

    def _evidence(
        self, declaration: Declaration, owned: Sequence[Resource], plan: Plan, removing: Sequence[Step]
    ) -> Evidence:
        versioned = [item for item in owned if isinstance(item, Versioned)]
        compared = self._labels_of(declaration.place).compare_with_stable(versioned)
        applied, edits = declaration.applied, (step for step in (*plan.steps, *plan.waiting) if _is_edit(step))
        return Evidence(
            known=versioned,
            unstable=compared.unstable,
            removals=sum(_is_removal(step) for step in removing),
            removals_since=removals_since(declaration),
            has_stable=bool(compared.stable),
            has_been_stable=applied is None or applied.stable_generation is not None,
            replaced=frozenset(step.resource.name for step in edits if not drifted(step, declaration)),
            unread=compared.unread,
            not_restorable=[
                p.name for p in compared.unstable if p.name not in compared.stable and p.version > VERSIONS_KEPT
            ],
            # No change causes the drift alarm: drift comes from outside.
            alarms=[i for i in owned if isinstance(i, Alarming) and i.name != declaration.names.alarm(DRIFT)],
        )

    def _externally_changed(self, declaration: Declaration, steps: Sequence[Step]) -> frozenset[str]:
        """Return names of resources changed outside the operator and not by the baking change: they do not bake."""
        found = [step.resource.name for step in steps if _is_edit(step) and drifted(step, declaration)]
        applied = declaration.applied
        if not found or applied is None or not applied.is_baking:
            return frozenset(found if applied else ())
        stable = {
            kept.name: text_of(kept.value) for kept in self._labels_of(declaration.place).versions_with(found, STABLE)
        }
        declared = {item.name: text_of(item.value) for item in declaration.parameters}
        return frozenset(name for name in found if name in stable and stable[name] == declared.get(name))

    def _from_labels(self, declaration: Declaration) -> RolledBack | None:
        """Return the rejection of this generation as recorded in AWS: the status may be lost or outdated."""
        if declaration.never_written:
            return None
        labels = self._labels_of(declaration.place)
        known = tuple(dict.fromkeys((*declaration.known, *labels.owned(declaration.owner))))
        applied, rejected = declaration.applied, labels.versions_with(known, _label(declaration))
        if not rejected and (applied is None or applied.rolled_back_generation != declaration.generation):
            return None
        # Without any label status is used: deleting the parameters must not re-apply the failed generation.
        stable = labels.versions_with(known, STABLE)
        marked = frozenset(item.name for item in rejected)
        # A stable label may be gone or unreadable, so only status tells what the generation created.
        created = marked & (applied.created if applied else frozenset())
        return RolledBack(
            declaration.generation,
            rejected={item.name: SealedSecret.of(item.value) for item in rejected},
            stable=stable,
            created=created - {item.name for item in stable},
            existing=marked | frozenset(applied.versions if applied else ()),
        )


def _no_labels(_place: Place) -> Labels:
    raise LookupError("a rollout needs labels")


def _held_back(plan: Plan, declaration: Declaration, alarms: Sequence[Alarming]) -> AlarmFiring | None:
    rollout, found = declaration.rollout, firing(alarms)
    if rollout is None or rollout.is_forced or not rollout.rolls_back or not found:
        return None
    if not any(_is_edit(step) and not drifted(step, declaration) for step in plan.steps):
        return None
    owner = declaration.owner
    return AlarmFiring(
        f"{found[0].title} is already firing, so it cannot verify this change; nothing was written, and the change waits until "
        f"the alarm is OK. To apply it anyway: kubectl -n {owner.namespace} annotate dcfg "
        f"{owner.name} --overwrite {names.FORCE_GENERATION}={declaration.generation}",
        delay=HELD_BACK_SECONDS,
    )


def _is_edit(step: Step) -> bool:
    """Whether a step changes what readers receive."""
    if not isinstance(step.resource, Versioned):
        return False
    match step.change:
        case Create() | Delete() | Release():
            return True
        case Update(_, _, because):
            return any(difference.field in ("value", "type") for difference in because)


def _is_removal(step: Step) -> bool:
    return isinstance(step.change, Delete | Release) and isinstance(step.resource, Versioned)


def _of_others(plan: Plan) -> frozenset[str]:
    """Return names of parameters changed outside meanwhile: they get no label, and only declared values are restored."""
    return frozenset(step.resource.name for step in (*plan.steps, *plan.reported) if _is_edit(step))


def _was_made_by_it(step: Step, declaration: Declaration) -> bool:
    """Whether the rolled-back generation, and nothing else, created the resource to delete."""
    is_created = step.resource.name in declaration.rolled_back_created
    is_old = isinstance(step.resource, Versioned) and step.resource.version > VERSIONS_KEPT
    return is_created and not is_old and declaration.adoption_policy is AdoptionPolicy.NEVER


def defer_deletions(plan: Plan, declaration: Declaration) -> Plan:
    """Return the plan of a rollback without deletions of what the generation did not create; else the plan itself.

    If the deletions of a rollback need approval, all of them are deferred, so that the stable values are restored at once.
    """
    if not declaration.rolled_back:
        return plan
    found = _defer(plan, lambda step: not _was_made_by_it(step, declaration))
    return found if is_safe(found, declaration) else _defer(plan, lambda _step: True)


def _defer(plan: Plan, waits: Callable[[Step], bool]) -> Plan:
    """Return the plan with these deletions deferred."""
    waiting = tuple(step for step in plan.steps if _is_removal(step) and waits(step))
    steps = tuple(step for step in plan.steps if not (_is_removal(step) and waits(step)))
    return replace(plan, steps=steps, waiting=waiting)


def _is_of(rollout_state: RolloutState, item: Versioned) -> bool:
    """Whether the evaluated change may have written a resource."""
    return item.last_modified is None or item.last_modified >= rollout_state.since - HEADER_SECONDS


def _label(declaration: Declaration) -> str:
    """Return the label of a rejected generation. Labels start with a letter and contain letters, digits, `.`, `-` and `_`."""
    return f"{REJECTED}{declaration.generation}-{declaration.owner.uid[:8]}"
