"""A value kept by valuePolicy CreateOnly is not revealed by changes of the fields beside it."""

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import pytest
from tests.kinds.aws_harness import REGION, AwsHarness

from dynconfig.api.names import FROM_SECRET_TAG, OWNER_TAG
from dynconfig.api.parameter import IgnoredField, ParameterSpec
from dynconfig.engine.reconcile import Engine
from dynconfig.kinds.parameter.value import Parameter
from dynconfig.model.errors import Conflict, NotPossible
from dynconfig.model.plan import Update
from dynconfig.model.secret import Secret
from dynconfig.rollout.rolled_back import LabelledVersion, RolledBack, stable_declaration

pytestmark = pytest.mark.lab

TEXT = "correct-horse"


def kept(**more: Any) -> dict[str, Any]:
    """The spec of an object that keeps the existing value of the parameter."""
    is_secret = more.get("type") == "SecureString"
    source = {"valueFrom": {"secretKeyRef": {"name": "s", "key": "k"}}} if is_secret else {"value": "x"}
    item = {"name": "password", "valuePolicy": "CreateOnly", **source, **more}
    return {"adoptionPolicy": "IfUnowned", "parameters": [item]}


def stored(harness: AwsHarness) -> dict[str, Any]:
    found = harness.aws().get_parameter(Name=f"{harness.path}/password", WithDecryption=True)
    return dict(found["Parameter"])


def tags(harness: AwsHarness) -> dict[str, str]:
    found = harness.aws().list_tags_for_resource(ResourceType="Parameter", ResourceId=f"{harness.path}/password")
    return {item["Key"]: item["Value"] for item in found["TagList"]}


@pytest.mark.parametrize("is_owned", [True, False], ids=["owned", "unowned"])
@pytest.mark.parametrize(
    "more",
    [{"type": "String"}, {"type": "StringList"}, {"type": "SecureString", "allowedPattern": "^(x|c.*)$"}],
    ids=["as String", "as StringList", "by a pattern"],
)
def test_secure_string_is_neither_written_as_plaintext_nor_tested(
    harness: AwsHarness, more: dict[str, Any], is_owned: bool
) -> None:
    harness.secrets["s/k"] = "x"
    owner = harness.declare(kept()).owner.tag
    marks = [{"Key": OWNER_TAG, "Value": owner}] if is_owned else []
    harness.aws().put_parameter(Name=f"{harness.path}/password", Value=TEXT, Type="SecureString", Tags=marks)
    with pytest.raises(NotPossible, match=r"parameter .*/password holds a Secret or SecureString value"):
        harness.apply(harness.declare(kept(**more)))
    found = stored(harness)
    assert (found["Type"], found["Version"], found["Value"]) == ("SecureString", 1, TEXT)


@pytest.mark.parametrize("more", [{}, {"allowedPattern": "^(x|c.*)$"}, {"description": "new"}])
def test_text_of_a_secret_stays_marked_and_is_not_tested(harness: AwsHarness, more: dict[str, Any]) -> None:
    owner = harness.declare(kept()).owner.tag
    marks = [{"Key": OWNER_TAG, "Value": owner}, {"Key": FROM_SECRET_TAG, "Value": "true"}]
    harness.aws().put_parameter(Name=f"{harness.path}/password", Value=TEXT, Type="String", Tags=marks)
    with pytest.raises(NotPossible, match="keeps it, so it stays marked as such"):
        harness.apply(harness.declare(kept(type="String", **more)))
    assert stored(harness)["Version"] == 1
    assert FROM_SECRET_TAG in tags(harness)


def test_field_that_reveals_nothing_can_be_changed(harness: AwsHarness) -> None:
    harness.secrets["s/k"] = "x"
    secure = kept(type="SecureString", allowedPattern="^(x|c.*)$")
    harness.apply(harness.declare(secure))
    harness.aws().put_parameter(Name=f"{harness.path}/password", Value=TEXT, Type="SecureString", Overwrite=True)
    secure["parameters"][0].update(description="new", allowedPattern="")
    assert harness.apply(harness.declare(secure, generation=2)).is_complete
    assert (stored(harness)["Type"], stored(harness)["Value"]) == ("SecureString", TEXT)


def test_plain_value_may_become_a_secure_string(harness: AwsHarness) -> None:
    harness.secrets["s/k"] = "x"
    harness.apply(harness.declare(kept(type="String")))
    assert harness.apply(harness.declare(kept(type="SecureString"), generation=2)).is_complete
    assert (stored(harness)["Type"], stored(harness)["Value"]) == ("SecureString", "x")


