"""Composition root: builds the engine, the quotas and the kinds from settings."""

import threading
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Executor
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from functools import cached_property, partial
from typing import Any

from dynconfig.api.names import SHARD_TAG
from dynconfig.aws import layers
from dynconfig.aws.alarm_history import CloudWatchHistory
from dynconfig.aws.drift_metric import DriftMetric
from dynconfig.aws.package import package
from dynconfig.aws.quota import Quota
from dynconfig.aws.regions import regions, regions_beside
from dynconfig.aws.session import Clock, Count, Session
from dynconfig.aws.tag_index import AlarmTagIndex, ParameterTagIndex, owner_tags
from dynconfig.aws.targets import TargetSession, TargetSessions, VerifiedClient
from dynconfig.engine.orphans import Orphan
from dynconfig.engine.orphans import orphans as found_orphans
from dynconfig.engine.reconcile import Engine
from dynconfig.events.echoes import Echoes
from dynconfig.events.listener import EventHandler, EventListener, EventListeners
from dynconfig.events.patterns import EventRule, event_rules, of_shard
from dynconfig.events.queue import EventQueue, delete_queue_and_rules
from dynconfig.kinds import registry, role, schedule
from dynconfig.kinds._shared.context import Context, Writing
from dynconfig.kinds.dashboard import dashboards as dashboard
from dynconfig.kinds.parameter import tree as parameter_tree
from dynconfig.kinds.parameter.labels import ParameterLabels
from dynconfig.model.arns import Arns
from dynconfig.model.declaration import Place
from dynconfig.model.errors import AccessDenied, NotFound, Refused
from dynconfig.model.fence import Fence, current_shard
from dynconfig.model.naming import PREFIX
from dynconfig.model.plan import AnyKind
from dynconfig.model.regions import unknown_region
from dynconfig.settings import MOST_SHARDS, BadSetting, Settings

# https://docs.aws.amazon.com/systems-manager/latest/APIReference/API_ParameterStringFilter.html
DESCRIBED_PATHS = 50
EVERYWHERE = "all"
"""Stands for the region of resources that are global to the account."""
Clients = Session | TargetSession
"""The clients of the own account, or of that of a target."""
Search = tuple[str, Callable[[], tuple[Orphan, ...]]]
"""What is searched, and the search, which raises DynConfigError."""
NO_REGION = (
    "no AWS region: set AWS_REGION, AWS_DEFAULT_REGION or DYNCONFIG_REGION (in the chart: region), or a region in the AWS "
    "profile. On EKS, IRSA and Pod Identity set AWS_REGION in the pod"
)


def engine(
    settings: Settings,
    count: Count = lambda *_: None,
    *,
    at_once: Executor | None = None,
    account: str | None = None,
    clock: Clock = time.monotonic,
    clients: Session | None = None,
    targets: TargetSessions | None = None,
) -> Engine:
    """Return an engine with all kinds. If `account` is given, STS is not called for it."""
    places = _Places(settings, count, account, clock, clients=clients, targets=targets)
    return Engine(
        places,
        places.labels,
        at_once,
        places.gauge,
        aws_now=places.now,
        monotonic=lambda _now: clock(),
        history_of=places.alarm_history,
    )


@dataclass(frozen=True, slots=True)
class OperatorParts:
    """What the operator has in addition to commands that only read."""

    engine: Engine
    listeners: EventListeners
    """Listeners that share the engine's record of own writes."""
    targets: TargetSessions
    """The sessions in the accounts of AWSTargets."""
    shards_changed: Callable[[int], None]
    """To be called with the number of shards that are held, before another one is served."""


def operator_parts(
    settings: Settings,
    count: Count,
    quota: Quota,
    cluster: str,
    handler_of: Callable[[int], EventHandler],
    *,
    write_seconds: float,
) -> OperatorParts:
    """Return the engine and listeners of an operator, whose writes need a lease and take at most `write_seconds`.

    `handler_of` returns the handler of the events of a shard.
    """
    clients = session(settings, count, quota, write_seconds=write_seconds)
    sessions = TargetSessions(clients, cluster)
    places = _Places(settings, count, clients=clients, targets=sessions)
    sessions.forgotten = places.forget_target
    # Operators of one cluster that watch different namespaces share the queues.
    removes = not settings.namespaces and not settings.queue_urls
    listeners = EventListeners(partial(places.listener, cluster, handler_of), removes=removes)
    engine = Engine(
        places,
        places.labels,
        drift_metric_of=places.gauge,
        aws_now=places.now,
        monotonic=lambda _now: time.monotonic(),
        history_of=places.alarm_history,
    )
    return OperatorParts(engine, listeners, sessions, places.shards_changed)


