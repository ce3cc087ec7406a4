"""Labels on versions: stable and failed versions, and the calls to read them."""

from dataclasses import replace

import pytest
from tests.kinds.aws_harness import REGION, AwsHarness

from dynconfig.aws.tag_index import ParameterTagIndex
from dynconfig.kinds.parameter.labels import ParameterLabels
from dynconfig.kinds.parameter.parameters import Parameters
from dynconfig.kinds.parameter.value import Parameter
from dynconfig.model.errors import LabelLimit
from dynconfig.model.secret import Secret
from dynconfig.rollout.labels import STABLE

pytestmark = pytest.mark.lab

SECRET = {"name": "password", "valueFrom": {"secretKeyRef": {"name": "db", "key": "password"}}}


def labels(harness: AwsHarness) -> ParameterLabels:
    """With an empty cache, as after a restart."""
    tagged = ParameterTagIndex(harness.session.client("resourcegroupstaggingapi", REGION), harness.clock)
    return ParameterLabels(harness.session.client("ssm", REGION), tagged)


def applied(harness: AwsHarness, value: str = "1") -> list[Parameter]:
    harness.secrets["db/password"] = f"secret {value}"
    spec = {"parameters": [{"name": "a", "value": value}, {"name": "b", "value": "1"}, SECRET]}
    return [item for item in harness.apply(harness.declare(spec)).owned if isinstance(item, Parameter)]


def short(harness: AwsHarness, names: object) -> list[str]:
    return sorted(str(name).removeprefix(f"{harness.path}/") for name in names)  # type: ignore[attr-defined]


def test_unlabelled_parameter_is_unproved(harness: AwsHarness) -> None:
    proof = labels(harness).compare_with_stable(applied(harness))
    assert short(harness, (item.name for item in proof.unstable)) == ["a", "b", "password"]
    assert not proof.stable


def test_only_changed_parameters_are_unproved(harness: AwsHarness) -> None:
    labels(harness).mark_stable(applied(harness))
    proof = labels(harness).compare_with_stable(applied(harness, "2"))
    assert short(harness, (item.name for item in proof.unstable)) == ["a", "password"]
    assert short(harness, proof.stable) == ["a", "b", "password"]


def test_newer_version_with_the_stable_value_is_proved(harness: AwsHarness) -> None:
    labels(harness).mark_stable(applied(harness))
    harness.put_by_hand("a", "by hand")
    owned = applied(harness)
    found = labels(harness)
    assert found.compare_with_stable(owned).unstable == ()
    found.mark_stable(owned)
    answer = harness.aws().get_parameter(Name=f"{harness.path}/a:{STABLE}")
    assert answer["Parameter"]["Version"] == 3


def test_stable_values_are_read_by_version_and_stay_secret(harness: AwsHarness) -> None:
    labels(harness).mark_stable(applied(harness))
    owned = applied(harness, "2")
    kept = {item.name: item.value for item in labels(harness).versions_with([item.name for item in owned], STABLE)}
    assert kept[f"{harness.path}/a"] == "1"
    assert kept[f"{harness.path}/password"] == Secret("secret 1")
    assert "secret 1" not in repr(kept)


def test_label_is_on_one_version_and_found_by_name(harness: AwsHarness) -> None:
    owned = applied(harness, "2")
    marked = next(item for item in owned if item.name.endswith("/a"))
    labels(harness).set_label(marked, "rejected-2-uid-1")
    found = labels(harness).versions_with([item.name for item in owned], "rejected-2-uid-1")
    assert [(item.name, item.value) for item in found] == [(marked.name, "2")]


def test_label_can_be_removed(harness: AwsHarness) -> None:
    owned = applied(harness)
    labels(harness).set_label(owned[0], "rejected-2-uid-1")
    (kept,) = labels(harness).versions_with([item.name for item in owned], "rejected-2-uid-1")
    labels(harness).remove_label(kept, "rejected-2-uid-1")
    assert labels(harness).versions_with([item.name for item in owned], "rejected-2-uid-1") == ()


