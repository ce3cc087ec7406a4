"""The contract case of one kind: specs, an edit and an external change for each field, and how to list resources."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from tests.kinds.aws_harness import AwsHarness

from dynconfig.engine.outcome import Outcome
from dynconfig.model.plan import AnyKind, Step
from dynconfig.model.resource import Resource

Spec = Mapping[str, Any]
ExternalAction = Callable[[AwsHarness], object]
"""An external action or read in AWS."""


def nothing(_harness: AwsHarness) -> None:
    """No prerequisites."""


@dataclass(frozen=True, kw_only=True)
class Case:
    """One kind, with the kinds it needs."""

    value: type[Resource]
    base: Spec
    feature: Spec
    """The part of a spec that declares it in an object with all kinds, which has the parts of the others, too."""
    edits: Mapping[str, Spec]
    """For each field a spec with another value."""
    tampers: Mapping[str, ExternalAction]
    """For each field an external change of its value."""
    list_names: ExternalAction
    """The names of all resources of this kind in AWS that belong to this test, including foreign ones."""
    create_similar: ExternalAction
    """Creates a foreign resource with a similar name."""
    create_foreign: ExternalAction | None
    """Creates a foreign resource with the same name; None if names are not unique, or it is part of an owned function."""
    writes: tuple[str, ...]
    """The operations by which the kind changes AWS."""
    busy: str
    """The error code of the service for concurrent writes."""
    needs: tuple[type[Resource], ...] = ()
    prepare: ExternalAction = nothing
    remove_by_hand: ExternalAction | None = None
    """Removes what was created, by hand; None if a deletion by the operator does."""
    not_editable: frozenset[str] = frozenset()
    """Fields that no edit of spec changes."""
    not_tamperable: frozenset[str] = frozenset()
    """Fields that cannot be changed externally in the emulator; they have tests of their own."""
    not_restorable: frozenset[str] = frozenset()
    """Fields that AWS cannot restore."""
    is_marked: bool = True
    """Whether it has the owner mark itself, and can be adopted without one."""
    secrets: Mapping[str, str] = field(default_factory=dict)

    def kinds(self, harness: AwsHarness) -> tuple[AnyKind, ...]:
        """The kind and those it needs, with empty caches as after a restart."""
        return harness.kinds(*self.needs, self.value)


def prepared(case: Case, harness: AwsHarness) -> Case:
    """The case, with its prerequisites created."""
    harness.secrets.update(case.secrets)
    case.prepare(harness)
    return case


def apply(harness: AwsHarness, case: Case, spec: Spec, **about: Any) -> Outcome:
    """Reconcile with empty caches until AWS is in sync."""
    return harness.settle(harness.declare(spec, **about), case.kinds(harness))


def steps(outcome: Outcome, case: Case) -> list[Step]:
    """The steps of this kind."""
    return [step for step in outcome.applied if isinstance(step.resource, case.value)]


def writes(harness: AwsHarness, case: Case, action: Callable[[], object]) -> dict[str, int]:
    """The calls by which an action changed AWS with this kind's operations."""
    return {name: count for name, count in harness.calls(action).items() if name in case.writes}
