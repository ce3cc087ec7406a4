"""What every kind promises, whatever it reads and writes. A new kind joins by a case."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields
from typing import Any

import pytest
from tests.kinds.workshop import Workshop

from dynconfig.engine.declaration import Declaration
from dynconfig.engine.declare import declare_deletion
from dynconfig.engine.errors import NotOwned, Retryable
from dynconfig.engine.plan import AnyKind, Create, Delete, Update, differences
from dynconfig.engine.resource import Resource, Scope
from dynconfig.kinds.parameter_value import Parameter
from dynconfig_lab.aws import Faults
from dynconfig_lab.aws.faults import Injected

pytestmark = pytest.mark.lab

Spec = Mapping[str, Any]

SECRET: Spec = {"name": "password", "valueFrom": {"secretKeyRef": {"name": "db", "key": "password"}}}
PLAIN: Spec = {"name": "plain", "value": "text"}
FULL: Spec = {
    "name": "full",
    "value": "first",
    "description": "as declared",
    "tier": "Advanced",
    "allowedPattern": "^[a-z]+$",
    "tags": {"team": "shop"},
    "policies": [{"type": "NoChangeNotification", "attributes": {"After": "20", "Unit": "Days"}}],
}


def full(**changes: Any) -> Spec:
    return {"parameters": [{**FULL, **changes}, SECRET, PLAIN]}


def secret(**changes: Any) -> Spec:
    return {"parameters": [FULL, {**SECRET, **changes}, PLAIN]}


def plain(**changes: Any) -> Spec:
    return {"parameters": [FULL, SECRET, {**PLAIN, **changes}]}


@dataclass(frozen=True)
class Case:
    """How to make one kind, what to declare, and an edit and a stranger's hand for each field that is compared."""

    make: Callable[[Workshop], AnyKind]
    value: type[Resource]
    base: Spec
    edits: Mapping[str, Spec]
    tampers: Mapping[str, Callable[[Workshop], object]]
    stranger: Callable[[Workshop], object]
    writes: tuple[str, ...]
    """Operations that change AWS."""


def retag(workshop: Workshop) -> None:
    tag = {"Key": "team", "Value": "other"}
    workshop.aws().add_tags_to_resource(ResourceType="Parameter", ResourceId=f"{workshop.path}/full", Tags=[tag])


PARAMETERS = Case(
    make=lambda workshop: workshop.parameters(),
    value=Parameter,
    base=full(),
    edits={
        "type": full(type="StringList"),
        "value": full(value="second"),
        "description": full(description=""),
        "tier": plain(tier="Advanced"),
        "kms_key": secret(kmsKeyId="alias/mine"),
        "allowed_pattern": full(allowedPattern="^[a-y]+$"),
        "data_type": plain(dataType="aws:ec2:image", value="ami-12345678"),
        "policies": full(policies=[]),
        "tags": full(tags={"team": "shop", "stage": "dev"}),
    },
    tampers={
        "type": lambda workshop: workshop.put_by_hand("full", "first", Type="StringList", Tier="Advanced"),
        "value": lambda workshop: workshop.put_by_hand("full", "other", Tier="Advanced"),
        "description": lambda workshop: workshop.put_by_hand("full", "first", Description="other", Tier="Advanced"),
        "tier": lambda workshop: workshop.put_by_hand("plain", "text", Tier="Advanced"),
        "kms_key": lambda workshop: workshop.put_by_hand("password", "pw", Type="SecureString", KeyId="alias/mine"),
        "allowed_pattern": lambda workshop: workshop.put_by_hand("full", "first", AllowedPattern=".*", Tier="Advanced"),
        "data_type": lambda workshop: workshop.put_by_hand("plain", "text", DataType="aws:ec2:image"),
        "policies": lambda workshop: workshop.put_by_hand("full", "first", Policies="[]", Tier="Advanced"),
        "tags": retag,
    },
    stranger=lambda workshop: workshop.put_by_hand("plain", "theirs"),
    writes=("ssm.PutParameter", "ssm.AddTagsToResource", "ssm.RemoveTagsFromResource", "ssm.DeleteParameters"),
)

