"""The world of one sequence: AWS, an API server, and an operator that can be killed, with virtual time."""

import asyncio
import copy
import logging
import traceback
from collections.abc import Callable, Iterator
from contextlib import AsyncExitStack, contextmanager
from dataclasses import dataclass
from typing import Any

import boto3
import pytest
from tests.in_process import in_process
from tests.kube.apiserver import kube_at, listening
from tests.kube.controller_harness import dependencies_of, serve_all
from tests.sequences.account import REGION
from tests.sequences.cluster import Cluster, Document
from tests.sequences.loop import VirtualLoop
from tests.sequences.wire import Call, Death, Killed, Wire

from dynconfig import wiring
from dynconfig.aws.quota import Quota
from dynconfig.aws.session import Session
from dynconfig.events.signals import Signal
from dynconfig.handlers import DELETION_CHECK_SECONDS, MOVE_SECONDS
from dynconfig.kube.client import Kube
from dynconfig.kube.controller import Controller
from dynconfig.kube.work_queue import WorkQueue
from dynconfig.model.writes import PUT
from dynconfig.settings import Settings
from dynconfig_lab.aws import AwsLab
from dynconfig_lab.aws.accounts import ACCOUNT

EPOCH = 1_800_000_000.0
# No backoff is longer; what is due later is a resync.
QUIET_SECONDS = 61.0
TICK = 0.001
# More connections than a world has threads.
POOL = 16


class PromptKube(Kube):
    """Requests take no time, however busy this machine is."""

    async def _send(self, *arguments: Any, **named: Any) -> Document:
        loop = asyncio.get_running_loop()
        assert isinstance(loop, VirtualLoop)
        with loop.stopped():
            return await super()._send(*arguments, **named)


class Life:
    """One process of the operator with all its memory."""

    def __init__(self, loop: VirtualLoop, kube: Kube, ground: "Ground", skew: float) -> None:
        self.kube = kube
        self.work_queue = WorkQueue()
        engine = wiring.engine(Settings(), account=ACCOUNT, clock=loop.time, clients=ground.clients)
        dependencies = dependencies_of(
            kube,
            engine=engine,
            quota=ground.quota,
            now=lambda: EPOCH + skew + loop.time(),
            clock=loop.time,
            move_seconds=MOVE_SECONDS,
            deletion_check_seconds=DELETION_CHECK_SECONDS,
        )
        self.controller = Controller(dependencies, self.work_queue, 1)
        serve_all(self.controller)
        self.task = loop.create_task(self.controller.run())

    async def end(self) -> None:
        """Stop serving."""
        self.task.cancel()
        await asyncio.gather(self.task, return_exceptions=True)
        await self.kube.close()


class Journal(logging.Handler):
    """Receives the operator's log and keeps its tracebacks, except those of a death."""

    def __init__(self) -> None:
        super().__init__(logging.ERROR)
        self.bugs: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        """Keep it if it is a bug."""
        failure = record.exc_info[1] if record.exc_info else None
        if failure is not None and not isinstance(failure, Killed):
            self.bugs.append("".join(traceback.format_exception(failure)[-3:]))

    @contextmanager
    def kept(self) -> Iterator[None]:
        """Listen within the `with` block; nothing is printed."""
        logger = logging.getLogger("dynconfig")
        logger.addHandler(self)
        propagates, logger.propagate = logger.propagate, False
        try:
            yield
        finally:
            logger.removeHandler(self)
            logger.propagate = propagates


@dataclass
class Clock:
    """The time in AWS, which is that of the running world."""

    loop: VirtualLoop | None = None
    _before: float = 0.0
    _waited: float = 0.0

    def __call__(self) -> float:
        """Seconds since the epoch."""
        return EPOCH + self._current()

    def begin(self) -> VirtualLoop:
        """Switch to the loop of another world, in which the time starts again."""
        self._before += self._current()
        self.loop = VirtualLoop()
        return self.loop

    def monotonic(self) -> float:
        """Seconds of all worlds so far, plus the waits of calls for their turn."""
        return self._before + self._current() + self._waited

    def wait(self, seconds: float) -> None:
        """Wait for the turn of a call. The clock of the world is stopped, as while any thread works."""
        self._waited += seconds

    def _current(self) -> float:
        return self.loop.time() if self.loop else 0.0


@dataclass(frozen=True)
class Ground:
    """What worlds share one after the other: slow to create, and without state of a world."""

    clock: Clock
    lab: AwsLab
    wire: Wire
    clients: Session
    """The clients of the operator's processes; they have no state but credentials."""
    journal: Journal
    quota: Quota


