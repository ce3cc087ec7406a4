"""All parameters below a path, regardless of their owner: for the commands that show or import them."""

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from dynconfig.api.names import FROM_SECRET_TAG, OWNER_TAG
from dynconfig.kinds.parameter.value import Pairs, Parameter, observed_parameter

if TYPE_CHECKING:
    from mypy_boto3_ssm.client import SSMClient

# Tags that AWS or the operator manages.
_NOT_THEIRS = ("aws:", OWNER_TAG.split("/")[0] + "/")


def values(ssm: "SSMClient", path: str, *, decrypt: bool) -> Iterator[dict[str, Any]]:
    """Call GetParametersByPath; the value of a SecureString that is not decrypted is ciphertext."""
    pages = ssm.get_paginator("get_parameters_by_path").paginate(Path=path, Recursive=True, WithDecryption=decrypt)
    yield from (dict(item) for page in pages for item in page["Parameters"])


def parameters(
    ssm: "SSMClient", path: str, *, decrypt: bool, ignored_tags: tuple[str, ...] = ()
) -> Iterator[Parameter]:
    """Return each parameter with all fields that a declaration has, sorted by name."""
    metadata = described(ssm, path)
    for answer in sorted(values(ssm, path, decrypt=decrypt), key=lambda answer: str(answer["Name"])):
        tags = _tags(ssm, answer["Name"])
        own = tuple(pair for pair in tags if not pair[0].startswith((*_NOT_THEIRS, *ignored_tags)))
        yield observed_parameter(answer, metadata.get(answer["Name"], {}), tags, own)


def from_secrets(ssm: "SSMClient", path: str) -> frozenset[str]:
    """Return the names of plaintext parameters whose value came from a Secret."""
    pages = ssm.get_paginator("describe_parameters").paginate(
        ParameterFilters=[
            {"Key": "Path", "Option": "Recursive", "Values": [path]},
            {"Key": f"tag:{FROM_SECRET_TAG}", "Values": ["true"]},
        ],
        PaginationConfig={"PageSize": 50},
    )
    return frozenset(item["Name"] for page in pages for item in page["Parameters"])


def described(ssm: "SSMClient", *paths: str) -> dict[str, Any]:
    """Return the metadata of the parameters below up to 50 paths by name; DescribeParameters returns no values."""
    pages = ssm.get_paginator("describe_parameters").paginate(
        ParameterFilters=[{"Key": "Path", "Option": "Recursive", "Values": list(paths)}],
        PaginationConfig={"PageSize": 50},
    )
    return {item["Name"]: item for page in pages for item in page["Parameters"]}


def _tags(ssm: "SSMClient", name: str) -> Pairs:
    answer = ssm.list_tags_for_resource(ResourceType="Parameter", ResourceId=name)
    return tuple(sorted((tag["Key"], tag["Value"]) for tag in answer["TagList"]))
