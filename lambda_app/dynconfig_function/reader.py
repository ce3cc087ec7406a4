"""Holds each value for its own TTL, reads anew what is due, and lets a value serve longer while AWS is away."""

from __future__ import annotations

from math import inf

from dynconfig_function import metrics
from dynconfig_function.errors import ConfigurationError, NotRefreshed
from dynconfig_function.held import Held
from dynconfig_function.parameter import Fault

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from dynconfig_function.invocation import Invocation
    from dynconfig_function.parameter import Parameter
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
            is_hurried = all(name in self._held and self._held[name].may_serve(now) for name in due)
            self._take(*self._sources.read(due, invocation, is_hurried=is_hurried), invocation)
        return self._all(now, invocation)

    def refresh(self, name: str, invocation: Invocation) -> bool:
        """Read one parameter anew from Parameter Store itself; False if what was held serves on, as the new does not fit."""
        self._fresh_until = 0.0
        self._sources.doubt(name)
        if name in self._held:
            self._held[name].expire(self._now())
        found, faults = self._sources.read_anew([name])
        for fault in faults.values():
            if fault.is_passing:
                invocation.count(metrics.FAILURES)
                self._excuse(name, fault, invocation)
                raise NotRefreshed(f"{self._sources.full(name)} {fault.reason}")
        self._take(found, faults, invocation)
        return not self._held[name].is_stale

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
            **{self._sources.full(name): self._hold(name, parameter, invocation) for name, parameter in found.items()},
            **{self._sources.full(name): self._excuse(name, fault, invocation) for name, fault in faults.items()},
        }
        fatal = {name: problem for name, problem in problems.items() if problem is not None}
        if fatal:
            raise ConfigurationError(fatal)

    def _hold(self, name: str, parameter: Parameter, invocation: Invocation) -> str | None:
        declared = self.settings.parameters[name]
        problem = _misfit(declared.schema, parameter.value) if declared.schema else None
        if problem is None:
            # The time after the answer: the extension's own TTL, if as long, is then over at the next read, too.
            self._held[name] = Held(parameter, self._now(), declared.ttl, is_secret=declared.is_secret)
            return None
        # It passes: a value that changes together with its schema is there before the environment that knows both.
        fatal = self._excuse(name, Fault(problem, is_passing=True), invocation)
        if fatal is None:
            self._sources.doubt(name)
        return fatal

    def _excuse(self, name: str, fault: Fault, invocation: Invocation) -> str | None:
        held = self._held.get(name)
        now = self._now()
        if fault.is_passing and held is not None and held.may_serve(now):
            held.failed_at = now
            message = f"serving the last valid value: the parameter {fault.reason}"
            invocation.log("WARNING", message, parameter=self._sources.full(name))
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
