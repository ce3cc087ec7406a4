"""A replacement of the event loop's timers: work is done when a test says so."""

from collections.abc import Callable


class Later:
    """Records what is to be done later."""

    def __init__(self) -> None:
        self.steps: list[Callable[[], None]] = []

    def __call__(self, _seconds: float, work: Callable[[], None]) -> None:
        self.steps.append(work)

    def run(self) -> int:
        """Do everything, also what that adds; return the number of steps."""
        count = 0
        while self.steps:
            self.steps.pop(0)()
            count += 1
        return count
