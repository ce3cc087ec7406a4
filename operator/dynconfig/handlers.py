"""Kubernetes entry point: kopf runs startup, probes and shutdown; the operator watches objects with its own client."""

import asyncio
import gc
import logging
import signal
import socket
import sys
import threading
import time
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import kopf
from prometheus_client import start_http_server

from dynconfig import wiring
from dynconfig.events.signals import Signal
from dynconfig.kube import sources
from dynconfig.kube.client import Kube
from dynconfig.kube.controller import Controller
from dynconfig.kube.dependencies import Dependencies
from dynconfig.kube.events import Recorder
from dynconfig.kube.metrics import Metrics
from dynconfig.kube.object_watch import KINDS, ObjectWatch
from dynconfig.kube.orphan_watch import OrphanWatch
from dynconfig.kube.policy_watch import PolicyWatch
from dynconfig.kube.startup import until_granted
from dynconfig.kube.work_queue import WorkQueue
from dynconfig.model.declaration import Place
from dynconfig.settings import BadSetting, Settings, Tenancy
from dynconfig.tenants import Tenants

log = logging.getLogger(__name__)

SWEEP_SECONDS = 120.0
SWITCH_SECONDS = 0.0005
# With the default threshold of 700, parsing a megabyte of small lists takes five times as long, since each collection traverses
# all imported modules; parsed responses hold no cycles. https://docs.python.org/3/library/gc.html
GC_THRESHOLD = 20_000
# Enough for a tool to apply several manifests in any order.
MOVE_SECONDS = 5.0
# AWS reads are eventually consistent, within a second or two.
DELETION_CHECK_SECONDS = 2.0


def registry() -> kopf.OperatorRegistry:
    """Return a registry with all handlers."""
    handlers = kopf.OperatorRegistry()
    kopf.on.startup(registry=handlers)(configure)
    kopf.on.startup(registry=handlers)(start)
    kopf.on.login(registry=handlers)(login)
    kopf.on.probe(registry=handlers, id="oldest_observation_seconds")(oldest_observation)
    kopf.on.cleanup(registry=handlers)(stop)
    return handlers


async def run(settings: Settings, ready: asyncio.Event, stopped: asyncio.Event) -> None:
    """Run the operator until `stopped` is set. Raises NoCluster, BadSetting."""
    _check_ports(settings)
    # A reconcile has some hundred short steps in several threads; each may wait this long for the GIL.
    sys.setswitchinterval(SWITCH_SECONDS)
    gc.set_threshold(GC_THRESHOLD)
    region, kube = wiring.default_region(settings), Kube.from_environment()
    memo = kopf.Memo(settings=settings, kube=kube, region=region, stopped=stopped)
    memo.tenants = Tenants(settings, Tenancy.SHARED, awaits_policy=True)
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


async def start(memo: kopf.Memo, **_: Any) -> None:
    """Build the controller and start all tasks."""
    settings: Settings = memo.settings
    kube: Kube = memo.kube
    metrics = Metrics(lambda: memo.controller.oldest_observation(), lambda: memo.controller.waiting())
    cluster = settings.cluster_id or str(await until_granted(kube.cluster_id))
    handler = _EventHandler(memo, metrics, asyncio.get_running_loop())
    engine, memo.event_listeners = wiring.engine_with_listeners(settings, metrics.called, cluster, handler)
    await asyncio.to_thread(engine.prepare, Place(memo.region))
    dependencies = Dependencies(
        kube=kube,
        engine=engine,
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
    )
    memo.controller = Controller(dependencies, WorkQueue(_max_per_namespace(settings.workers)), settings.workers)
    policy = PolicyWatch(kube, memo.tenants, memo.controller.requeue_all)
    await policy.check()
    watches = _object_watches(memo.controller, metrics, kube, settings)
    memo.controller.moves.is_current = lambda: all(watch.is_current for watch in watches)
    for watch in watches:
        # All objects are listed before the first reconcile, so that none deletes a resource that another declares.
        await watch.list_all()
    if settings.metrics_port:
        start_http_server(settings.metrics_port, registry=metrics.registry)
    serving = asyncio.create_task(memo.controller.run(), name="controller")
    orphans = OrphanWatch(
        lambda: memo.controller.existing() if all(watch.is_listed for watch in watches) else None,
        metrics,
        lambda region, uids: wiring.orphans(settings, region, cluster, uids, metrics.called),
        memo.region,
        searched=wiring.searched_regions(settings, memo.region),
        namespaces=settings.namespaces,
    )
    counting = asyncio.create_task(orphans.run(), name="orphan count")
    following = asyncio.create_task(policy.run(), name="policy watch")
    watching = [asyncio.create_task(watch.run(), name=f"watch {KINDS}") for watch in watches]
    memo.tasks = [serving, counting, following, *watching, *_source_watches(memo.controller, metrics, kube, settings)]
    for task in memo.tasks:
        task.add_done_callback(lambda task: _stop_if_crashed(task, memo.stopped))
    memo.tasks.append(asyncio.create_task(_sweep(memo, cluster), name="sweep"))
    # Exclude everything imported so far from garbage collection.
    gc.collect()
    gc.freeze()
    served = ", ".join(settings.namespaces) or "all namespaces"
    log.info("Watching %s, default region %s, %s", served, memo.region, memo.tenants)


