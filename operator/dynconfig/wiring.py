"""Composition root: builds the engine, the quotas and the kinds from settings."""

import threading
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Executor
from contextlib import nullcontext
from functools import cached_property, partial
from urllib.parse import urlsplit

from dynconfig.aws import layers
from dynconfig.aws.drift_metric import DriftMetric
from dynconfig.aws.package import package
from dynconfig.aws.quota import Quota
from dynconfig.aws.regions import regions, regions_beside
from dynconfig.aws.session import Clock, Count, Session
from dynconfig.aws.tag_index import AlarmTagIndex, ParameterTagIndex, owner_tags
from dynconfig.engine.orphans import Orphan
from dynconfig.engine.orphans import orphans as found_orphans
from dynconfig.engine.reconcile import Engine
from dynconfig.events.echoes import Echoes
from dynconfig.events.listener import EventHandler, EventListener, EventListeners
from dynconfig.events.patterns import event_rules
from dynconfig.events.queue import EventQueue, delete_queue_and_rules
from dynconfig.kinds import role, schedule
from dynconfig.kinds._shared.alarm_base import AlarmApi
from dynconfig.kinds.alarm import Alarms
from dynconfig.kinds.attachment.attachments import Attachments
from dynconfig.kinds.composite_alarm import CompositeAlarms
from dynconfig.kinds.dashboard import dashboards as dashboard
from dynconfig.kinds.dashboard.dashboards import Dashboards
from dynconfig.kinds.failure_destination import FailureDestinations
from dynconfig.kinds.function.functions import Functions
from dynconfig.kinds.http_api import HttpApis
from dynconfig.kinds.log_group import LogGroups
from dynconfig.kinds.parameter.labels import ParameterLabels
from dynconfig.kinds.parameter.parameters import Parameters
from dynconfig.kinds.parameter.write import Writing
from dynconfig.kinds.permission import Permissions
from dynconfig.kinds.role import Roles
from dynconfig.kinds.rule import Rules
from dynconfig.kinds.schedule import Schedules
from dynconfig.kinds.topic import Topics
from dynconfig.model.arns import Arns
from dynconfig.model.declaration import Place
from dynconfig.model.errors import NotFound, Refused
from dynconfig.model.naming import PREFIX, fitting
from dynconfig.model.plan import AnyKind
from dynconfig.model.regions import unknown_region
from dynconfig.settings import BadSetting, Settings

EVERYWHERE = "all"
"""Stands for the region of resources that are global to the account."""
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
) -> Engine:
    """Return an engine with all kinds. If `account` is given, STS is not called for it."""
    places = _Places(settings, count, account, clock, clients)
    return Engine(places, places.labels, at_once, places.gauge, aws_now=places.now)


def engine_with_listeners(
    settings: Settings, count: Count, cluster: str, handler: EventHandler
) -> tuple[Engine, EventListeners]:
    """Return an engine, and the listeners that share its record of own writes."""
    places = _Places(settings, count)
    # Operators of one cluster that watch different namespaces share the queues.
    removes = not settings.namespaces and not settings.queue_urls
    listeners = EventListeners(partial(places.listener, cluster, handler), removes=removes)
    return Engine(places, places.labels, drift_metric_of=places.gauge, aws_now=places.now), listeners


def remove_events(settings: Settings, cluster: str, region: str) -> Iterator[str]:
    """Delete the event queue and rules of a region, unless queues were given by URL; yield the title of each."""
    if settings.queue_urls:
        return iter(())
    clients = session(settings)
    return delete_queue_and_rules(
        clients.client("sqs", region),
        clients.client("events", region),
        cluster,
        _queue_name(cluster),
        event_rules(cluster, settings.all_paths),
    )


def orphans(
    settings: Settings, region: str, cluster: str, uids: frozenset[str], count: Count = lambda *_: None
) -> tuple[Orphan, ...]:
    """Return the resources of a region whose object does not exist; `uids` are those of all objects of the cluster.

    Raises DynConfigError, and Refused if the region does not exist.
    """
    if not is_region(region):
        raise Refused(unknown_region(region))
    tagging = session(settings, count).client("resourcegroupstaggingapi", region)
    return found_orphans(owner_tags(tagging), region, cluster, uids)


def unindexed_orphans(settings: Settings, default: str, cluster: str, uids: frozenset[str]) -> Iterator[Search]:
    """Yield searches for orphaned roles and dashboards, which the Resource Groups Tagging API does not index.

    For interactive use: one call for each role that Lambda or Scheduler may assume, and for each dashboard.
    """
    clients = session(settings)
    searches = {
        "IAM roles": lambda: role.owner_tags(clients.client("iam", default)),
        "dashboards": lambda: dashboard.owner_tags(clients.client("cloudwatch", default)),
    }
    return (
        (title, partial(lambda tags: found_orphans(tags(), EVERYWHERE, cluster, uids), owner_tags_of))
        for title, owner_tags_of in searches.items()
    )


def schedule_orphans(settings: Settings, region: str, cluster: str, uids: frozenset[str]) -> tuple[Orphan, ...]:
    """Return the orphaned schedules of a region, with one call per schedule. Raises DynConfigError."""
    return found_orphans(schedule.owner_tags(session(settings).client("scheduler", region)), region, cluster, uids)


def remove_unused_events(settings: Settings, cluster: str, region: str) -> Iterator[str]:
    """As `remove_events`, but with a single call for a region without the operator's queue."""
    try:
        session(settings).client("sqs", region).get_queue_url(QueueName=_queue_name(cluster))
    except NotFound:
        return
    yield from remove_events(settings, cluster, region)


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


