"""A value that valuePolicy CreateOnly keeps is not shown, and not found out, by a change of what stands beside it."""

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import pytest
from tests.kinds.workshop import REGION, Workshop

from dynconfig.api.names import FROM_SECRET_TAG, OWNER_TAG
from dynconfig.api.parameter import IgnoredField, ParameterSpec
from dynconfig.engine.errors import Conflict, NotPossible
from dynconfig.engine.plan import Update
from dynconfig.engine.reconcile import Engine
from dynconfig.engine.secret import Secret
from dynconfig.engine.undone import Kept, Undone, in_place_of
from dynconfig.kinds.parameter_value import Parameter

pytestmark = pytest.mark.lab

TEXT = "correct-horse"


def kept(**more: Any) -> dict[str, Any]:
    """Spec of an object that keeps whatever the parameter has."""
    is_secret = more.get("type") == "SecureString"
    source = {"valueFrom": {"secretKeyRef": {"name": "s", "key": "k"}}} if is_secret else {"value": "x"}
    item = {"name": "password", "valuePolicy": "CreateOnly", **source, **more}
    return {"adoptionPolicy": "IfUnowned", "parameters": [item]}


def stored(workshop: Workshop) -> dict[str, Any]:
    found = workshop.aws().get_parameter(Name=f"{workshop.path}/password", WithDecryption=True)
    return dict(found["Parameter"])


def tags(workshop: Workshop) -> dict[str, str]:
    found = workshop.aws().list_tags_for_resource(ResourceType="Parameter", ResourceId=f"{workshop.path}/password")
    return {item["Key"]: item["Value"] for item in found["TagList"]}


@pytest.mark.parametrize("is_owned", [True, False], ids=["owned", "unowned"])
@pytest.mark.parametrize(
    "more",
    [{"type": "String"}, {"type": "StringList"}, {"type": "SecureString", "allowedPattern": "^(x|c.*)$"}],
    ids=["as String", "as StringList", "by a pattern"],
)
def test_a_secure_string_is_neither_written_as_plaintext_nor_tested(
    workshop: Workshop, more: dict[str, Any], is_owned: bool
) -> None:
    workshop.secrets["s/k"] = "x"
    owner = workshop.declare(kept()).owner.tag
    marks = [{"Key": OWNER_TAG, "Value": owner}] if is_owned else []
    workshop.aws().put_parameter(Name=f"{workshop.path}/password", Value=TEXT, Type="SecureString", Tags=marks)
    with pytest.raises(NotPossible, match=r"parameter .*/password holds a Secret or SecureString value"):
        workshop.apply(workshop.declare(kept(**more)))
    found = stored(workshop)
    assert (found["Type"], found["Version"], found["Value"]) == ("SecureString", 1, TEXT)


@pytest.mark.parametrize("more", [{}, {"allowedPattern": "^(x|c.*)$"}, {"description": "new"}])
def test_a_text_of_a_secret_stays_marked_and_is_not_tested(workshop: Workshop, more: dict[str, Any]) -> None:
    owner = workshop.declare(kept()).owner.tag
    marks = [{"Key": OWNER_TAG, "Value": owner}, {"Key": FROM_SECRET_TAG, "Value": "true"}]
    workshop.aws().put_parameter(Name=f"{workshop.path}/password", Value=TEXT, Type="String", Tags=marks)
    with pytest.raises(NotPossible, match="keeps it, so it stays marked as such"):
        workshop.apply(workshop.declare(kept(type="String", **more)))
    assert stored(workshop)["Version"] == 1
    assert FROM_SECRET_TAG in tags(workshop)


def test_what_reveals_nothing_can_be_changed(workshop: Workshop) -> None:
    workshop.secrets["s/k"] = "x"
    secure = kept(type="SecureString", allowedPattern="^(x|c.*)$")
    workshop.apply(workshop.declare(secure))
    workshop.aws().put_parameter(Name=f"{workshop.path}/password", Value=TEXT, Type="SecureString", Overwrite=True)
    secure["parameters"][0].update(description="new", allowedPattern="")
    assert workshop.apply(workshop.declare(secure, generation=2)).is_complete
    assert (stored(workshop)["Type"], stored(workshop)["Value"]) == ("SecureString", TEXT)


