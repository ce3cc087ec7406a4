"""Parameters of data type aws:ec2:image: SSM returns before EC2 has validated the image, and stores nothing if that fails.

https://docs.aws.amazon.com/systems-manager/latest/userguide/parameter-store-ec2-aliases.html
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from typing import Any

from dynconfig.kinds.parameter.value import Parameter, comparable
from dynconfig.model.errors import Refused
from dynconfig.model.plan import differences
from dynconfig.model.ttl_cache import TtlCache

IMAGE = "aws:ec2:image"
# AWS documents no duration; an existing image is validated within seconds.
CONFIRMED_WITHIN = 60.0
# Images that failed validation are retried at this interval, not in every reconcile.
REPEAT_SECONDS = 300.0


class Images:
    """Image writes that SSM does not show yet. Thread-safe as long as each thread serves another owner."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._written = TtlCache[str, tuple[float, Parameter]](REPEAT_SECONDS, clock)

    def written(self, parameter: Parameter) -> Parameter:
        """Record a written version; EC2 may still reject it."""
        pending = replace(parameter, pending="is being validated by EC2")
        self._written.put(parameter.name, (self._clock(), pending))
        return pending

    def forget(self, names: Iterable[str]) -> None:
        """Forget writes of deleted parameters, or to retry them on request."""
        self._written.forget(names)

    def waiting(
        self, names: Iterable[str], answers: Mapping[str, Mapping[str, Any]], wanted: Mapping[str, Parameter]
    ) -> dict[str, Parameter]:
        """Return the parameters that were written as desired and that EC2 may still be validating."""
        found: dict[str, Parameter] = {}
        for name in names:
            if (written := self._written.get(name)) is None:
                continue
            at, parameter = written
            if name in answers and answers[name]["Version"] >= parameter.version:
                self._written.forget([name])
            elif self._clock() - at < CONFIRMED_WITHIN and _is_as(parameter, wanted.get(name)):
                found[name] = parameter
        return found

    def refuse_repetition(self, desired: Parameter) -> None:
        """Raise Refused if the same image failed validation less than REPEAT_SECONDS ago."""
        written = self._written.get(desired.name)
        if written is None or not _is_as(written[1], desired):
            return
        raise Refused(
            f"parameter {desired.name}: EC2 did not validate the image within {CONFIRMED_WITHIN:.0f} s, so SSM did not store "
            "it. Check that the image exists in this region and that the operator's role allows ec2:DescribeImages. "
            "It is retried later, after an edit, or on request"
        )


def _is_as(written: Parameter, wanted: Parameter | None) -> bool:
    return wanted is None or not differences(wanted, comparable(written, wanted))
