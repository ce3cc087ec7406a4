"""The background process that starts a plan, watches it, and stops all when a process exits that may not be restarted."""

import logging
import signal
import sys
import time
from pathlib import Path

from dynconfig_lab.errors import NotReady
from dynconfig_lab.process_group import ProcessGroup
from dynconfig_lab.processes import Identity
from dynconfig_lab.state import Folder, Phase, Plan, Running, State

INTERVAL = 0.2
START_SECONDS = 120

log = logging.getLogger("supervisor")


class Supervisor:
    def __init__(self, folder: Folder, plan: Plan, identity: Identity) -> None:
        self._folder = folder
        self._plan = plan
        self._identity = identity
        self._phase = Phase.STARTING
        self._reason = ""
        self._stopping = False
        self._known: dict[str, Running] = {}
        """Including exited ones, for the report of a failure."""
        self._processes = ProcessGroup(plan.programs, folder.path, self._report)

    def stop(self) -> None:
        """May be called in a signal handler."""
        self._stopping = True

    def run(self) -> Phase:
        """Run until it is stopped or a process exits for good; leaves no process."""
        self._report()
        try:
            self._processes.start(START_SECONDS, lambda: self._stopping)
            self._ready()
            while not self._stopping:
                self._processes.revive(START_SECONDS, lambda: self._stopping)
                self._processes.check()
                time.sleep(INTERVAL)
        except NotReady as error:
            self._phase, self._reason = Phase.FAILED, str(error)
            log.error("The lab ends: %s", error)
        finally:
            self._folder.env.unlink(missing_ok=True)
            self._processes.stop()
        self._report()
        log.info("Ended, and all that was started with it")
        return self._phase

    def _ready(self) -> None:
        if self._stopping:
            return
        self._phase = Phase.READY
        self._folder.write_env(self._plan.exports)
        self._report()
        log.info("Ready: %s", ", ".join(self._processes.children))

    def _report(self) -> None:
        for name, child in self._processes.children.items():
            self._known[name] = Running(name, child.identity, name in self._processes.ready, str(child.log))
        children = tuple(self._known.values())
        self._folder.write_state(State(self._phase, self._identity, children, self._reason))


def main(folder: Folder) -> int:
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(message)s")
    plan, identity = folder.plan(), Identity.of_this_process()
    if not plan:
        log.error("There is no plan in %s", folder.path)
        return 1
    supervisor = Supervisor(folder, plan, identity)
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        signal.signal(number, lambda *_: supervisor.stop())
    return 1 if supervisor.run() is Phase.FAILED else 0


if __name__ == "__main__":
    sys.exit(main(Folder(Path(sys.argv[1]))))