def test_a_plain_value_may_become_a_secure_string(workshop: Workshop) -> None:
    workshop.secrets["s/k"] = "x"
    workshop.apply(workshop.declare(kept(type="String")))
    assert workshop.apply(workshop.declare(kept(type="SecureString"), generation=2)).is_complete
    assert (stored(workshop)["Type"], stored(workshop)["Value"]) == ("SecureString", "x")


@pytest.mark.parametrize("field", ["allowedPattern", "description"])
def test_what_is_ignored_is_not_written_when_a_parameter_is_taken_over(workshop: Workshop, field: str) -> None:
    workshop.secrets["s/k"] = "cx"
    theirs = {"AllowedPattern": "^c", "Description": "theirs"}
    workshop.aws().put_parameter(Name=f"{workshop.path}/password", Value=TEXT, Type="SecureString", **theirs)
    ours = {"allowedPattern": "^(cx|d.*)$", "description": "ours"}
    more = {"tier": "Advanced", "ignore": [field], field: ours[field]}
    other = "Description" if field == "allowedPattern" else "AllowedPattern"
    # What is not ignored is as it was, so that only the tier has to be written.
    more[other[0].lower() + other[1:]] = theirs[other]
    assert workshop.apply(workshop.declare(kept(type="SecureString", **more))).is_complete
    filters = [{"Key": "Name", "Option": "Equals", "Values": [f"{workshop.path}/password"]}]
    (found,) = workshop.aws().describe_parameters(ParameterFilters=filters)["Parameters"]
    assert (found["Tier"], found["AllowedPattern"], found["Description"]) == ("Advanced", "^c", "theirs")
    assert stored(workshop)["Value"] == TEXT


def test_the_text_of_a_secret_is_not_written_in_a_form_that_others_chose(workshop: Workshop) -> None:
    reference = {"secretKeyRef": {"name": "s", "key": "k"}}
    spec = {
        "driftPolicy": "Report",
        "parameters": [{"name": "password", "type": "SecureString", "valueFrom": reference}],
    }
    workshop.secrets["s/k"] = "secret-1"
    status = workshop.status(workshop.apply(workshop.declare(spec)))
    workshop.aws().put_parameter(Name=f"{workshop.path}/password", Value="junk", Type="String", Overwrite=True)
    reported = workshop.apply(workshop.declare(spec, status=status))
    assert stored(workshop)["Value"] == "junk"
    edited = workshop.declare({**spec, "tags": {"team": "b"}}, status=workshop.status(reported), generation=2)
    plan = Engine(lambda _place: (workshop.parameters(),)).assess(edited, 1.8e9).plan
    (step,) = plan.steps
    assert "value" in {because.field for because in step.because}
    assert isinstance(step.change, Update)
    assert isinstance(step.change.desired, Parameter)
    assert (step.change.desired.type, step.change.desired.kms_key) == ("SecureString", "alias/aws/ssm")
    assert plan.held == ()


def test_a_rollback_does_not_test_a_text_by_the_pattern_that_is_undone(workshop: Workshop) -> None:
    workshop.secrets["s/k"] = "x"
    name = f"{workshop.path}/password"
    undone = Undone(2, rejected={}, stable=(Kept(name, "SecureString", Secret(TEXT), 1),), existing=frozenset([name]))
    plain, secret = kept(allowedPattern="^x"), kept(type="SecureString", allowedPattern="^x")
    patterns = {}
    for spec in (plain, secret):
        spec["parameters"][0]["valuePolicy"] = "Enforce"
        (parameter,) = in_place_of(workshop.declare(spec, generation=2), undone).parameters
        patterns[spec["parameters"][0].get("type", "String")] = parameter.spec.allowed_pattern
        assert parameter.spec.type == "SecureString"
    assert patterns == {"String": "", "SecureString": "^x"}


def test_a_value_that_is_rotated_meanwhile_is_looked_at_again(workshop: Workshop) -> None:
    workshop.secrets["s/k"] = "x"
    spec, kind = kept(type="SecureString"), workshop.parameters()
    workshop.apply(workshop.declare(spec), kind)
    spec["parameters"][0]["description"] = "new"
    (step,) = Engine(lambda _place: (kind,)).assess(workshop.declare(spec, generation=2), 1.8e9).plan.steps
    assert isinstance(step.change, Update)
    workshop.put_by_hand("password", TEXT, Type="SecureString")
    with pytest.raises(Conflict):
        step.kind.put(step.change.desired, step.change.observed)
    assert (stored(workshop)["Value"], stored(workshop)["Version"]) == (TEXT, 2)
    assert workshop.apply(workshop.declare(spec, generation=2), kind).is_complete
    assert (stored(workshop)["Value"], stored(workshop)["Version"]) == (TEXT, 3)


