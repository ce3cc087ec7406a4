"""The in-process emulated AWS of the tests."""

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from tests.in_process import in_process

from dynconfig_lab.aws import AwsLab


class AwsTime:
    """The monotonic clock of the emulated AWS, by which functions and roles become ready; tests advance it."""

    def __init__(self) -> None:
        self._skipped = 0.0
        self._pause = threading.Event()

    def __call__(self) -> float:
        return time.monotonic() + self._skipped

    def pass_seconds(self, seconds: float) -> None:
        """Advance the clock of AWS only."""
        self._skipped += seconds

    def pass_quickly(self) -> None:
        """Advance AWS by a quarter of a second between two polls, and let its threads run."""
        self.pass_seconds(0.25)
        # Work of AWS that does not follow this clock, such as the delivery of an event.
        self._pause.wait(0.001)


class AwsDate:
    """The date of AWS's responses, from which the operator knows the time."""

    def __init__(self) -> None:
        self._ahead = 0.0

    def __call__(self) -> float:
        return time.time() + self._ahead

    @contextmanager
    def ahead(self, seconds: float) -> Iterator[None]:
        """Let so much time have passed within the `with` block."""
        self._ahead, before = seconds, self._ahead
        try:
            yield
        finally:
            self._ahead = before


AWS_TIME = AwsTime()
AWS_DATE = AwsDate()


@contextmanager
def emulated_aws() -> Iterator[AwsLab]:
    """Run the emulated AWS for the duration of a `with`, and set the credentials that it accepts."""
    with (
        pytest.MonkeyPatch.context() as environment,
        AwsLab.start(clock=AWS_TIME) as lab,
        in_process(lab.application, lab.endpoint, AWS_DATE),
    ):
        environment.setenv("AWS_ACCESS_KEY_ID", "lab")
        environment.setenv("AWS_SECRET_ACCESS_KEY", "lab")
        yield lab
