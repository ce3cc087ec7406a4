"""Tags and metadata of parameters. Reads of a single parameter may fail or return stale data."""

from collections.abc import Mapping
from typing import Any

from dynconfig.kinds.parameter.descriptions import Descriptions, batches
from dynconfig.kinds.parameter.ownership import ParameterOwnership
from dynconfig.kinds.parameter.partial_reads import PartialReads, stale_description
from dynconfig.kinds.parameter.value import Pairs, Parameter, all_tags
from dynconfig.kinds.parameter.waiting_names import DESCRIBE_BATCH
from dynconfig.model.errors import STOPPING, Conflict, DynConfigError, NotFound
from dynconfig.model.resource import Owner


class ParameterDetails:
    """Read tags and metadata of the parameters of one place."""

    def __init__(self, descriptions: Descriptions, ownership: ParameterOwnership) -> None:
        self._descriptions = descriptions
        self._ownership = ownership

    def describe(self, versions: Mapping[str, int], reads: PartialReads) -> dict[str, Mapping[str, Any]]:
        """Return the metadata of these versions or newer ones; metadata of older versions is stale.

        Parameters that AWS refuses to describe are omitted and recorded in `reads`.
        """
        found: dict[str, Mapping[str, Any]] = {}
        refused: DynConfigError | None = None
        for batch in batches(list(versions), DESCRIBE_BATCH):
            try:
                # The permission has no resource scope: if one batch is denied, all are.
                # https://docs.aws.amazon.com/service-authorization/latest/reference/list_awssystemsmanager.html
                described = self._descriptions.of({name: versions[name] for name in batch}) if refused is None else {}
            except STOPPING:
                raise
            except DynConfigError as error:
                described, refused = {}, error
            found.update(described)
            for name in batch:
                _note(name, found.get(name, {}), versions[name], refused, reads)
        return found

    def tags_of(self, name: str, wanted: Parameter | None, reads: PartialReads) -> Pairs | None:
        """Return the indexed tags if they are as desired; otherwise read them by name, because the index lags."""
        indexed = self._ownership.indexed(name)
        if indexed is not None and wanted is not None and indexed == all_tags(wanted):
            return indexed
        return reads.attempt("ListTagsForResource", name, lambda: self._tags(name))

    def tags_of_surplus(self, name: str, owner: Owner, reads: PartialReads) -> Pairs | None:
        """Return the tags of a parameter that is not desired. Its owner is confirmed by name before it is deleted."""
        return self._ownership.indexed_if_owned(name, owner) or self.tags_of(name, None, reads)

    def _tags(self, name: str) -> Pairs:
        try:
            return self._ownership.tags(name)
        except NotFound:
            raise Conflict(f"parameter {name} was deleted concurrently; retrying", delay=0.5) from None


def _note(
    name: str, described: Mapping[str, Any], version: int, refused: DynConfigError | None, reads: PartialReads
) -> None:
    """Record what could not be read of a parameter: its metadata, or the version that was just read."""
    if refused is not None:
        reads.failed_partially(name, refused)
    elif error := stale_description(name, described, version):
        reads.failed(name, error)