class World:
    """The world of a sequence."""

    def __init__(self, ground: Ground, skew: float = 0.0) -> None:
        self.ground = ground
        self.loop = ground.clock.begin()
        self.lab = ground.lab
        self.wire = ground.wire
        self.cluster = Cluster()
        self.lives = 0
        self.next_death: Callable[[], Death | None] = lambda: None
        """Returns when a process that is started after a death will die itself."""
        self._skew = skew
        self._stack = AsyncExitStack()
        self._died = asyncio.Event()
        self._last: Call | None = None
        """The write that was carried out when the last process died."""
        self._port = 0
        self.life: Life | None = None

    @property
    def now(self) -> float:
        """The time in AWS, in seconds since the epoch."""
        return self.ground.clock()

    def begin(self) -> None:
        """Start the API server and the operator."""
        self.wire.died = self._on_death
        self.wire.revive()
        self._do(self._begin())

    def end(self) -> None:
        """Stop both."""
        self.kill()
        self._do(self._stack.aclose())
        self.loop.close()

    def kill(self) -> None:
        """Kill the process with all its memory, wherever it is."""
        self.wire.is_dead = True
        self._do(self._bury())

    def start(self) -> None:
        """Start another process, and let it do what is due."""
        self._do(self._start())
        self.run()

    def die_at(self, death: Death) -> None:
        """The process dies at one of its next writes, and another one is started at once."""
        self.wire.death = death

    def run(self, seconds: float = TICK) -> None:
        """Advance the time; what is due is done."""
        self._do(self._run(seconds))

    def settle(self, longest: float = 300.0) -> None:
        """Advance the time until only resyncs are due, or for this long if something polls."""
        until = self.loop.time() + longest
        # Nothing is in progress after it.
        self.run()
        while self.life is not None and self.loop.time() < until:
            due = self.life.work_queue.next_at()
            if due is None or due - self.loop.time() > QUIET_SECONDS:
                return
            self.run(max(0.0, due - self.loop.time()) + TICK)

    def reconcile_all(self) -> None:
        """Reconcile every object."""
        for key in list(self.cluster.objects):
            if self.life is not None:
                self.life.controller.requeue(key)
        self.settle()

    def signal(self, name: str) -> None:
        """EventBridge reports that another principal changed a parameter."""
        if self.life is not None:
            self.life.controller.router.route([Signal(REGION, float(int(self.now)), PUT, parameters=(name,))])

    def rotate(self, namespace: str, name: str, data: dict[str, str]) -> None:
        """Replace the content of a Secret."""
        self.cluster.secrets[namespace, name] = data
        if self.life is not None:
            self.life.controller.references.changed(("Secret", namespace, name), str(self.loop.time()))

    def aws(self, service: str) -> Any:
        """boto3 for a user."""
        return boto3.client(service, region_name=REGION, endpoint_url=self.lab.endpoint)  # type: ignore[call-overload]

    def _on_death(self, made: Call | None) -> None:
        """Called in the thread that died."""
        self._last = made
        self.loop.call_soon_threadsafe(self._died.set)

    def _do(self, doing: Any) -> None:
        self.loop.run_until_complete(doing)

    async def _begin(self) -> None:
        self._port = await self._stack.enter_async_context(listening(self.cluster.answer))
        await self._start()

    async def _start(self) -> None:
        self.wire.revive()
        self.lives += 1
        life = self.life = Life(self.loop, kube_at(self._port, client=PromptKube), self.ground, self._skew)
        self.cluster.listener = lambda document, event: life.controller.objects.object_changed(document, event)
        self.cluster.is_reachable = True
        for document in list(self.cluster.objects.values()):
            life.controller.objects.object_changed(_copied(document), None)

    async def _bury(self) -> None:
        self.cluster.is_reachable, self.cluster.listener = False, None
        life, self.life = self.life, None
        if life is not None:
            await life.end()
        self._died.clear()

    async def _run(self, seconds: float) -> None:
        until = self.loop.time() + seconds
        while self.loop.time() < until:
            try:
                async with asyncio.timeout_at(until):
                    await self._died.wait()
            except TimeoutError:
                return
            await self._bury()
            await self._start()
            self._report_last()
            self.wire.death = self.next_death()

    def _report_last(self) -> None:
        """The killed process did not receive the event of its last write: the next one receives it from the queue."""
        made, self._last = self._last, None
        if made is None or made.service != "ssm":
            return
        names = made.request.get("Names") or [made.request.get("Name")]
        for name in names:
            if name:
                self.signal(name)


def _copied(document: Document) -> Document:
    return copy.deepcopy(document)


@contextmanager
def ground() -> Iterator[Ground]:
    """A loop, an emulated AWS with its clock, and the connection between them."""
    clock, wire, journal = Clock(), Wire(), Journal()
    with (
        pytest.MonkeyPatch.context() as environment,
        AwsLab.start(now=clock, clock=clock, evaluates=False) as lab,
        in_process(lab.application, lab.endpoint, clock),
        wire.laid(),
        journal.kept(),
    ):
        for name, value in _ENVIRONMENT.items():
            environment.setenv(name, value)
        environment.setenv("AWS_ENDPOINT_URL", lab.endpoint)
        quota = Quota(clock.monotonic, clock.wait, is_limited=False)
        yield Ground(clock, lab, wire, Session(quota, lambda *_: None, endpoint=None, pool=POOL), journal, quota)


_ENVIRONMENT = {"AWS_ACCESS_KEY_ID": "lab", "AWS_SECRET_ACCESS_KEY": "lab", "AWS_REGION": REGION}
