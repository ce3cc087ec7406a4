"""Parameters that are images: SSM answers a write before EC2 has confirmed the image, and keeps nothing where it does not.

https://docs.aws.amazon.com/systems-manager/latest/userguide/parameter-store-ec2-aliases.html
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from typing import Any

from dynconfig.engine.errors import Refused
from dynconfig.engine.plan import differences
from dynconfig.kinds.parameter_value import Parameter, comparable

IMAGE = "aws:ec2:image"
# AWS does not say how long it takes; an image that is there is confirmed within seconds.
CONFIRMED_WITHIN = 60.0
# What was not confirmed is asked for again, but not at each look.
REPEAT_SECONDS = 300.0


class Images:
    """What was written of images and is not seen yet; safe for threads that serve different owners."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._written: dict[str, tuple[float, Parameter]] = {}

    def written(self, parameter: Parameter) -> Parameter:
        """A version was written: it may still not come to be."""
        pending = replace(parameter, pending="is being validated by EC2")
        self._written[parameter.name] = (self._clock(), pending)
        return pending

    def forget(self, names: Iterable[str]) -> None:
        """They are deleted, or a person wants them tried again."""
        for name in names:
            self._written.pop(name, None)

    def waiting(
        self, names: Iterable[str], answers: Mapping[str, Mapping[str, Any]], wanted: Mapping[str, Parameter]
    ) -> dict[str, Parameter]:
        """Those of the names that were written as they are wanted, and that EC2 still has time to confirm."""
        found: dict[str, Parameter] = {}
        for name in names:
            at, parameter = self._written.get(name, (0.0, None))
            if parameter is None:
                continue
            if name in answers and answers[name]["Version"] >= parameter.version:
                self._written.pop(name, None)
            elif self._clock() - at < CONFIRMED_WITHIN and _is_as(parameter, wanted.get(name)):
                found[name] = parameter
        return found

    def refuse_repetition(self, desired: Parameter) -> None:
        """Raise Refused where the same was written a while ago only and was not confirmed."""
        at, parameter = self._written.get(desired.name, (0.0, None))
        if parameter is None or self._clock() - at >= REPEAT_SECONDS or not _is_as(parameter, desired):
            return
        raise Refused(
            f"parameter {desired.name}: EC2 did not validate the image within {CONFIRMED_WITHIN:.0f} s, so SSM did not store "
            "it. Check that the image exists in this region and that the operator's role allows ec2:DescribeImages. "
            "It is retried later, after an edit, or on request"
        )


def _is_as(written: Parameter, wanted: Parameter | None) -> bool:
    return wanted is None or not differences(wanted, comparable(written, wanted))
