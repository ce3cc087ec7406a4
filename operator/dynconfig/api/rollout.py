"""How a change proves itself, and what happens when it does not."""

from typing import Annotated, ClassVar

from pydantic import Field

from dynconfig.api.duration import DURATION, seconds
from dynconfig.api.model import Flag, Model, Rule

SHORTEST_BAKE = 5
LONGEST_BAKE = 86400


class RolloutSpec(Model):
    """A change bakes: only when its time is over and no alarm of this object fires do its values count as stable."""

    rollback_on_alarm: Flag = True
    """Put the last stable values back when an alarm of this object fires while a change bakes."""
    bake_time: Annotated[str, Field(min_length=2, max_length=16, pattern=DURATION)] = "10m"
    """How long a change has to go without an alarm until it counts as stable, from 5s to 24h, for example 10m."""

    rules: ClassVar[tuple[Rule, ...]] = (
        Rule(
            cel=f"!has(self.bakeTime) || (duration(self.bakeTime) >= duration('{SHORTEST_BAKE}s') && "
            "duration(self.bakeTime) <= duration('24h'))",
            message="bakeTime must be between 5s and 24h",
            holds=lambda rollout: SHORTEST_BAKE <= rollout.bake_seconds <= LONGEST_BAKE,
            field="bakeTime",
        ),
    )

    @property
    def bake_seconds(self) -> int:
        """The bake time in seconds."""
        return seconds(self.bake_time)
