"""Kubernetes entry point: kopf runs startup, probes and shutdown; the operator watches objects with its own client."""

import asyncio
import gc
import logging
import signal
import socket
import sys
import threading
import time
import uuid
from collections.abc import Callable, Coroutine, Iterable, Mapping, Sequence
from functools import partial
from typing import Any

import kopf
from prometheus_client import start_http_server

from dynconfig import wiring
from dynconfig.events.signals import Signal
from dynconfig.kube import sources, targets
from dynconfig.kube.background import BackgroundTasks
from dynconfig.kube.chosen_targets import VerifiedTargets
from dynconfig.kube.client import Kube
from dynconfig.kube.controller import Controller
from dynconfig.kube.dependencies import Dependencies
from dynconfig.kube.events import Recorder
from dynconfig.kube.lease_thread import LeaseThread, MainLoop
from dynconfig.kube.leases import Leases, LeaseTimes, ShardUser, identity
from dynconfig.kube.metrics import Metrics
from dynconfig.kube.object_watch import KINDS, ObjectWatch
from dynconfig.kube.orphan_watch import OrphanWatch
from dynconfig.kube.policy_watch import PolicyWatch
from dynconfig.kube.startup import until_granted
from dynconfig.kube.work_queue import WorkQueue
from dynconfig.model.declaration import Place
from dynconfig.model.fence import Fence
from dynconfig.settings import BadSetting, Settings, Tenancy
from dynconfig.tenants import Tenants

log = logging.getLogger(__name__)

Work = Callable[[Fence], Coroutine[Any, Any, None]]
"""What is done while the lease of a shard lasts."""

SWEEP_SECONDS = 120.0
# No reconcile calls nothing for as long, since each request has a timeout.
STANDSTILL_SECONDS = 300.0
SWITCH_SECONDS = 0.0005
# With the default threshold of 700, parsing a megabyte of small lists takes five times as long, since each collection traverses
# all imported modules; parsed responses hold no cycles. https://docs.python.org/3/library/gc.html
GC_THRESHOLD = 20_000
# Enough for a tool to apply several manifests in any order.
MOVE_SECONDS = 5.0
# Of DynamicConfigs, Secrets and ConfigMaps.
WATCHES_OF_NAMESPACE = 3
# So long a listener waits for the event loop to handle what it received. A loop that is stuck for longer gives up its shards.
ROUTING_SECONDS = 30.0
# AWS reads are eventually consistent, within a second or two.
DELETION_CHECK_SECONDS = 2.0


def registry() -> kopf.OperatorRegistry:
    """Return a registry with all handlers."""
    handlers = kopf.OperatorRegistry()
    kopf.on.startup(registry=handlers)(configure)
    kopf.on.startup(registry=handlers)(start)
    kopf.on.login(registry=handlers)(login)
    kopf.on.probe(registry=handlers, id="oldest_observation_seconds")(oldest_observation)
    kopf.on.probe(registry=handlers, id="shards")(served_shards)
    kopf.on.probe(registry=handlers, id="standstill_seconds", retries=1)(standstill)
    # Not repeated: a failure must not keep the process from ending.
    kopf.on.cleanup(registry=handlers, errors=kopf.ErrorsMode.PERMANENT)(stop)
    return handlers


async def run(settings: Settings, ready: asyncio.Event, stopped: asyncio.Event) -> None:
    """Run the operator until `stopped` is set. Raises NoCluster, BadSetting."""
    _check_ports(settings)
    # A reconcile has some hundred short steps in several threads; each may wait this long for the GIL.
    sys.setswitchinterval(SWITCH_SECONDS)
    gc.set_threshold(GC_THRESHOLD)
    region, kube = (
        wiring.default_region(settings),
        Kube.from_environment(WATCHES_OF_NAMESPACE * len(settings.namespaces)),
    )
    memo = kopf.Memo(settings=settings, kube=kube, region=region, stopped=stopped)
    memo.tenants = Tenants(settings, Tenancy.SHARED, awaits_policy=True)
    memo.tasks = BackgroundTasks(stopped)
    try:
        others = asyncio.all_tasks()
        tasks = await kopf.spawn_tasks(
            registry=registry(),
            memo=memo,
            clusterwide=not settings.namespaces,
            namespaces=settings.namespaces,
            standalone=True,
            liveness_endpoint=f"http://0.0.0.0:{settings.health_port}/healthz" if settings.health_port else None,
            ready_flag=ready,
            stop_flag=stopped,
        )
        _stop_on_signals(stopped)
        await kopf.run_tasks(tasks, ignored=others)
    finally:
        await kube.close()


