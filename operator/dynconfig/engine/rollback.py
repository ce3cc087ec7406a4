"""Watches changes bake, and undoes the one that fails: the stable revision then stands in the place of what is declared.

That a generation was undone is written to AWS, as a label on the versions that it had made, before any value is put back.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace

from dynconfig.api import names
from dynconfig.api.alarms import DRIFT
from dynconfig.api.spec import AdoptionPolicy
from dynconfig.engine.declaration import Declaration, Place
from dynconfig.engine.errors import AlarmFiring
from dynconfig.engine.labels import REJECTED, STABLE, VERSIONS_KEPT, Labels, LabelsOf, Proof, each
from dynconfig.engine.plan import Create, Delete, Plan, Release, Step, Update, drifted
from dynconfig.engine.resource import Resource, Unread, Versioned
from dynconfig.engine.restoration import HEADER_SECONDS, Restoration, restoration
from dynconfig.engine.rollout import Alarming, Evidence, Judgement, Stage, firing, judge
from dynconfig.engine.safety import is_safe
from dynconfig.engine.secret import SealedSecret
from dynconfig.engine.undone import Rejection, Undone, Watched, in_place_of, leaving_since, text_of

HELD_BACK_SECONDS = 10.0


class Rollbacks:
    """Safe for many threads, one declaration of an owner at a time."""

    def __init__(self, labels_of: LabelsOf | None) -> None:
        self._labels_of = labels_of or _no_labels
        self._undone: dict[str, tuple[int, Undone | None]] = {}

    def steer(self, declaration: Declaration) -> Declaration:
        """The declaration itself, or with the stable revision in its place where its generation was undone."""
        rollout = declaration.rollout
        if rollout is None or rollout.is_forced or declaration.deleting:
            return declaration
        uid = declaration.owner.uid
        generation, undone = self._undone.get(uid, (None, None))
        is_known = generation == declaration.generation
        if not is_known:
            undone = self._recalled(declaration)
            self._remember(declaration, undone)
        if undone is None or not undone.concerns(declaration):
            return declaration
        if is_known:
            names = [kept.name for kept in undone.stable]
            undone = replace(undone, stable=self._labels_of(declaration.place).at(names, STABLE))
        return in_place_of(declaration, undone)

    def watched(self, plan: Plan, declaration: Declaration, now: float) -> Watched:
        """The plan without what has to wait, and how the change that is out is doing."""
        if declaration.rollout is None or declaration.deleting:
            return Watched(plan, Judgement(Stage.PROVED))
        blameless = self._blameless(declaration, plan.steps)
        evidence = self._evidence(declaration, (i for i in plan.owned if i.name not in blameless), plan.steps)
        if declaration.undone:
            return Watched(plan, Judgement(Stage.PROVED))
        judgement = self._judged(declaration, plan, evidence, now)
        if judgement.stage is Stage.FAILED:
            return Watched(plan, judgement)
        later = plan if judgement.stage is Stage.PROVED else _later(plan, lambda _step: True)
        is_quiet = not evidence.unproved and declaration.applied is not None and not declaration.applied.is_baking
        held_back = _held_back(plan, declaration, evidence.alarms) if is_quiet and evidence.has_stable else None
        # What waits has not begun to bake.
        return Watched(later, Judgement(Stage.PROVED) if held_back else judgement, held_back)

    def rejection(self, declaration: Declaration, plan: Plan) -> Rejection:
        """What has to be written to undo this generation; nothing is written here."""
        labels = self._labels_of(declaration.place)
        mine = sorted((item for item in plan.owned if isinstance(item, Versioned)), key=lambda item: item.name)
        proof, others = labels.proof(mine), _of_others(plan)
        # The first mark is the decision. It stands on what will not be deleted.
        anchor = min((item for item in mine if item.name in proof.stable), key=lambda item: item.name in others)
        found = self._restoration(declaration, plan, proof)
        # A mark says that the value was declared, and that what has no stable version was created with it.
        failed = sorted((*found.changed, *found.created), key=lambda item: item.name)
        declared = {parameter.name: parameter.value for parameter in declaration.parameters}
        # What could not be read this time is put back as well, or left as it is.
        existing = [item.name for item in mine] + [title.partition(" ")[2] for title in declaration.unread]
        undone = Undone(
            declaration.generation,
            rejected={item.name: SealedSecret.of(declared[item.name]) for item in failed if item.name in declared},
            stable=labels.at(existing, STABLE),
            created=frozenset(item.name for item in found.created),
            existing=frozenset(existing),
        )
        return Rejection((anchor, *(other for other in failed if other.name != anchor.name)), undone)

    def reject(self, declaration: Declaration, rejection: Rejection) -> tuple[Unread, ...]:
        """Write to AWS that this generation failed; from now on `steer` answers the stable revision.

        Answers what AWS refuses to mark. Raises the refusal if nothing is marked that stays.
        """
        labels = self._labels_of(declaration.place)
        failed = each(rejection.marked, lambda item: labels.mark(item, _label(declaration)))
        marked = {item.name for item in rejection.marked} - {item.name for item in failed}
        if failed and not marked & {kept.name for kept in rejection.undone.stable}:
            raise failed[0].error
        self._remember(declaration, rejection.undone)
        return failed

    def closed(
        self, declaration: Declaration, owned: Sequence[Resource], plan: Plan, now: float, *, is_whole: bool = True
    ) -> tuple[Judgement, tuple[Unread, ...]]:
        """How the change is doing now; if AWS has the whole of it, what has proved itself is labelled so.

        Beside it stand those whose labels could not be read or moved.
        """
        if declaration.rollout is None or declaration.deleting:
            return Judgement(Stage.PROVED), ()
        labels, mine = self._labels_of(declaration.place), [item for item in owned if isinstance(item, Versioned)]
        blameless = self._blameless(declaration, plan.held)
        evidence = self._evidence(declaration, (i for i in owned if i.name not in blameless), plan.waiting)
        judgement = self._judged(declaration, replace(plan, steps=()), evidence, now)
        waiting = {item.name for item in evidence.unproved} if judgement.stage is not Stage.PROVED else set()
        # What somebody else wrote and nobody puts back is not the last good version of anything.
        waiting |= {step.resource.name for step in plan.held if _is_edit(step)}
        # What leaves is not part of what has proved itself: only its value before is known to be good.
        waiting |= {step.resource.name for step in plan.waiting if _is_goodbye(step)}
        if not is_whole:
            return judgement, evidence.unread
        waiting |= self._unrestored(declaration) | {item.name for item in evidence.unread}
        failed = labels.prove(item for item in mine if item.name not in waiting)
        if judgement.stage is Stage.PROVED and not declaration.undone:
            self._pardon(declaration, [item.name for item in mine])
        return judgement, (*evidence.unread, *failed)

    def _unrestored(self, declaration: Declaration) -> frozenset[str]:
        """Names of what failed and has no stable version to go back to: it never becomes the stable one itself."""
        _generation, undone = self._undone.get(declaration.owner.uid, (None, None))
        if not declaration.undone or undone is None:
            return frozenset()
        return frozenset(undone.rejected) - {kept.name for kept in undone.stable}

    def forget(self, uid: str) -> None:
        """Drop what is remembered of an object that is gone."""
        self._undone.pop(uid, None)

    def _remember(self, declaration: Declaration, undone: Undone | None) -> None:
        self._undone[declaration.owner.uid] = (declaration.generation, undone.without_texts() if undone else None)

    def _pardon(self, declaration: Declaration, owned: Sequence[str]) -> None:
        """A generation that failed once and has proved itself since is no longer rejected."""
        uid, rollout = declaration.owner.uid, declaration.rollout
        is_known = self._undone.get(uid) == (declaration.generation, None)
        if is_known or rollout is None or not (rollout.is_forced or uid in self._undone):
            return
        labels, label = self._labels_of(declaration.place), _label(declaration)
        for kept in labels.at(owned, label):
            labels.unmark(kept, label)
        self._remember(declaration, None)

    def _judged(self, declaration: Declaration, plan: Plan, evidence: Evidence, now: float) -> Judgement:
        """How the change is doing. That it failed is decided by what AWS answers now, and only if all can be restored."""
        if declaration.rollout is None or declaration.undone:
            return Judgement(Stage.PROVED)
        judgement = judge(declaration.rollout, evidence, now)
        if judgement.stage is not Stage.FAILED:
            return judgement
        labels, known = self._labels_of(declaration.place), {item.name: item for item in evidence.known}
        labels.forget(known)
        proof = labels.proof(list(known.values()))
        judgement = judge(
            declaration.rollout, replace(evidence, unproved=proof.unproved, has_stable=bool(proof.stable)), now
        )
        if judgement.stage is not Stage.FAILED:
            return judgement
        found = self._restoration(declaration, plan, proof)
        # The key of a stable version may be one that cannot be used any more.
        readable = {kept.name for kept in labels.at([item.name for item in found.changed], STABLE)}
        lost = [item.name for item in (*found.not_restorable, *found.changed) if item.name not in readable]
        lost += [item.name for item in proof.unread if _is_of(judgement, known[item.name])]
        return replace(judgement, stage=Stage.ALARMED, lost=tuple(lost)) if lost else judgement

    def _restoration(self, declaration: Declaration, plan: Plan, proof: Proof) -> Restoration:
        others, applied = _of_others(plan), declaration.applied
        failed = [item for item in proof.unproved if item.name not in others]
        return restoration(failed, proof.stable, applied.created if applied else frozenset())

    def _evidence(self, declaration: Declaration, owned: Iterable[Resource], steps: Sequence[Step]) -> Evidence:
        known = tuple(owned)
        versioned = [item for item in known if isinstance(item, Versioned)]
        proof = self._labels_of(declaration.place).proof(versioned)
        return Evidence(
            known=versioned,
            unproved=proof.unproved,
            leaving=sum(_is_goodbye(step) for step in steps),
            leaving_since=leaving_since(declaration),
            has_stable=bool(proof.stable),
            unread=proof.unread,
            lost=[p.name for p in proof.unproved if p.name not in proof.stable and p.version > VERSIONS_KEPT],
            # Drift is somebody else's doing: no change is to blame for it.
            alarms=[i for i in known if isinstance(i, Alarming) and i.name != declaration.names.alarm(DRIFT)],
        )

    def _blameless(self, declaration: Declaration, steps: Sequence[Step]) -> frozenset[str]:
        """Names of what somebody else changed, and no change that is out: there is nothing for them to prove."""
        found = [step.resource.name for step in steps if _is_edit(step) and drifted(step, declaration)]
        applied = declaration.applied
        if not found or applied is None or not applied.is_baking:
            return frozenset(found if applied else ())
        stable = {kept.name: text_of(kept.value) for kept in self._labels_of(declaration.place).at(found, STABLE)}
        declared = {item.name: text_of(item.value) for item in declaration.parameters}
        return frozenset(name for name in found if name in stable and stable[name] == declared.get(name))

    def _recalled(self, declaration: Declaration) -> Undone | None:
        """What AWS says about this generation: a report may have been lost, or not been written any more."""
        if declaration.untouched:
            return None
        labels = self._labels_of(declaration.place)
        known = tuple(dict.fromkeys((*declaration.known, *labels.owned(declaration.owner))))
        applied, rejected = declaration.applied, labels.at(known, _label(declaration))
        if not rejected and (applied is None or applied.undone_generation != declaration.generation):
            return None
        # Without any mark the report remembers: whoever deleted the parameters did not ask for what failed.
        stable = labels.at(known, STABLE)
        marked = frozenset(item.name for item in rejected)
        # A label may be gone, or its version unreadable: only the report says what the generation created.
        created = marked & (applied.created if applied else frozenset())
        return Undone(
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
    """Whether a step changes what readers get."""
    if not isinstance(step.resource, Versioned):
        return False
    match step.change:
        case Create() | Delete() | Release():
            return True
        case Update(_, _, because):
            return any(difference.field in ("value", "type") for difference in because)


def _is_goodbye(step: Step) -> bool:
    return isinstance(step.change, Delete | Release) and isinstance(step.resource, Versioned)


def _of_others(plan: Plan) -> frozenset[str]:
    """Names of what somebody else wrote meanwhile: it bears no mark, and nothing of it is restored but what is declared."""
    return frozenset(step.resource.name for step in (*plan.steps, *plan.held) if _is_edit(step))


def _was_made_by_it(step: Step, declaration: Declaration) -> bool:
    """Whether what would be deleted was made by the generation that is undone, and so by nobody else."""
    is_created = step.resource.name in declaration.undone_created
    is_old = isinstance(step.resource, Versioned) and step.resource.version > VERSIONS_KEPT
    return is_created and not is_old and declaration.adoption_policy is AdoptionPolicy.NEVER


def put_off(plan: Plan, declaration: Declaration) -> Plan:
    """The plan without the deletions that would take what the stable revision has; where nothing was undone, the plan.

    A rollback that would need approval for its deletions puts all of them off: the stable values come back at once.
    """
    if not declaration.undone:
        return plan
    found = _later(plan, lambda step: not _was_made_by_it(step, declaration))
    return found if is_safe(found, declaration) else _later(plan, lambda _step: True)


def _later(plan: Plan, waits: Callable[[Step], bool]) -> Plan:
    """The plan with these deletions put off."""
    waiting = tuple(step for step in plan.steps if _is_goodbye(step) and waits(step))
    steps = tuple(step for step in plan.steps if not (_is_goodbye(step) and waits(step)))
    return replace(plan, steps=steps, waiting=waiting)


def _is_of(judgement: Judgement, item: Versioned) -> bool:
    """Whether a resource may have been written by the change that is judged."""
    return item.last_modified is None or item.last_modified >= judgement.since - HEADER_SECONDS


def _label(declaration: Declaration) -> str:
    """The mark of a generation that failed. A label begins with a letter, and has letters, digits, `.`, `-` and `_`."""
    return f"{REJECTED}{declaration.generation}-{declaration.owner.uid[:8]}"
