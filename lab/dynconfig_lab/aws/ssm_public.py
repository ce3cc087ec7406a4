"""The public parameters that name the newest layer of the AWS Parameters and Secrets extension.

Users' templates rely on them containing an ARN; AWS's own list is unproved: no account was queried.
https://docs.aws.amazon.com/systems-manager/latest/userguide/parameter-store-public-parameters.html
"""

from typing import Any

from dynconfig_lab.aws.answers import AwsError
from dynconfig_lab.aws.functions_store import NEWEST_EXTENSION

_PATH = "/aws/service/aws-parameters-and-secrets-lambda-extension"
_NAME = "AWS-Parameters-and-Secrets-Lambda-Extension"
PUBLIC_LAYERS = {f"{_PATH}/x86/latest": _NAME, f"{_PATH}/arm64/latest": f"{_NAME}-Arm64"}
# https://docs.aws.amazon.com/systems-manager/latest/userguide/ps-integration-lambda-extensions.html
_OWNERS = {"eu-west-1": "015030872274", "us-east-1": "177933569100"}


def public_layer(name: str, region: str) -> dict[str, Any]:
    """The parameter in the format of GetParameter. Raises AwsError in regions whose layer owner is unknown to the lab."""
    if region not in _OWNERS:
        raise AwsError("ParameterNotFound", "")
    layer = f"arn:aws:lambda:{region}:{_OWNERS[region]}:layer:{PUBLIC_LAYERS[name]}:{NEWEST_EXTENSION}"
    return {
        "Name": name,
        "Type": "String",
        "Value": layer,
        "Version": NEWEST_EXTENSION,
        "LastModifiedDate": 1.7e9,
        "ARN": f"arn:aws:ssm:{region}::parameter{name}",
        "DataType": "text",
    }
