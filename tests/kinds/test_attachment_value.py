"""Ownership of layers and variables on an attached function; pure."""

from dataclasses import replace
from typing import Any

import pytest

from dynconfig.api.names import ATTACHED_ROLE_TAG, ATTACHED_TAG
from dynconfig.kinds._shared import function_access
from dynconfig.kinds.attachment.tags import AttachmentTags, completed
from dynconfig.kinds.attachment.value import (
    Attachment,
    TargetFunction,
    addition,
    check_limits,
    check_no_conflict,
    comparable,
    in_transit,
    is_left_by,
    target_of,
    was_attached,
    with_addition,
)
from dynconfig.model.attached import Attached, digest
from dynconfig.model.errors import NotPossible
from dynconfig.model.resource import Owner

EXTENSION = "arn:aws:lambda:eu-west-1:015030872274:layer:AWS-Parameters-and-Secrets-Lambda-Extension-Arm64:24"
OWN = "arn:aws:lambda:eu-west-1:123456789012:layer:our-copy:3"
THEIRS = tuple(f"arn:aws:lambda:eu-west-1:123456789012:layer:theirs-{number}:1" for number in range(5))
TARGET = TargetFunction(
    architecture="arm64",
    role="their-role",
    layers=(),
    variables={"THEIRS": "1"},
    revision_id="r",
)
NAMES = frozenset(
    (
        *("DYNCONFIG_PREFIX", "DYNCONFIG_TTL", "DYNCONFIG_NAME", function_access.PARAMETERS, function_access.REVISION),
        *(function_access.EXTENSION_TTL_NAME, "SSM_PARAMETER_STORE_TIMEOUT_MILLIS"),
        *("PARAMETERS_SECRETS_EXTENSION_CACHE_SIZE", "PARAMETERS_SECRETS_EXTENSION_MAX_CONNECTIONS"),
    )
)
"""All variables that the operator may set: more do not fit in a tag value."""
OURS = {"DYNCONFIG_TTL": "300", "SSM_PARAMETER_STORE_TTL": "60", "SSM_PARAMETER_STORE_TIMEOUT_MILLIS": "1500"}


def desired(**about: Any) -> Attachment:
    usual: dict[str, Any] = {"name": "f", "layer": EXTENSION, "environment": (), "policy": "", "architecture": "arm64"}
    return Attachment(**{**usual, "owner": "o", **about})


def with_variables(**about: Any) -> Attachment:
    return desired(environment=tuple(sorted(OURS.items())), **about)


def attached(target: TargetFunction, **about: Any) -> TargetFunction:
    """The function after the attachment."""
    wanted = with_variables(**about)
    layers, variables = with_addition(wanted, target)
    recorded = addition(wanted, target)
    return replace(target, layers=layers, variables=variables, recorded=recorded, tagged=recorded)


def test_only_the_layer_recorded_in_tags_is_managed() -> None:
    older = EXTENSION.replace(":24", ":11")
    target = replace(TARGET, layers=(THEIRS[0], EXTENSION, OWN), recorded=AttachmentTags(owner="o", layer=EXTENSION))
    assert target.additions == (EXTENSION,)
    assert target.others == (THEIRS[0], OWN)
    assert replace(target, layers=(older,)).additions == ()
    assert replace(target, layers=(older,)).own_extension(EXTENSION) == older


def test_both_layers_are_managed_during_a_replacement() -> None:
    newer = EXTENSION.replace(":24", ":25")
    target = attached(TARGET)
    recorded = in_transit(with_variables(layer=newer), target)
    assert (recorded.layer, recorded.layer_before) == (newer, EXTENSION)
    assert replace(target, recorded=recorded).others == ()
    after = replace(target, recorded=recorded, layers=(newer,))
    assert after.additions == (newer,)
    assert in_transit(with_variables(layer=newer), after).layer_before == ""