def session(settings: Settings, count: Count = lambda *_: None) -> Session:
    """Return a session whose AWS clients share their quotas."""
    quota = Quota(time.monotonic, time.sleep, overrides=settings.quota, is_limited=not settings.is_emulated)
    return Session(quota, count, endpoint=None, pool=settings.workers)


def account(session: Session, settings: Settings) -> str:
    """Return the AWS account of the credentials."""
    answer = session.client("sts", settings.region or "us-east-1").get_caller_identity()
    return str(answer["Account"])


def kinds(
    session: Session,
    region: str,
    settings: Settings,
    account: Callable[[], str],
    clock: Callable[[], float],
    *,
    tag_index: ParameterTagIndex | None = None,
    writing: Writing = lambda _operation, _names: nullcontext(),
    labels: ParameterLabels | None = None,
) -> tuple[AnyKind, ...]:
    """Return all kinds of one region, in the order in which resources are created."""
    client = partial(session.client, region=region)
    arns = Arns(region, account)
    tagging, cloudwatch = client("resourcegroupstaggingapi"), client("cloudwatch")
    tag_index = tag_index or ParameterTagIndex(tagging, clock)
    extension, ignored = layers.ExtensionLayers(client("ssm"), region, clock), settings.ignored_tags
    writing = labels.forgetting(writing) if labels else writing
    owner_changed: Callable[[Sequence[str]], None] = labels.forget if labels else lambda _names: None
    functions, iam = client("lambda"), client("iam")
    alarms = AlarmApi(cloudwatch, AlarmTagIndex(tagging, clock), clock, arns, ignored_tags=ignored)
    return (
        Parameters(client("ssm"), tag_index, clock, ignored_tags=ignored, writing=writing, owner_changed=owner_changed),
        Roles(iam, arns, boundary=settings.boundary, ignored_tags=ignored),
        LogGroups(client("logs"), arns, clock, ignored_tags=ignored),
        Functions(functions, arns, extension, package, clock, ignored_tags=ignored),
        FailureDestinations(functions, arns, clock),
        Rules(client("events"), arns, clock, ignored_tags=ignored),
        Schedules(client("scheduler"), arns),
        HttpApis(client("apigatewayv2"), arns, clock, ignored_tags=ignored),
        Permissions(functions, arns),
        Attachments(functions, iam, arns, extension, clock),
        Topics(client("sns"), arns, clock, ignored_tags=ignored),
        Alarms(cloudwatch, alarms, arns),
        # Refers to the alarms: created after them, deleted before them.
        CompositeAlarms(cloudwatch, alarms, arns),
        Dashboards(cloudwatch, arns),
    )


class _Places:
    """The kinds of each place, created for its first declaration, in the order in which resources are created."""

    def __init__(
        self,
        settings: Settings,
        count: Count,
        account: str | None = None,
        clock: Clock = time.monotonic,
        clients: Session | None = None,
    ) -> None:
        self._settings = settings
        self._clock = clock
        self._given_account = account
        self._session = clients or session(settings, count)
        self._kinds: dict[Place, tuple[AnyKind, ...]] = {}
        self._labels: dict[Place, ParameterLabels] = {}
        self._lock = threading.Lock()
        self._echoes = Echoes(time.time)

    def __call__(self, place: Place) -> tuple[AnyKind, ...]:
        with self._lock:
            if place not in self._kinds:
                self._kinds[place] = self._new_kinds(place)
            return self._kinds[place]

    def labels(self, place: Place) -> ParameterLabels:
        """Return the labels of parameter versions in a place."""
        self(place)
        return self._labels[place]

    def now(self, default: float) -> float:
        """Return the time of the AWS clock, in seconds since the epoch; `default` until AWS has responded."""
        return self._session.server_clock.now(default)

    def gauge(self, place: Place) -> DriftMetric:
        """What shows drift in a place."""
        return DriftMetric(self._session.client("cloudwatch", place.region))

    def listener(self, cluster: str, handler: EventHandler, region: str) -> EventListener | None:
        """Return the event listener of a region; None if events are disabled, or no queue was given for the region."""
        queues = {_region_of(url) or default_region(self._settings): url for url in self._settings.queue_urls}
        if not self._settings.events_enabled or (queues and region not in queues):
            return None
        event_queue = EventQueue(
            self._session.client("sqs", region),
            self._session.client("events", region),
            cluster=cluster,
            queue=queues.get(region) or _queue_name(cluster),
            rules=event_rules(cluster, self._settings.all_paths),
            tags=self._settings.tags,
        )
        return EventListener(region, event_queue, self._echoes, handler, time.monotonic)

    def _new_kinds(self, place: Place) -> tuple[AnyKind, ...]:
        clock = self._clock
        tag_index = ParameterTagIndex(self._session.client("resourcegroupstaggingapi", place.region), clock)
        labels = self._labels[place] = ParameterLabels(self._session.client("ssm", place.region), tag_index)
        return kinds(
            self._session,
            place.region,
            self._settings,
            self._account,
            clock,
            tag_index=tag_index,
            writing=partial(self._echoes.writing, place.region),
            labels=labels,
        )

    @cached_property
    def _account_id(self) -> str:
        return account(self._session, self._settings)

    def _account(self) -> str:
        return self._given_account or self._account_id


def _queue_name(cluster: str) -> str:
    return fitting(f"{PREFIX}{cluster}-events")


def _region_of(url: str) -> str | None:
    """Return the region in a queue URL, such as https://sqs.eu-west-1.amazonaws.com/123456789012/queue."""
    host = (urlsplit(url).hostname or "").split(".")
    return host[1] if host[0] == "sqs" and len(host) > 2 else None