async def oldest_observation(memo: kopf.Memo, **_: Any) -> float:
    """Return the age of the least recent observation of AWS, in seconds."""
    controller: Controller = memo.controller
    return controller.oldest_observation()


async def stop(memo: kopf.Memo, **_: Any) -> None:
    """Finish running reconciles and start no new ones."""
    if "event_listeners" in memo:
        memo.event_listeners.close()
    tasks: list[asyncio.Task[None]] = memo.get("tasks", [])
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)


async def _sweep(memo: kopf.Memo, cluster: str) -> None:
    """Some time after the start, remove the operator's queues in regions that no object uses."""
    settings: Settings = memo.settings
    if settings.events_enabled:
        await asyncio.sleep(SWEEP_SECONDS)
        remove = partial(wiring.remove_unused_events, settings, cluster)
        await asyncio.to_thread(memo.event_listeners.sweep, wiring.searched_regions(settings, memo.region), remove)


class _EventHandler:
    """Passes callbacks from listener threads to the event loop."""

    def __init__(self, memo: kopf.Memo, metrics: Metrics, loop: asyncio.AbstractEventLoop) -> None:
        self._memo = memo
        self._metrics = metrics
        self._loop = loop

    @property
    def route(self) -> Callable[[Sequence[Signal]], object]:
        """The controller's event router, called in the event loop."""
        return partial(self._loop.call_soon_threadsafe, self._memo.controller.router.route)

    def count_events(self, outcome: str, count: int) -> None:
        """Count events by outcome."""
        self._metrics.events_received(outcome, count)

    def set_listening(self, region: str, *, is_up: bool | None) -> None:
        """Export whether events from a region are received."""
        self._metrics.set_listening(region, is_up=is_up)

    def event_missing(self, region: str, name: str) -> None:
        """Record a Warning Event on the objects that declare the parameter."""
        asyncio.run_coroutine_threadsafe(self._memo.controller.warn_event_missing(region, name), self._loop)

    def events_interrupted(self, region: str, repaired: str) -> None:
        """Reconcile the objects of the region and record a Warning Event."""
        warning = self._memo.controller.handle_interrupted_events(region, repaired)
        asyncio.run_coroutine_threadsafe(warning, self._loop)

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


def _max_per_namespace(workers: int) -> int:
    """Return the maximum number of concurrent reconciles of one namespace: a quarter of the workers is left for others."""
    return max(1, workers - workers // 4)


def _stop_if_crashed(task: asyncio.Task[None], stopped: asyncio.Event) -> None:
    """Stop the operator if a task crashed, so that Kubernetes restarts it."""
    if not task.cancelled() and (failure := task.exception()) is not None:
        log.critical("Task %r crashed (operator bug); stopping the operator", task.get_name(), exc_info=failure)
        stopped.set()


def _object_watches(controller: Controller, metrics: Metrics, kube: Kube, settings: Settings) -> list[ObjectWatch]:
    """Return one watch of DynamicConfigs for each watched namespace, or one for all."""
    return [ObjectWatch(kube, controller, metrics.unreadable, name) for name in settings.namespaces or (None,)]


def _source_watches(
    controller: Controller, metrics: Metrics, kube: Kube, settings: Settings
) -> list[asyncio.Task[None]]:
    """Start one watch of Secrets and one of ConfigMaps for each watched namespace, or for all."""
    found: list[asyncio.Task[None]] = []
    for namespace in settings.namespaces or (None,):
        for kind in ("Secret", "ConfigMap"):
            changes = sources.watch(kube, controller.references, kind, namespace, unreadable=metrics.unreadable)
            found.append(asyncio.create_task(changes, name=f"watch {kind} {namespace}"))
    return found
