"""The operator process, and what kills it at a write."""

import signal
from dataclasses import dataclass, field

from dynconfig_lab.aws import Faults
from dynconfig_lab.aws.faults import Hold
from dynconfig_lab.processes import Child
from dynconfig_lab.stack import Stack

KEY = "operator"
"""The access key id of the operator; the tests have another one."""
SECOND = "second-operator"
"""The name and the access key id of the second operator, where there is one."""
KEYS = (KEY, SECOND)


@dataclass(frozen=True)
class Operator:
    """The operator process of a stack."""

    stack: Stack

    @property
    def process(self) -> Child:
        """The current process."""
        return self.stack.operator.children["operator"]

    @property
    def has_died(self) -> bool:
        """Whether it has exited."""
        return self.process.exit_code is not None

    def kill(self) -> None:
        """kill -9, until the process has ended."""
        self.stack.operator.signal("operator", signal.SIGKILL)
        self.process.wait()

    def restart(self) -> None:
        """Start a new process in place of the old one."""
        self.stack.operator.restart("operator")

    def revive(self) -> None:
        """Start it again if it has died."""
        if self.has_died:
            self.restart()


@dataclass
class Killer:
    """Kills each operator process at one of its writes, which takes effect or does not."""

    operator: Operator
    first: Hold
    """The write at which the first process dies."""
    stride: int = 0
    """How many writes further the next one dies; 0 if only the first one dies."""
    killed_at: list[tuple[str, str]] = field(default_factory=list)
    """Operation and resource of each write."""

    @property
    def operations(self) -> list[str]:
        """The operations that were cut off."""
        return [operation for operation, _resource in self.killed_at]

    def arm(self) -> None:
        """From now on processes die."""
        hold: Hold | None = self.first
        if self.killed_at:
            # The write that did not take effect is the first one of the next process.
            call = self.stride + self.first.is_before
            hold = Hold(call, self.first.is_before) if self.stride else None
        self.operator.stack.lab.faults(Faults(hold=hold, access_keys=KEYS))

    def disarm(self) -> None:
        """No process dies any more."""
        self.operator.stack.lab.faults(Faults())

    def revive(self) -> None:
        """Kill the process if its write is held, and start the next one, which will die as well."""
        held = self.operator.stack.lab.held()
        if held:
            self.operator.kill()
            self.killed_at.append(held)
            self.arm()
        self.operator.revive()