def remove_events(settings: Settings, cluster: str, place: Place) -> Iterator[str]:
    """Delete the event queues and rules of a place, unless queues were given by URL; yield the title of each."""
    if settings.queue_urls:
        return
    clients = session(settings)
    sqs, events = _event_clients(clients, TargetSessions(clients, cluster), place)
    for shard in sorted({*range(settings.shards), *_shards_with_queue(sqs, cluster, place)}):
        yield from delete_queue_and_rules(sqs, events, cluster, *_events_of(settings, cluster, shard, place))


def _shards_with_queue(sqs: Any, cluster: str, place: Place) -> Iterator[int]:
    """Yield the shards that have a queue: the settings of a command may differ from those of the operator."""
    found: set[str] = set()
    try:
        for page in sqs.get_paginator("list_queues").paginate(QueueNamePrefix=PREFIX):
            found.update(url.rpartition("/")[2] for url in page.get("QueueUrls", ()))
    except AccessDenied:
        # The operator's policy does not grant it.
        return
    yield from (shard for shard in range(MOST_SHARDS) if _queue_of(cluster, shard, place) in found)


def _queue_of(cluster: str, shard: int, place: Place) -> str:
    return of_shard(f"{cluster}-events", shard, place.target.name if place.target else "")


def _events_of(settings: Settings, cluster: str, shard: int, place: Place) -> tuple[str, tuple[EventRule, ...]]:
    """Return the names of queue and rules of a shard. The paths of the settings do not apply to objects in a target."""
    target, paths = (place.target.name, ()) if place.target else ("", settings.all_paths)
    return _queue_of(cluster, shard, place), event_rules(cluster, paths, shard, target)


def _event_clients(own: Session, targets: TargetSessions | None, place: Place) -> tuple[Any, Any]:
    """Return the clients of SQS and EventBridge for the events of a place. AWS is not called."""
    target, services = place.target, ("sqs", "events")
    if target is None or targets is None:
        sqs, events = (own.client(service, place.region) for service in services)
    else:
        sqs, events = (VerifiedClient(targets, target, service) for service in services)
    return sqs, events


def orphans(clients: Clients, region: str, cluster: str, uids: frozenset[str]) -> tuple[Orphan, ...]:
    """Return the resources of a region whose object does not exist; `uids` are those of all objects of the cluster.

    Raises DynConfigError, and Refused if the region does not exist.
    """
    if not is_region(region):
        raise Refused(unknown_region(region))
    return found_orphans(owner_tags(clients.client("resourcegroupstaggingapi", region)), region, cluster, uids)


def unindexed_orphans(clients: Clients, default: str, cluster: str, uids: frozenset[str]) -> Iterator[Search]:
    """Yield searches for orphaned roles and dashboards, which the Resource Groups Tagging API does not index.

    For interactive use: one call for each role that Lambda or Scheduler may assume, and for each dashboard.
    """
    searches = {
        "IAM roles": lambda: role.owner_tags(clients.client("iam", default)),
        "dashboards": lambda: dashboard.owner_tags(clients.client("cloudwatch", default)),
    }
    return (
        (title, partial(lambda tags: found_orphans(tags(), EVERYWHERE, cluster, uids), owner_tags_of))
        for title, owner_tags_of in searches.items()
    )


def schedule_orphans(clients: Clients, region: str, cluster: str, uids: frozenset[str]) -> tuple[Orphan, ...]:
    """Return the orphaned schedules of a region, with one call per schedule. Raises DynConfigError."""
    return found_orphans(schedule.owner_tags(clients.client("scheduler", region)), region, cluster, uids)


def unowned_parameters(settings: Settings, region: str, paths: Sequence[str]) -> list[dict[str, Any]]:
    """Return the metadata of the parameters below these paths without an owner tag, sorted by name; no value is read.

    Raises DynConfigError, and Refused if the region does not exist.
    """
    if not is_region(region):
        raise Refused(unknown_region(region))
    clients = session(settings)
    owned = {
        arn.partition(":parameter")[2] for arn, _ in owner_tags(clients.client("resourcegroupstaggingapi", region))
    }
    ssm = clients.client("ssm", region)
    found: dict[str, dict[str, Any]] = {}
    for first in range(0, len(paths), DESCRIBED_PATHS):
        found |= parameter_tree.described(ssm, *paths[first : first + DESCRIBED_PATHS])
    return [found[name] for name in sorted(found.keys() - owned)]