def test_old_labels_are_removed_to_add_a_new_one(harness: AwsHarness) -> None:
    marked, found = applied(harness)[0], labels(harness)
    found.mark_stable([marked])
    for generation in range(2, 14):
        found.set_label(marked, f"rejected-{generation}-uid-1")
    assert [item.name for item in found.versions_with([marked.name], "rejected-13-uid-1")] == [marked.name]
    assert found.versions_with([marked.name], "rejected-2-uid-1") == ()
    assert [item.name for item in found.versions_with([marked.name], STABLE)] == [marked.name]


def test_version_full_of_foreign_labels_is_reported(harness: AwsHarness) -> None:
    marked = applied(harness)[0]
    theirs = [f"team-{number}" for number in range(10)]
    harness.aws().label_parameter_version(Name=marked.name, ParameterVersion=marked.version, Labels=theirs)
    with pytest.raises(LabelLimit, match=f"{marked.name}.*remove a label from this version"):
        labels(harness).set_label(marked, "rejected-2-uid-1")
    answer = harness.aws().get_parameter_history(Name=marked.name)["Parameters"]
    assert sorted(answer[-1]["Labels"]) == sorted(theirs)


def test_stable_version_dropped_by_ssm_is_ignored(harness: AwsHarness) -> None:
    (owned, *_others), found = applied(harness), labels(harness)
    found.mark_stable([owned])
    old = replace(owned, version=owned.version + 99)
    assert found.compare_with_stable([old]).stable == frozenset({owned.name})
    missing_version = found.compare_with_stable([replace(owned, version=owned.version + 100)])
    assert (missing_version.stable, short(harness, (item.name for item in missing_version.unstable))) == (
        frozenset(),
        short(harness, [owned.name]),
    )


def test_labels_take_no_call_in_steady_state(harness: AwsHarness) -> None:
    owned, found = applied(harness), labels(harness)
    found.mark_stable(owned)

    def observe() -> None:
        assert found.compare_with_stable(owned).unstable == ()
        found.mark_stable(owned)

    assert harness.calls(observe) == {}


def test_recreated_parameter_is_unproved(harness: AwsHarness) -> None:
    owned, found = applied(harness), labels(harness)
    found.mark_stable(owned)
    harness.aws().delete_parameter(Name=f"{harness.path}/a")
    harness.clock.now += 60
    again = applied(harness)
    found.forget([f"{harness.path}/a"])
    assert short(harness, (item.name for item in found.compare_with_stable(again).unstable)) == ["a"]


def test_unmanaged_value_is_never_unproved(harness: AwsHarness) -> None:
    spec = {"parameters": [{"name": "a", "value": "1", "valuePolicy": "CreateOnly"}]}
    harness.apply(harness.declare(spec))
    harness.put_by_hand("a", "rotated")
    owned = [item for item in harness.apply(harness.declare(spec)).owned if isinstance(item, Parameter)]
    assert labels(harness).compare_with_stable(owned).unstable == ()


def test_owned_returns_the_indexed_names(harness: AwsHarness) -> None:
    applied(harness)
    harness.clock.now += 60
    assert short(harness, labels(harness).owned(harness.owner())) == ["a", "b", "password"]


def test_readopted_parameter_is_labelled_again(harness: AwsHarness) -> None:
    client = harness.session.client
    tagged = ParameterTagIndex(client("resourcegroupstaggingapi", REGION), harness.clock)
    found = ParameterLabels(client("ssm", REGION), tagged)
    kind = Parameters(harness.context(tag_index=tagged, labels=found))
    (owned, *_others) = applied(harness)
    found.mark_stable([owned])
    kind.release(owned)
    adopted = kind.put(owned, replace(owned, owner=""))
    assert not found.compare_with_stable([adopted]).stable
    found.mark_stable([adopted])
    assert harness.aws().get_parameter(Name=f"{owned.name}:{STABLE}")["Parameter"]["Version"] == 1
