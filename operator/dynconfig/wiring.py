"""The only file that knows the concrete classes: builds the engine, the quota and the kinds from settings."""

import threading
import time
from collections.abc import Sequence
from concurrent.futures import Executor
from functools import cached_property, partial
from typing import Any

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
from dynconfig.kinds.permission import Permissions
from dynconfig.kinds.role import Roles
from dynconfig.kinds.rule import Rules
from dynconfig.kinds.schedule import Schedules
from dynconfig.settings import BadSetting, Settings

NO_REGION = "no AWS region: set AWS_REGION (or DYNCONFIG_REGION, or a region in the AWS profile)"


def engine(
    settings: Settings, count: Count = lambda *_: None, *, at_once: Executor | None = None, account: str | None = None
) -> Engine:
    """An engine with all kinds, for every place that declarations name; an account that is given is not asked for."""
    return Engine(_Places(settings, count, account), at_once)


def kinds(settings: Settings, place: Place) -> Sequence[AnyKind]:
    """All kinds of a place, in the order in which they are put."""
    return _Places(settings, lambda *_: None, None)(place)


def client(settings: Settings, service: str, region: str) -> Any:
    """A client of AWS for what no kind does; typed by the caller."""
    return _session(settings, lambda *_: None).client(service, region)


def default_region(settings: Settings) -> str:
    """The region of objects that name none. Raises BadSetting."""
    region = (
        settings.region
        or Session(Quota(time.monotonic, time.sleep), lambda *_: None, endpoint=None, pool=1).default_region
    )
    if region is None:
        raise BadSetting(NO_REGION)
    return region


class _Places:
    """The kinds of each place, made when a declaration first names it, in the order in which they are put."""

    def __init__(self, settings: Settings, count: Count, account: str | None) -> None:
        self._settings = settings
        self._given_account = account
        self._session = _session(settings, count)
        self._kinds: dict[Place, tuple[AnyKind, ...]] = {}
        self._lock = threading.Lock()

    def __call__(self, place: Place) -> tuple[AnyKind, ...]:
        with self._lock:
            if place not in self._kinds:
                self._kinds[place] = self._made(place)
            return self._kinds[place]

    def _made(self, place: Place) -> tuple[AnyKind, ...]:
        clock = time.monotonic
        tagged = TaggedParameters(self._session.client("resourcegroupstaggingapi", place.region), clock)
        ssm = self._session.client("ssm", place.region)
        arns = Arns(place.region, self._account)
        layer, ignored = partial(layers.layer, place.region), self._settings.ignored_tags
        client = partial(self._session.client, region=place.region)
        functions, iam = client("lambda"), client("iam")
        return (
            Parameters(ssm, tagged, clock, ignored_tags=ignored),
            Roles(iam, arns, ignored_tags=ignored),
            LogGroups(client("logs"), arns, ignored_tags=ignored),
            Functions(functions, arns, layer, package, ignored_tags=ignored),
            FailureDestinations(functions),
            Rules(client("events"), arns, ignored_tags=ignored),
            Schedules(client("scheduler"), arns),
            HttpApis(client("apigatewayv2"), arns, ignored_tags=ignored),
            Permissions(functions, arns),
            Attachments(functions, iam, arns, layer),
        )

    @cached_property
    def _account_id(self) -> str:
        answer = self._session.client("sts", self._settings.region or "us-east-1").get_caller_identity()
        return str(answer["Account"])

    def _account(self) -> str:
        return self._given_account or self._account_id


def _session(settings: Settings, count: Count) -> Session:
    quota = Quota(time.monotonic, time.sleep, overrides=settings.quota, is_limited=not settings.is_emulated)
    return Session(quota, count, endpoint=None, pool=settings.workers)
