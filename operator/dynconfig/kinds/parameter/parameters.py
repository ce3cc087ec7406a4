"""Parameters in SSM Parameter Store: read in batches, written one by one, deleted ten at a time."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Any

from dynconfig.api.names import OWNER_TAG
from dynconfig.api.parameter import ParameterType, Tier
from dynconfig.kinds._shared.context import Context
from dynconfig.kinds.parameter import own_labels
from dynconfig.kinds.parameter.cached import CachedParameter
from dynconfig.kinds.parameter.create_only import refuse_wider_access
from dynconfig.kinds.parameter.descriptions import Descriptions, batches
from dynconfig.kinds.parameter.details import ParameterDetails
from dynconfig.kinds.parameter.image import IMAGE, Images
from dynconfig.kinds.parameter.ownership import ParameterOwnership
from dynconfig.kinds.parameter.partial_reads import PartialReads, from_both_ends
from dynconfig.kinds.parameter.read import read
from dynconfig.kinds.parameter.stale_read_guard import StaleReadGuard
from dynconfig.kinds.parameter.value import (
    OUR_TAGS,
    UNREADABLE,
    Pairs,
    Parameter,
    all_tags,
    cleared,
    comparable,
    desired_parameter,
    observed_parameter,
    one_copy,
    refuse_incomplete,
    with_tags,
)
from dynconfig.kinds.parameter.write import ParameterWrites
from dynconfig.model.declaration import Declaration
from dynconfig.model.errors import Conflict, NotPossible
from dynconfig.model.fingerprint import Fingerprints, fingerprints
from dynconfig.model.plan import differences
from dynconfig.model.resource import Owner, Scope, Unread
from dynconfig.model.secret import Secret
from dynconfig.model.ttl_cache import TtlCache

if TYPE_CHECKING:
    from mypy_boto3_ssm.client import SSMClient
    from mypy_boto3_ssm.type_defs import TagTypeDef

# GetParameters and DeleteParameters accept at most ten names.
# https://docs.aws.amazon.com/systems-manager/latest/APIReference/API_GetParameters.html
BATCH = 10
# "After deleting a parameter, wait for at least 30 seconds to create a parameter with the same name."
# https://docs.aws.amazon.com/systems-manager/latest/APIReference/API_DeleteParameter.html
RECREATE_SECONDS = 30
# SSM validates values of these data types. The data type of a parameter cannot be changed to or from them.
FIXED_DATA_TYPES = frozenset({IMAGE, "aws:ssm:integration"})
# A cached parameter stays valid for its version. The TTL limits how long a wrong entry could be used.
CACHE_SECONDS = 3600


class Parameters:
    """Read and write the parameters of one place. Thread-safe as long as each thread serves another owner."""

    value = Parameter
    is_independent = True

    def __init__(self, context: Context) -> None:
        self._ssm: SSMClient = context.client("ssm")
        self._owner_changed = context.owner_changed
        self._tag_index = context.parameter_tags
        self._clock = context.clock
        self._writes = ParameterWrites(self._ssm, context.writing)
        self._ignored_tags = context.ignored_tags
        self._cache: dict[str, CachedParameter] = {}
        self._deleted = TtlCache[str, float](RECREATE_SECONDS, self._clock)
        self._ownership = ParameterOwnership(self._ssm, self._tag_index, self._clock)
        self._descriptions = Descriptions(self._ssm, self._clock, context.call_back)
        self._details = ParameterDetails(self._descriptions, self._ownership)
        self._stale_reads = StaleReadGuard(self._clock)
        self._images = Images(self._clock)

    def desired(self, declaration: Declaration) -> Iterable[Parameter]:
        """Return the declared parameters, starting with those that AWS is most likely to reject, to avoid partial rollouts."""
        expired = declaration.expired
        staying = (item for item in declaration.parameters if not item.awaits_deletion and item.name not in expired)
        return sorted(
            (desired_parameter(declaration, item) for item in staying),
            key=lambda parameter: (parameter.type != ParameterType.SECURE_STRING, parameter.tier == Tier.STANDARD),
        )

    def observe(self, scope: Scope, desired: Sequence[Parameter]) -> Iterable[Parameter | Unread]:
        """Return the desired, known and owned parameters as SSM has them: one call for ten names if nothing has changed."""
        wanted = {parameter.name: parameter for parameter in desired}
        # The tag index is not read for a new object (it owns nothing yet) nor right after an event (latency matters).
        indexed = (
            0.0
            if scope.never_written or scope.is_partial
            else self._tag_index.refresh(scope.owner, bypass_cache=scope.bypass_cache)
        )
        owned = () if scope.never_written else self._tag_index.owned(scope.owner.tag)
        names = tuple(dict.fromkeys((*wanted, *scope.known, *owned)))
        reads = PartialReads()
        for name in scope.changed:
            # It may be a recreated parameter at the same version.
            self._cache.pop(name, None)
        before = self._cached(names)
        asked = [
            name
            for name in names
            if not scope.is_partial or not self._needs_no_read(before.get(name), wanted.get(name))
        ]
        self._read_ahead(scope, [name for name in asked if name in wanted and not self._is_recent(before.get(name))])
        answers = self._read(asked, wanted, before, reads)
        waiting = self._waiting(scope, [name for name in names if name not in reads], answers, wanted)
        yield from (comparable(parameter, wanted.get(name)) for name, parameter in waiting.items())
        same = {name for name, answer in answers.items() if self._is_same(before.get(name), answer)}
        fresh = [item for name, item in answers.items() if name not in waiting and name not in same]
        close = {parameter.name: parameter for parameter in self._read_details(scope, fresh, wanted, before, reads)}
        known = {name: cached for name, cached in before.items() if name in same or name not in asked}
        for name in (name for name in names if name not in waiting and name not in reads):
            parameter = close.get(name)
            cached = known.get(name) if parameter is None else None
            if cached is not None:
                parameter = self._with_tags(scope.owner, cached, wanted.get(name), indexed, reads)
            if parameter is None:
                continue
            if parameter.last_modified is None and name in answers:
                parameter = replace(parameter, last_modified=answers[name]["LastModifiedDate"].timestamp())
            # Parameters that are not desired are not described, so their metadata is incomplete and not cached.
            if name in wanted or parameter.owner != scope.owner.tag:
                self._remember(scope, parameter, cached)
            if cached is not None:
                parameter = cached.opened(parameter, wanted.get(name), answers.get(name))
            yield comparable(parameter, wanted.get(name))
        yield from self._unread(reads)

    def is_unchanged(self, owner: Owner, names: Fingerprints) -> bool:
        """Return whether the tag index has these parameters, and SSM has them as this owner's were read last, within an hour."""
        indexed = self._tag_index.refresh(owner, bypass_cache=False)
        owned = self._tag_index.owned(owner.tag)
        cached = self._cached(owned)
        return (
            len(cached) == len(owned)
            and fingerprints(owned) == names
            and all(item.sealed.owner == owner.tag for item in cached.values())
            and all(self._is_recent(item) and self._has_same_tags(item, indexed) for item in cached.values())
            and all(self._is_batch_same(batch, cached) for batch in batches(owned, BATCH))
        )

    def _is_batch_same(self, names: Sequence[str], cached: Mapping[str, CachedParameter]) -> bool:
        answers = read(self._ssm, names, decrypt=False)
        return len(answers) == len(names) and all(cached[item["Name"]].is_same(item) for item in answers)

    def refuse(self, desired: Parameter, observed: Parameter | None) -> None:
        """Raise NotPossible for a tier downgrade or a data type change, Conflict for a name that was deleted seconds ago."""
        refuse_incomplete(desired, observed)
        if observed is None:
            self._refuse_recreation(desired.name)
        if observed and _is_tier_downgrade(desired, observed) and _differs_only_in_tier(desired, observed):
            raise _tier_not_reversible(desired.name)
        if observed:
            refuse_wider_access(desired, observed)
        types = {observed.data_type, desired.data_type} if observed else set()
        if observed and len(types) > 1 and types & FIXED_DATA_TYPES:
            raise NotPossible(
                f"parameter {desired.name} has dataType {observed.data_type}, which SSM cannot change to "
                f"{desired.data_type}. Keep it, or remove the parameter, wait {RECREATE_SECONDS} s, and declare it again"
            )

    def put(self, desired: Parameter, observed: Parameter | None) -> Parameter:
        """Create the parameter, or overwrite what differs. Tags are written first; they alone create no new version.

        Raises NotPossible if everything but the tier could be written: SSM does not downgrade tiers.
        """
        if observed is None or not _is_tier_downgrade(desired, observed):
            return self._put(desired, observed)
        self._put(replace(desired, tier=observed.tier), observed)
        raise _tier_not_reversible(desired.name)

    def _put(self, desired: Parameter, observed: Parameter | None) -> Parameter:
        self._images.refuse_repetition(desired)
        cached = self._cache.pop(desired.name, None)
        if observed is None:
            self._ownership.created(desired.name)
        else:
            self._ownership.confirm(observed)
            if observed.owner != desired.owner:
                self._ownership.distrust_index([desired.name])
                self._owner_changed([desired.name])
        result = (
            self._writes.create(desired)
            if observed is None
            else self._writes.update(desired, observed, cached.sealed if cached else None)
        )
        if result.data_type == IMAGE and (observed is None or result.version != observed.version):
            return self._images.written(result)
        self._stale_reads.written(result)
        is_known = not desired.ignored and not (observed and observed.unknown)
        # Ignored values and fields are not known from the request, nor whether AWS has cleared a field.
        if result.value is not None and is_known and not cleared(desired, observed):
            self._cache[desired.name] = CachedParameter.of(
                self._clock(), replace(result, from_secret=result.from_secret.in_aws)
            )
        return result

    def delete(self, observed: Sequence[Parameter]) -> None:
        """Delete the parameters this owner still owns; missing ones are ignored. Raises Conflict if one has another owner."""
        confirmed = self._ownership.confirmed(observed)
        for names in batches(confirmed, BATCH):
            self._writes.delete(names)
            self._stale_reads.forget(names)
            self._images.forget(names)
            for name in names:
                self._cache.pop(name, None)
                self._deleted.put(name, self._clock())
        self._ownership.refuse_taken(observed, confirmed)

    def release(self, observed: Parameter) -> None:
        """Remove the operator's labels and the owner tag. Raises Conflict if the parameter has another owner."""
        self._remove_marks(observed)
        self._ssm.remove_tags_from_resource(ResourceType="Parameter", ResourceId=observed.name, TagKeys=[OWNER_TAG])

    def hand_over(self, observed: Parameter, to: Owner) -> None:
        """Remove the operator's labels and overwrite the owner tag. Raises Conflict if it has another owner, NotFound.

        https://docs.aws.amazon.com/systems-manager/latest/APIReference/API_AddTagsToResource.html
        """
        self._remove_marks(observed)
        tags: list[TagTypeDef] = [{"Key": OWNER_TAG, "Value": to.tag}]
        self._ssm.add_tags_to_resource(ResourceType="Parameter", ResourceId=observed.name, Tags=tags)

    def _remove_marks(self, observed: Parameter) -> None:
        self._ownership.refuse_taken([observed], self._ownership.confirmed([observed]))
        self._ownership.distrust_index([observed.name])
        self._cache.pop(observed.name, None)
        try:
            own_labels.remove_for_good(self._ssm, observed.name)
        finally:
            # Only now: another object may read the labels until they are removed.
            self._owner_changed([observed.name])

    # --- observing

    def _refuse_recreation(self, wanted: str) -> None:
        if (deleted := self._deleted.get(wanted)) is not None:
            raise Conflict(
                f"parameter {wanted} was just deleted; AWS requires a wait of {RECREATE_SECONDS} s before it can be recreated",
                delay=deleted + RECREATE_SECONDS - self._clock(),
            )

    def _read_ahead(self, scope: Scope, names: Sequence[str]) -> None:
        """Read the metadata of parameters that are not cached, before any other call is spent on them."""
        self._descriptions.forget(scope.changed)
        if scope.is_partial or scope.bypass_cache:
            self._descriptions.forget(names)
        elif not scope.never_written:
            self._descriptions.read_ahead(scope.owner, names)

    def _cached(self, names: Sequence[str]) -> dict[str, CachedParameter]:
        """Return the cached parameters of these names; reconciles of other objects may evict them meanwhile."""
        found = ((name, self._cache.get(name)) for name in names)
        return {name: cached for name, cached in found if cached is not None}

    def _waiting(
        self,
        scope: Scope,
        names: Sequence[str],
        answers: Mapping[str, Mapping[str, Any]],
        wanted: Mapping[str, Parameter],
    ) -> dict[str, Parameter]:
        """Return images that EC2 has not validated yet. On a manual request, images that failed validation are retried."""
        waiting = self._images.waiting(names, answers, wanted)
        if scope.bypass_cache:
            self._images.forget(name for name in names if name not in waiting)
        return waiting

    def _is_recent(self, cached: CachedParameter | None) -> bool:
        return cached is not None and self._clock() - cached.at < CACHE_SECONDS

    def _needs_no_read(self, cached: CachedParameter | None, wanted: Parameter | None) -> bool:
        """Return whether the cached value suffices, given that no event named the parameter."""
        return cached is not None and self._is_recent(cached) and cached.suffices(wanted)

    def _unread(self, reads: PartialReads) -> Iterator[Unread]:
        """Return the parameters that could not be read, and evict them from the cache; the index may be older than an event."""
        for item in reads.unread:
            self._cache.pop(item.name, None)
            if not item.is_partial:
                self._ownership.distrust_index([item.name])
            yield item

    def _read(
        self,
        names: Sequence[str],
        wanted: Mapping[str, Parameter],
        before: Mapping[str, CachedParameter],
        reads: PartialReads,
    ) -> dict[str, dict[str, Any]]:
        """Call GetParameters for all names; decrypt only declared secrets that the cache does not confirm at their version.

        Parameters that are no longer declared are never decrypted: a deletion does not need the value.
        """

        def suffices(name: str) -> bool:
            return name in before and before[name].suffices(wanted.get(name))

        def get(batch: Sequence[str]) -> dict[str, dict[str, Any]]:
            decrypt = any(_is_secret(wanted.get(name)) and not suffices(name) for name in batch)
            return self._get(batch, wanted, reads, decrypt=decrypt)

        surplus = [name for name in names if name not in wanted]
        declared = [name for name in names if name in wanted]
        answers = reads.in_batches([*batches(declared, BATCH), *batches(surplus, BATCH)], get)
        stale = [
            name
            for name, answer in answers.items()
            if name in wanted
            and answer["Type"] == ParameterType.SECURE_STRING
            and not answer["decrypted"]
            and not (suffices(name) and self._is_same(before.get(name), answer))
        ]
        answers.update(
            reads.in_batches(list(batches(stale, BATCH)), lambda batch: self._get(batch, wanted, reads, decrypt=True))
        )
        for name in set(names) - set(answers):
            self._cache.pop(name, None)
        return answers

    def _get(
        self, names: Sequence[str], wanted: Mapping[str, Parameter], reads: PartialReads, *, decrypt: bool
    ) -> dict[str, dict[str, Any]]:
        answers = {item["Name"]: item for item in read(self._ssm, names, decrypt=decrypt)}
        for name, item in answers.items():
            item["Value"] = one_copy(item["Value"], wanted.get(name))
        for item in answers.values():
            reads.attempt("version", item["Name"], partial(self._stale_reads.check, item))
        return {name: item for name, item in answers.items() if name not in reads}

    def _is_same(self, cached: CachedParameter | None, answer: Mapping[str, Any]) -> bool:
        return cached is not None and cached.is_version(answer) and self._is_recent(cached)

    def _read_details(
        self,
        scope: Scope,
        answers: Sequence[Mapping[str, Any]],
        wanted: Mapping[str, Parameter],
        before: Mapping[str, CachedParameter],
        reads: PartialReads,
    ) -> Iterator[Parameter]:
        """Read the tags of all parameters, and the metadata of those that are owned or may be adopted."""
        # The tag index is older than the event.
        hinted = {name: parameter for name, parameter in wanted.items() if name not in scope.changed}
        found = {answer["Name"]: answer for answer in answers}
        tags: dict[str, Pairs | None] = {}
        for name in from_both_ends(list(found)):
            tags[name] = (
                self._details.tags_of(name, hinted.get(name), reads)
                if name in wanted or name in scope.changed
                else self._details.tags_of_surplus(name, scope.owner, reads)
            )
        versions = {name: answer["Version"] for name, answer in found.items() if name in wanted and name not in reads}
        # What is going to be written is described after it was read: it may have been deleted meanwhile.
        self._descriptions.forget(name for name in versions if not _has_value(found[name], wanted[name].value))
        metadata = self._details.describe(versions, reads)
        for name, answer in found.items():
            own = tags[name]
            if own is not None and name not in reads:
                observed = observed_parameter(answer, metadata.get(name, {}), own, self._own_tags(own))
                yield replace(observed, value=_value_at(answer, observed, before.get(name), wanted.get(name)))

    def _with_tags(
        self, owner: Owner, cached: CachedParameter, wanted: Parameter | None, indexed: float, reads: PartialReads
    ) -> Parameter | None:
        """Return the cached parameter; re-read its tags if a newer index disagrees. None if they cannot be read."""
        parameter, name = cached.sealed, cached.sealed.name
        if wanted is not None and self._has_same_tags(cached, indexed):
            return parameter
        details = self._details
        tags = details.tags_of(name, None, reads) if wanted else details.tags_of_surplus(name, owner, reads)
        return None if tags is None else with_tags(parameter, tags, self._own_tags(tags))

    def _has_same_tags(self, cached: CachedParameter, indexed: float) -> bool:
        """Whether no newer index disagrees with the tags of a cached parameter."""
        return indexed <= cached.at or self._tag_index.tags(cached.sealed.name) == all_tags(cached.sealed)

    def _remember(self, scope: Scope, parameter: Parameter, cached: CachedParameter | None) -> None:
        """Cache a parameter that was read, or `cached` with new tags."""
        # The KMS key may be usable again next time.
        if parameter.owner != scope.owner.tag or parameter.value in (None, UNREADABLE) or parameter.unknown:
            self._cache.pop(parameter.name, None)
        elif cached is None:
            self._cache[parameter.name] = CachedParameter.of(self._clock(), parameter)
        elif parameter is not cached.sealed or parameter.name not in self._cache:
            self._cache[parameter.name] = replace(cached, at=self._clock(), sealed=parameter)

    def _own_tags(self, tags: Pairs) -> Pairs:
        return tuple(pair for pair in tags if pair[0] not in OUR_TAGS and not pair[0].startswith(self._ignored_tags))


