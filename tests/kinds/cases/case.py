"""What the contract has to know of one kind: what to declare, an edit and a stranger's hand for each field, where to look."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from tests.kinds.aws_harness import AwsHarness

from dynconfig.engine.outcome import Outcome
from dynconfig.engine.plan import AnyKind, Step
from dynconfig.engine.resource import Resource

Spec = Mapping[str, Any]
Deed = Callable[[AwsHarness], object]
"""What somebody does in AWS, or what somebody sees there."""


def nothing(_workshop: AwsHarness) -> None:
    """Nothing has to be there before."""


@dataclass(frozen=True, kw_only=True)
class Case:
    """One kind, beside those that have to be there before it."""

    value: type[Resource]
    base: Spec
    edits: Mapping[str, Spec]
    """For each field a spec in which it is otherwise."""
    tampers: Mapping[str, Deed]
    """For each field a deed in AWS after which it is otherwise."""
    listed: Deed
    """The names of all resources of this sort in AWS that belong to this test, strangers' ones included."""
    neighbour: Deed
    """Makes a stranger's resource with a similar name."""
    stranger: Deed | None
    """Takes the name for a stranger; None where names are not unique, or where it is part of a function of ours."""
    writes: tuple[str, ...]
    """Operations by which the kind changes AWS."""
    busy: str
    """The code by which its service says that somebody writes at the same moment."""
    needs: tuple[type[Resource], ...] = ()
    prepare: Deed = nothing
    vanish: Deed | None = None
    """Takes away by hand what we made; None where a deletion of ours does."""
    fixed: frozenset[str] = frozenset()
    """Fields that no edit of a spec changes."""
    out_of_reach: frozenset[str] = frozenset()
    """Fields that nobody can change by hand in the emulator; they have tests of their own."""
    incurable: frozenset[str] = frozenset()
    """Fields that AWS cannot put back."""
    is_marked: bool = True
    """It bears the owner's mark itself, and can be adopted where it does not."""
    secrets: Mapping[str, str] = field(default_factory=dict)

    def kinds(self, harness: AwsHarness) -> tuple[AnyKind, ...]:
        """The kind and those that it needs, as after a restart."""
        return harness.kinds(*self.needs, self.value)


def prepared(case: Case, harness: AwsHarness) -> Case:
    """The case, once all is there that it needs."""
    harness.secrets.update(case.secrets)
    case.prepare(harness)
    return case


def apply(harness: AwsHarness, case: Case, spec: Spec, **about: Any) -> Outcome:
    """Run as after a restart, until AWS is as declared."""
    return harness.settle(harness.declare(spec, **about), case.kinds(harness))


def steps(outcome: Outcome, case: Case) -> list[Step]:
    """The steps of this kind."""
    return [step for step in outcome.applied if isinstance(step.resource, case.value)]


def writes(harness: AwsHarness, case: Case, action: Callable[[], object]) -> dict[str, int]:
    """The calls by which an action changed AWS in this kind's ways."""
    return {name: count for name, count in harness.calls(action).items() if name in case.writes}
