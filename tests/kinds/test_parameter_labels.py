"""The labels on versions: which is stable, what failed, and what it costs to know."""

from dataclasses import replace

import pytest
from tests.kinds.workshop import REGION, Workshop

from dynconfig.aws.tagged import TaggedParameters
from dynconfig.engine.errors import LabelLimit
from dynconfig.engine.labels import STABLE
from dynconfig.engine.secret import Secret
from dynconfig.kinds.parameter import Parameters
from dynconfig.kinds.parameter_labels import ParameterLabels
from dynconfig.kinds.parameter_value import Parameter

pytestmark = pytest.mark.lab

SECRET = {"name": "password", "valueFrom": {"secretKeyRef": {"name": "db", "key": "password"}}}


def labels(workshop: Workshop) -> ParameterLabels:
    """As after a restart: it knows no label yet."""
    tagged = TaggedParameters(workshop.session.client("resourcegroupstaggingapi", REGION), workshop.clock)
    return ParameterLabels(workshop.session.client("ssm", REGION), tagged)


def applied(workshop: Workshop, value: str = "1") -> list[Parameter]:
    workshop.secrets["db/password"] = f"secret {value}"
    spec = {"parameters": [{"name": "a", "value": value}, {"name": "b", "value": "1"}, SECRET]}
    return [item for item in workshop.apply(workshop.declare(spec)).owned if isinstance(item, Parameter)]


def short(workshop: Workshop, names: object) -> list[str]:
    return sorted(str(name).removeprefix(f"{workshop.path}/") for name in names)  # type: ignore[attr-defined]


def test_what_was_never_labelled_is_unproved_and_nothing_is_stable(workshop: Workshop) -> None:
    proof = labels(workshop).proof(applied(workshop))
    assert short(workshop, (item.name for item in proof.unproved)) == ["a", "b", "password"]
    assert not proof.stable


def test_after_a_proof_only_what_changed_is_unproved(workshop: Workshop) -> None:
    labels(workshop).prove(applied(workshop))
    proof = labels(workshop).proof(applied(workshop, "2"))
    assert short(workshop, (item.name for item in proof.unproved)) == ["a", "password"]
    assert short(workshop, proof.stable) == ["a", "b", "password"]


def test_a_newer_version_with_the_stable_value_is_proved_and_the_label_follows(workshop: Workshop) -> None:
    labels(workshop).prove(applied(workshop))
    workshop.put_by_hand("a", "by hand")
    owned = applied(workshop)
    found = labels(workshop)
    assert found.proof(owned).unproved == ()
    found.prove(owned)
    answer = workshop.aws().get_parameter(Name=f"{workshop.path}/a:{STABLE}")
    assert answer["Parameter"]["Version"] == 3


def test_the_stable_values_are_read_by_version_and_secrets_stay_secrets(workshop: Workshop) -> None:
    labels(workshop).prove(applied(workshop))
    owned = applied(workshop, "2")
    kept = {item.name: item.value for item in labels(workshop).at([item.name for item in owned], STABLE)}
    assert kept[f"{workshop.path}/a"] == "1"
    assert kept[f"{workshop.path}/password"] == Secret("secret 1")
    assert "secret 1" not in repr(kept)


def test_a_mark_stands_on_one_version_and_is_found_by_its_name(workshop: Workshop) -> None:
    owned = applied(workshop, "2")
    marked = next(item for item in owned if item.name.endswith("/a"))
    labels(workshop).mark(marked, "rejected-2-uid-1")
    found = labels(workshop).at([item.name for item in owned], "rejected-2-uid-1")
    assert [(item.name, item.value) for item in found] == [(marked.name, "2")]


def test_a_mark_can_be_taken_off_again(workshop: Workshop) -> None:
    owned = applied(workshop)
    labels(workshop).mark(owned[0], "rejected-2-uid-1")
    (kept,) = labels(workshop).at([item.name for item in owned], "rejected-2-uid-1")
    labels(workshop).unmark(kept, "rejected-2-uid-1")
    assert labels(workshop).at([item.name for item in owned], "rejected-2-uid-1") == ()