@pytest.mark.usefixtures("keys")
def test_only_the_default_key_gives_way_to_another(workshop: Workshop) -> None:
    workshop.secrets["s/k"] = "x"
    workshop.apply(workshop.declare(kept(type="SecureString")))
    workshop.put_by_hand("password", TEXT, Type="SecureString")
    assert workshop.apply(workshop.declare(kept(type="SecureString", kmsKeyId=THEIRS), generation=2)).is_complete
    for key in (OURS, "alias/aws/ssm"):
        with pytest.raises(NotPossible, match=r"keeps it, so kmsKeyId cannot be changed\. Revert the change, or set"):
            workshop.apply(workshop.declare(kept(type="SecureString", kmsKeyId=key), generation=3))
    assert stored(workshop)["Value"] == TEXT
    declared = kept(type="SecureString", kmsKeyId=OURS, valuePolicy="Enforce")
    assert workshop.apply(workshop.declare(declared, generation=4)).is_complete
    assert stored(workshop)["Value"] == "x"


THEIRS, OURS, PATTERN = "alias/theirs", "alias/ours", "^[a-z-]+$"
IMAGE = "aws:ec2:image"
PLAINTEXT = {"valueFrom": {"secretKeyRef": {"name": "mine", "key": "k", "allowPlaintext": True}}, "kmsKeyId": None}
POLICY = {"type": "NoChangeNotification", "attributes": {"After": "20", "Unit": "Days"}}
EDITS: Mapping[str, tuple[dict[str, Any], ...]] = {
    "name": ({"name": "other"},),
    "value": ({"value": "x", "valueFrom": None, "type": "String", "kmsKeyId": None},),
    "value_from": ({"valueFrom": {"secretKeyRef": {"name": "mine", "key": "k"}}, "type": "SecureString"},),
    "type": tuple({"type": name, **PLAINTEXT} for name in ("String", "StringList")),
    "kms_key_id": tuple({"kmsKeyId": key, "type": "SecureString"} for key in (OURS, None)),
    "value_policy": ({"valuePolicy": "Enforce"}, {"valuePolicy": "CreateOnly"}),
    "deletion_policy": ({"deletionPolicy": "Retain"},),
    "description": ({"description": "new"},),
    "tier": ({"tier": "Advanced"},),
    "allowed_pattern": ({"allowedPattern": "^(x|c.*)$"}, {"allowedPattern": "^(x|d.*)$"}, {"allowedPattern": None}),
    "data_type": ({"dataType": IMAGE},),
    "policies": ({"policies": [POLICY], "tier": "Advanced"},),
    "tags": ({"tags": {"team": "b"}},),
    "ignore": tuple({"ignore": [field.value]} for field in IgnoredField),
    "ttl_seconds": ({"ttlSeconds": 5},),
    "schema_": ({"schema": {"pattern": "^(x|d.*)$"}},),
}
"""By field of a parameter, edits of an author who may not read the value that AWS keeps."""
REFUSED = ("value", "type", "kms_key_id", "allowed_pattern", "data_type")
"""The fields that say in which form AWS keeps a value."""

Keep = Callable[[Workshop, dict[str, Any]], dict[str, Any]]
"""Has AWS keep TEXT, which the object of this spec does not declare; answers the status that reports it."""


def by_others(workshop: Workshop, **more: Any) -> None:
    """A rotator, or another team, writes TEXT with its own key and pattern."""
    form = {"Type": "SecureString", "KeyId": THEIRS, "AllowedPattern": PATTERN, **more}
    workshop.put_by_hand("password", TEXT, **form)


def rotated(workshop: Workshop, spec: dict[str, Any]) -> dict[str, Any]:
    workshop.apply(workshop.declare(spec))
    by_others(workshop)
    return workshop.status(workshop.apply(workshop.declare(spec)))


def unowned(workshop: Workshop, _spec: dict[str, Any]) -> dict[str, Any]:
    by_others(workshop)
    return {}


