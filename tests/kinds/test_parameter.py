"""Parameters: the calls they take, and the rules of SSM that are easy to get wrong."""

import itertools
from collections.abc import Callable
from typing import Any

import pytest
from tests.kinds.aws_harness import AwsHarness

from dynconfig.api import names
from dynconfig.engine.observe import scope_of
from dynconfig.engine.reconcile import Engine
from dynconfig.kinds.parameter.value import Parameter
from dynconfig.model.declaration import Declaration
from dynconfig.model.errors import Conflict, NotOwned, NotPossible
from dynconfig.model.plan import Update
from dynconfig.model.secret import Secret
from dynconfig_lab.aws import Faults

pytestmark = pytest.mark.lab

REQUESTED = {"annotations": {"dynconfig.dev/reconcile-requested-at": "now"}}


def many(count: int) -> dict[str, Any]:
    return {"parameters": [{"name": f"p/{number}", "value": str(number)} for number in range(count)]}


def secret(harness: AwsHarness, **more: Any) -> dict[str, Any]:
    harness.secrets.setdefault("db/password", "pw-canary")
    return {"parameters": [{"name": "pw", "valueFrom": {"secretKeyRef": {"name": "db", "key": "password"}}, **more}]}


def turns_of(batches: int) -> Callable[[], bool]:
    """Limits each reconcile to this many batches of 50 deletions."""
    left = itertools.cycle([True] * (batches - 1) + [False])
    return lambda: next(left)


def test_deleting_600_parameters_takes_at_most_1_2_calls_each(
    harness: AwsHarness,
) -> None:
    """Count all calls that read the owner of a parameter (the index and each one's tags) and all deletions.

    Not counted is the read at the start of each reconcile, ten names a call: which exist, and their versions.
    """
    count = 600
    spec = {"parameters": [{"name": f"p{number}", "value": "1"} for number in range(count)]}
    kind = harness.parameters()
    harness.apply(harness.declare(spec), kind)
    harness.clock.pause(60)
    engine = Engine(lambda _place: (kind,))
    deletion, keep_going = harness.deletion(spec), turns_of(3)

    def deleted() -> None:
        while not engine.run(deletion, keep_going=keep_going).is_complete:
            pass

    calls = harness.calls(deleted)
    reads = calls.pop("ssm.GetParameters")
    assert set(calls) == {"ssm.ListTagsForResource", "resourcegroupstaggingapi.GetResources", "ssm.DeleteParameters"}
    assert calls["ssm.ListTagsForResource"] == count
    assert sum(calls.values()) <= 1.2 * count
    assert reads <= 0.4 * count
    assert harness.versions() == {}


def test_parameter_with_a_new_owner_is_neither_deleted_nor_released(harness: AwsHarness) -> None:
    kind, heir = harness.parameters(), harness.owner("heir", "uid-2").tag
    declaration = harness.declare({"parameters": [{"name": "a", "value": "1"}, {"name": "b", "value": "1"}]})
    harness.apply(declaration, kind)
    harness.clock.pause(60)
    owned = [
        item for item in Engine(lambda _place: (kind,)).observe(harness.deletion({})) if isinstance(item, Parameter)
    ]
    tag: Any = [{"Key": names.OWNER_TAG, "Value": heir}]
    harness.aws().add_tags_to_resource(ResourceType="Parameter", ResourceId=f"{harness.path}/a", Tags=tag)
    with pytest.raises(Conflict):
        kind.delete(owned)
    assert harness.versions() == {"a": 1}
    with pytest.raises(Conflict):
        kind.release(next(item for item in owned if item.name.endswith("/a")))
    assert harness.tags("a")[names.OWNER_TAG] == heir


def test_creation_takes_one_read_per_ten_and_one_put_each(harness: AwsHarness) -> None:
    declaration = harness.declare(many(20), metadata={"finalizers": []})
    calls = harness.calls(lambda: harness.apply(declaration))
    assert calls == {"ssm.GetParameters": 2, "ssm.PutParameter": 20}