def test_marks_of_long_ago_make_room_for_a_new_one(workshop: Workshop) -> None:
    marked, found = applied(workshop)[0], labels(workshop)
    found.prove([marked])
    for generation in range(2, 14):
        found.mark(marked, f"rejected-{generation}-uid-1")
    assert [item.name for item in found.at([marked.name], "rejected-13-uid-1")] == [marked.name]
    assert found.at([marked.name], "rejected-2-uid-1") == ()
    assert [item.name for item in found.at([marked.name], STABLE)] == [marked.name]


def test_a_version_full_of_other_labels_says_so(workshop: Workshop) -> None:
    marked = applied(workshop)[0]
    theirs = [f"team-{number}" for number in range(10)]
    workshop.aws().label_parameter_version(Name=marked.name, ParameterVersion=marked.version, Labels=theirs)
    with pytest.raises(LabelLimit, match=f"{marked.name}.*remove one of the version's labels"):
        labels(workshop).mark(marked, "rejected-2-uid-1")
    answer = workshop.aws().get_parameter_history(Name=marked.name)["Parameters"]
    assert sorted(answer[-1]["Labels"]) == sorted(theirs)


def test_a_stable_version_that_ssm_keeps_no_more_is_believed_no_more(workshop: Workshop) -> None:
    (owned, *_others), found = applied(workshop), labels(workshop)
    found.prove([owned])
    old = replace(owned, version=owned.version + 99)
    assert found.proof([old]).stable == frozenset({owned.name})
    gone = found.proof([replace(owned, version=owned.version + 100)])
    assert (gone.stable, short(workshop, (item.name for item in gone.unproved))) == (
        frozenset(),
        short(workshop, [owned.name]),
    )


def test_in_the_steady_state_labels_cost_no_call(workshop: Workshop) -> None:
    owned, found = applied(workshop), labels(workshop)
    found.prove(owned)

    def look() -> None:
        assert found.proof(owned).unproved == ()
        found.prove(owned)

    assert workshop.calls(look) == {}


def test_what_is_deleted_and_made_again_is_believed_nothing(workshop: Workshop) -> None:
    owned, found = applied(workshop), labels(workshop)
    found.prove(owned)
    workshop.aws().delete_parameter(Name=f"{workshop.path}/a")
    workshop.clock.now += 60
    again = applied(workshop)
    found.forget([f"{workshop.path}/a"])
    assert short(workshop, (item.name for item in found.proof(again).unproved)) == ["a"]


def test_whose_value_belongs_to_a_rotator_is_never_unproved(workshop: Workshop) -> None:
    spec = {"parameters": [{"name": "a", "value": "1", "valuePolicy": "CreateOnly"}]}
    workshop.apply(workshop.declare(spec))
    workshop.put_by_hand("a", "rotated")
    owned = [item for item in workshop.apply(workshop.declare(spec)).owned if isinstance(item, Parameter)]
    assert labels(workshop).proof(owned).unproved == ()


def test_the_owner_has_what_the_index_knows(workshop: Workshop) -> None:
    applied(workshop)
    workshop.clock.now += 60
    assert short(workshop, labels(workshop).owned(workshop.owner())) == ["a", "b", "password"]


def test_what_was_released_and_comes_back_is_labelled_anew(workshop: Workshop) -> None:
    client = workshop.session.client
    tagged = TaggedParameters(client("resourcegroupstaggingapi", REGION), workshop.clock)
    found = ParameterLabels(client("ssm", REGION), tagged)
    kind = Parameters(client("ssm", REGION), tagged, workshop.clock, moved=found.forget)
    (owned, *_others) = applied(workshop)
    found.prove([owned])
    kind.release(owned)
    adopted = kind.put(owned, replace(owned, owner=""))
    assert not found.proof([adopted]).stable
    found.prove([adopted])
    assert workshop.aws().get_parameter(Name=f"{owned.name}:{STABLE}")["Parameter"]["Version"] == 1
