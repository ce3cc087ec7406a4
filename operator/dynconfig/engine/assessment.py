"""What would be done about one object, everything included; the operator applies it, and `dynconfig plan` prints it."""

from collections.abc import Iterable
from dataclasses import dataclass

from dynconfig.engine.carry import in_order
from dynconfig.engine.declaration import Declaration
from dynconfig.engine.errors import DynConfigError
from dynconfig.engine.look import Sight
from dynconfig.engine.plan import Part, Plan, Step, changes, drifted
from dynconfig.engine.resource import Resource
from dynconfig.engine.rollout import Judgement
from dynconfig.engine.undone import Rejection


@dataclass(frozen=True, slots=True)
class Assessment:
    """The answer of `Engine.assess`."""

    declaration: Declaration
    """As it is carried out: with the stable revision in its place where its generation is undone."""
    plan: Plan
    """The steps, and beside them what waits for the end of the bake time and what is only reported."""
    seen: tuple[Resource, ...]
    """All that AWS has at the names concerned, whoever owns it."""
    judgement: Judgement
    """How the newest change is doing."""
    rejection: Rejection | None = None
    """What is written to AWS before any step, where an alarm makes the generation be undone."""
    blocked: DynConfigError | None = None
    """What stops all of it before the first write."""

    @property
    def drift(self) -> tuple[Step, ...]:
        """What somebody else changed, whether it is corrected or only reported."""
        return self.plan.reported or tuple(step for step in self.plan.steps if drifted(step, self.declaration))

    @property
    def writes(self) -> tuple[Step, ...]:
        """The steps that are carried out now: none while the object is suspended or something stops all of it."""
        return () if self.declaration.suspended or self.blocked else self.plan.steps


def compared(declaration: Declaration, sights: Iterable[Sight]) -> tuple[Plan, tuple[Resource, ...]]:
    """What has to be done about what was seen, and all that was seen. Raises NotOwned, NotPossible."""
    parts: list[Part] = []
    steps: list[Step] = []
    seen: list[Resource] = []
    for sight in sights:
        owned = tuple(resource for resource in sight.observed if resource.owner == declaration.owner.tag)
        parts.append(Part(sight.kind, sight.desired, owned))
        steps += changes(sight.kind, declaration, sight.desired, sight.observed)
        seen += sight.observed
    return Plan(in_order(steps), tuple(parts)), tuple(seen)