def _has_value(answer: Mapping[str, Any], value: str | Secret | None) -> bool:
    """Whether a parameter that was read has this value, or its value is not enforced."""
    read = Secret(answer["Value"]) if isinstance(value, Secret) else answer["Value"]
    return value is None or value == read


def _value_at(
    answer: Mapping[str, Any], found: Parameter, before: CachedParameter | None, wanted: Parameter | None
) -> str | Secret | None:
    """Return the value; if its KMS key is unusable, the cached value of this version, regardless of its age."""
    is_known = found.value is UNREADABLE and before is not None and before.is_version(answer)
    return before.value(wanted) if is_known and before else found.value


def _is_secret(parameter: Parameter | None) -> bool:
    return parameter is not None and parameter.type == ParameterType.SECURE_STRING


def _tier_not_reversible(name: str) -> NotPossible:
    return NotPossible(
        f"parameter {name} is in tier Advanced, which SSM cannot change back to Standard. "
        "Set tier: Advanced, or remove the parameter and declare it again"
    )


def _is_tier_downgrade(desired: Parameter, observed: Parameter) -> bool:
    return (observed.tier, desired.tier) == (Tier.ADVANCED, Tier.STANDARD)


def _differs_only_in_tier(desired: Parameter, observed: Parameter) -> bool:
    return observed.owner == desired.owner and not differences(replace(desired, tier=observed.tier), observed)
