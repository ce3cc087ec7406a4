"""The state of an execution environment across invocations."""

from __future__ import annotations

import os
import time
from _thread import allocate_lock
from functools import cache
from math import inf

from dynconfig_function import metrics
from dynconfig_function.errors import ConfigurationError
from dynconfig_function.extension import Extension
from dynconfig_function.invocation import Invocation
from dynconfig_function.mapping import Config
from dynconfig_function.reader import Reader
from dynconfig_function.settings import Identity, settings
from dynconfig_function.sources import Sources

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from types import TracebackType

    from dynconfig_function.fallback import Fallback

_FOLDER = os.path.dirname(__file__)


class Library:
    """Loads the configuration that the environment variables declare, and counts metrics for the current invocation.

    Thread-safe: a lock guards the cache and the connection to the extension.
    """

    def __init__(
        self,
        environment: Mapping[str, str],
        now: Callable[[], float] = time.time,  # the monotonic clock may stop while the environment is frozen
        fallback: Callable[[], Fallback] | None = None,
        timeout: float = 2.0,
        folder: str = _FOLDER,
    ) -> None:
        self.now = now
        self.identity = Identity(environment)
        self._environment = environment
        self._folder = folder
        self._timeout = timeout
        self._fallback = fallback or _fallback
        self._lock = allocate_lock()
        self._reader: Reader | None = None
        self._config: Config | None = None
        self._idle = self._invocation = Invocation(self.identity, now)

    def load(self) -> Config:
        """Return the whole configuration; read only parameters that are due. Raises ConfigurationError."""
        with self._lock:
            if self._config is not None and self._reader is not None and self._reader.is_fresh(self.now()):
                self._invocation.count(metrics.HITS, len(self._config))
                return self._config
            with _ErrorReporting(self._invocation, self._idle):
                reader = self._opened()
                self._config = Config(reader.settings.prefix, reader.load(self._invocation))
                return self._config

    def refresh(self, name: str) -> bool:
        """Refresh one parameter by relative name, in this execution environment only. Return whether the new value is served.

        Raises NotRefreshed for transient faults.
        """
        with self._lock, _ErrorReporting(self._invocation, self._idle):
            return self._opened().refresh(name, self._invocation)

    def declared(self, full_name: str) -> str | None:
        """Return the relative name of a declared parameter; None if it is not declared."""
        with self._lock, _ErrorReporting(self._invocation, self._idle):
            wanted = self._opened().settings
        name = full_name.removeprefix(wanted.prefix + "/")
        return name if name != full_name and name in wanted.parameters else None

    def begin(self, request_id: str, seconds: float = inf) -> Invocation:
        """Begin an invocation that times out after this many seconds."""
        self._invocation = Invocation(self.identity, self.now, request_id, self.now() + seconds)
        return self._invocation

    def end(self) -> None:
        """End the invocation and write its metrics."""
        self._invocation.flush()
        self._invocation = self._idle

    def close(self) -> None:
        """Close the connection to the extension; the next read reopens it."""
        if self._reader is not None:
            self._reader.close()

    def _opened(self) -> Reader:
        if self._reader is None:
            found = settings(self._environment, self._folder)
            extension = Extension(found.port, self._environment, self._timeout)
            self._reader = Reader(found, Sources(found.prefix, extension, self._fallback), self.now)
        return self._reader


class _ErrorReporting:
    """Counts and logs a ConfigurationError; outside of invocations also writes the metrics."""

    def __init__(self, invocation: Invocation, idle: Invocation) -> None:
        self._invocation = invocation
        self._is_between = invocation is idle

    def __enter__(self) -> None:
        pass

    def __exit__(self, _kind: object, error: BaseException | None, _trace: TracebackType | None) -> None:
        if isinstance(error, ConfigurationError):
            self._invocation.count(metrics.ERRORS)
            self._invocation.log("ERROR", "the configuration is unavailable", problems=error.problems)
        if self._is_between and self._invocation.has_counts:
            self._invocation.flush()


@cache
def _fallback() -> Fallback:
    # Importing boto3 takes hundreds of milliseconds; not needed while the extension works.
    from dynconfig_function.fallback import Fallback

    return Fallback()
