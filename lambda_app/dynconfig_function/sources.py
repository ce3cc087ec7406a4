"""Where values come from: the extension, else Parameter Store itself; in short names, relative to the prefix."""

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

# The extension is asked name by name, and asks Parameter Store so, 20 to 30 ms each; ten in one call take as long. To
# import boto3 costs as much as 50 names, and an account's 40 calls a second are then just kept.
_MANY = 50
# The import of boto3 takes a second in a small function, a hurried call as much; some is left for the handler.
_LEAST_SECONDS = 2.5


class Sources:
    """Asks for parameters, and tells for each that it did not get why."""

    def __init__(self, prefix: str, extension: Extension, fallback: Callable[[], Fallback]) -> None:
        self._prefix = prefix
        self._extension = extension
        self._fallback = fallback
        self._doubted: set[str] = set()

    def read(self, names: Sequence[str], invocation: Invocation, *, is_hurried: bool) -> Answers:
        """The parameters from the extension where it answers; many at once from Parameter Store, ten a call.

        In a hurry no source is waited for longer than a moment: old values may serve, if the function still runs then.
        """
        asked = [] if len(names) > _MANY else [name for name in names if name not in self._doubted]
        found, failed = self._from_extension(asked, invocation, is_hurried=is_hurried)
        left = [name for name in names if name not in found]
        if not left:
            return found, {}
        if is_hurried and invocation.seconds_left < _LEAST_SECONDS:
            return found, dict.fromkeys(left, Fault("could not be read in the remaining time", is_passing=True))
        invocation.count(metrics.FALLBACKS, len(failed))
        more, faults = self.read_anew(left, is_hurried=is_hurried)
        return found | more, faults

    def read_anew(self, names: Sequence[str], *, is_hurried: bool = False) -> Answers:
        """The parameters as Parameter Store has them now."""
        short = {self.full(name): name for name in names}
        try:
            fallback = self._fallback()
        except ImportError as error:
            return {}, dict.fromkeys(names, Fault(f"could not be read: {error}", is_passing=False))
        found, faults = fallback.read(list(short), is_hurried=is_hurried)
        self._doubted.difference_update(short[full] for full in found)
        return (
            {short[full]: parameter for full, parameter in found.items()},
            {short[full]: fault for full, fault in faults.items()},
        )

    def doubt(self, name: str) -> None:
        """Ask no more the extension, whose memory may be older than the last change, until Parameter Store has answered."""
        self._doubted.add(name)

    def full(self, name: str) -> str:
        """The name as Parameter Store knows it."""
        return f"{self._prefix}/{name}"

    def close(self) -> None:
        """Close the connection to the extension."""
        self._extension.close()

    def _from_extension(
        self, names: Iterable[str], invocation: Invocation, *, is_hurried: bool
    ) -> tuple[dict[str, Parameter], list[str]]:
        found: dict[str, Parameter] = {}
        failed: list[str] = []
        for name in names:
            try:
                if invocation.extension_answers:
                    found[name] = self._extension.get(self.full(name), is_hurried=is_hurried)
                    continue
            except ExtensionFailed as error:
                invocation.blame(error)
                invocation.log("WARNING", f"the extension {error.reason}", parameter=self.full(name))
            failed.append(name)
        return found, failed
