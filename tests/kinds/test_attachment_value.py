"""What belongs to whom on a function that is attached to; plain values in and out."""

from dataclasses import replace
from typing import Any

import pytest

from dynconfig.api.names import ATTACHED_LAYER_TAG, ATTACHED_ROLE_TAG, ATTACHED_TAG
from dynconfig.engine.errors import NotPossible
from dynconfig.engine.resource import Owner
from dynconfig.kinds import reading
from dynconfig.kinds.attachment_memory import Memory
from dynconfig.kinds.attachment_value import (
    Attachment,
    Host,
    addition,
    check_limits,
    check_no_conflict,
    comparable,
    host_of,
    in_transit,
    is_left_by,
    recalled,
    was_attached,
    with_addition,
)

EXTENSION = "arn:aws:lambda:eu-west-1:015030872274:layer:AWS-Parameters-and-Secrets-Lambda-Extension-Arm64:24"
OWN = "arn:aws:lambda:eu-west-1:123456789012:layer:our-copy:3"
THEIRS = tuple(f"arn:aws:lambda:eu-west-1:123456789012:layer:theirs-{number}:1" for number in range(5))
HOST = Host(
    architecture="arm64",
    role="their-role",
    layers=(),
    variables={"THEIRS": "1"},
    revision_id="r",
)
OURS = {"DYNCONFIG_TTL": "300", "SSM_PARAMETER_STORE_TTL": "60", "SSM_PARAMETER_STORE_TIMEOUT_MILLIS": "1500"}


def desired(**about: Any) -> Attachment:
    usual: dict[str, Any] = {"name": "f", "layer": EXTENSION, "environment": (), "policy": "", "architecture": "arm64"}
    return Attachment(**{**usual, "owner": "o", **about})


def with_variables(**about: Any) -> Attachment:
    return desired(environment=tuple(sorted(OURS.items())), **about)


def attached(host: Host, **about: Any) -> Host:
    """The function after the addition."""
    wanted = with_variables(**about)
    layers, variables = with_addition(wanted, host)
    return replace(host, layers=layers, variables=variables, memory=addition(wanted, host))


def test_only_the_very_layer_that_the_tags_remember_is_ours() -> None:
    older = EXTENSION.replace(":24", ":11")
    host = replace(HOST, layers=(THEIRS[0], EXTENSION, OWN), memory=Memory(owner="o", layer=EXTENSION))
    assert host.additions == (EXTENSION,)
    assert host.others == (THEIRS[0], OWN)
    assert replace(host, layers=(older,)).additions == ()
    assert replace(host, layers=(older,)).own_extension(EXTENSION) == older


def test_both_layers_are_ours_while_one_replaces_the_other() -> None:
    newer = EXTENSION.replace(":24", ":25")
    host = attached(HOST)
    memory = in_transit(with_variables(layer=newer), host)
    assert (memory.layer, memory.layer_before) == (newer, EXTENSION)
    assert replace(host, memory=memory).others == ()
    after = replace(host, memory=memory, layers=(newer,))
    assert after.additions == (newer,)
    assert in_transit(with_variables(layer=newer), after).layer_before == ""


def test_what_the_function_has_by_itself_is_not_added_and_not_removed() -> None:
    older = EXTENSION.replace(":24", ":11")
    own = {"THEIRS": "1", "SSM_PARAMETER_STORE_TTL": "30", "SSM_PARAMETER_STORE_TIMEOUT_MILLIS": "0"}
    host = replace(HOST, layers=(THEIRS[0], older), variables=own)
    after = attached(host)
    assert (after.layers, after.memory.layer) == (host.layers, "")
    assert after.variables == {**own, "DYNCONFIG_TTL": "300"}
    assert set(after.memory.variables or ()) == {"DYNCONFIG_TTL"}
    assert (after.others, after.own_variables) == (host.layers, own)


def test_what_the_function_has_by_itself_is_no_difference() -> None:
    host = attached(
        replace(HOST, layers=(EXTENSION.replace(":24", ":11"),), variables={"SSM_PARAMETER_STORE_TTL": "30"})
    )
    wanted = with_variables()
    seen = comparable(replace(wanted, layer="", environment=(), is_remembered=False, host=host), wanted)
    assert (seen.layer, seen.environment, seen.is_remembered) == (wanted.layer, wanted.environment, True)


def test_a_variable_of_ours_that_somebody_changed_is_a_difference() -> None:
    host = attached(HOST)
    host = replace(host, variables={**host.variables, "SSM_PARAMETER_STORE_TTL": "1"})
    wanted = with_variables()
    seen = comparable(replace(wanted, host=host), wanted)
    assert dict(seen.environment)["SSM_PARAMETER_STORE_TTL"] == "1"