def test_observing_parameters_in_sync_takes_one_call_per_ten(harness: AwsHarness) -> None:
    kind = harness.parameters()
    harness.apply(harness.declare(many(20)), kind)
    calls = harness.calls(lambda: harness.apply(harness.declare(many(20)), kind))
    assert calls == {"ssm.GetParameters": 2}


def test_observing_parameters_in_sync_decrypts_nothing(harness: AwsHarness) -> None:
    kind = harness.parameters()
    harness.apply(harness.declare(secret(harness)), kind)
    seen: list[bool] = []
    events = harness.session.client("ssm", "eu-west-1")._client.meta.events

    def see(params: dict[str, Any], **_more: Any) -> None:
        seen.append(params["WithDecryption"])

    events.register("provide-client-params.ssm.GetParameters", see)
    try:
        harness.apply(harness.declare(secret(harness)), kind)
        assert seen == [False]
        harness.put_by_hand("pw", "other", Type="SecureString")
        harness.apply(harness.declare(secret(harness)), kind)
        assert True in seen[1:]
    finally:
        # The client is shared with other tests.
        events.unregister("provide-client-params.ssm.GetParameters", see)


def test_tag_change_creates_no_new_version(harness: AwsHarness) -> None:
    kind = harness.parameters()
    harness.apply(harness.declare(many(1)), kind)
    calls = harness.calls(lambda: harness.apply(harness.declare({**many(1), "tags": {"team": "b"}}), kind))
    assert calls.get("ssm.PutParameter") is None
    assert harness.versions() == {"p/0": 1}
    assert harness.tags("p/0")["team"] == "b"


def test_removed_tag_is_deleted_and_aws_and_ignored_tags_are_kept(harness: AwsHarness) -> None:
    harness.apply(harness.declare({**many(1), "tags": {"team": "b"}}))
    harness.apply(harness.declare(many(1)))
    assert "team" not in harness.tags("p/0")


def test_create_only_sets_the_value_once_and_enforces_the_rest(harness: AwsHarness) -> None:
    kind = harness.parameters()
    harness.apply(harness.declare(secret(harness, valuePolicy="CreateOnly")), kind)
    harness.put_by_hand("pw", "rotated", Type="SecureString")
    outcome = harness.apply(harness.declare(secret(harness, valuePolicy="CreateOnly")), kind)
    assert outcome.plan.is_empty
    harness.apply(harness.declare(secret(harness, valuePolicy="CreateOnly", description="new"), generation=2), kind)
    assert harness.value("pw") == "rotated"


def test_repr_of_plan_and_outcome_contains_no_secret(harness: AwsHarness) -> None:
    outcome = harness.apply(harness.declare(secret(harness)))
    assert "pw-canary" not in repr(outcome)
    assert harness.value("pw") == "pw-canary"


def test_change_from_secure_string_sends_no_key(harness: AwsHarness) -> None:
    harness.apply(harness.declare(secret(harness)))
    harness.apply(harness.declare({"parameters": [{"name": "pw", "value": "open"}]}, generation=2))
    assert harness.aws().get_parameter(Name=f"{harness.path}/pw")["Parameter"]["Type"] == "String"


@pytest.mark.parametrize(("value", "tier"), [("short", "Standard"), ("x" * 5000, "Advanced")])
def test_intelligent_tiering_matches_the_tier_it_resolves_to(harness: AwsHarness, value: str, tier: str) -> None:
    spec = {"parameters": [{"name": "p", "value": value, "tier": "Intelligent-Tiering"}]}
    harness.apply(harness.declare(spec))
    listed = harness.aws().describe_parameters(ParameterFilters=[{"Key": "Name", "Values": [f"{harness.path}/p"]}])
    assert listed["Parameters"][0]["Tier"] == tier
    assert harness.apply(harness.declare(spec)).plan.is_empty


def test_tier_downgrade_is_rejected_and_everything_else_is_written(harness: AwsHarness) -> None:
    harness.apply(harness.declare({"parameters": [{"name": "p", "value": "1", "tier": "Advanced"}]}))
    back = {"parameters": [{"name": "p", "value": "2"}, {"name": "q", "value": "3"}]}
    with pytest.raises(NotPossible, match=r"/p is in tier Advanced.*Set tier: Advanced"):
        harness.apply(harness.declare(back, generation=2))
    assert harness.versions() == {"p": 2, "q": 1}
    assert harness.value("p") == "2"