async def configure(settings: kopf.OperatorSettings, **_: Any) -> None:
    """Disable kopf's watches and Events: kube/object_watch.py and the controller replace them."""
    settings.posting.enabled = False
    settings.scanning.disabled = True


def _stop_on_signals(stopped: asyncio.Event) -> None:
    """Replace kopf's signal handlers, which fail with a traceback at the second signal: a process group often gets two."""
    if threading.current_thread() is threading.main_thread():
        for number in (signal.SIGINT, signal.SIGTERM):
            asyncio.get_running_loop().add_signal_handler(number, stopped.set)


async def login(memo: kopf.Memo, **_: Any) -> kopf.AiohttpSession:
    """Return a session as the operator's own: at its start, kopf lists the API groups."""
    kube: Kube = memo.kube
    return kopf.AiohttpSession(server=kube.configuration.host, aiohttp_session=await kube.session())


def _target_changed(memo: kopf.Memo, known: targets.Targets, name: str) -> None:
    """Reconcile the objects of a target, and forget the events of one that was deleted."""
    if "controller" not in memo:
        return
    if known.get(name) is None:
        memo.controller.router.forget_target(name)
    memo.controller.objects.requeue_target(name)


async def start(memo: kopf.Memo, **_: Any) -> None:
    """Build the controller and start all tasks."""
    settings: Settings = memo.settings
    kube: Kube = memo.kube
    quota = wiring.quota(settings)
    metrics = Metrics(
        lambda: memo.controller.oldest_observation(),
        lambda: memo.controller.backlogs(),
        lambda: quota.used(),
        lambda: memo.controller.objects.readiness(),
        settings.object_metrics,
    )
    cluster = settings.cluster_id or str(await until_granted(kube.cluster_id))
    times = LeaseTimes(settings.lease_seconds, settings.lease_renew_seconds, settings.lease_retry_seconds)
    handler_of = partial(_EventHandler, memo, metrics, asyncio.get_running_loop())
    parts = wiring.operator_parts(
        settings, metrics.called, quota, cluster, handler_of, write_seconds=times.call_seconds
    )
    memo.event_listeners = parts.listeners
    await asyncio.to_thread(parts.engine.prepare, Place(memo.region))
    known = targets.Targets()
    known.on_change(partial(_target_changed, memo, known))
    chosen = VerifiedTargets(known, parts.targets, memo.tenants.labels, time.monotonic, settings.default_target)
    memo.tenants.targets_need_labels, memo.tenants.rights_in_targets = chosen.needs_labels, chosen.rights
    dependencies = Dependencies(
        kube=kube,
        engine=parts.engine,
        quota=quota,
        recorder=Recorder(kube, time.time),
        metrics=metrics,
        cluster=cluster,
        region=memo.region,
        tenant_of=memo.tenants,
        is_own_layer=wiring.is_own_layer,
        is_region=wiring.is_region,
        allowed_regions=settings.allowed_regions,
        now=time.time,
        clock=time.monotonic,
        turn_seconds=settings.turn_seconds,
        move_seconds=MOVE_SECONDS,
        deletion_check_seconds=DELETION_CHECK_SECONDS,
        start_listener=memo.event_listeners.start,
        release_listener=memo.event_listeners.release,
        targets=chosen,
        shards=settings.shards,
    )
    memo.controller = Controller(dependencies, WorkQueue(settings.workers), settings.workers)
    policy = PolicyWatch(kube, memo.tenants, memo.controller.requeue_all)
    # Rules of targets may need the labels of namespaces, too.
    await targets.list_all(kube, known)
    await policy.check()
    watches = _object_watches(memo.controller, metrics, kube, settings)
    memo.controller.moves.known_until = partial(_known_until, watches)
    for watch in watches:
        # All objects are listed before the first reconcile, so that none deletes a resource that another declares.
        await watch.list_all()
    if settings.metrics_port:
        start_http_server(settings.metrics_port, registry=metrics.registry)
    orphans = OrphanWatch(
        lambda: memo.controller.existing() if all(watch.is_listed for watch in watches) else None,
        metrics,
        lambda region, uids: wiring.orphans(wiring.session(settings, metrics.called, quota), region, cluster, uids),
        memo.region,
        searched=wiring.searched_regions(settings, memo.region),
        namespaces=settings.namespaces,
    )
    checks = targets.TargetChecks(
        kube,
        known,
        parts.targets,
        time.time,
        time.monotonic,
        using=partial(_users, memo, known, watches),
    )
    once: dict[str, Work] = {"orphan count": lambda _fence: orphans.run(), "target checks": checks.run}
    remove = partial(
        wiring.remove_unused_events, settings, cluster, write_seconds=times.call_seconds, targets=parts.targets
    )
    sweep = partial(_sweep, memo, chosen, remove)
    memo.leases = _leases(settings, times, _Shards(memo, metrics, parts.shards_changed, sweep, once))
    kube.is_fenced = True
    background: BackgroundTasks = memo.tasks
    # Before the first lease is acquired: the start may be cancelled.
    memo.release = asyncio.create_task(_release(memo), name="release of leases")
    # A replica that is ready serves all that is free.
    await memo.leases.start()
    for name, work in {
        "controller": memo.controller.run(),
        "policy watch": policy.run(),
        **{f"watch {KINDS} {number}": watch.run() for number, watch in enumerate(watches)},
        **_source_watches(memo.controller, metrics, kube, settings),
        f"watch {targets.KINDS}": targets.watch(kube, known, metrics.unreadable),
    }.items():
        background.start(name, work)
    memo.lease_watch = background.start("leases", memo.leases.watch())
    # Exclude everything imported so far from garbage collection.
    gc.collect()
    gc.freeze()
    served = ", ".join(settings.namespaces) or "all namespaces"
    log.info("Watching %s, default region %s, %s", served, memo.region, memo.tenants)


