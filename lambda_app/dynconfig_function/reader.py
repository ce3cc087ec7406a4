"""Caches each value for its TTL, refreshes expired values, and serves them longer while AWS is unavailable."""

from __future__ import annotations

from math import inf

from dynconfig_function import metrics
from dynconfig_function.cached_value import CachedValue
from dynconfig_function.errors import ConfigurationError, NotRefreshed
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
        self._cached: dict[str, CachedValue] = {}
        self._checked_at = self._fresh_until = 0.0

    def is_fresh(self, now: float) -> bool:
        """Return whether no value is due and none has changed since the last load."""
        return self._checked_at <= now < self._fresh_until

    def load(self, invocation: Invocation) -> dict[str, CachedValue]:
        """Return all declared parameters. Raises ConfigurationError with the names of the unavailable ones."""
        now = self._now()
        due = [name for name in self.settings.parameters if self._is_due(name, now)]
        invocation.count(metrics.HITS, len(self.settings.parameters) - len(due))
        invocation.count(metrics.MISSES, len(due))
        self._fresh_until = 0.0
        if due:
            short_timeout = all(name in self._cached and self._cached[name].may_serve(now) for name in due)
            self._store(*self._sources.read(due, invocation, short_timeout=short_timeout), invocation)
        return self._all(now, invocation)

    def refresh(self, name: str, invocation: Invocation) -> bool:
        """Refresh one parameter from Parameter Store. Return False if the new value is invalid and the cached one is kept."""
        self._fresh_until = 0.0
        self._sources.bypass_extension(name)
        if name in self._cached:
            self._cached[name].expire(self._now())
        found, faults = self._sources.read_from_parameter_store([name])
        for fault in faults.values():
            if fault.is_transient:
                invocation.count(metrics.FAILURES)
                self._keep_last_value(name, fault, invocation)
                raise NotRefreshed(f"{self._sources.full(name)} {fault.reason}")
        self._store(found, faults, invocation)
        return not self._cached[name].is_stale

    def close(self) -> None:
        """Close the connection to the extension."""
        self._sources.close()

    def _is_due(self, name: str, now: float) -> bool:
        cached = self._cached.get(name)
        return cached is None or cached.is_due(now)

    def _store(self, found: Mapping[str, Parameter], faults: Mapping[str, Fault], invocation: Invocation) -> None:
        invocation.count(metrics.SUCCESSES, len(found))
        invocation.count(metrics.FAILURES, len(faults))
        problems = {
            **{
                self._sources.full(name): self._store_one(name, parameter, invocation)
                for name, parameter in found.items()
            },
            **{
                self._sources.full(name): self._keep_last_value(name, fault, invocation)
                for name, fault in faults.items()
            },
        }
        fatal = {name: problem for name, problem in problems.items() if problem is not None}
        if fatal:
            raise ConfigurationError(fatal)

    def _store_one(self, name: str, parameter: Parameter, invocation: Invocation) -> str | None:
        declared = self.settings.parameters[name]
        problem = _schema_fault(declared.schema, parameter.value) if declared.schema else None
        if problem is None:
            # The time after the response, so that an equally long TTL of the extension has expired by the next read, too.
            self._cached[name] = CachedValue(parameter, self._now(), declared.ttl, is_secret=declared.is_secret)
            return None
        # Transient: if value and schema change together, the value arrives before the environment with the new schema.
        fatal = self._keep_last_value(name, Fault(problem, is_transient=True), invocation)
        if fatal is None:
            self._sources.bypass_extension(name)
        return fatal

    def _keep_last_value(self, name: str, fault: Fault, invocation: Invocation) -> str | None:
        cached = self._cached.get(name)
        now = self._now()
        if fault.is_transient and cached is not None and cached.may_serve(now):
            cached.failed_at = now
            message = f"serving the last valid value: the parameter {fault.reason}"
            invocation.log("WARNING", message, parameter=self._sources.full(name))
            return None
        self._cached.pop(name, None)
        return fault.reason

    def _all(self, now: float, invocation: Invocation) -> dict[str, CachedValue]:
        stale = sum(cached.is_stale for cached in self._cached.values())
        invocation.count(metrics.STALE, stale)
        self._checked_at = now
        self._fresh_until = 0.0 if stale else min((cached.expires_at for cached in self._cached.values()), default=inf)
        return {name: self._cached[name] for name in self.settings.parameters}


def _schema_fault(schema: Mapping[str, object], value: str) -> str | None:
    # Slows down cold starts, and is only needed for schemas.
    from dynconfig_function.schema import fault

    return fault(schema, value)