def test_an_operator_that_remembered_no_names_set_those_that_are_known() -> None:
    tags = {ATTACHED_TAG: "o", ATTACHED_LAYER_TAG: EXTENSION, ATTACHED_ROLE_TAG: "r"}
    memory = Memory.of(tags)
    host = replace(HOST, variables={**OURS, "PARAMETERS_SECRETS_EXTENSION_LOG_LEVEL": "DEBUG"}, memory=memory)
    assert host.our_variables == OURS
    assert (memory.layer, memory.role, memory.variables) == (EXTENSION, "r", None)


def test_an_addition_that_was_retained_is_known_by_its_prefix_variable() -> None:
    assert was_attached(replace(HOST, variables={"DYNCONFIG_PREFIX": "/a"}))
    assert not was_attached(replace(HOST, variables={"DYNCONFIG_TTL": "1"}))


def test_an_addition_without_tags_is_recalled_by_what_only_the_operator_sets() -> None:
    variables = {**OURS, "DYNCONFIG_PREFIX": "/a", "DYNCONFIG_NAME": "ns/app", "THEIRS": "1"}
    host = recalled(replace(HOST, layers=(THEIRS[0], EXTENSION), variables=variables), "o")
    assert (host.others, host.own_variables) == ((THEIRS[0],), {"THEIRS": "1"})
    assert is_left_by(host, Owner("c", "ns", "app", "u"))
    assert not is_left_by(host, Owner("c", "ns", "other", "u"))


@pytest.mark.parametrize("role", ["plain", "with,comma", "a+b=c@d.e"])
def test_what_tags_remember_is_read_back_and_is_legal_in_a_tag(role: str) -> None:
    memory = Memory(owner="c/ns/app/u", layer=EXTENSION, layer_before=OWN, role=role, variables=reading.NAMES)
    # https://docs.aws.amazon.com/lambda/latest/dg/configuration-tags.html
    legal = set("+-=._:/@ ")
    assert all(set(value) <= legal | {c for c in value if c.isalnum()} for value in memory.tags.values())
    assert all(len(value) <= 256 for value in memory.tags.values())
    assert Memory.of(memory.tags) == memory


def test_the_names_that_are_known_are_those_that_are_set() -> None:
    # The tag has room for no more of them.
    assert {*OURS, "DYNCONFIG_PREFIX", "DYNCONFIG_NAME", reading.PARAMETERS, reading.REVISION} <= reading.NAMES


def test_a_function_without_layers_and_environment_is_one_for_x86_64() -> None:
    host = host_of({"Role": "arn:aws:iam::1:role/r"}, Memory())
    assert (host.architecture, host.layers, host.variables) == ("x86_64", (), {})


def test_five_layers_of_the_users_leave_no_room_and_four_do() -> None:
    check_limits(desired(), replace(HOST, layers=THEIRS[:4]))
    check_limits(desired(), replace(HOST, layers=(*THEIRS[:4], EXTENSION.replace(":24", ":11"))))
    with pytest.raises(NotPossible, match=r"^spec\.function\.name: function f already has 5 layers \(Lambda limit\)"):
        check_limits(desired(), replace(HOST, layers=THEIRS))


def test_a_container_image_takes_no_layer() -> None:
    image = host_of({"Role": "arn:aws:iam::1:role/r", "PackageType": "Image", "Architectures": ["arm64"]}, Memory())
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
def test_variables_that_contradict_the_declaration_are_named(variables: dict[str, str], why: str) -> None:
    with pytest.raises(NotPossible, match=why):
        check_no_conflict(with_variables(), replace(HOST, variables=variables))


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
def test_variables_that_do_not_contradict_the_declaration_are_accepted(variables: dict[str, str]) -> None:
    check_no_conflict(with_variables(), replace(HOST, variables=variables))


def test_another_layer_than_the_declared_one_contradicts_it_only_if_it_is_declared() -> None:
    host = replace(HOST, layers=(OWN,))
    other = OWN.replace(":3", ":4")
    check_no_conflict(desired(layer=other), host)
    check_no_conflict(desired(layer=OWN, is_layer_declared=True), host)
    with pytest.raises(NotPossible, match="already has the extension layer"):
        check_no_conflict(desired(layer=other, is_layer_declared=True), host)


def test_the_users_environment_and_ours_are_measured_together() -> None:
    ours = (("DYNCONFIG_PARAMETERS", "x" * 2000),)
    check_limits(desired(environment=ours), HOST)
    with pytest.raises(NotPossible, match=r"bytes for its environment \(Lambda limit: 4096\)"):
        check_limits(desired(environment=ours), replace(HOST, variables={"THEIRS": "x" * 2100}))
