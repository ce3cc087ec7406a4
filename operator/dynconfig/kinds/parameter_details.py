"""What SSM answers beside values: tags by name, and metadata. Of a single parameter it may fail, or be late."""

from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from dynconfig.engine.errors import STOPPING, Conflict, DynConfigError, NotFound
from dynconfig.engine.resource import Owner
from dynconfig.kinds.parameter_ownership import ParameterOwnership
from dynconfig.kinds.parameter_value import Pairs, Parameter, all_tags
from dynconfig.kinds.partial_reads import PartialReads, stale_description

if TYPE_CHECKING:
    from mypy_boto3_ssm.client import SSMClient

DESCRIBE_BATCH = 50


class ParameterDetails:
    """Reads tags and metadata of the parameters of one place."""

    def __init__(self, ssm: "SSMClient", ownership: ParameterOwnership) -> None:
        self._ssm = ssm
        self._ownership = ownership

    def describe(self, versions: Mapping[str, int], reads: PartialReads) -> dict[str, Mapping[str, Any]]:
        """The metadata of these versions or newer ones: those of an older one are not what AWS has.

        What AWS refuses to describe has none here, and is noted by name.
        """
        found: dict[str, Mapping[str, Any]] = {}
        refused: DynConfigError | None = None
        for batch in batches(list(versions), DESCRIBE_BATCH):
            try:
                # The permission has no resource: what is refused for one batch is refused for all.
                # https://docs.aws.amazon.com/service-authorization/latest/reference/list_awssystemsmanager.html
                described = self._described(batch) if refused is None else {}
            except STOPPING:
                raise
            except DynConfigError as error:
                described, refused = {}, error
            found.update(described)
            for name in batch:
                _note(name, found.get(name, {}), versions[name], refused, reads)
        return found

    def tags_of(self, name: str, wanted: Parameter | None, reads: PartialReads) -> Pairs | None:
        """Tags as the index has them where they are as wanted, else asked for by name, since the index is late."""
        indexed = self._ownership.indexed(name)
        if indexed is not None and wanted is not None and indexed == all_tags(wanted):
            return indexed
        return reads.attempt("ListTagsForResource", name, lambda: self._tags(name))

    def tags_of_surplus(self, name: str, owner: Owner, reads: PartialReads) -> Pairs | None:
        """Tags of what is not desired: before it is given up, its owner is asked for by name once more."""
        return self._ownership.indexed_if_owned(name, owner) or self.tags_of(name, None, reads)

    def _described(self, names: Sequence[str]) -> dict[str, Mapping[str, Any]]:
        pages = self._ssm.get_paginator("describe_parameters").paginate(
            ParameterFilters=[{"Key": "Name", "Option": "Equals", "Values": list(names)}],
            PaginationConfig={"PageSize": DESCRIBE_BATCH},
        )
        return {item["Name"]: item for page in pages for item in page["Parameters"]}

    def _tags(self, name: str) -> Pairs:
        try:
            return self._ownership.tags(name)
        except NotFound:
            raise Conflict(f"parameter {name} was deleted concurrently; retrying", delay=0.5) from None


def _note(
    name: str, described: Mapping[str, Any], version: int, refused: DynConfigError | None, reads: PartialReads
) -> None:
    """What is not known of a parameter: its metadata, or anything of the version that was just read."""
    if refused is not None:
        reads.failed_partially(name, refused)
    elif error := stale_description(name, described, version):
        reads.failed(name, error)


def batches(items: Sequence[str], size: int) -> Iterator[list[str]]:
    """The items in lists of at most `size`."""
    for start in range(0, len(items), size):
        yield list(items[start : start + size])
