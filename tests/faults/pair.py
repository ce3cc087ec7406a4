"""Two operator processes: the one that serves is killed or paused, and the other takes over."""

import signal
from collections.abc import Callable
from dataclasses import dataclass, field

from tests.faults.operator import KEY, SECOND, Killer
from tests.faults.site import PATIENCE, Document, NotConverged, Site, State

from dynconfig_lab.process_group import ProcessGroup
from dynconfig_lab.processes import Child, wait_until

LEASE = "/apis/coordination.k8s.io/v1/namespaces/dynconfig-system/leases/dynconfig-shard-0"


@dataclass(frozen=True)
class Pair:
    """The operator of a site and a second one, each named by its access key id."""

    site: Site
    second: ProcessGroup
    undisturbed: Callable[[str], State]
    """What a flow of this name ends in without a fault."""

    @property
    def holder(self) -> str:
        """The operator that holds the lease; empty if no one does."""
        identity = self._lease["spec"].get("holderIdentity")
        return "" if not identity else SECOND if identity == SECOND else KEY

    @property
    def renewal(self) -> str:
        """When the lease was renewed, by the clock of its holder."""
        return str(self._lease["spec"]["renewTime"])

    def serve(self, name: str) -> None:
        """Let an operator take over, if it does not serve. Raises NotConverged."""
        if self.holder != name:
            self.kill(self.other(name))
            # `Site.wait` would start the other one again, which would take its lease back.
            if not wait_until(lambda: self.holder == name, PATIENCE):
                raise NotConverged(f"{name} does not take over")
            self.revive(self.other(name))

    def other(self, name: str) -> str:
        """The other operator."""
        return KEY if name == SECOND else SECOND

    def process(self, name: str) -> Child:
        """The current process of an operator."""
        return self.second.children[SECOND] if name == SECOND else self.site.operator.process

    def signal(self, name: str, number: signal.Signals) -> None:
        """Send a signal to an operator."""
        if name == SECOND:
            self.second.signal(SECOND, number)
        else:
            self.site.stack.operator.signal("operator", number)

    def kill(self, name: str) -> None:
        """kill -9, until the process has ended."""
        self.signal(name, signal.SIGKILL)
        self.process(name).wait()

    def revive(self, name: str) -> None:
        """Start an operator again if it has died."""
        if self.process(name).exit_code is None:
            return
        if name == SECOND:
            self.second.restart(SECOND)
        else:
            self.site.operator.restart()

    @property
    def _lease(self) -> Document:
        found: Document = self.site.http.get(LEASE).raise_for_status().json()
        return found

    def writers(self, mark: int) -> set[str]:
        """The operators that wrote after a call of this number."""
        return {call.access_key for call in self.site.log() if call.number > mark}

    @property
    def last(self) -> int:
        """The number of the last call of an operator."""
        return max((call.number for call in self.site.log()), default=self.site.mark)


@dataclass
class Succession(Killer):
    """Kills the serving operator at one of its writes, and starts it again after the other one has taken over."""

    pair: Pair = field(kw_only=True)
    killed: list[str] = field(default_factory=list)
    """Who was killed, in order."""

    def revive(self) -> None:
        held, holder = self.operator.stack.lab.held(), self.pair.holder
        if held:
            # Only the holder writes.
            self.pair.kill(holder)
            self.killed.append(holder)
            self.killed_at.append(held)
            self.arm()
        for name in set(self.killed):
            if name != self.pair.holder:
                self.pair.revive(name)