def remove_unused_events(
    settings: Settings,
    cluster: str,
    shard: int,
    place: Place,
    *,
    write_seconds: float,
    targets: TargetSessions | None = None,
) -> Iterator[str]:
    """Delete the event queue and rules of a shard in a place, with a single call if there is no queue.

    Raises LeaseLost, also in the middle: another replica may receive events from this queue by then.
    """
    sqs, events = _event_clients(session(settings, write_seconds=write_seconds), targets, place)
    try:
        sqs.get_queue_url(QueueName=_queue_of(cluster, shard, place))
    except NotFound:
        return
    yield from delete_queue_and_rules(sqs, events, cluster, *_events_of(settings, cluster, shard, place))


def searched_regions(settings: Settings, default: str) -> tuple[str, ...]:
    """Return the regions where the operator may have created resources: those allowed in spec.region."""
    return settings.allowed_regions or tuple(sorted(regions_beside(default)))


def default_region(settings: Settings) -> str:
    """Return the region of objects without spec.region. Raises BadSetting."""
    region = (
        settings.region
        or Session(Quota(time.monotonic, time.sleep), lambda *_: None, endpoint=None, pool=1).default_region
    )
    if region is None:
        raise BadSetting(NO_REGION)
    _check_regions(region, settings)
    return region


def is_region(region: str) -> bool:
    """Return whether AWS has a region with this name, as far as this version knows."""
    return region in regions()


def check_allowed_regions(settings: Settings) -> None:
    """Raise BadSetting if DYNCONFIG_REGIONS names an unknown region."""
    for region in settings.allowed_regions:
        _check_exists("DYNCONFIG_REGIONS", region)


def _check_exists(variable: str, region: str) -> None:
    if not is_region(region):
        raise BadSetting(f"{variable}: {unknown_region(region)}")


def is_own_layer(arn: str) -> bool:
    """Return whether an ARN is a layer version of the AWS Parameters and Secrets Lambda extension."""
    return layers.is_extension(arn)


def _check_regions(default: str, settings: Settings) -> None:
    _check_exists("AWS_REGION, DYNCONFIG_REGION or the AWS profile", default)
    check_allowed_regions(settings)
    if settings.allowed_regions and default not in settings.allowed_regions:
        allowed = ", ".join(settings.allowed_regions)
        raise BadSetting(
            f"DYNCONFIG_REGIONS: {allowed} does not include {default}, the region of objects without spec.region"
        )


def quota(settings: Settings) -> Quota:
    """Return the AWS quotas of a process. All of its sessions should share them."""
    return Quota(
        time.monotonic,
        time.sleep,
        overrides=settings.quota,
        is_limited=not settings.is_emulated,
        workers=settings.workers,
    )


def session(
    settings: Settings,
    count: Count = lambda *_: None,
    shared: Quota | None = None,
    *,
    write_seconds: float | None = None,
) -> Session:
    """Return a session whose AWS clients share their quotas; with `write_seconds`, writes need a lease."""
    return Session(shared or quota(settings), count, endpoint=None, pool=settings.workers, write_seconds=write_seconds)


def account(session: Session, settings: Settings) -> str:
    """Return the AWS account of the credentials."""
    answer = session.client("sts", settings.region or "us-east-1").get_caller_identity()
    return str(answer["Account"])


def context(
    session: Session,
    region: str,
    settings: Settings,
    account: Callable[[], str],
    clock: Callable[[], float],
    *,
    target: TargetSession | None = None,
    boundary: str | None = None,
    tag_index: ParameterTagIndex | None = None,
    writing: Writing = lambda _operation, _names: nullcontext(),
    labels: ParameterLabels | None = None,
) -> Context:
    """Return what the kinds of one place are built from: a region, or that of a target with its own boundary."""
    client = partial((target or session).client, region=region)
    tagging = client("resourcegroupstaggingapi")
    return Context(
        client=client,
        arns=Arns(region, account),
        clock=clock,
        layers=layers.ExtensionLayers(client("ssm"), region, clock),
        package=package,
        parameter_tags=tag_index or ParameterTagIndex(tagging, clock),
        alarm_tags=AlarmTagIndex(tagging, clock),
        # AWS's own tags cannot be changed.
        ignored_tags=("aws:", *settings.ignored_tags),
        boundary=settings.boundary if boundary is None else boundary,
        writing=labels.forgetting(writing) if labels else writing,
        owner_changed=labels.forget if labels else lambda _names: None,
        call_back=lambda key: session.quota.call_back(key),
    )


