"""Events whose reconcile failed, or observes everything for another reason: what they name is read by name, from no cache."""

import asyncio
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

import pytest
from aiohttp import web
from tests.kinds.aws_harness import AwsHarness
from tests.kube.apiserver import status
from tests.kube.controller_harness import KEY, REGION, ControllerHarness, configured, running_controller

from dynconfig.api.names import FROM_SECRET_TAG, OWNER_TAG
from dynconfig.aws.quota import Quota
from dynconfig.aws.session import Session
from dynconfig.engine.outcome import Outcome
from dynconfig.engine.reconcile import Engine
from dynconfig.events.signals import Signal
from dynconfig.kube.metrics import Metrics
from dynconfig.model.declaration import Declaration
from dynconfig.model.errors import NotOwned
from dynconfig_lab.aws import Faults
from dynconfig_lab.aws.faults import Injected

pytestmark = pytest.mark.lab

SECRET = {"secretKeyRef": {"name": "flags", "key": "text", "allowPlaintext": True}}
INDEXED_SECONDS, RECENT_SECONDS = 700.0, 60.0


class Scene:
    """An object in sync, whose tags were read from the index a minute ago and are cached."""

    def __init__(self, harness: AwsHarness) -> None:
        harness.secrets["flags/text"] = "text"
        self.harness = harness
        self.kind = harness.parameters()
        self.spec: dict[str, Any] = {
            "parameters": [{"name": "p/0", "value": "0"}, {"name": "p/1", "type": "String", "valueFrom": SECRET}],
            "tags": {"team": "shop"},
        }
        self.status = harness.status(harness.apply(harness.declare(self.spec), self.kind))
        harness.clock.now += INDEXED_SECONDS
        assert harness.apply(self.declare(), self.kind).plan.is_empty
        harness.clock.now += RECENT_SECONDS

    def declare(self, **about: Any) -> Declaration:
        return self.harness.declare(self.spec, **{"status": self.status, **about})

    def run(self, declaration: Declaration) -> Outcome:
        return Engine(lambda _place: (self.kind,)).run(declaration)


@pytest.fixture
def scene(harness: AwsHarness) -> Scene:
    return Scene(harness)


def tag(harness: AwsHarness, name: str, **tags: str) -> None:
    listed = [{"Key": key, "Value": text} for key, text in tags.items()]
    harness.aws().add_tags_to_resource(ResourceType="Parameter", ResourceId=f"{harness.path}/{name}", Tags=listed)


def untag(harness: AwsHarness, name: str, *keys: str) -> None:
    about = {"ResourceType": "Parameter", "ResourceId": f"{harness.path}/{name}"}
    harness.aws().remove_tags_from_resource(**about, TagKeys=list(keys))


def with_refused_parameter(scene: Scene) -> Declaration:
    """An object whose generation was tried and, since AWS refused a parameter, not applied."""
    status = {**scene.status, "observedGeneration": 2, "triedGeneration": 2}
    return scene.declare(status=status, generation=2)


WHOLE: dict[str, Callable[[Scene], Declaration]] = {
    "after a failure": lambda scene: replace(scene.declare(), observes_all=True),
    "with an edit": lambda scene: scene.declare(generation=2),
    "with a refused parameter": with_refused_parameter,
    "on request": lambda scene: scene.declare(
        metadata={"annotations": {"dynconfig.dev/reconcile-requested-at": "now"}}
    ),
}


@pytest.mark.parametrize("declared", WHOLE.values(), ids=WHOLE)
@pytest.mark.parametrize(
    "edit",
    [lambda harness: tag(harness, "p/1", team="theirs"), lambda harness: untag(harness, "p/1", FROM_SECRET_TAG)],
    ids=["a tag", "the mark of a Secret"],
)
def test_tag_that_an_event_reported_is_restored_by_a_whole_reconcile(
    scene: Scene, edit: Callable[[AwsHarness], None], declared: Callable[[Scene], Declaration]
) -> None:
    before = scene.harness.tags("p/1")
    edit(scene.harness)
    declaration = replace(declared(scene), changed={f"{scene.harness.path}/p/1": ""})
    assert not declaration.is_partial
    assert scene.run(declaration).is_complete
    assert scene.harness.tags("p/1") == before


@pytest.mark.parametrize("declared", WHOLE.values(), ids=WHOLE)
def test_owner_that_an_event_reported_is_not_taken_from_an_index(
    scene: Scene, declared: Callable[[Scene], Declaration]
) -> None:
    tag(scene.harness, "p/1", **{OWNER_TAG: "cluster/other/app/uid-2"})
    outcome = scene.run(replace(declared(scene), changed={f"{scene.harness.path}/p/1": ""}))
    assert isinstance(outcome.error, NotOwned)