CASES = {"parameter": PARAMETERS}


@pytest.fixture(params=CASES)
def case(request: pytest.FixtureRequest, workshop: Workshop) -> Case:
    workshop.secrets["db/password"] = "pw"
    kms = workshop.aws("kms")
    if not any(alias["AliasName"] == "alias/mine" for alias in kms.list_aliases()["Aliases"]):
        kms.create_alias(AliasName="alias/mine", TargetKeyId=kms.create_key()["KeyMetadata"]["KeyId"])
    return CASES[request.param]


def edits() -> list[Any]:
    return [pytest.param(name, field, id=f"{name}-{field}") for name, case in CASES.items() for field in case.edits]


def wrote(workshop: Workshop, case: Case, action: Callable[[], object]) -> dict[str, int]:
    return {name: count for name, count in workshop.calls(action).items() if name in case.writes}


def goodbye(workshop: Workshop, spec: Spec) -> Declaration:
    document = {"metadata": {"generation": 2}, "spec": {"path": workshop.path, **spec}}
    return declare_deletion(document, owner=workshop.owner(), default_region="eu-west-1")


def test_it_creates_what_is_missing_and_reports_it_as_declared(workshop: Workshop, case: Case) -> None:
    outcome = workshop.apply(workshop.declare(case.base), case.make(workshop))
    assert all(isinstance(step.change, Create) for step in outcome.applied)
    assert len(outcome.applied) == len(outcome.plan.declared)
    assert outcome.is_complete


def test_a_second_look_after_an_apply_writes_nothing(workshop: Workshop, case: Case) -> None:
    workshop.apply(workshop.declare(case.base), case.make(workshop))
    again = wrote(workshop, case, lambda: workshop.apply(workshop.declare(case.base), case.make(workshop)))
    assert again == {}


def test_a_second_look_by_the_same_process_writes_nothing(workshop: Workshop, case: Case) -> None:
    kind = case.make(workshop)
    workshop.apply(workshop.declare(case.base), kind)
    assert wrote(workshop, case, lambda: workshop.apply(workshop.declare(case.base), kind)) == {}


@pytest.mark.parametrize("case", CASES, indirect=True)
def test_every_field_that_is_compared_has_an_edit_and_a_tamper(case: Case) -> None:
    compared = {item.name for item in fields(case.value) if item.metadata.get("compare", True)} - {"name"}
    assert set(case.edits) == compared
    assert set(case.tampers) == compared


@pytest.mark.parametrize(("case", "field"), edits(), indirect=["case"])
def test_an_edit_of_each_field_is_seen_carried_out_and_settles(workshop: Workshop, case: Case, field: str) -> None:
    workshop.apply(workshop.declare(case.base), case.make(workshop))
    edited = workshop.declare(case.edits[field], generation=2)
    outcome = workshop.apply(edited, case.make(workshop))
    changes = [step.change for step in outcome.applied]
    assert [type(change) for change in changes] == [Update]
    assert field in {because.field for step in outcome.applied for because in step.because}
    assert wrote(workshop, case, lambda: workshop.apply(edited, case.make(workshop))) == {}


@pytest.mark.parametrize(("case", "field"), edits(), indirect=["case"])
@pytest.mark.parametrize("is_restarted", [False, True], ids=["same-process", "after-restart"])
def test_a_change_of_each_field_in_aws_is_seen(workshop: Workshop, case: Case, field: str, is_restarted: bool) -> None:
    kind = case.make(workshop)
    workshop.apply(workshop.declare(case.base), kind)
    case.tampers[field](workshop)
    asked = workshop.declare(case.base, metadata={"annotations": {"dynconfig.dev/reconcile-requested-at": "now"}})
    workshop.clock.now += 60
    chosen = case.make(workshop) if is_restarted else kind
    seen = {because.field for desired, observed in _pairs(chosen, asked) for because in differences(desired, observed)}
    assert seen == {field}


