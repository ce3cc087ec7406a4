"""Writes of parameters to SSM: create, overwrite, tag, delete.

Each write is announced while it is in progress, so that the event listener can recognise its own events.
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from dynconfig.api.names import FROM_SECRET_TAG, OWNER_TAG
from dynconfig.kinds._shared.context import Writing
from dynconfig.kinds.parameter.create_only import refuse_wider_access
from dynconfig.kinds.parameter.own_labels import is_own
from dynconfig.kinds.parameter.value import (
    Parameter,
    all_tags,
    cleared,
    keeping_ignored,
    request,
    still_set,
    with_metadata,
    written,
)
from dynconfig.model.errors import AlreadyExists, Conflict, NotPossible, Refused, VersionLimit
from dynconfig.model.plan import differences
from dynconfig.model.secret_mark import UNMARKED
from dynconfig.model.writes import DELETE, PUT

# Fields that AWS changes without a new version.
_TAGS = ("tags", "from_secret")

if TYPE_CHECKING:
    from mypy_boto3_ssm.client import SSMClient
    from mypy_boto3_ssm.type_defs import TagTypeDef


class ParameterWrites:
    """Write the parameters of one place."""

    def __init__(self, ssm: "SSMClient", writing: Writing) -> None:
        self._ssm = ssm
        self._writing = writing

    def create(self, desired: Parameter) -> Parameter:
        """Create the parameter with its tags. Raises Conflict if it already exists."""
        tags: list[TagTypeDef] = [{"Key": key, "Value": value} for key, value in all_tags(desired)]
        try:
            with self._writing(PUT, [desired.name]):
                answer = self._ssm.put_parameter(**request(desired, desired.initial), Tags=tags, Overwrite=False)
        except AlreadyExists:
            raise Conflict(f"parameter {desired.name} was created concurrently; retrying", delay=0.5) from None
        return written(replace(desired, from_secret=desired.from_secret.written_over(UNMARKED)), answer)

    def update(self, desired: Parameter, observed: Parameter, seen: Parameter | None) -> Parameter:
        """Write the tags, then a new version if anything else differs. `seen` has the fields that are not managed, too."""
        self._update_tags(desired, observed)
        mark = desired.from_secret.written_over(observed.from_secret)
        if all(difference.field in _TAGS for difference in differences(desired, observed)):
            self._unmark(desired, observed)
            return replace(observed, owner=desired.owner, tags=desired.tags, from_secret=mark)
        if seen is None and (desired.ignored or desired.value is None):
            seen = self._described(observed)
        kept = keeping_ignored(desired, seen) if seen else desired
        kept = replace(kept, from_secret=mark)
        if not kept.kms_key:
            # A parameter that was not a SecureString has no key to keep.
            kept = replace(kept, kms_key=desired.kms_key)
        if seen:
            refuse_wider_access(kept, seen)
        value = self._current(observed) if kept.value is None else kept.value
        overwrite = request(kept, value, clear_policies=bool(observed.policies))
        try:
            answer = self._overwrite(overwrite)
        except VersionLimit:
            self._move_label(desired.name)
            answer = self._overwrite(overwrite)
        self._unmark(desired, observed)
        self._check_cleared(kept, observed, answer)
        return written(kept, answer)

    def delete(self, names: Sequence[str]) -> None:
        """Delete at most ten parameters; missing ones are ignored."""
        with self._writing(DELETE, names):
            self._ssm.delete_parameters(Names=list(names))

    def _overwrite(self, overwrite: Mapping[str, Any]) -> Mapping[str, Any]:
        with self._writing(PUT, [overwrite["Name"]]):
            return self._ssm.put_parameter(**overwrite, Overwrite=True)

    def _check_cleared(self, desired: Parameter, observed: Parameter, answer: Mapping[str, Any]) -> None:
        """Read back the fields that were cleared. Raises Refused if AWS still has a value."""
        names = cleared(desired, observed)
        if not names:
            return
        found = self._metadata(desired.name)
        # Metadata of an older version is stale: the next reconcile reads it again.
        kept = [name for item in found if item["Version"] == answer["Version"] for name in still_set(item, names)]
        if kept:
            raise Refused(
                f"parameter {desired.name}: AWS still has {', '.join(kept)}, which version {answer['Version']} cleared. "
                "Clear it in the console, or remove the parameter and declare it again"
            )

    def _unmark(self, desired: Parameter, observed: Parameter) -> None:
        """Remove the mark, after the Secret's value was overwritten: readers in between must still see it."""
        if observed.from_secret.is_set and not desired.from_secret.is_set:
            self._ssm.remove_tags_from_resource(
                ResourceType="Parameter", ResourceId=desired.name, TagKeys=[FROM_SECRET_TAG]
            )

    def _update_tags(self, desired: Parameter, observed: Parameter) -> None:
        owner = {OWNER_TAG: observed.owner} if observed.owner else {}
        before = {**dict(observed.tags), **owner, **observed.from_secret.tags}
        after = dict(all_tags(desired))
        resource: Any = {"ResourceType": "Parameter", "ResourceId": desired.name}
        added: list[TagTypeDef] = [
            {"Key": key, "Value": text} for key, text in after.items() if before.get(key) != text
        ]
        if added:
            self._ssm.add_tags_to_resource(**resource, Tags=added)
        removed = sorted(set(before) - set(after) - {FROM_SECRET_TAG})
        if removed:
            self._ssm.remove_tags_from_resource(**resource, TagKeys=removed)

    def _described(self, observed: Parameter) -> Parameter:
        """Return the parameter with the fields that are not managed, as AWS has them.

        Raises Conflict if AWS does not describe this version yet.
        """
        metadata = self._metadata(observed.name)
        found = next((item for item in metadata if item["Version"] == observed.version), None)
        if found is None:
            raise Conflict(f"the metadata of parameter {observed.name} is not available yet; retrying", delay=0.5)
        return replace(with_metadata(observed, found), data_type=found.get("DataType", observed.data_type))

    def _metadata(self, name: str) -> Sequence[Mapping[str, Any]]:
        filters: Any = [{"Key": "Name", "Option": "Equals", "Values": [name]}]
        return self._ssm.describe_parameters(ParameterFilters=filters)["Parameters"]

    def _current(self, observed: Parameter) -> str:
        """Return the value that is not managed: overwriting another field has to send it back.

        Raises Conflict if there is a newer version, whose form is not known.
        """
        found = self._ssm.get_parameter(Name=observed.name, WithDecryption=True)["Parameter"]
        if found["Version"] != observed.version:
            raise Conflict(f"parameter {observed.name} was updated concurrently; retrying", delay=0.5)
        return found["Value"]

    def _move_label(self, name: str) -> None:
        """Remove the operator's label from the oldest of the 100 versions. Raises NotPossible if it has a foreign label."""
        pages = self._ssm.get_paginator("get_parameter_history").paginate(Name=name, WithDecryption=False)
        oldest = min((item for page in pages for item in page["Parameters"]), key=lambda item: item["Version"])
        labels = oldest.get("Labels", [])
        ours = [label for label in labels if is_own(label)]
        foreign = sorted(set(labels) - set(ours))
        if foreign:
            raise NotPossible(
                f"parameter {name} has 100 versions and the oldest, {oldest['Version']}, carries the label {foreign[0]}, "
                "so SSM accepts no new version. Move or remove that label"
            )
        self._ssm.unlabel_parameter_version(Name=name, ParameterVersion=oldest["Version"], Labels=ours)
