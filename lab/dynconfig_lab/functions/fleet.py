"""All execution environments: reused while they are warm, more where they are busy, replaced when the function has changed."""

import threading
import time
import zipfile
from concurrent.futures import ThreadPoolExecutor

from dynconfig_lab.functions.environment import Environment
from dynconfig_lab.functions.extension import BadSettings, GetParameter
from dynconfig_lab.functions.spec import FunctionSpec, Result

MOST = 10
IDLE_SECONDS = 300.0


class Fleet:
    """Environments of all functions; safe for threads."""

    def __init__(self, endpoint: str) -> None:
        self._endpoint = endpoint
        self._idle: list[Environment] = []
        self._busy: list[Environment] = []
        self._changed = threading.Condition()
        self._is_stopped = False
        # Processes end with the thread that has started them, so it is one that stays.
        self._keeper = ThreadPoolExecutor(1, thread_name_prefix="environments")

    def run(self, spec: FunctionSpec, payload: bytes, get: GetParameter) -> tuple[Result, str]:
        """The result of one invocation, and the log stream that it belongs to."""
        try:
            environment = self._take(spec, get)
        except BadSettings as error:
            return Result.failed("Extension.InitError", f"the extension does not start: {error}"), "init"
        except zipfile.BadZipFile:
            return Result.failed("Runtime.BadZip", "the code is no zip file"), "init"
        try:
            return environment.invoke(payload), environment.stream
        finally:
            self._give_back(environment)

    def stop(self) -> None:
        """End all processes."""
        with self._changed:
            self._is_stopped = True
            found = [*self._idle, *self._busy]
            self._idle.clear()
        for environment in found:
            environment.stop()
        self._keeper.shutdown()

    def count(self) -> int:
        """How many environments there are."""
        with self._changed:
            return len(self._idle) + len(self._busy)

    def _take(self, spec: FunctionSpec, get: GetParameter) -> Environment:
        with self._changed:
            while True:
                if self._is_stopped:
                    raise OSError("the lab has stopped")
                self._cull(spec)
                found = next((item for item in reversed(self._idle) if item.spec.key == spec.key), None)
                if found is not None:
                    self._idle.remove(found)
                    break
                if sum(item.spec.name == spec.name for item in self._busy) < MOST:
                    found = Environment(spec, get, self._endpoint, self._keeper)
                    break
                self._changed.wait()
            self._busy.append(found)
        return found

    def _cull(self, spec: FunctionSpec) -> None:
        """End what is of an older version of the function, or was not used for long."""
        now = time.monotonic()
        for item in list(self._idle):
            is_old = (item.spec.region, item.spec.name) == (spec.region, spec.name) and item.spec.key != spec.key
            if is_old or now - item.used_at > IDLE_SECONDS:
                self._idle.remove(item)
                item.stop()

    def _give_back(self, environment: Environment) -> None:
        with self._changed:
            if environment in self._busy:
                self._busy.remove(environment)
            is_kept = not environment.is_broken and not self._is_stopped
            if is_kept:
                self._idle.append(environment)
            self._changed.notify_all()
        if not is_kept and not self._is_stopped:
            environment.stop()