def _known_until(watches: Sequence[ObjectWatch], version: str) -> float | None:
    """Return until when all objects are known, None unless up to a version; all watches that are silent are opened again."""
    answers = [watch.known_until(version) for watch in watches]
    known = [answer for answer in answers if answer is not None]
    return min(known) if len(known) == len(answers) else None


def _users(
    memo: kopf.Memo,
    known: targets.Targets,
    watches: Sequence[ObjectWatch],
    name: str,
    *,
    is_one_enough: bool = False,
) -> targets.Users | None:
    """Return the objects that use a target; None until all that are watched are known."""
    if not all(watch.is_current for watch in watches):
        return None
    settings: Settings = memo.settings
    is_complete = not settings.namespaces and all(watch.is_complete for watch in watches)
    found = memo.controller.objects.using(name, is_terminating=known.is_terminating(name), is_one_enough=is_one_enough)
    return targets.Users(found.keys, is_complete=is_complete, more=found.more)


async def oldest_observation(memo: kopf.Memo, **_: Any) -> float:
    """Return the age of the least recent observation of AWS, in seconds."""
    controller: Controller = memo.controller
    return controller.oldest_observation()


async def served_shards(memo: kopf.Memo, **_: Any) -> list[int]:
    """Return the shards that this replica serves; one without any is on standby, and healthy."""
    return sorted(memo.leases.held)


async def standstill(memo: kopf.Memo, **_: Any) -> float:
    """Return for how long the work queue has stood still, in seconds. Raises PermanentError if that is too long."""
    controller: Controller = memo.controller
    seconds = controller.standstill()
    if seconds > STANDSTILL_SECONDS:
        raise kopf.PermanentError(
            f"objects are due, and no reconcile has started, called AWS or ended for {seconds:.0f} s"
        )
    return round(seconds, 1)


