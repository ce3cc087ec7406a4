"""Where the AWS Parameters and Secrets Lambda extension is: owner and newest version, by region and architecture.

https://docs.aws.amazon.com/systems-manager/latest/userguide/ps-integration-lambda-extensions.html (as of 2026-01-09)
"""

from dynconfig.engine.arns import partition
from dynconfig.engine.errors import NotPossible

NAME = "AWS-Parameters-and-Secrets-Lambda-Extension"

# region owner x86_64/arm64
_TABLE = """
us-east-1 177933569100 24/24
us-east-2 590474943231 28/28
us-west-1 997803712105 24/21
us-west-2 345057560386 24/24
af-south-1 317013901791 24/21
ap-east-1 768336418462 26/23
ap-east-2 890742577149 14/10
ap-south-1 176022468876 24/24
ap-south-2 070087711984 21/13
ap-northeast-1 133490724326 24/24
ap-northeast-2 738900069198 24/21
ap-northeast-3 576959938190 24/21
ap-southeast-1 044395824272 24/24
ap-southeast-2 665172237481 24/24
ap-southeast-3 490737872127 24/21
ap-southeast-4 090732460067 14/13
ap-southeast-5 381492012281 13/13
ap-southeast-6 995508174458 8/6
ap-southeast-7 941377119484 12/11
ca-central-1 200266452380 27/24
ca-west-1 243964427225 16/15
eu-central-1 187925254637 24/24
eu-central-2 772501565639 23/15
eu-west-1 015030872274 24/24
eu-west-2 133256977650 24/24
eu-west-3 780235371811 24/21
eu-north-1 427196147048 24/21
eu-south-1 325218067255 24/21
eu-south-2 524103009944 23/15
il-central-1 148806536434 16/15
me-south-1 832021897121 24/21
me-central-1 858974508948 24/13
mx-central-1 241533131596 11/10
sa-east-1 933737806257 24/21
cn-north-1 287114880934 24/13
cn-northwest-1 287310001119 24/13
us-gov-east-1 129776340158 24/13
us-gov-west-1 127562683043 24/13
"""
_LAYERS = {
    region: (owner, *versions.split("/")) for region, owner, versions in map(str.split, _TABLE.split("\n")[1:-1])
}


def layer(region: str, architecture: str) -> str:
    """The ARN of the newest known version. Raises NotPossible for a region that is not in the table."""
    if region not in _LAYERS:
        raise NotPossible(
            f"the extension's layer in {region} is not known to this version of the operator; set "
            "spec.function.extension.layerArn to the ARN in AWS's list"
        )
    owner, x86_64, arm64 = _LAYERS[region]
    name, version = (f"{NAME}-Arm64", arm64) if architecture == "arm64" else (NAME, x86_64)
    return f"arn:{partition(region)}:lambda:{region}:{owner}:layer:{name}:{version}"


def patterns(region: str) -> tuple[str, ...]:
    """All versions for both architectures, as policies name them; of whatever account where the region is not known."""
    owner = _LAYERS[region][0] if region in _LAYERS else "*"
    return tuple(f"arn:{partition(region)}:lambda:{region}:{owner}:layer:{name}:*" for name in (NAME, f"{NAME}-Arm64"))