@pytest.mark.parametrize("field", ["allowedPattern", "description"])
def test_ignored_field_is_not_written_at_adoption(harness: AwsHarness, field: str) -> None:
    harness.secrets["s/k"] = "cx"
    theirs = {"AllowedPattern": "^c", "Description": "theirs"}
    harness.aws().put_parameter(Name=f"{harness.path}/password", Value=TEXT, Type="SecureString", **theirs)
    ours = {"allowedPattern": "^(cx|d.*)$", "description": "ours"}
    more = {"tier": "Advanced", "ignore": [field], field: ours[field]}
    other = "Description" if field == "allowedPattern" else "AllowedPattern"
    # All other fields are unchanged, so that only the tier has to be written.
    more[other[0].lower() + other[1:]] = theirs[other]
    assert harness.apply(harness.declare(kept(type="SecureString", **more))).is_complete
    filters = [{"Key": "Name", "Option": "Equals", "Values": [f"{harness.path}/password"]}]
    (found,) = harness.aws().describe_parameters(ParameterFilters=filters)["Parameters"]
    assert (found["Tier"], found["AllowedPattern"], found["Description"]) == ("Advanced", "^c", "theirs")
    assert stored(harness)["Value"] == TEXT


def test_text_of_a_secret_is_not_written_in_a_format_chosen_by_others(harness: AwsHarness) -> None:
    reference = {"secretKeyRef": {"name": "s", "key": "k"}}
    spec = {
        "driftPolicy": "Report",
        "parameters": [{"name": "password", "type": "SecureString", "valueFrom": reference}],
    }
    harness.secrets["s/k"] = "secret-1"
    status = harness.status(harness.apply(harness.declare(spec)))
    harness.aws().put_parameter(Name=f"{harness.path}/password", Value="junk", Type="String", Overwrite=True)
    reported = harness.apply(harness.declare(spec, status=status))
    assert stored(harness)["Value"] == "junk"
    edited = harness.declare({**spec, "tags": {"team": "b"}}, status=harness.status(reported), generation=2)
    plan = Engine(lambda _place: (harness.parameters(),)).assess(edited, 1.8e9).plan
    (step,) = plan.steps
    assert "value" in {because.field for because in step.because}
    assert isinstance(step.change, Update)
    assert isinstance(step.change.desired, Parameter)
    assert (step.change.desired.type, step.change.desired.kms_key) == ("SecureString", "alias/aws/ssm")
    assert plan.reported == ()


def test_rollback_does_not_test_a_text_with_the_rolled_back_pattern(harness: AwsHarness) -> None:
    harness.secrets["s/k"] = "x"
    name = f"{harness.path}/password"
    rolled_back = RolledBack(
        2, rejected={}, stable=(LabelledVersion(name, "SecureString", Secret(TEXT), 1),), existing=frozenset([name])
    )
    plain, secret = kept(allowedPattern="^x"), kept(type="SecureString", allowedPattern="^x")
    patterns = {}
    for spec in (plain, secret):
        spec["parameters"][0]["valuePolicy"] = "Enforce"
        (parameter,) = stable_declaration(harness.declare(spec, generation=2), rolled_back).parameters
        patterns[spec["parameters"][0].get("type", "String")] = parameter.spec.allowed_pattern
        assert parameter.spec.type == "SecureString"
    assert patterns == {"String": "", "SecureString": "^x"}


def test_value_rotated_meanwhile_is_read_again(harness: AwsHarness) -> None:
    harness.secrets["s/k"] = "x"
    spec, kind = kept(type="SecureString"), harness.parameters()
    harness.apply(harness.declare(spec), kind)
    spec["parameters"][0]["description"] = "new"
    (step,) = Engine(lambda _place: (kind,)).assess(harness.declare(spec, generation=2), 1.8e9).plan.steps
    assert isinstance(step.change, Update)
    harness.put_by_hand("password", TEXT, Type="SecureString")
    with pytest.raises(Conflict):
        step.kind.put(step.change.desired, step.change.observed)
    assert (stored(harness)["Value"], stored(harness)["Version"]) == (TEXT, 2)
    assert harness.apply(harness.declare(spec, generation=2), kind).is_complete
    assert (stored(harness)["Value"], stored(harness)["Version"]) == (TEXT, 3)


@pytest.mark.usefixtures("keys")
def test_only_the_default_key_is_replaced_by_another(harness: AwsHarness) -> None:
    harness.secrets["s/k"] = "x"
    harness.apply(harness.declare(kept(type="SecureString")))
    harness.put_by_hand("password", TEXT, Type="SecureString")
    assert harness.apply(harness.declare(kept(type="SecureString", kmsKeyId=THEIRS), generation=2)).is_complete
    for key in (OURS, "alias/aws/ssm"):
        with pytest.raises(NotPossible, match=r"keeps it, so kmsKeyId cannot be changed\. Revert the change, or set"):
            harness.apply(harness.declare(kept(type="SecureString", kmsKeyId=key), generation=3))
    assert stored(harness)["Value"] == TEXT
    declared = kept(type="SecureString", kmsKeyId=OURS, valuePolicy="Enforce")
    assert harness.apply(harness.declare(declared, generation=4)).is_complete
    assert stored(harness)["Value"] == "x"


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
"""The fields that determine how AWS stores a value."""

