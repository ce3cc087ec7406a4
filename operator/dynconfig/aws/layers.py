"""Where the AWS Parameters and Secrets Lambda extension is: owner and version, by region and architecture.

A table holds the versions that are known; AWS publishes the newest as a public parameter in each region.
https://docs.aws.amazon.com/systems-manager/latest/userguide/ps-integration-lambda-extensions.html (as of 2026-01-09)
"""

import logging
import re
import threading
from collections.abc import Callable
from typing import TYPE_CHECKING

from dynconfig.model.arns import partition
from dynconfig.model.errors import DynConfigError, NotFound, NotPossible, Terminal
from dynconfig.model.ttl_cache import TtlCache

if TYPE_CHECKING:
    from mypy_boto3_ssm.client import SSMClient

log = logging.getLogger(__name__)

NAME = "AWS-Parameters-and-Secrets-Lambda-Extension"
ANY = "*"
"""In place of owner and version where the region is not in the table."""
PUBLIC_PATH = "/aws/service/aws-parameters-and-secrets-lambda-extension"
_PUBLIC_NAMES = {"x86_64": f"{PUBLIC_PATH}/x86/latest", "arm64": f"{PUBLIC_PATH}/arm64/latest"}
ASKED_SECONDS = 3600.0

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
    """The ARN of the version in the table, the oldest that is used; with ANY for a region that is not in the table."""
    owner, x86_64, arm64 = _LAYERS.get(region, (ANY, ANY, ANY))
    name, version = (f"{NAME}-Arm64", arm64) if architecture == "arm64" else (NAME, x86_64)
    return f"arn:{partition(region)}:lambda:{region}:{owner}:layer:{name}:{version}"


class ExtensionLayers:
    """The layers of one region: of the table, and as AWS publishes them where the operator may read that. Safe for threads."""

    def __init__(self, ssm: "SSMClient", region: str, clock: Callable[[], float]) -> None:
        self._ssm = ssm
        self._region = region
        self._lock = threading.Lock()
        self._published_arns = TtlCache[str, str](ASKED_SECONDS, clock)

    def oldest(self, architecture: str) -> str:
        """The ARN of the version in the table. Pure."""
        return layer(self._region, architecture)

    def newest(self, architecture: str) -> str:
        """The ARN for a new function. Raises NotPossible where neither knows one."""
        with self._lock:
            known = self._published_arns.get(architecture)
            if known is None:
                known = self._published(architecture)
                self._published_arns.put(architecture, known)
        found = known or layer(self._region, architecture)
        if ANY in found:
            raise NotPossible(
                f"the extension's layer in {self._region} is not known to this version of the operator, which may not read "
                f"{_PUBLIC_NAMES[architecture]}; allow that, or set spec.function.extension.layerArn"
            )
        return found

    def _published(self, architecture: str) -> str:
        """What the public parameter says, or an empty text."""
        name, oldest = _PUBLIC_NAMES[architecture], layer(self._region, architecture)
        try:
            value = self._ssm.get_parameter(Name=name)["Parameter"]["Value"]
        except DynConfigError as error:
            level = logging.INFO if isinstance(error, Terminal | NotFound) else logging.WARNING
            log.log(level, "The table's layer of the extension is used in %s: %s", self._region, error)
            return ""
        wanted = re.escape(oldest.rpartition(":")[0]).replace(re.escape(ANY), r"\d{12}")
        if re.fullmatch(rf"{wanted}:\d+", value):
            return value
        log.warning("The table's layer of the extension is used in %s: %s is no layer of it", self._region, name)
        return ""


def patterns(region: str) -> tuple[str, ...]:
    """All versions for both architectures, as policies name them; of whatever account where the region is not known."""
    owner = _LAYERS[region][0] if region in _LAYERS else "*"
    return tuple(f"arn:{partition(region)}:lambda:{region}:{owner}:layer:{name}:*" for name in (NAME, f"{NAME}-Arm64"))


def is_extension(arn: str) -> bool:
    """Whether an ARN is a version of AWS's own layer, in a region of the table: another account may use the same name."""
    parts = arn.split(":")
    region = parts[3] if len(parts) > len(["arn", "aws", "lambda", "eu-west-1"]) else ""
    owned = (pattern.removesuffix(ANY) for pattern in patterns(region)) if region in _LAYERS else ()
    return any(arn.startswith(prefix) and arn.removeprefix(prefix).isdecimal() for prefix in owned)


def public_parameters(region: str) -> str:
    """The public parameters as policies name them; AWS owns them, so that their ARNs have no account."""
    return f"arn:{partition(region)}:ssm:{region}::parameter{PUBLIC_PATH}/*"
