"""A reconcile after an event: only the reported parameters are read, bypassing the cache."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

import pytest
from tests.kinds.aws_harness import AwsHarness

from dynconfig.kinds.parameter.parameters import Parameters
from dynconfig.model.declaration import Declaration
from dynconfig.model.errors import NotOwned, Refused
from dynconfig_lab.aws import Faults
from dynconfig_lab.aws.faults import Injected

pytestmark = pytest.mark.lab


def many(count: int) -> dict[str, Any]:
    return {"parameters": [{"name": f"p/{number}", "value": str(number)} for number in range(count)]}


class Scene:
    """An object with thirty parameters in sync."""

    def __init__(self, harness: AwsHarness, spec: dict[str, Any]) -> None:
        self.harness, self.spec = harness, spec
        self.kind = harness.parameters()
        self.status = harness.status(harness.apply(harness.declare(spec), self.kind))

    def event(self, *names: str, **about: Any) -> Declaration:
        """The declaration, with an event that reported these names."""
        declaration = self.harness.declare(about.pop("spec", self.spec), **{"status": self.status, **about})
        return replace(declaration, changed={f"{self.harness.path}/{name}": "" for name in names})

    def calls(self, declaration: Declaration) -> dict[str, int]:
        """The calls of a reconcile."""
        return self.harness.calls(lambda: self.harness.apply(declaration, self.kind))


@pytest.fixture
def scene(harness: AwsHarness) -> Scene:
    return Scene(harness, many(30))


def test_drift_reported_by_event_is_corrected_with_four_calls(scene: Scene) -> None:
    scene.harness.put_by_hand("p/7", "theirs")
    calls = scene.calls(scene.event("p/7"))
    assert calls == {
        "ssm.GetParameters": 1,
        "ssm.DescribeParameters": 1,
        "ssm.ListTagsForResource": 1,
        "ssm.PutParameter": 1,
    }
    assert scene.harness.value("p/7") == "7"


def test_tag_index_is_not_read_after_an_event(scene: Scene) -> None:
    scene.harness.clock.now += 1800
    assert "resourcegroupstaggingapi.GetResources" not in scene.calls(scene.event("p/7"))


def test_event_about_another_resource_reads_no_parameter(scene: Scene) -> None:
    assert scene.calls(scene.event("other")) == {}


def test_drift_without_event_is_found_by_the_full_reconcile(scene: Scene) -> None:
    scene.harness.put_by_hand("p/8", "theirs")
    assert scene.harness.apply(scene.event("p/7"), scene.kind).plan.is_empty
    assert scene.harness.apply(scene.event(), scene.kind).is_complete
    assert scene.harness.value("p/8") == "8"


def test_deleted_parameter_reported_by_event_is_recreated(scene: Scene) -> None:
    scene.harness.aws().delete_parameter(Name=f"{scene.harness.path}/p/7")
    outcome = scene.harness.apply(scene.event("p/7"), scene.kind)
    assert [step.because[0].field for step in outcome.drift] == ["exists"]
    assert scene.harness.value("p/7") == "7"


def test_parameter_recreated_by_others_at_the_same_version_is_not_owned(scene: Scene) -> None:
    scene.harness.aws().delete_parameter(Name=f"{scene.harness.path}/p/7")
    scene.harness.put_by_hand("p/7", "7")
    with pytest.raises(NotOwned):
        scene.harness.apply(scene.event("p/7"), scene.kind)


def test_changed_tags_reported_by_event_are_corrected(harness: AwsHarness) -> None:
    scene = Scene(harness, {**many(3), "tags": {"team": "shop"}})
    resource: dict[str, Any] = {"ResourceType": "Parameter", "ResourceId": f"{harness.path}/p/1"}
    harness.aws().add_tags_to_resource(**resource, Tags=[{"Key": "team", "Value": "theirs"}])
    harness.apply(scene.event("p/1"), scene.kind)
    assert harness.tags("p/1")["team"] == "shop"
    assert harness.versions()["p/1"] == 1


def test_uncached_parameters_are_read_too(scene: Scene) -> None:
    scene.kind = scene.harness.parameters()
    assert scene.calls(scene.event("p/7"))["ssm.GetParameters"] == 3


def test_expired_cache_entries_are_read_again(scene: Scene) -> None:
    scene.harness.clock.now += 3601
    assert scene.calls(scene.event("p/7"))["ssm.GetParameters"] == 3


@pytest.mark.parametrize(
    "about",
    [
        {"generation": 2},
        {"metadata": {"annotations": {"dynconfig.dev/reconcile-requested-at": "now"}}},
        {"metadata": {"finalizers": []}, "status": None},
    ],
    ids=["an edit", "a request", "a new object"],
)
def test_manual_request_or_edit_triggers_a_full_reconcile(scene: Scene, about: dict[str, Any]) -> None:
    assert scene.calls(scene.event("p/7", **about))["ssm.GetParameters"] == 3


class Listener:
    """Records the announcements around each write."""

    def __init__(self) -> None:
        self.announced: list[tuple[str, tuple[str, ...], str]] = []

    @contextmanager
    def writing(self, operation: str, names: Sequence[str]) -> Iterator[None]:
        """Around a write."""
        try:
            yield
        except BaseException:
            self.announced.append((operation, tuple(names), "failed"))
            raise
        self.announced.append((operation, tuple(names), "made"))


def test_every_write_is_announced_while_in_progress(harness: AwsHarness) -> None:
    listener, name = Listener(), f"{harness.path}/p/0"
    kind = Parameters(harness.context(writing=listener.writing))
    harness.apply(harness.declare(many(1)), kind)
    changed = {"parameters": [{"name": "p/0", "value": "new"}]}
    harness.lab.faults(Faults(errors={"ssm.PutParameter": Injected("ValidationException", "no")}))
    with pytest.raises(Refused):
        harness.apply(harness.declare(changed, generation=2), kind)
    harness.lab.faults(Faults())
    harness.apply(harness.declare(changed, generation=2), kind)
    status = harness.status(harness.apply(harness.declare({**changed, "tags": {"a": "b"}}, generation=3), kind))
    harness.apply(harness.declare({}, generation=4, status=status), kind)
    assert listener.announced == [
        ("Put", (name,), "made"),
        ("Put", (name,), "failed"),
        ("Put", (name,), "made"),
        ("Delete", (name,), "made"),
    ]
