"""Holds each value for its own TTL, reads anew what is due, and lets a value serve longer while AWS is away."""

from __future__ import annotations

from math import inf

from dynconfig_function import metrics
from dynconfig_function.errors import ConfigurationError
from dynconfig_function.held import Held

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from dynconfig_function.invocation import Invocation
    from dynconfig_function.parameter import Fault, Parameter
    from dynconfig_function.settings import Settings
    from dynconfig_function.sources import Sources


class Reader:
    """The values of this execution environment."""

    def __init__(self, settings: Settings, sources: Sources, now: Callable[[], float]) -> None:
        self.settings = settings
        self._sources = sources
        self._now = now
        self._held: dict[str, Held] = {}
        self._looked_at = self._fresh_until = 0.0

    def is_fresh(self, now: float) -> bool:
        """Whether nothing is due, and nothing has changed since the last load."""
        return self._looked_at <= now < self._fresh_until

    def load(self, invocation: Invocation) -> dict[str, Held]:
        """All declared parameters, or a ConfigurationError that names those that cannot be had."""
        now = self._now()
        due = [name for name in self.settings.parameters if self._is_due(name, now)]
        invocation.count(metrics.HITS, len(self.settings.parameters) - len(due))
        invocation.count(metrics.MISSES, len(due))
        self._fresh_until = 0.0
        if due:
            self._take(*self._sources.read(due, invocation), invocation)
        return self._all(now, invocation)

    def refresh(self, name: str, invocation: Invocation) -> None:
        """Read one parameter anew from Parameter Store itself: the extension would answer from its own memory."""
        self._fresh_until = 0.0
        if name in self._held:
            self._held[name].expire(self._now())
        self._take(*self._sources.read_anew([name]), invocation)

    def close(self) -> None:
        """Close the connection to the extension."""
        self._sources.close()

    def _is_due(self, name: str, now: float) -> bool:
        held = self._held.get(name)
        return held is None or held.is_due(now)

    def _take(self, found: Mapping[str, Parameter], faults: Mapping[str, Fault], invocation: Invocation) -> None:
        invocation.count(metrics.SUCCESSES, len(found))
        invocation.count(metrics.FAILURES, len(faults))
        problems = {
            **{self._sources.full(name): self._hold(name, parameter) for name, parameter in found.items()},
            **{self._sources.full(name): self._excuse(name, fault, invocation) for name, fault in faults.items()},
        }
        fatal = {name: problem for name, problem in problems.items() if problem is not None}
        if fatal:
            raise ConfigurationError(fatal)

    def _hold(self, name: str, parameter: Parameter) -> str | None:
        declared = self.settings.parameters[name]
        problem = _misfit(declared.schema, parameter.value) if declared.schema else None
        if problem is None:
            # The time after the answer: the extension's own TTL, if as long, is then over at the next read, too.
            self._held[name] = Held(parameter, self._now(), declared.ttl, is_secret=declared.is_secret)
        else:
            self._held.pop(name, None)
        return problem

    def _excuse(self, name: str, fault: Fault, invocation: Invocation) -> str | None:
        held = self._held.get(name)
        now = self._now()
        if fault.is_passing and held is not None and held.may_serve(now):
            held.failed_at = now
            invocation.log("WARNING", f"serving an old value: {fault.reason}", parameter=self._sources.full(name))
            return None
        self._held.pop(name, None)
        return fault.reason

    def _all(self, now: float, invocation: Invocation) -> dict[str, Held]:
        stale = sum(held.is_stale for held in self._held.values())
        invocation.count(metrics.STALE, stale)
        self._looked_at = now
        self._fresh_until = 0.0 if stale else min((held.expires_at for held in self._held.values()), default=inf)
        return {name: self._held[name] for name in self.settings.parameters}


def _misfit(schema: Mapping[str, object], value: str) -> str | None:
    # Costs cold start, and is needed only where schemas are handed over.
    from dynconfig_function.schema import fault

    return fault(schema, value)