Keep = Callable[[AwsHarness, dict[str, Any]], dict[str, Any]]
"""Stores TEXT in AWS without declaring it in the object of this spec; returns the status that reports it."""


def by_others(harness: AwsHarness, **more: Any) -> None:
    """A rotator, or another team, writes TEXT with its own key and pattern."""
    form = {"Type": "SecureString", "KeyId": THEIRS, "AllowedPattern": PATTERN, **more}
    harness.put_by_hand("password", TEXT, **form)


def rotated(harness: AwsHarness, spec: dict[str, Any]) -> dict[str, Any]:
    harness.apply(harness.declare(spec))
    by_others(harness)
    return harness.status(harness.apply(harness.declare(spec)))


def unowned(harness: AwsHarness, _spec: dict[str, Any]) -> dict[str, Any]:
    by_others(harness)
    return {}


def taken_from_a_secret(harness: AwsHarness, spec: dict[str, Any]) -> dict[str, Any]:
    """AWS stores it in plain text, marked."""
    spec["parameters"][0].update(type="String", **PLAINTEXT)
    harness.secrets["mine/k"] = TEXT
    status = harness.status(harness.apply(harness.declare(spec)))
    harness.secrets["mine/k"] = "x"
    return status


def reported(harness: AwsHarness, spec: dict[str, Any]) -> dict[str, Any]:
    spec.update(driftPolicy="Report")
    spec["parameters"][0].update(valuePolicy="Enforce")
    status = harness.status(harness.apply(harness.declare(spec)))
    by_others(harness)
    return harness.status(harness.apply(harness.declare(spec, status=status)))


def suspended(harness: AwsHarness, spec: dict[str, Any]) -> dict[str, Any]:
    status = rotated(harness, spec)
    spec.update(suspend=True)
    return status


KEEPS = (rotated, unowned, taken_from_a_secret, reported, suspended)


@contextmanager
def writes(harness: AwsHarness) -> Iterator[list[dict[str, Any]]]:
    """The PutParameter requests of the operator in the block."""
    seen: list[dict[str, Any]] = []
    events = harness.session.client("ssm", REGION)._client.meta.events

    def note(params: dict[str, Any], **_: Any) -> None:
        seen.append(dict(params))

    events.register("provide-client-params.ssm.PutParameter", note)
    yield seen
    events.unregister("provide-client-params.ssm.PutParameter", note)


def form(request: Mapping[str, Any]) -> tuple[str, str, str, str]:
    """The readers of a written value, and the pattern that SSM tests it with."""
    return request["Type"], request.get("KeyId", ""), request["AllowedPattern"], request["DataType"]


@pytest.fixture
def keys(harness: AwsHarness) -> None:
    kms = harness.aws("kms")
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
def test_no_edit_causes_a_kept_value_to_be_written_for_others_or_tested(
    harness: AwsHarness, keep: Keep, field: str, edit: dict[str, Any], *, ignored: bool
) -> None:
    harness.secrets.update({"s/k": "x", "mine/k": "x"})
    spec = kept(type="SecureString", kmsKeyId=THEIRS, allowedPattern=PATTERN)
    status = keep(harness, spec)
    before = stored(harness)
    (item,) = spec["parameters"]
    # Another description requires a write in any case.
    changed = {**item, "description": "other", **edit}
    if ignored and "ignore" not in edit:
        changed["ignore"] = [each.value for each in IgnoredField if each.value != "description"]
    spec["parameters"] = [{name: value for name, value in changed.items() if value is not None}]
    with writes(harness) as requests:
        edited = harness.declare(spec, generation=2, status=status)
        outcome = Engine(lambda _place: (harness.parameters(),)).run(edited)
    is_plain = before["Type"] == "String"
    allowed = {(*its, pattern, "text") for its in _forms(is_plain=is_plain) for pattern in (PATTERN, "")}
    assert {form(request) for request in requests if request["Value"] == TEXT} <= allowed
    if field != "name" and stored(harness)["Type"] == "String" and stored(harness)["Value"] == TEXT:
        assert FROM_SECRET_TAG in tags(harness)
    # What reveals it to no one else is written.
    if keep in (rotated, unowned) and field not in REFUSED:
        assert outcome.is_complete, outcome.error


def _forms(*, is_plain: bool) -> set[tuple[str, str]]:
    """The types and keys for writing a value that was in plain text, or under another key."""
    secure = {("SecureString", THEIRS)}
    return {("String", ""), *secure, ("SecureString", OURS), ("SecureString", "alias/aws/ssm")} if is_plain else secure
