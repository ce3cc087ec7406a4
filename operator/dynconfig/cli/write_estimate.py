"""Estimate how long the writes of a plan take. PutParameter has by far the lowest rate limit. Pure."""

from dataclasses import dataclass

from dynconfig.model.plan import Create, Plan, Step, Update
from dynconfig.model.resource import Versioned

# Owner and tags of a parameter are written by AddTagsToResource, without a new version.
_TAGGED = {"owner", "tags", "from_secret"}


@dataclass(frozen=True, slots=True)
class WriteEstimate:
    """The number of PutParameter calls, and their rate limit per second."""

    puts: int
    per_second: float

    @property
    def seconds(self) -> float:
        """Estimated duration in seconds; the first call is not delayed."""
        return max(0, self.puts - 1) / self.per_second

    @property
    def message(self) -> str:
        """The estimate for people."""
        seconds = round(self.seconds)
        duration = "< 1 s" if seconds < 1 else _duration(seconds)
        return f"Estimated time: {duration} ({self.puts} PutParameter at {self.per_second:g}/s)"


def estimate_writes(plan: Plan, per_second: float) -> WriteEstimate:
    """Estimate the writes of a plan at this rate of PutParameter calls per second."""
    return WriteEstimate(sum(_puts(step) for step in plan.steps), per_second)


def _puts(step: Step) -> bool:
    if not isinstance(step.resource, Versioned):
        return False
    match step.change:
        case Create():
            return True
        case Update(_, _, because):
            return not {difference.field for difference in because} <= _TAGGED
    return False


def _duration(seconds: int) -> str:
    minutes, rest = divmod(seconds, 60)
    if not minutes:
        return f"{seconds} s"
    return f"{minutes} min {rest} s" if rest else f"{minutes} min"
