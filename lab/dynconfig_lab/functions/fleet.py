"""All execution environments: reused while warm, added when busy, replaced when the function changed."""

import threading
import time
import zipfile
from collections import Counter
from concurrent.futures import ThreadPoolExecutor

from dynconfig_lab import folders
from dynconfig_lab.functions.environment import Environment
from dynconfig_lab.functions.extension import BadSettings, GetParameter
from dynconfig_lab.functions.provided import provide
from dynconfig_lab.functions.spec import FunctionSpec, Result

MOST = 10
IDLE_SECONDS = 300.0
STOP_SECONDS = 20.0

Place = tuple[str, str]


class Stopped(Exception):
    """The lab is stopping; nothing is run any more."""


class TooManyAtOnce(Exception):
    """The reserved concurrency of the function is exhausted."""


class Fleet:
    """Environments of all functions; thread-safe."""

    def __init__(self, endpoint: str) -> None:
        self._endpoint = endpoint
        self._changed = threading.Condition()
        self._idle: list[Environment] = []
        self._busy: list[Environment] = []
        self._starting: Counter[Place] = Counter()
        # The last requested serial: environments of another serial are not kept.
        self._serials: dict[Place, str] = {}
        self._is_stopped = False
        # Processes end with the thread that started them, so it has to be a permanent one.
        self._keeper = ThreadPoolExecutor(1, thread_name_prefix="environments")
        folders.sweep()
        self._provided = folders.made("runtime")
        provide(self._provided)

    def run(self, spec: FunctionSpec, payload: bytes, get: GetParameter) -> tuple[Result, str]:
        """The result of one invocation and its log stream. Raises Stopped and TooManyAtOnce."""
        try:
            environment = self._take(spec, get)
        except BadSettings as error:
            return Result.failed("Extension.InitError", f"the extension does not start: {error}"), "init"
        except (zipfile.BadZipFile, OSError) as error:
            return Result.failed("Runtime.InvalidZip", f"the code cannot be unpacked and started: {error}"), "init"
        try:
            return environment.invoke(payload), environment.stream
        finally:
            self._give_back(environment)

    def retire(self, place: Place | None = None) -> None:
        """The function, or each of them, was deleted: its environments end as soon as they are idle."""
        with self._changed:
            for known in [known for known in self._serials if place in (None, known)]:
                del self._serials[known]
            ended = self._outdated()
        _stop(ended)

    def stop(self) -> None:
        """Stop all processes; running invocations fail."""
        with self._changed:
            self._is_stopped = True
            for environment in self._busy:
                environment.kill()
            self._changed.notify_all()
            # The caller that runs an environment stops it.
            self._changed.wait_for(lambda: not self._busy and not self._starting.total(), STOP_SECONDS)
            ended, self._idle = self._idle, []
        _stop(ended)
        self._keeper.shutdown()
        folders.remove(self._provided)

    def count(self) -> int:
        """The number of environments."""
        with self._changed:
            return len(self._idle) + len(self._busy)

    def _take(self, spec: FunctionSpec, get: GetParameter) -> Environment:
        with self._changed:
            found = self._warm_one(spec)
            ended = self._outdated()
        _stop(ended)
        return found or self._started(spec, get)

    def _warm_one(self, spec: FunctionSpec) -> Environment | None:
        """An idle environment, now busy, or None if a new one may be started."""
        while not self._is_stopped:
            running = sum(item.spec.place == spec.place for item in self._busy) + self._starting[spec.place]
            if spec.concurrency is not None and running >= spec.concurrency:
                raise TooManyAtOnce
            self._serials[spec.place] = spec.serial
            found = next((item for item in reversed(self._idle) if _fits(item, spec)), None)
            if found is not None:
                self._idle.remove(found)
                self._busy.append(found)
                return found
            if running < MOST:
                self._starting[spec.place] += 1
                return None
            self._changed.wait()
        raise Stopped

    def _started(self, spec: FunctionSpec, get: GetParameter) -> Environment:
        """Start a new environment without blocking other callers."""
        made: Environment | None = None
        try:
            made = Environment(spec, get, self._endpoint, self._provided, self._keeper)
            return made
        finally:
            with self._changed:
                self._starting[spec.place] -= 1
                if made is not None:
                    self._busy.append(made)
                    if self._is_stopped:
                        made.kill()
                self._changed.notify_all()

    def _outdated(self) -> list[Environment]:
        """Remove environments of an older function, or unused for long."""
        oldest = time.monotonic() - IDLE_SECONDS
        ended = [item for item in self._idle if not self._is_current(item) or item.used_at < oldest]
        self._idle = [item for item in self._idle if item not in ended]
        return ended

    def _is_current(self, environment: Environment) -> bool:
        return self._serials.get(environment.spec.place) == environment.spec.serial

    def _give_back(self, environment: Environment) -> None:
        is_kept = False
        with self._changed:
            is_kept = not environment.is_broken and not self._is_stopped and self._is_current(environment)
            if is_kept:
                self._busy.remove(environment)
                self._idle.append(environment)
                self._changed.notify_all()
        if not is_kept:
            try:
                environment.stop()
            finally:
                with self._changed:
                    self._busy.remove(environment)
                    self._changed.notify_all()


def _fits(environment: Environment, spec: FunctionSpec) -> bool:
    return environment.spec.place == spec.place and environment.spec.serial == spec.serial


def _stop(environments: list[Environment]) -> None:
    for environment in environments:
        environment.stop()
