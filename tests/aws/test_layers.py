"""The table of the extension's layers."""

import re
from typing import Any

import pytest
from tests.kinds.aws_harness import Clock

from dynconfig.aws.layers import ExtensionLayers, layer
from dynconfig.kinds._shared.extension_layer import serves
from dynconfig.model import errors

NAME = "AWS-Parameters-and-Secrets-Lambda-Extension"


@pytest.mark.parametrize(
    ("region", "architecture", "expected"),
    [
        ("us-east-1", "x86_64", f"arn:aws:lambda:us-east-1:177933569100:layer:{NAME}:24"),
        ("us-east-1", "arm64", f"arn:aws:lambda:us-east-1:177933569100:layer:{NAME}-Arm64:24"),
        ("eu-central-2", "x86_64", f"arn:aws:lambda:eu-central-2:772501565639:layer:{NAME}:23"),
        ("eu-central-2", "arm64", f"arn:aws:lambda:eu-central-2:772501565639:layer:{NAME}-Arm64:15"),
        ("cn-north-1", "arm64", f"arn:aws-cn:lambda:cn-north-1:287114880934:layer:{NAME}-Arm64:13"),
        ("us-gov-west-1", "x86_64", f"arn:aws-us-gov:lambda:us-gov-west-1:127562683043:layer:{NAME}:24"),
    ],
)
def test_owner_and_version_differ_by_region_and_architecture(region: str, architecture: str, expected: str) -> None:
    assert layer(region, architecture) == expected


@pytest.mark.parametrize("region", ["eu-west-1", "eu-west-2", "ap-southeast-7", "me-central-1", "cn-northwest-1"])
@pytest.mark.parametrize("architecture", ["arm64", "x86_64"])
def test_every_entry_is_the_arn_of_a_layer_version(region: str, architecture: str) -> None:
    assert re.fullmatch(
        rf"arn:aws[a-z-]*:lambda:{region}:\d{{12}}:layer:{NAME}(-Arm64)?:\d+", layer(region, architecture)
    )


class FakeParameters:
    """A stub of Parameter Store: returns or raises what it is given."""

    def __init__(self, *answers: str | errors.DynConfigError) -> None:
        self._answers = list(answers)
        self.asked: list[str] = []

    def get_parameter(self, *, Name: str) -> dict[str, Any]:  # noqa: N803 - boto3's name
        self.asked.append(Name)
        answer = self._answers.pop(0)
        if isinstance(answer, errors.DynConfigError):
            raise answer
        return {"Parameter": {"Value": answer}}


def newest(region: str, clock: Clock, *answers: str | errors.DynConfigError) -> tuple[ExtensionLayers, FakeParameters]:
    ssm: Any = FakeParameters(*answers)
    return ExtensionLayers(ssm, region, clock), ssm


PUBLISHED = layer("eu-west-1", "arm64").replace(":24", ":111")


def test_newest_layer_is_read_from_aws_once_an_hour() -> None:
    clock = Clock()
    layers, ssm = newest("eu-west-1", clock, PUBLISHED, PUBLISHED.replace(":111", ":112"))
    assert [layers.newest("arm64"), layers.newest("arm64")] == [PUBLISHED, PUBLISHED]
    assert ssm.asked == ["/aws/service/aws-parameters-and-secrets-lambda-extension/arm64/latest"]
    clock.pause(3600)
    assert layers.newest("arm64").endswith(":112")


@pytest.mark.parametrize(
    "answer",
    [
        errors.AccessDenied("no"),
        errors.NotFound("no"),
        errors.Throttled("slow"),
        "arn:aws:lambda:eu-west-1:111122223333:layer:theirs:1",
        PUBLISHED.replace("eu-west-1", "eu-west-2"),
        layer("eu-west-1", "x86_64"),
    ],
    ids=str,
)
def test_table_is_used_if_aws_does_not_return_the_layer(answer: str | errors.DynConfigError) -> None:
    layers, _ssm = newest("eu-west-1", Clock(), answer)
    assert layers.newest("arm64") == layer("eu-west-1", "arm64")


def test_region_missing_in_the_table_uses_the_layer_published_by_aws() -> None:
    published = f"arn:aws:lambda:eu-moon-1:111122223333:layer:{NAME}:7"
    layers, _ssm = newest("eu-moon-1", Clock(), published)
    assert layers.newest("x86_64") == published
    assert serves(published, layer("eu-moon-1", "x86_64"))


def test_unknown_region_is_reported_with_what_to_do() -> None:
    layers, _ssm = newest("eu-moon-1", Clock(), errors.AccessDenied("no"))
    with pytest.raises(
        errors.NotPossible, match=r"layer in eu-moon-1 is not known.*spec\.function\.extension\.layerArn"
    ):
        layers.newest("arm64")


@pytest.mark.parametrize(
    ("found", "expected"),
    [(":24", True), (":25", True), (":111", True), (":23", False), ("-Arm64:24", False), (":x", False)],
)
def test_layer_is_supported_from_the_version_in_the_table(found: str, expected: bool) -> None:
    oldest = layer("eu-west-1", "x86_64")
    assert serves(oldest.removesuffix(":24") + found, oldest) is expected
    assert not serves("arn:aws:lambda:eu-west-1:111122223333:layer:theirs:99", oldest)
