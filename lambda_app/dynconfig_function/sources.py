"""The sources of values: the extension, else Parameter Store; by name relative to the prefix."""

from __future__ import annotations

from dynconfig_function import metrics
from dynconfig_function.extension import ExtensionFailed
from dynconfig_function.parameter import Fault

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from dynconfig_function.extension import Extension
    from dynconfig_function.fallback import Fallback
    from dynconfig_function.invocation import Invocation
    from dynconfig_function.parameter import Parameter

    Answers = tuple[dict[str, Parameter], dict[str, Fault]]

# The extension reads one parameter per request, 20 to 30 ms each; GetParameters reads ten in that time. Importing boto3 takes
# as long as 50 such requests, and the default quota of 40 calls per second is not exceeded.
_MAX_EXTENSION_READS = 50
# Importing boto3 takes a second in a small function, a call with the short timeout another one; the rest is for the handler.
_MIN_SECONDS = 2.5


class Sources:
    """Reads parameters, and returns a fault for each that could not be read."""

    def __init__(self, prefix: str, extension: Extension, fallback: Callable[[], Fallback]) -> None:
        self._prefix = prefix
        self._extension = extension
        self._fallback = fallback
        self._bypassed: set[str] = set()

    def read(self, names: Sequence[str], invocation: Invocation, *, short_timeout: bool) -> Answers:
        """Read from the extension, and from Parameter Store what it does not return, or if there are many parameters.

        With `short_timeout`, cached values can be served instead, so that the invocation must not wait long.
        """
        asked = [] if len(names) > _MAX_EXTENSION_READS else [name for name in names if name not in self._bypassed]
        found, failed = self._from_extension(asked, invocation, short_timeout=short_timeout)
        left = [name for name in names if name not in found]
        if not left:
            return found, {}
        if short_timeout and invocation.seconds_left < _MIN_SECONDS:
            return found, dict.fromkeys(left, Fault("could not be read in the remaining time", is_transient=True))
        invocation.count(metrics.FALLBACKS, len(failed))
        more, faults = self.read_from_parameter_store(left, short_timeout=short_timeout)
        return found | more, faults

    def read_from_parameter_store(self, names: Sequence[str], *, short_timeout: bool = False) -> Answers:
        """Read from Parameter Store only."""
        short = {self.full(name): name for name in names}
        try:
            fallback = self._fallback()
        except ImportError as error:
            return {}, dict.fromkeys(names, Fault(f"could not be read: {error}", is_transient=False))
        found, faults = fallback.read(list(short), short_timeout=short_timeout)
        self._bypassed.difference_update(short[full] for full in found)
        return (
            {short[full]: parameter for full, parameter in found.items()},
            {short[full]: fault for full, fault in faults.items()},
        )

    def bypass_extension(self, name: str) -> None:
        """Read this parameter from Parameter Store next time: the cache of the extension may be stale."""
        self._bypassed.add(name)

    def full(self, name: str) -> str:
        """Return the full name in Parameter Store."""
        return f"{self._prefix}/{name}"

    def close(self) -> None:
        """Close the connection to the extension."""
        self._extension.close()

    def _from_extension(
        self, names: Iterable[str], invocation: Invocation, *, short_timeout: bool
    ) -> tuple[dict[str, Parameter], list[str]]:
        found: dict[str, Parameter] = {}
        failed: list[str] = []
        for name in names:
            try:
                if invocation.extension_works:
                    found[name] = self._extension.get(self.full(name), short_timeout=short_timeout)
                    continue
            except ExtensionFailed as error:
                invocation.record_failure(error)
                invocation.log("WARNING", f"the extension {error.reason}", parameter=self.full(name))
            failed.append(name)
        return found, failed