def test_value_is_corrected_in_a_tier_raised_externally(harness: AwsHarness) -> None:
    spec = {"parameters": [{"name": "p", "value": "good"}]}
    status = harness.status(harness.apply(harness.declare(spec)))
    name = f"{harness.path}/p"
    harness.aws().put_parameter(Name=name, Value="bad", Tier="Advanced", Overwrite=True)
    for _ in range(2):
        with pytest.raises(NotPossible, match=r"/p is in tier Advanced"):
            harness.apply(harness.declare(spec, status=status))
    assert harness.value("p") == "good"
    assert harness.versions() == {"p": 3}


def test_stable_label_on_the_oldest_of_100_versions_does_not_block_writes(harness: AwsHarness) -> None:
    declaration = _hundred_versions(harness, "stable")
    assert harness.apply(declaration).is_complete
    assert harness.value("p") == "wanted"


def test_foreign_label_on_the_oldest_version_is_named_and_kept(harness: AwsHarness) -> None:
    declaration = _hundred_versions(harness, "theirs")
    with pytest.raises(NotPossible, match="carries the label theirs"):
        harness.apply(declaration)
    history = harness.aws().get_parameter_history(Name=f"{harness.path}/p", MaxResults=50)
    assert history["Parameters"][0]["Labels"] == ["theirs"]


def test_deleted_parameter_is_not_recreated_for_30_seconds(harness: AwsHarness) -> None:
    harness.lab.faults(Faults(recreate_delay_seconds=1000))
    kind = harness.parameters()
    before = harness.status(harness.apply(harness.declare(many(2)), kind))
    harness.apply(harness.declare(many(1), generation=2, status=before), kind)
    more = {"parameters": [*many(2)["parameters"], {"name": "p/new", "value": "1"}]}
    with pytest.raises(Conflict) as refused:
        harness.apply(harness.declare(more, generation=3), kind)
    assert refused.value.delay == pytest.approx(30)
    assert set(harness.versions()) == {"p/0", "p/new"}
    harness.lab.faults(Faults())
    harness.clock.now += 30
    assert harness.apply(harness.declare(more, generation=3), kind).is_complete


def test_stale_index_owner_is_confirmed_before_deletion(harness: AwsHarness) -> None:
    kind = harness.parameters()
    before = harness.status(harness.apply(harness.declare(many(2)), kind))
    harness.aws().remove_tags_from_resource(
        ResourceType="Parameter", ResourceId=f"{harness.path}/p/1", TagKeys=["dynconfig.dev/owner"]
    )
    outcome = harness.apply(harness.declare(many(1), generation=2, status=before), kind)
    assert outcome.plan.is_empty
    assert harness.versions() == {"p/0": 1, "p/1": 1}


def test_parameter_missing_in_status_is_found_by_its_tag_and_deleted(harness: AwsHarness) -> None:
    harness.apply(harness.declare(many(2)))
    harness.apply(harness.declare(many(1), generation=2))
    assert harness.versions() == {"p/0": 1}


def test_parameters_with_a_longer_name_are_ignored(harness: AwsHarness) -> None:
    harness.put_by_hand("p/0-theirs")
    harness.apply(harness.declare(many(1)))
    harness.apply(harness.declare({}, generation=2))
    assert harness.versions() == {"p/0-theirs": 1}


def test_owner_of_a_claimed_parameter_is_named(harness: AwsHarness) -> None:
    harness.apply(harness.declare(many(1)))
    other: Declaration = harness.declare(many(1), owner=harness.owner("rival", "uid-2"))
    with pytest.raises(NotOwned, match=rf"is owned by ns-{harness.number}/myapp; rename it; or remove it from"):
        harness.apply(other)


