"""How long a plan takes where AWS counts the calls: PutParameter is by far the scarcest of them. Pure."""

from dataclasses import dataclass

from dynconfig.engine.counting import counted
from dynconfig.engine.plan import Create, Plan, Step, Update
from dynconfig.engine.resource import Versioned

# Who owns a parameter and what tags it has is written by a call of its own, and makes no new version.
_TAGGED = {"owner", "tags", "from_secret"}


@dataclass(frozen=True, slots=True)
class Effort:
    """The writes of a plan that AWS counts."""

    puts: int
    per_second: float

    @property
    def seconds(self) -> float:
        """How long they take; the first goes at once."""
        return max(0, self.puts - 1) / self.per_second

    @property
    def told(self) -> str:
        """The effort as a sentence."""
        calls = counted(self.puts, "call")
        seconds = round(self.seconds)
        took = "at once" if seconds < 1 else f"about {_duration(seconds)}"
        return f"Takes {took}: {calls} of PutParameter, of which AWS takes {self.per_second:g} a second."


def effort(plan: Plan, per_second: float) -> Effort:
    """What a plan takes at this many calls of PutParameter a second."""
    return Effort(sum(_puts(step) for step in plan.steps), per_second)


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
