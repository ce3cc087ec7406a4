"""The table of the extension's layers."""

import re

import pytest

from dynconfig.aws.layers import layer
from dynconfig.engine.errors import NotPossible

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


def test_a_region_that_is_not_known_says_what_to_do() -> None:
    with pytest.raises(NotPossible, match=r"layer in eu-moon-1 is not known.*spec\.function\.extension\.layerArn"):
        layer("eu-moon-1", "arm64")
