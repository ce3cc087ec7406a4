"""Rollout settings: bake time and rollback."""

from typing import Annotated, ClassVar

from pydantic import Field

from dynconfig.api.duration import DURATION, seconds
from dynconfig.api.model import Flag, Model, Rule

SHORTEST_BAKE = 5
LONGEST_BAKE = 86400


class RolloutSpec(Model):
    """A change bakes: it becomes stable once the bake time has passed without a firing alarm of this object."""

    rollback_on_alarm: Flag = True
    """If an alarm of this object fires during the bake time, restore the last stable values."""
    bake_time: Annotated[str, Field(min_length=2, max_length=16, pattern=DURATION)] = "10m"
    """How long a change must run without a firing alarm until it is stable, from 5s to 24h, for example 10m."""

    rules: ClassVar[tuple[Rule, ...]] = (
        Rule(
            cel=f"!has(self.bakeTime) || (duration(self.bakeTime) >= duration('{SHORTEST_BAKE}s') && "
            "duration(self.bakeTime) <= duration('24h'))",
            message="bakeTime must be between 5s and 24h",
            field="bakeTime",
        ),
    )

    @property
    def bake_seconds(self) -> int:
        """The bake time in seconds."""
        return seconds(self.bake_time)