async def stop(memo: kopf.Memo, **_: Any) -> None:
    """Finish running reconciles and start no new ones. Raises what the release of the leases raised."""
    tasks: BackgroundTasks = memo.tasks
    memo.stopped.set()
    try:
        if "release" in memo:
            await memo.release
    finally:
        if "event_listeners" in memo:
            memo.event_listeners.close()
        await tasks.close()


async def _release(memo: kopf.Memo) -> None:
    """Release the leases as soon as the operator stops: kopf first waits for its own tasks. Awaited by `stop`."""
    await memo.stopped.wait()
    background: BackgroundTasks = memo.tasks
    if "lease_watch" in memo:
        background.cancel([memo.lease_watch])
    await memo.leases.close()


async def _sweep(
    memo: kopf.Memo, chosen: VerifiedTargets, remove: Callable[[int, Place], Iterable[str]], fence: Fence
) -> None:
    """Some time after the first shard was acquired, remove the operator's queues in places that no object uses."""
    settings: Settings = memo.settings
    if not settings.events_enabled:
        return
    await asyncio.sleep(SWEEP_SECONDS)
    regions = wiring.searched_regions(settings, memo.region)
    places = [*map(Place, regions), *(Place(target.region, target) for target in chosen.all())]
    # What shards left that exist no longer is removed by the replica that serves the first one.
    former = () if fence.shard else memo.leases.former_shards()
    with fence.within():
        async for shard in memo.event_listeners.sweep((fence.shard, *former), places, remove):
            if shard != fence.shard:
                await memo.leases.forget(shard)


def _leases(settings: Settings, times: LeaseTimes, user: ShardUser) -> LeaseThread:
    """Return the leases of this replica, not started."""
    # Counts while the machine sleeps.
    clock = partial(time.clock_gettime, getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC))
    kube, main = Kube.from_environment(), MainLoop(user, clock)
    leases = Leases(
        kube,
        main,
        times,
        shards=settings.shards,
        identity=identity(settings.pod_name, socket.gethostname(), uuid.uuid4().hex),
        namespace=settings.lease_namespace or kube.namespace,
        silence=main.silence,
        clock=clock,
        now=time.time,
    )
    return LeaseThread(leases, kube, main)


class _Shards:
    """Serves the shards whose leases this replica holds."""

    def __init__(
        self,
        memo: kopf.Memo,
        metrics: Metrics,
        shards_changed: Callable[[int], None],
        sweep: Work,
        of_the_first: Mapping[str, Work],
    ) -> None:
        """`of_the_first` is done by the replica that serves the first shard, by name of the task."""
        self._memo = memo
        self._controller: Controller = memo.controller
        self._metrics = metrics
        self._shards_changed = shards_changed
        self._of_the_first = of_the_first
        self._sweep = sweep
        self._tasks: dict[int, list[asyncio.Task[None]]] = {}
        self._served: set[int] = set()

    def acquired(self, fence: Fence, *, is_whole: bool) -> None:
        """Serve a shard; the first one also does what is done once in a cluster."""
        self._metrics.set_leader(fence.shard, is_leader=True)
        self._served.add(fence.shard)
        self._shards_changed(len(self._served))
        self._controller.objects.acquired(fence, is_whole=is_whole)
        background: BackgroundTasks = self._memo.tasks
        self._tasks[fence.shard] = [background.start(f"begin of shard {fence.shard}", self._begin(fence), ends=True)]
        for name, begin in {} if fence.shard else self._of_the_first.items():
            self._tasks[fence.shard].append(background.start(name, begin(fence)))

    async def _begin(self, fence: Fence) -> None:
        await self._controller.objects.take_over(fence.shard)
        # All places that objects use are known now.
        await self._sweep(fence)

    def ending(self, shard: int) -> None:
        """Start no more reconciles in a shard, and take no more events from its queues: they are for the next replica."""
        self._controller.objects.ending(shard)
        self._memo.event_listeners.stop(shard)
        background: BackgroundTasks = self._memo.tasks
        background.cancel(self._tasks.get(shard, ()))

    async def ended(self, shard: int) -> bool:
        """Return when no reconcile of a shard and none of its other calls is running: whether work is left."""
        is_unfinished = await self._controller.objects.ended(shard)
        if tasks := self._tasks.get(shard):
            await asyncio.wait(tasks)
        return is_unfinished

    async def lost(self, shard: int) -> None:
        """Forget the objects of a shard."""
        self._metrics.set_leader(shard, is_leader=False)
        self._tasks.pop(shard, None)
        self._served.discard(shard)
        self._shards_changed(len(self._served))
        await self._controller.objects.lost(shard)


