"""What belongs to whom on a function that is attached to; plain values in and out."""

from dataclasses import replace
from typing import Any

import pytest

from dynconfig.engine.errors import NotPossible
from dynconfig.kinds.attachment_value import Attachment, Host, check_room, check_unspoilt, host_of, marks, was_ours

EXTENSION = "arn:aws:lambda:eu-west-1:015030872274:layer:AWS-Parameters-and-Secrets-Lambda-Extension-Arm64:24"
OWN = "arn:aws:lambda:eu-west-1:123456789012:layer:our-copy:3"
THEIRS = tuple(f"arn:aws:lambda:eu-west-1:123456789012:layer:theirs-{number}:1" for number in range(5))
HOST = Host(
    architecture="arm64",
    role="their-role",
    layers=(),
    variables={"THEIRS": "1"},
    revision_id="r",
    attached_layer="",
    attached_role="",
)


def desired(**about: Any) -> Attachment:
    usual: dict[str, Any] = {"name": "f", "layer": EXTENSION, "environment": (), "policy": "", "architecture": "arm64"}
    return Attachment(**{**usual, **about})


def test_the_extension_is_ours_in_every_version_and_other_layers_are_not() -> None:
    host = replace(HOST, layers=(THEIRS[0], EXTENSION.replace(":24", ":11"), THEIRS[1]))
    assert host.additions() == (EXTENSION.replace(":24", ":11"),)
    assert host.others() == THEIRS[:2]


def test_a_layer_of_ones_own_is_ours_by_what_the_tags_remember_or_by_what_is_declared() -> None:
    host = replace(HOST, layers=(OWN, THEIRS[0]))
    assert host.additions() == ()
    assert host.additions(OWN.replace(":3", ":4")) == (OWN,)
    marked = replace(host, attached_layer=OWN.replace(":3", ":2"))
    assert marked.additions() == (OWN,)
    assert marked.others() == (THEIRS[0],)


def test_variables_are_ours_by_their_prefix() -> None:
    ours = {"DYNCONFIG_TTL": "1", "SSM_PARAMETER_STORE_TTL": "1", "PARAMETERS_SECRETS_EXTENSION_CACHE_SIZE": "1"}
    host = replace(HOST, variables={**ours, "THEIRS": "1", "DYNCONFIGURED": "1"})
    assert host.our_variables == ours
    assert host.own_variables == {"THEIRS": "1", "DYNCONFIGURED": "1"}


def test_an_addition_that_was_retained_is_known_by_its_prefix_variable() -> None:
    assert was_ours(replace(HOST, variables={"DYNCONFIG_PREFIX": "/a"}))
    assert not was_ours(replace(HOST, variables={"DYNCONFIG_TTL": "1"}))


@pytest.mark.parametrize("role", ["plain", "with,comma", "a+b=c@d.e"])
def test_what_tags_remember_is_read_back_and_is_legal_in_a_tag(role: str) -> None:
    labels = marks(EXTENSION, role)
    # https://docs.aws.amazon.com/lambda/latest/dg/configuration-tags.html
    assert all(set(value) <= set("+-=._:/@") | {c for c in value if c.isalnum()} for value in labels.values())
    host = host_of({"Role": "arn:aws:iam::1:role/path/other"}, labels)
    assert (host.attached_layer, host.attached_role, host.role) == (EXTENSION, role, "other")


def test_a_function_without_layers_and_environment_is_one_for_x86_64() -> None:
    host = host_of({"Role": "arn:aws:iam::1:role/r"}, {})
    assert (host.architecture, host.layers, host.variables) == ("x86_64", (), {})


def test_five_layers_of_the_users_leave_no_room_and_four_do() -> None:
    check_room(desired(), replace(HOST, layers=THEIRS[:4]))
    check_room(desired(), replace(HOST, layers=(*THEIRS[:4], EXTENSION)))
    with pytest.raises(NotPossible, match=r"^spec\.function\.name: function f has 5 layers, as many as Lambda takes"):
        check_room(desired(), replace(HOST, layers=THEIRS))


def test_a_container_image_takes_no_layer() -> None:
    image = host_of({"Role": "arn:aws:iam::1:role/r", "PackageType": "Image", "Architectures": ["arm64"]}, {})
    with pytest.raises(
        NotPossible, match=r"^spec\.function\.name: function f is a container image, which takes no layers"
    ):
        check_room(desired(), image)


def test_nothing_of_the_users_is_overwritten() -> None:
    check_unspoilt(desired(), HOST)
    with pytest.raises(NotPossible, match="sets SSM_PARAMETER_STORE_TTL itself"):
        check_unspoilt(desired(), replace(HOST, variables={"SSM_PARAMETER_STORE_TTL": "60"}))
    with pytest.raises(NotPossible, match="as a layer already"):
        check_unspoilt(desired(layer=OWN), replace(HOST, layers=(OWN,)))


def test_the_users_environment_and_ours_are_measured_together() -> None:
    ours = (("DYNCONFIG_PARAMETERS", "x" * 2000),)
    check_room(desired(environment=ours), HOST)
    with pytest.raises(NotPossible, match="bytes of environment, and Lambda takes 4096"):
        check_room(desired(environment=ours), replace(HOST, variables={"THEIRS": "x" * 2100}))