def test_parameters_of_a_predecessor_are_adopted_if_requested(harness: AwsHarness) -> None:
    harness.apply(harness.declare(many(1)))
    heir = harness.owner(uid="uid-2")
    with pytest.raises(NotOwned, match=r"was left by an earlier ns-\d+/myapp; set adoptionPolicy: IfUnowned"):
        harness.apply(harness.declare(many(1), owner=heir))
    assert harness.apply(harness.declare({**many(1), "adoptionPolicy": "IfUnowned"}, owner=heir)).is_complete
    assert harness.tags("p/0")["dynconfig.dev/owner"].endswith("/uid-2")


def test_adoption_corrects_the_value_and_keeps_the_history(harness: AwsHarness) -> None:
    harness.put_by_hand("p/0", "theirs")
    outcome = harness.apply(harness.declare({**many(1), "adoptionPolicy": "IfUnowned"}))
    assert isinstance(outcome.applied[0].change, Update)
    assert {because.field for because in outcome.applied[0].because} == {"owner", "value"}
    assert harness.versions() == {"p/0": 2}


def test_adoption_of_an_identical_parameter_writes_only_the_owner(harness: AwsHarness) -> None:
    harness.put_by_hand("p/0", "0")
    harness.apply(harness.declare({**many(1), "adoptionPolicy": "IfUnowned"}))
    assert harness.versions() == {"p/0": 1}


def test_sixty_parameters_take_six_reads(harness: AwsHarness) -> None:
    kind = harness.parameters()
    harness.apply(harness.declare(many(60)), kind)
    calls = harness.calls(lambda: harness.apply(harness.declare(many(60), metadata=REQUESTED), kind))
    assert calls["ssm.GetParameters"] == 6
    assert set(calls) <= {"ssm.GetParameters", "resourcegroupstaggingapi.GetResources"}


def _hundred_versions(harness: AwsHarness, label: str) -> Declaration:
    spec = {"parameters": [{"name": "p", "value": "wanted"}]}
    harness.apply(harness.declare(spec))
    name = f"{harness.path}/p"
    harness.aws().label_parameter_version(Name=name, ParameterVersion=1, Labels=[label])
    for number in range(99):
        harness.put_by_hand("p", str(number))
    return harness.declare(spec)


def test_concurrent_reconcile_of_another_object_hides_nothing(harness: AwsHarness) -> None:
    spec = {"parameters": [{"name": name, "value": "1"} for name in "abc"]}
    kind = harness.parameters()
    harness.apply(harness.declare(spec), kind)
    mine, theirs = harness.declare(spec), harness.declare(spec, owner=harness.owner("other", "uid-2"))
    looking = iter(kind.observe(scope_of(mine), tuple(kind.desired(mine))))
    found = [next(looking)]
    assert len(list(kind.observe(scope_of(theirs), tuple(kind.desired(theirs))))) == 3
    found += looking
    assert sorted(item.name for item in found) == [f"{harness.path}/{name}" for name in "abc"]


def text_of(value: str | Secret | None) -> str:
    """The text itself, not a copy."""
    text = value.reveal() if isinstance(value, Secret) else value or ""
    return value.held(str(text)) if isinstance(value, Secret) else str(text)


@pytest.mark.parametrize("is_restarted", [False, True])
def test_text_that_equals_the_declared_one_is_kept_once(harness: AwsHarness, is_restarted: bool) -> None:
    """A thousand texts of 8 KiB take up to 32 MB."""
    spec = secret(harness)
    spec["parameters"] += [
        {"name": "plain", "value": "€" * 1000},
        {"name": "kept", "value": "€" * 900, "valuePolicy": "CreateOnly"},
    ]
    kind = harness.parameters()
    harness.apply(harness.declare(spec), kind)
    kind = harness.parameters() if is_restarted else kind
    declaration = harness.declare(spec)
    desired = {parameter.name: parameter for parameter in kind.desired(declaration)}
    found = kind.observe(scope_of(declaration), tuple(desired.values()))
    observed = {item.name: item for item in found if isinstance(item, Parameter)}
    assert set(observed) == set(desired)
    for name, parameter in observed.items():
        if parameter.value is not None:
            assert text_of(parameter.value) is text_of(desired[name].value)