class _EventHandler:
    """Passes callbacks from listener threads to the event loop."""

    def __init__(self, memo: kopf.Memo, metrics: Metrics, loop: asyncio.AbstractEventLoop, shard: int) -> None:
        self._memo = memo
        self._metrics = metrics
        self._loop = loop
        self._shard = shard

    def route(self, signals: Sequence[Signal]) -> None:
        """Pass signals to the controller's event router, and wait for it: what comes meanwhile stays in the queue."""
        routed = threading.Event()

        def route() -> None:
            try:
                self._memo.controller.router.route(signals, shard=self._shard, done=routed.set)
            except BaseException:
                routed.set()
                raise

        self._loop.call_soon_threadsafe(route)
        routed.wait(ROUTING_SECONDS)

    def count_events(self, outcome: str, count: int) -> None:
        """Count events by outcome."""
        self._metrics.events_received(outcome, count)

    def set_listening(self, place: Place, *, is_up: bool | None) -> None:
        """Export whether events from a place are received."""
        self._metrics.set_listening(place.title, self._shard, is_up=is_up)

    def event_missing(self, place: Place, name: str) -> None:
        """Record a Warning Event on the objects that declare the parameter."""
        self._start(place, self._memo.controller.event_warnings.event_missing(place, name))

    def events_began(self, place: Place) -> None:
        """Reconcile the objects of the shard in the place."""
        self._start(place, self._memo.controller.event_warnings.began(place, self._shard))

    def events_interrupted(self, place: Place, repaired: str) -> None:
        """Reconcile the objects of the shard in the place and record a Warning Event."""
        self._start(place, self._memo.controller.event_warnings.interrupted(place, self._shard, repaired))

    def _start(self, place: Place, work: Coroutine[Any, Any, None]) -> None:
        background: BackgroundTasks = self._memo.tasks
        background.start_from_thread(f"lost events in {place.title}", work)

    def listener_failed(self) -> None:
        """Stop the operator, as after a bug in any other task; the traceback is already in the log."""
        log.critical("The event listener crashed (operator bug); stopping the operator")
        self._loop.call_soon_threadsafe(self._memo.stopped.set)


def _check_ports(settings: Settings) -> None:
    """Check that the ports are free before the start. Raises BadSetting."""
    ports = {"DYNCONFIG_METRICS_PORT": settings.metrics_port, "DYNCONFIG_HEALTH_PORT": settings.health_port}
    for variable, port in ports.items():
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                # Port 0 means disabled; binding it always succeeds.
                probe.bind(("", port))
            except OSError as error:
                text = f"{variable}: cannot bind port {port}: {error.strerror}; set another port, or 0 to disable"
                raise BadSetting(text) from None


def _object_watches(controller: Controller, metrics: Metrics, kube: Kube, settings: Settings) -> list[ObjectWatch]:
    """Return one watch of DynamicConfigs for each watched namespace, or one for all."""
    return [ObjectWatch(kube, controller.objects, metrics.unreadable, name) for name in settings.namespaces or (None,)]


def _source_watches(
    controller: Controller, metrics: Metrics, kube: Kube, settings: Settings
) -> dict[str, Coroutine[Any, Any, None]]:
    """Return one watch of Secrets and one of ConfigMaps for each watched namespace, or for all."""
    return {
        f"watch {kind} {namespace}": sources.watch(
            kube, controller.references, kind, namespace, unreadable=metrics.unreadable
        )
        for namespace in settings.namespaces or (None,)
        for kind in ("Secret", "ConfigMap")
    }