class _Places:
    """The kinds of each place, created for its first declaration, in the order in which resources are created."""

    def __init__(
        self,
        settings: Settings,
        count: Count,
        account: str | None = None,
        clock: Clock = time.monotonic,
        *,
        clients: Session | None = None,
        targets: TargetSessions | None = None,
    ) -> None:
        self._targets = targets
        self._settings = settings
        self._clock = clock
        self._given_account = account
        self._session = clients or session(settings, count)
        self._kinds: dict[Place, tuple[AnyKind, ...]] = {}
        self._labels: dict[Place, ParameterLabels] = {}
        self._lock = threading.Lock()
        self._echoes: dict[int, Echoes] = {}
        """The own writes of each shard: each shard has a queue, and the events of all shards arrive in each."""

    def __call__(self, place: Place) -> tuple[AnyKind, ...]:
        with self._lock:
            return self._made(place)

    def _made(self, place: Place) -> tuple[AnyKind, ...]:
        if place not in self._kinds:
            self._forget_earlier(place)
            self._kinds[place] = self._new_kinds(place)
        return self._kinds[place]

    def _forget_earlier(self, place: Place) -> None:
        """Forget the kinds of a target as it was before a change."""
        for known in [known for known in self._kinds if known.target and known.key == place.key]:
            del self._kinds[known], self._labels[known]

    def forget_target(self, name: str) -> None:
        """Forget the kinds of a target that no longer exists."""
        with self._lock:
            for known in [known for known in self._kinds if known.target and known.target.name == name]:
                del self._kinds[known], self._labels[known]

    def _client(self, place: Place, service: str) -> Any:
        if place.target is None:
            return self._session.client(service, place.region)
        if self._targets is None:
            raise Refused("spec.target: this command cannot assume the role of a target")
        return self._targets.session(place.target).client(service, place.region)

    def labels(self, place: Place) -> ParameterLabels:
        """Return the labels of parameter versions in a place."""
        with self._lock:
            self._made(place)
            return self._labels[place]

    def alarm_history(self, place: Place) -> CloudWatchHistory:
        """Return the history of the alarms in a place."""
        return CloudWatchHistory(self._client(place, "cloudwatch"))

    def now(self, default: float) -> float:
        """Return the time of the AWS clock, in seconds since the epoch; `default` until AWS has responded."""
        return self._session.server_clock.now(default)

    def gauge(self, place: Place) -> DriftMetric:
        """What shows drift in a place."""
        return DriftMetric(self._client(place, "cloudwatch"))

    def shards_changed(self, held: int) -> None:
        """Take the share of `held` shards of the quotas, and read AWS anew: another replica may have written meanwhile."""
        with self._lock:
            self._kinds.clear()
        self._session.quota.set_share(held / self._settings.shards)

    def listener(
        self, cluster: str, handler_of: Callable[[int], EventHandler], place: Place, fence: Fence
    ) -> EventListener | None:
        """Return the listener of a shard and place; None if events are disabled, or no queue was given for the place."""
        queues = {name or default_region(self._settings): urls for name, urls in self._settings.queues.items()}
        target, location = place.target, place.location
        if not self._settings.events_enabled or (queues and (target or place.region not in queues)):
            return None
        name, rules = _events_of(self._settings, cluster, fence.shard, place)
        event_queue = EventQueue(
            *_event_clients(self._session, self._targets, place),
            cluster=cluster,
            queue=queues[place.region][fence.shard] if queues else name,
            rules=rules,
            tags={**self._settings.tags, **dict(target.tags if target else ()), SHARD_TAG: str(fence.shard)},
        )
        handler, echoes = handler_of(fence.shard), self._echoes_of(fence.shard)
        return EventListener(location, event_queue, echoes, handler, time.monotonic, fence=fence)

    def _echoes_of(self, shard: int) -> Echoes:
        return self._echoes.setdefault(shard, Echoes(time.time))

    def _writing(self, place: str, operation: str, names: Sequence[str]) -> AbstractContextManager[None]:
        """Wrap a write of parameters of the current shard."""
        return self._echoes_of(current_shard()).writing(place, operation, names)

    def _new_kinds(self, place: Place) -> tuple[AnyKind, ...]:
        clock = self._clock
        target = place.target
        tag_index = ParameterTagIndex(self._client(place, "resourcegroupstaggingapi"), clock)
        labels = self._labels[place] = ParameterLabels(self._client(place, "ssm"), tag_index)
        about = context(
            self._session,
            place.region,
            self._settings,
            (lambda: target.account) if target else self._account,
            clock,
            target=self._targets.session(target) if target and self._targets else None,
            boundary=target.boundary if target else None,
            tag_index=tag_index,
            writing=partial(self._writing, place.title),
            labels=labels,
        )
        return registry.kinds(about)

    @cached_property
    def _account_id(self) -> str:
        return account(self._session, self._settings)

    def _account(self) -> str:
        return self._given_account or self._account_id
