"""A value that valuePolicy CreateOnly keeps is not shown, and not found out, by a change of what stands beside it."""

from typing import Any

import pytest
from tests.kinds.workshop import Workshop

from dynconfig.api.names import FROM_SECRET_TAG, OWNER_TAG
from dynconfig.engine.errors import NotPossible
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
    with pytest.raises(NotPossible, match=r"parameter .*/password has the value of a Secret or SecureString"):
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
