"""How Lambda's calls name a function: plain, by partial or full ARN, with a qualifier. Pure.

https://docs.aws.amazon.com/lambda/latest/api/API_GetFunction.html
"""

import re
from dataclasses import dataclass
from urllib.parse import quote, unquote

from dynconfig_lab.aws import accounts
from dynconfig_lab.aws.answers import AwsError

LATEST = "$LATEST"
_ARN = re.compile(r"(?:arn:aws[a-z-]*:lambda:(?P<region>[a-z0-9-]+):)?(?P<account>\d{12}):function:(?P<rest>.+)")


@dataclass(frozen=True)
class Named:
    """A function, and its version or alias."""

    name: str
    qualifier: str = ""


def named(text: str, region: str, qualifier: str = "") -> Named:
    """Parse a name or ARN. Raises AwsError if it is in another region or account."""
    found = _ARN.fullmatch(text)
    if found is None:
        name, _, own = text.removeprefix("function:").partition(":")
        return Named(name, own or qualifier)
    if found["region"] and found["region"] != region:
        raise AwsError(
            "ResourceNotFoundException",
            f"Functions from '{found['region']}' are not reachable in this region ('{region}')",
            404,
        )
    if found["account"] != accounts.current():
        raise AwsError("AccessDeniedException", f"User is not authorized to perform this on resource: {text}", 403)
    name, _, own = found["rest"].partition(":")
    return Named(name, own or qualifier)


def in_path(path: str, region: str, qualifier: str = "") -> Named | None:
    """The function in a path such as /2015-03-31/functions/NAME/policy or /2017-03-31/tags/ARN."""
    parts = path.split("/")
    if len(parts) < 4 or parts[2] not in ("functions", "tags") or not parts[3]:
        return None
    return named(unquote(parts[3]), region, qualifier)


def with_bare_name(path: str, name: str) -> str:
    """The path with the plain name; moto accepts no other form everywhere."""
    parts = path.split("/")
    if parts[2] == "functions":
        parts[3] = quote(name, safe="")
    return "/".join(parts)


def arn_of(region: str, name: str, qualifier: str = "") -> str:
    """The function's ARN."""
    return f"arn:aws:lambda:{region}:{accounts.current()}:function:{name}{f':{qualifier}' if qualifier else ''}"


def not_found(region: str, name: str, qualifier: str = "") -> AwsError:
    """The error if there is no such function."""
    return AwsError("ResourceNotFoundException", f"Function not found: {arn_of(region, name, qualifier)}", 404)
