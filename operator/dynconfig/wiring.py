"""The only file that knows the concrete classes: builds the engine, the quota and the kinds from settings."""

import threading
import time

from dynconfig.aws.quota import Quota
from dynconfig.aws.session import Count, Session
from dynconfig.aws.tagged import TaggedParameters
from dynconfig.engine.declaration import Place
from dynconfig.engine.plan import AnyKind
from dynconfig.engine.reconcile import Engine
from dynconfig.kinds.parameter import Parameters
from dynconfig.settings import BadSetting, Settings

NO_REGION = "no AWS region: set AWS_REGION (or DYNCONFIG_REGION, or a region in the AWS profile)"


def engine(settings: Settings, count: Count = lambda *_: None) -> Engine:
    """An engine with all kinds, for every place that declarations name."""
    return Engine(_Places(settings, count))


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

    def __init__(self, settings: Settings, count: Count) -> None:
        self._settings = settings
        quota = Quota(time.monotonic, time.sleep, overrides=settings.quota, is_limited=not settings.is_emulated)
        self._session = Session(quota, count, endpoint=None, pool=settings.workers)
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
        return (Parameters(ssm, tagged, clock, ignored_tags=self._settings.ignored_tags),)