def test_a_strangers_resource_is_refused_and_nothing_is_written(workshop: Workshop, case: Case) -> None:
    case.stranger(workshop)
    with pytest.raises(NotOwned):
        workshop.apply(workshop.declare(case.base), case.make(workshop))
    assert wrote(workshop, case, lambda: _refused(workshop, case)) == {}


def test_with_nothing_desired_it_deletes_all_that_it_made_and_nothing_else(workshop: Workshop, case: Case) -> None:
    workshop.put_by_hand("neighbour", "theirs")
    workshop.apply(workshop.declare(case.base), case.make(workshop))
    outcome = workshop.apply(goodbye(workshop, {}), case.make(workshop))
    assert all(isinstance(step.change, Delete) for step in outcome.applied)
    assert list(workshop.versions()) == ["neighbour"]
    assert workshop.value("neighbour") == "theirs"


def test_deleting_twice_is_no_error(workshop: Workshop, case: Case) -> None:
    workshop.apply(workshop.declare(case.base), case.make(workshop))
    for _ in range(2):
        assert workshop.apply(goodbye(workshop, case.base), case.make(workshop)).is_complete


def test_retained_resources_lose_their_owner_and_can_be_adopted(workshop: Workshop, case: Case) -> None:
    workshop.apply(workshop.declare(case.base), case.make(workshop))
    before = workshop.versions()
    workshop.apply(goodbye(workshop, {**case.base, "deletionPolicy": "Retain"}), case.make(workshop))
    assert workshop.versions() == before
    heir = workshop.owner("heir", "uid-2")
    with pytest.raises(NotOwned):
        workshop.apply(workshop.declare(case.base, owner=heir), case.make(workshop))
    adopting = workshop.declare({**case.base, "adoptionPolicy": "IfUnowned"}, owner=heir)
    assert workshop.apply(adopting, case.make(workshop)).is_complete
    assert workshop.versions() == before


def test_a_kill_after_any_write_is_made_good_by_the_next_run(workshop: Workshop, case: Case) -> None:
    total = len(workshop.declare(case.base).parameters)
    for survived in range(total):
        corner = Workshop(workshop.lab, workshop.session, secrets=workshop.secrets)
        declaration = corner.declare(case.base)
        kind = case.make(corner)
        with pytest.raises(KeyboardInterrupt):
            corner.apply(declaration, _Killed(kind, survived))
        assert len(corner.versions()) == survived + 1
        assert corner.apply(declaration, case.make(corner)).is_complete
        assert set(corner.versions().values()) == {1}


# botocore tries some of them three times by itself.
@pytest.mark.parametrize(
    ("code", "times"), [("ThrottlingException", 3), ("InternalServerError", 3), ("TooManyUpdates", 1)]
)
def test_a_passing_error_is_made_good_by_the_next_run(workshop: Workshop, case: Case, code: str, times: int) -> None:
    kind = case.make(workshop)
    workshop.lab.faults(Faults(errors={name: Injected(code, "in passing", times) for name in case.writes}))
    with pytest.raises(Retryable):
        workshop.apply(workshop.declare(case.base), kind)
    workshop.clock.now += 60
    assert workshop.apply(workshop.declare(case.base), kind).is_complete


class _Killed:
    """A kind in a process that dies right after one of its writes."""

    def __init__(self, kind: AnyKind, survived: int) -> None:
        self._kind = kind
        self._left = survived

    def __getattr__(self, verb: str) -> Any:
        return getattr(self._kind, verb)

    def put(self, desired: Resource, observed: Resource | None) -> Resource:
        result: Resource = self._kind.put(desired, observed)
        if self._left == 0:
            raise KeyboardInterrupt
        self._left -= 1
        return result


def _pairs(kind: AnyKind, declaration: Declaration) -> list[tuple[Resource, Resource]]:
    desired = tuple(kind.desired(declaration))
    scope = Scope(declaration.owner, declaration.names, declaration.known, closely=True)
    observed = {item.name: item for item in kind.observe(scope, desired)}
    return [(item, observed[item.name]) for item in desired]


def _refused(workshop: Workshop, case: Case) -> None:
    with pytest.raises(NotOwned):
        workshop.apply(workshop.declare(case.base), case.make(workshop))