def test_own_settings_of_the_function_are_neither_added_nor_removed() -> None:
    older = EXTENSION.replace(":24", ":11")
    own = {"THEIRS": "1", "SSM_PARAMETER_STORE_TTL": "30", "SSM_PARAMETER_STORE_TIMEOUT_MILLIS": "0"}
    target = replace(TARGET, layers=(THEIRS[0], older), variables=own)
    after = attached(target)
    assert (after.layers, after.recorded.layer) == (target.layers, "")
    assert after.variables == {**own, "DYNCONFIG_TTL": "300"}
    assert set(after.recorded.variables or ()) == {"DYNCONFIG_TTL"}
    assert (after.others, after.own_variables) == (target.layers, own)


def test_own_settings_of_the_function_are_no_difference() -> None:
    target = attached(
        replace(TARGET, layers=(EXTENSION.replace(":24", ":11"),), variables={"SSM_PARAMETER_STORE_TTL": "30"})
    )
    wanted = with_variables()
    seen = comparable(replace(wanted, layer="", environment=(), is_remembered=False, target=target), wanted)
    assert (seen.layer, seen.environment, seen.is_remembered) == (wanted.layer, wanted.environment, True)


def test_changed_managed_variable_is_a_difference() -> None:
    target = attached(TARGET)
    target = replace(target, variables={**target.variables, "SSM_PARAMETER_STORE_TTL": "1"})
    wanted = with_variables()
    seen = comparable(replace(wanted, target=target), wanted)
    assert dict(seen.environment)["SSM_PARAMETER_STORE_TTL"] == "1"


@pytest.mark.parametrize(
    ("tags", "reported", "layer", "variables"),
    [
        # A tag that is present, even if empty, decides.
        ({"layer": "", "variables": frozenset()}, Attached(EXTENSION, "r", {"DYNCONFIG_TTL": ""}), "", set()),
        ({"layer": None, "variables": frozenset()}, Attached(EXTENSION), EXTENSION, set()),
        ({"layer": OWN, "variables": None}, Attached(EXTENSION), OWN, set()),
        ({"layer": None, "variables": None}, None, "", {"DYNCONFIG_TTL"}),
        (
            {"layer": None, "variables": None},
            Attached(
                "", "r", {"SSM_PARAMETER_STORE_TTL": digest("60"), "SSM_PARAMETER_STORE_TIMEOUT_MILLIS": digest("9")}
            ),
            "",
            {"SSM_PARAMETER_STORE_TTL"},
        ),
        (
            {"layer": "", "variables": None},
            Attached("", "r", {"DYNCONFIG_TTL": digest("7"), "GONE": ""}),
            "",
            {"DYNCONFIG_TTL"},
        ),
    ],
)
def test_lost_tags_are_completed_from_status(
    tags: dict[str, Any], reported: Attached | None, layer: str, variables: set[str]
) -> None:
    found = completed(AttachmentTags(owner="o", role="r", **tags), reported, {**OURS, "THEIRS": "1"})
    assert found == AttachmentTags(owner="o", role="r", layer=layer, variables=frozenset(variables))


def test_missing_tags_are_not_taken_for_empty_ones() -> None:
    recorded = AttachmentTags.of({ATTACHED_TAG: "o", ATTACHED_ROLE_TAG: "r"})
    assert (recorded.layer, recorded.variables) == (None, None)
    assert AttachmentTags.of(AttachmentTags(owner="o").tags) == AttachmentTags(owner="o")


def test_retained_attachment_is_recognised_by_its_prefix_variable() -> None:
    assert was_attached(replace(TARGET, variables={"DYNCONFIG_PREFIX": "/a"}))
    assert not was_attached(replace(TARGET, variables={"DYNCONFIG_TTL": "1"}))


def test_attachment_names_its_object_in_a_variable() -> None:
    target = replace(TARGET, variables={**OURS, "DYNCONFIG_NAME": "ns/app"})
    assert is_left_by(target, Owner("c", "ns", "app", "u"))
    assert not is_left_by(target, Owner("c", "ns", "other", "u"))


