"""What a reconcile found in sync, so that a resync need only confirm it. Pure."""

from dataclasses import dataclass
from typing import Self

from dynconfig.engine.outcome import Outcome
from dynconfig.model.declaration import Declaration, Place
from dynconfig.model.fingerprint import Fingerprints, fingerprints
from dynconfig.model.resource import Owner, Versioned


@dataclass(frozen=True, slots=True)
class Settled:
    """The parameters of an object that was in sync and waits for nothing: it stays so until AWS or the object changes."""

    owner: Owner
    place: Place
    names: Fingerprints
    """Digests of the names of its parameters, of which it may have thousands."""
    resync_seconds: int

    @classmethod
    def of(cls, outcome: Outcome) -> Self | None:
        """Return it for an outcome; None if anything else may need a reconcile: time, a Secret or another resource."""
        declaration = outcome.declaration
        is_settled = (
            outcome.is_complete
            and not (outcome.applied or outcome.drift or outcome.label_messages)
            and not (outcome.plan.waiting or outcome.plan.reported)
            and outcome.requeue_after is None
            and _is_steady(declaration)
            and all(isinstance(item, Versioned) and not item.pending for item in outcome.owned)
        )
        names = {item.name for item in declaration.parameters}
        if not is_settled or {item.name for item in outcome.owned} != names:
            return None
        return cls(declaration.owner, declaration.place, fingerprints(names), declaration.resync_seconds)


def _is_steady(declaration: Declaration) -> bool:
    """Whether what is declared follows from the object alone, at any time."""
    applied = declaration.applied
    return not (
        declaration.is_partial
        or declaration.is_last_change
        or declaration.suspended
        or declaration.deleting
        or declaration.rollout
        or declaration.function
        or declaration.alarms
        or declaration.dashboard
        or applied is None
        or applied.rolls_out
        or any(item.awaits_deletion or item.spec.value is None or item.spec.policies for item in declaration.parameters)
    )
