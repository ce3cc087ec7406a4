"""What SSM answers beside values: tags by name, and metadata. Of a single parameter it may fail, or be late."""

from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from dynconfig.engine.errors import Conflict, NotFound
from dynconfig.engine.resource import Owner
from dynconfig.kinds.parameter_narrow import Reads, late
from dynconfig.kinds.parameter_ownership import ParameterOwnership
from dynconfig.kinds.parameter_value import Pairs, Parameter, all_tags

if TYPE_CHECKING:
    from mypy_boto3_ssm.client import SSMClient

DESCRIBE_BATCH = 50


class ParameterDetails:
    """Reads tags and metadata of the parameters of one place."""

    def __init__(self, ssm: "SSMClient", ownership: ParameterOwnership) -> None:
        self._ssm = ssm
        self._ownership = ownership

    def describe(self, versions: Mapping[str, int], reads: Reads) -> dict[str, Mapping[str, Any]]:
        """The metadata of these versions or newer ones: those of an older one are not what AWS has."""
        found: dict[str, Mapping[str, Any]] = {}
        for batch in batches(list(versions), DESCRIBE_BATCH):
            pages = self._ssm.get_paginator("describe_parameters").paginate(
                ParameterFilters=[{"Key": "Name", "Option": "Equals", "Values": list(batch)}],
                PaginationConfig={"PageSize": DESCRIBE_BATCH},
            )
            found.update({item["Name"]: item for page in pages for item in page["Parameters"]})
        for name, version in versions.items():
            error = late(name, found.get(name, {}), version)
            if error is not None:
                reads.failed(name, error)
        return found

    def tags_of(self, name: str, wanted: Parameter | None, reads: Reads) -> Pairs | None:
        """Tags as the index has them where they are as wanted, else asked for by name, since the index is late."""
        indexed = self._ownership.indexed(name)
        if indexed is not None and wanted is not None and indexed == all_tags(wanted):
            return indexed
        return reads.attempt("ListTagsForResource", name, lambda: self._tags(name))

    def tags_of_surplus(self, name: str, owner: Owner, reads: Reads) -> Pairs | None:
        """Tags of what is not desired: before it is given up, its owner is asked for by name once more."""
        return self._ownership.hint(name, owner) or self.tags_of(name, None, reads)

    def _tags(self, name: str) -> Pairs:
        try:
            return self._ownership.tags(name)
        except NotFound:
            raise Conflict(f"parameter {name} went away this moment; looking again", delay=0.5) from None


def batches(items: Sequence[str], size: int) -> Iterator[list[str]]:
    """The items in lists of at most `size`."""
    for start in range(0, len(items), size):
        yield list(items[start : start + size])
