"""The only file that knows the concrete classes: builds the engine, the quota and the kinds from settings."""

import threading
import time
from collections.abc import Callable
from functools import cached_property, partial

from dynconfig.aws import layers
from dynconfig.aws.package import package
from dynconfig.aws.quota import Quota
from dynconfig.aws.session import Count, Session
from dynconfig.aws.tagged import TaggedParameters
from dynconfig.engine.arns import Arns
from dynconfig.engine.declaration import Place
from dynconfig.engine.plan import AnyKind
from dynconfig.engine.reconcile import Engine
from dynconfig.kinds.attachment import Attachments
from dynconfig.kinds.failure_destination import FailureDestinations
from dynconfig.kinds.function import Functions
from dynconfig.kinds.http_api import HttpApis
from dynconfig.kinds.log_group import LogGroups
from dynconfig.kinds.parameter import Parameters
from dynconfig.kinds.parameter_labels import ParameterLabels
from dynconfig.kinds.permission import Permissions
from dynconfig.kinds.role import Roles
from dynconfig.kinds.rule import Rules
from dynconfig.kinds.schedule import Schedules
from dynconfig.settings import BadSetting, Settings

NO_REGION = "no AWS region: set AWS_REGION (or DYNCONFIG_REGION, or a region in the AWS profile)"


def engine(settings: Settings, count: Count = lambda *_: None) -> Engine:
    """An engine with all kinds, for every place that declarations name."""
    places = _Places(settings, count)
    return Engine(places, places.labels)


def default_region(settings: Settings) -> str:
    """The region of objects that name none. Raises BadSetting."""
    region = (
        settings.region
        or Session(Quota(time.monotonic, time.sleep), lambda *_: None, endpoint=None, pool=1).default_region
    )
    if region is None:
        raise BadSetting(NO_REGION)
    return region


def kinds(
    session: Session,
    region: str,
    settings: Settings,
    account: Callable[[], str],
    clock: Callable[[], float],
    *,
    tagged: TaggedParameters | None = None,
) -> tuple[AnyKind, ...]:
    """All kinds of one region, in the order in which they are put."""
    client = partial(session.client, region=region)
    arns = Arns(region, account)
    tagged = tagged or TaggedParameters(client("resourcegroupstaggingapi"), clock)
    layer, ignored = partial(layers.layer, region), settings.ignored_tags
    functions, iam = client("lambda"), client("iam")
    return (
        Parameters(client("ssm"), tagged, clock, ignored_tags=ignored),
        Roles(iam, arns, boundary=settings.boundary, ignored_tags=ignored),
        LogGroups(client("logs"), arns, ignored_tags=ignored),
        Functions(functions, arns, layer, package, clock, ignored_tags=ignored),
        FailureDestinations(functions),
        Rules(client("events"), arns, ignored_tags=ignored),
        Schedules(client("scheduler"), arns),
        HttpApis(client("apigatewayv2"), arns, ignored_tags=ignored),
        Permissions(functions, arns),
        Attachments(functions, iam, arns, layer),
    )


class _Places:
    """The kinds of each place, made when a declaration first names it, in the order in which they are put."""

    def __init__(self, settings: Settings, count: Count) -> None:
        self._settings = settings
        quota = Quota(time.monotonic, time.sleep, overrides=settings.quota, is_limited=not settings.is_emulated)
        self._session = Session(quota, count, endpoint=None, pool=settings.workers)
        self._kinds: dict[Place, tuple[AnyKind, ...]] = {}
        self._labels: dict[Place, ParameterLabels] = {}
        self._lock = threading.Lock()

    def __call__(self, place: Place) -> tuple[AnyKind, ...]:
        with self._lock:
            if place not in self._kinds:
                self._kinds[place] = self._made(place)
            return self._kinds[place]

    def labels(self, place: Place) -> ParameterLabels:
        """The labels on versions in a place."""
        self(place)
        return self._labels[place]

    def _made(self, place: Place) -> tuple[AnyKind, ...]:
        clock = time.monotonic
        tagged = TaggedParameters(self._session.client("resourcegroupstaggingapi", place.region), clock)
        self._labels[place] = ParameterLabels(self._session.client("ssm", place.region), tagged)
        return kinds(self._session, place.region, self._settings, lambda: self._account_id, clock, tagged=tagged)

    @cached_property
    def _account_id(self) -> str:
        answer = self._session.client("sts", self._settings.region or "us-east-1").get_caller_identity()
        return str(answer["Account"])