@pytest.mark.parametrize("role", ["plain", "with,comma", "a+b=c@d.e"])
def test_attachment_tags_round_trip_and_are_valid_tag_values(role: str) -> None:
    recorded = AttachmentTags(owner="c/ns/app/u", layer=EXTENSION, layer_before=OWN, role=role, variables=NAMES)
    # https://docs.aws.amazon.com/lambda/latest/dg/configuration-tags.html
    legal = set("+-=._:/@ ")
    assert all(set(value) <= legal | {c for c in value if c.isalnum()} for value in recorded.tags.values())
    assert all(len(value) <= 256 for value in recorded.tags.values())
    assert AttachmentTags.of(recorded.tags) == recorded


def test_default_architecture_is_x86_64() -> None:
    target = target_of({"Role": "arn:aws:iam::1:role/r"}, AttachmentTags())
    assert (target.architecture, target.layers, target.variables) == ("x86_64", (), {})


def test_fifth_layer_of_the_user_exceeds_the_limit() -> None:
    check_limits(desired(), replace(TARGET, layers=THEIRS[:4]))
    check_limits(desired(), replace(TARGET, layers=(*THEIRS[:4], EXTENSION.replace(":24", ":11"))))
    with pytest.raises(NotPossible, match=r"^spec\.function\.name: function f already has 5 layers \(Lambda limit\)"):
        check_limits(desired(), replace(TARGET, layers=THEIRS))


def test_container_image_cannot_have_layers() -> None:
    image = target_of(
        {"Role": "arn:aws:iam::1:role/r", "PackageType": "Image", "Architectures": ["arm64"]}, AttachmentTags()
    )
    with pytest.raises(
        NotPossible, match=r"^spec\.function\.name: function f is a container image and cannot have layers\."
    ):
        check_limits(desired(), image)


@pytest.mark.parametrize(
    ("variables", "why"),
    [
        ({"DYNCONFIG_TTL": "7"}, "already sets DYNCONFIG_TTL to a different value"),
        ({"SSM_PARAMETER_STORE_TTL": "61"}, "already sets SSM_PARAMETER_STORE_TTL, but not to 60 s or less"),
        ({"SSM_PARAMETER_STORE_TTL": "²"}, "already sets SSM_PARAMETER_STORE_TTL, but not to 60 s or less"),
    ],
)
def test_conflicting_variables_are_named(variables: dict[str, str], why: str) -> None:
    with pytest.raises(NotPossible, match=why):
        check_no_conflict(with_variables(), replace(TARGET, variables=variables))


@pytest.mark.parametrize(
    "variables",
    [
        {"DYNCONFIG_TTL": "300"},
        {"SSM_PARAMETER_STORE_TTL": "60"},
        {"SSM_PARAMETER_STORE_TTL": "0"},
        {"SSM_PARAMETER_STORE_TIMEOUT_MILLIS": "0"},
        {"PARAMETERS_SECRETS_EXTENSION_LOG_LEVEL": "DEBUG"},
    ],
)
def test_compatible_variables_are_accepted(variables: dict[str, str]) -> None:
    check_no_conflict(with_variables(), replace(TARGET, variables=variables))


def test_other_extension_layer_conflicts_only_if_spec_sets_one() -> None:
    target = replace(TARGET, layers=(OWN,))
    other = OWN.replace(":3", ":4")
    check_no_conflict(desired(layer=other), target)
    check_no_conflict(desired(layer=OWN, is_layer_declared=True), target)
    with pytest.raises(NotPossible, match="already has the extension layer"):
        check_no_conflict(desired(layer=other, is_layer_declared=True), target)


def test_environment_limit_applies_to_all_variables_together() -> None:
    ours = (("DYNCONFIG_PARAMETERS", "x" * 2000),)
    check_limits(desired(environment=ours), TARGET)
    with pytest.raises(NotPossible, match=r"bytes for its environment \(Lambda limit: 4096\)"):
        check_limits(desired(environment=ours), replace(TARGET, variables={"THEIRS": "x" * 2100}))