def test_owner_that_was_read_by_name_stays_known_until_the_index_is_newer(scene: Scene) -> None:
    tag(scene.harness, "p/1", **{OWNER_TAG: "cluster/other/app/uid-2"})
    outcome = scene.run(replace(scene.declare(), changed={f"{scene.harness.path}/p/1": ""}))
    assert isinstance(outcome.error, NotOwned)
    for _again in range(2):
        assert isinstance(scene.run(scene.declare()).error, NotOwned)
        scene.harness.clock.now += RECENT_SECONDS


@pytest.mark.parametrize("call", ["ssm.GetParameters", "ssm.ListTagsForResource"])
def test_what_could_not_be_read_is_not_observed(scene: Scene, call: str) -> None:
    name = f"{scene.harness.path}/p/1"
    declaration = replace(scene.declare(), changed={name: ""})
    scene.harness.lab.faults(Faults(errors={call: Injected("InternalServerError", "in passing", 99)}))
    failed = scene.run(declaration)
    scene.harness.lab.faults(Faults())
    assert failed.unobserved([name]) == {name}
    assert not scene.run(declaration).unobserved([name])


# --- the controller


class Records(Metrics):
    """Records the results of reconciles, and how long ago the events were that they have handled."""

    def __init__(self) -> None:
        super().__init__(lambda: 0.0, dict, dict)
        self.reasons: list[str] = []
        self.handled: list[float] = []

    def reconciled(self, reason: str, seconds: float) -> None:
        """Record a reconcile."""
        self.reasons.append(reason)
        super().reconciled(reason, seconds)

    def event_handled(self, seconds: float) -> None:
        """Record a handled event."""
        self.handled.append(seconds)
        super().event_handled(seconds)

    async def until(self, condition: Callable[[], bool]) -> None:
        """Wait until a condition holds."""
        async with asyncio.timeout(10.0):
            while not condition():
                await asyncio.sleep(0.01)


@contextmanager
def aws_error(harness: AwsHarness, _found: ControllerHarness, call: str, code: str) -> Iterator[None]:
    """While AWS answers a call with an error."""
    harness.lab.faults(Faults(errors={call: Injected(code, "in passing", 99)}))
    yield
    harness.lab.faults(Faults())


@contextmanager
def api_error(_harness: AwsHarness, found: ControllerHarness, method: str, code: int) -> Iterator[None]:
    """While the API server answers requests for objects with an error."""

    async def fail(request: web.Request) -> web.Response | None:
        is_failing = request.method == method and "dynamicconfigs" in request.path
        return status(code, "in passing") if is_failing else None

    found.server.before = fail
    yield
    found.server.before = None


@pytest.mark.parametrize(
    ("reason", "error", "about"),
    [
        ("Throttled", aws_error, ("ssm.GetParameters", "ThrottlingException")),
        ("Unavailable", aws_error, ("ssm.GetParameters", "InternalServerError")),
        ("AccessDenied", aws_error, ("ssm.GetParameters", "AccessDeniedException")),
        ("Throttled", aws_error, ("ssm.ListTagsForResource", "ThrottlingException")),
        ("ApiUnavailable", api_error, ("GET", 503)),
        ("ApiConflict", api_error, ("GET", 409)),
        ("ApiRefused", api_error, ("GET", 403)),
    ],
    ids=["throttled", "unavailable", "denied", "tags", "no API server", "conflict", "refused by the API server"],
)
def test_tag_that_an_event_reported_is_restored_after_a_failed_reconcile(
    harness: AwsHarness, reason: str, error: Callable[..., Any], about: tuple[Any, ...]
) -> None:
    async def act() -> None:
        quota, records = Quota(time.monotonic, time.sleep, is_limited=False), Records()
        session = Session(quota, harness.watch, endpoint=harness.lab.endpoint, pool=4)
        kind = replace(harness, session=session).parameters()
        engine = Engine(lambda _place: (kind,))
        async with running_controller(engine=engine, metrics=records, quota=quota) as found:
            found.applied(configured({"p/1": "1"}, path=harness.path, tags={"team": "shop"}, finalizers=[]))
            await records.until(lambda: "InSync" in records.reasons)
            harness.clock.now += INDEXED_SECONDS
            await again(found, records)
            harness.clock.now += RECENT_SECONDS
            tag(harness, "p/1", team="theirs")
            signal = Signal(REGION, time.time() - 1.0, "AddTagsToResource", parameters=(f"{harness.path}/p/1",))
            records.reasons.clear()
            with error(harness, found, *about):
                found.controller.router.route([signal])
                await records.until(lambda: bool(records.reasons))
                assert records.reasons[0] == reason
                assert not records.handled
            found.controller.requeue(KEY)
            await records.until(lambda: harness.tags("p/1")["team"] == "shop")
            await records.until(lambda: bool(records.handled))
            assert records.handled[0] >= 1.0
            await again(found, records)
            assert len(records.handled) == 1

    asyncio.run(act())


async def again(found: ControllerHarness, records: Records) -> None:
    """Reconcile the object once more."""
    records.reasons.clear()
    found.controller.requeue(KEY)
    await records.until(lambda: bool(records.reasons))