def taken_from_a_secret(workshop: Workshop, spec: dict[str, Any]) -> dict[str, Any]:
    """AWS has it in plain text, marked."""
    spec["parameters"][0].update(type="String", **PLAINTEXT)
    workshop.secrets["mine/k"] = TEXT
    status = workshop.status(workshop.apply(workshop.declare(spec)))
    workshop.secrets["mine/k"] = "x"
    return status


def reported(workshop: Workshop, spec: dict[str, Any]) -> dict[str, Any]:
    spec.update(driftPolicy="Report")
    spec["parameters"][0].update(valuePolicy="Enforce")
    status = workshop.status(workshop.apply(workshop.declare(spec)))
    by_others(workshop)
    return workshop.status(workshop.apply(workshop.declare(spec, status=status)))


def suspended(workshop: Workshop, spec: dict[str, Any]) -> dict[str, Any]:
    status = rotated(workshop, spec)
    spec.update(suspend=True)
    return status


KEEPS = (rotated, unowned, taken_from_a_secret, reported, suspended)


@contextmanager
def writes(workshop: Workshop) -> Iterator[list[dict[str, Any]]]:
    """The requests of PutParameter that the operator makes meanwhile."""
    seen: list[dict[str, Any]] = []
    events = workshop.session.client("ssm", REGION)._client.meta.events

    def note(params: dict[str, Any], **_: Any) -> None:
        seen.append(dict(params))

    events.register("provide-client-params.ssm.PutParameter", note)
    yield seen
    events.unregister("provide-client-params.ssm.PutParameter", note)


def form(request: Mapping[str, Any]) -> tuple[str, str, str, str]:
    """For whom a request writes the value, and what SSM tests it by."""
    return request["Type"], request.get("KeyId", ""), request["AllowedPattern"], request["DataType"]


@pytest.fixture
def keys(workshop: Workshop) -> None:
    kms = workshop.aws("kms")
    for alias in {THEIRS, OURS} - {item["AliasName"] for item in kms.list_aliases()["Aliases"]}:
        kms.create_alias(AliasName=alias, TargetKeyId=kms.create_key()["KeyMetadata"]["KeyId"])


def test_each_field_of_a_parameter_is_edited_here() -> None:
    assert set(EDITS) == set(ParameterSpec.model_fields)


@pytest.mark.usefixtures("keys")
@pytest.mark.parametrize("keep", KEEPS, ids=lambda keep: keep.__name__)
@pytest.mark.parametrize(
    ("field", "edit"), [(field, edit) for field, edits in EDITS.items() for edit in edits], ids=lambda item: str(item)
)
@pytest.mark.parametrize("ignored", [False, True], ids=["", "ignored"])
def test_no_edit_has_a_kept_value_written_for_others_or_tested(
    workshop: Workshop, keep: Keep, field: str, edit: dict[str, Any], *, ignored: bool
) -> None:
    workshop.secrets.update({"s/k": "x", "mine/k": "x"})
    spec = kept(type="SecureString", kmsKeyId=THEIRS, allowedPattern=PATTERN)
    status = keep(workshop, spec)
    before = stored(workshop)
    (item,) = spec["parameters"]
    # Another description makes a write necessary in any case.
    changed = {**item, "description": "other", **edit}
    if ignored and "ignore" not in edit:
        changed["ignore"] = [each.value for each in IgnoredField if each.value != "description"]
    spec["parameters"] = [{name: value for name, value in changed.items() if value is not None}]
    with writes(workshop) as requests:
        edited = workshop.declare(spec, generation=2, status=status)
        outcome = Engine(lambda _place: (workshop.parameters(),)).run(edited)
    is_plain = before["Type"] == "String"
    allowed = {(*its, pattern, "text") for its in _forms(is_plain=is_plain) for pattern in (PATTERN, "")}
    assert {form(request) for request in requests if request["Value"] == TEXT} <= allowed
    if field != "name" and stored(workshop)["Type"] == "String" and stored(workshop)["Value"] == TEXT:
        assert FROM_SECRET_TAG in tags(workshop)
    # What shows it to no one else is written.
    if keep in (rotated, unowned) and field not in REFUSED:
        assert outcome.is_complete, outcome.error


def _forms(*, is_plain: bool) -> set[tuple[str, str]]:
    """The types and keys in which a value may be written that was in plain text, or under a key of others."""
    secure = {("SecureString", THEIRS)}
    return {("String", ""), *secure, ("SecureString", OURS), ("SecureString", "alias/aws/ssm")} if is_plain else secure
