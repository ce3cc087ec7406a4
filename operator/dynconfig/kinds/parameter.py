"""The parameters in SSM Parameter Store: read in batches, written one by one, deleted ten at a time."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import nullcontext
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from dynconfig.api.names import OWNER_TAG
from dynconfig.api.parameter import ParameterType, Tier
from dynconfig.engine.declaration import Declaration
from dynconfig.engine.errors import Conflict, NotFound, NotPossible
from dynconfig.engine.resource import Owner, Scope
from dynconfig.kinds import own_labels
from dynconfig.kinds.parameter_fresh import Freshness
from dynconfig.kinds.parameter_image import IMAGE, Images
from dynconfig.kinds.parameter_ownership import ParameterOwnership, Tagged
from dynconfig.kinds.parameter_read import read
from dynconfig.kinds.parameter_value import (
    OUR_TAGS,
    UNREADABLE,
    Pairs,
    Parameter,
    all_tags,
    cleared,
    comparable,
    desired_parameter,
    observed_parameter,
    with_tags,
)
from dynconfig.kinds.parameter_write import ParameterWrites, Writing

if TYPE_CHECKING:
    from mypy_boto3_ssm.client import SSMClient

# GetParameters and DeleteParameters take ten names.
# https://docs.aws.amazon.com/systems-manager/latest/APIReference/API_GetParameters.html
BATCH = 10
DESCRIBE_BATCH = 50
# "After deleting a parameter, wait for at least 30 seconds to create a parameter with the same name."
# https://docs.aws.amazon.com/systems-manager/latest/APIReference/API_DeleteParameter.html
RECREATE_SECONDS = 30
# SSM validates what is of these types, and takes no parameter into them or out of them.
FIXED_DATA_TYPES = frozenset({IMAGE, "aws:ssm:integration"})
# What was seen at a version is true of that version; this bounds how long a mistake of ours could live.
SEEN_SECONDS = 3600


class Parameters:
    """Reads and writes parameters of one place; safe for threads that serve different owners."""

    value = Parameter
    stands_alone = True

    def __init__(
        self,
        ssm: "SSMClient",
        tagged: Tagged,
        clock: Callable[[], float],
        *,
        ignored_tags: tuple[str, ...] = (),
        writing: Writing = lambda _operation, _names: nullcontext(),
    ) -> None:
        self._ssm = ssm
        self._tagged = tagged
        self._clock = clock
        self._writes = ParameterWrites(ssm, writing)
        self._ignored_tags = ("aws:", *ignored_tags)
        self._seen: dict[str, tuple[float, Parameter]] = {}
        self._deleted: dict[str, float] = {}
        self._ownership = ParameterOwnership(ssm, tagged, clock)
        self._fresh = Freshness(clock)
        self._images = Images(clock)

    def desired(self, declaration: Declaration) -> Iterable[Parameter]:
        """The declared parameters, those first that AWS is likelier to refuse, so that least is half done."""
        expired = declaration.expired
        staying = (item for item in declaration.parameters if not item.is_leaving and item.name not in expired)
        return sorted(
            (desired_parameter(declaration, item) for item in staying),
            key=lambda parameter: (parameter.type != ParameterType.SECURE_STRING, parameter.tier == Tier.STANDARD),
        )

    def observe(self, scope: Scope, desired: Sequence[Parameter]) -> Iterable[Parameter]:
        """What SSM has of the names that are desired, known or owned; one call for ten where nothing changed."""
        wanted = {parameter.name: parameter for parameter in desired}
        # Neither for a new object nor in the seconds after an event is there time to read the index.
        indexed = 0.0 if scope.untouched or scope.heard else self._tagged.look(scope.owner, closely=scope.closely)
        owned = () if scope.untouched else self._tagged.owned(scope.owner.tag)
        names = tuple(dict.fromkeys((*wanted, *scope.known, *owned)))
        answers = self._read(self._doubtful(scope, names), wanted)
        waiting = self._waiting(scope, names, answers, wanted)
        yield from (comparable(parameter, wanted.get(name)) for name, parameter in waiting.items())
        fresh = [item for name, item in answers.items() if name not in waiting and not self._is_seen(name, item)]
        close = {parameter.name: parameter for parameter in self._look_closely(scope, fresh, wanted)}
        for name in (name for name in names if (name in self._seen or name in close) and name not in waiting):
            parameter = close.get(name) or self._with_tags(scope.owner, self._seen[name], wanted.get(name), indexed)
            if parameter.last_modified is None and name in answers:
                parameter = replace(parameter, last_modified=answers[name]["LastModifiedDate"].timestamp())
            # What is not desired is not described either, so that it is not known in full.
            if name in wanted or parameter.owner != scope.owner.tag:
                self._remember(scope, parameter)
            yield comparable(parameter, wanted.get(name))

    def refuse(self, desired: Parameter, observed: Parameter | None) -> None:
        """SSM has no way back from the Advanced tier, none from one data type to another, and no name back at once."""
        if observed is None:
            self._refuse_recreation(desired.name)
        if observed and (observed.tier, desired.tier) == (Tier.ADVANCED, Tier.STANDARD):
            raise NotPossible(
                f"parameter {desired.name} is in tier Advanced, and SSM cannot move it back to Standard; "
                "set tier: Advanced, or remove the parameter and declare it again"
            )
        types = {observed.data_type, desired.data_type} if observed else set()
        if observed and len(types) > 1 and types & FIXED_DATA_TYPES:
            raise NotPossible(
                f"parameter {desired.name} has dataType {observed.data_type}, and SSM cannot change that to "
                f"{desired.data_type}; keep it, or remove the parameter, wait {RECREATE_SECONDS} s, and declare it again"
            )

    def put(self, desired: Parameter, observed: Parameter | None) -> Parameter:
        """Create, or overwrite what differs; ownership and tags come first, a tag alone makes no new version."""
        self._images.refuse_repetition(desired)
        _at, seen = self._seen.pop(desired.name, (0.0, None))
        if observed is None:
            self._ownership.created(desired.name)
        else:
            self._ownership.confirm(observed)
            if observed.owner != desired.owner:
                self._ownership.doubt([desired.name])
        result = self._writes.create(desired) if observed is None else self._writes.update(desired, observed, seen)
        if result.data_type == IMAGE and (observed is None or result.version != observed.version):
            return self._images.written(result)
        self._fresh.written(result)
        # Neither a value nor a field that is somebody else's is known from what was sent, nor whether a field is empty now.
        if result.value is not None and not desired.ignored and not cleared(desired, observed):
            self._seen[desired.name] = (self._clock(), result)
        return result

    def delete(self, observed: Sequence[Parameter]) -> None:
        """Delete what is still ours; names that are gone already are no error. Raises Conflict for what another took over."""
        confirmed = self._ownership.confirmed(observed)
        for names in _batches(confirmed, BATCH):
            self._writes.delete(names)
            self._fresh.forget(names)
            self._images.forget(names)
            for name in names:
                self._seen.pop(name, None)
                self._deleted[name] = self._clock()
        self._ownership.refuse_taken(observed, confirmed)

    def release(self, observed: Parameter) -> None:
        """Take our labels and the owner tag off. Raises Conflict where another took it over."""
        self._ownership.refuse_taken([observed], self._ownership.confirmed([observed]))
        self._ownership.doubt([observed.name])
        self._seen.pop(observed.name, None)
        own_labels.remove(self._ssm, observed.name)
        self._ssm.remove_tags_from_resource(ResourceType="Parameter", ResourceId=observed.name, TagKeys=[OWNER_TAG])

    # --- observing

    def _refuse_recreation(self, wanted: str) -> None:
        now = self._clock()
        for name, at in list(self._deleted.items()):
            if now - at >= RECREATE_SECONDS:
                self._deleted.pop(name, None)
        if wanted in self._deleted:
            raise Conflict(
                f"parameter {wanted} was deleted a moment ago; AWS wants {RECREATE_SECONDS} s before it comes back",
                delay=self._deleted[wanted] + RECREATE_SECONDS - now,
            )

    def _doubtful(self, scope: Scope, names: Sequence[str]) -> list[str]:
        """The names to ask for: all, or where AWS spoke of some, those and what was not seen lately.

        What was seen of a name that AWS spoke of is forgotten: it may be another parameter at the same version.
        """
        for name in scope.heard:
            self._seen.pop(name, None)
        return [name for name in names if not scope.heard or not self._is_remembered(name)]

    def _waiting(
        self,
        scope: Scope,
        names: Sequence[str],
        answers: Mapping[str, Mapping[str, Any]],
        wanted: Mapping[str, Parameter],
    ) -> dict[str, Parameter]:
        """Images that EC2 has not confirmed yet. When a person asks, what it did not confirm is tried again."""
        waiting = self._images.waiting(names, answers, wanted)
        if scope.closely:
            self._images.forget(name for name in names if name not in waiting)
        return waiting

    def _is_remembered(self, name: str) -> bool:
        return name in self._seen and self._clock() - self._seen[name][0] < SEEN_SECONDS

    def _read(self, names: Sequence[str], wanted: Mapping[str, Parameter]) -> dict[str, dict[str, Any]]:
        """GetParameters for all names, decrypted only where a declared secret is not known at its version.

        What is not declared any more is never decrypted: nobody needs a value in order to delete it.
        """
        answers: dict[str, dict[str, Any]] = {}
        surplus = [name for name in names if name not in wanted]
        for batch in (*_batches([name for name in names if name in wanted], BATCH), *_batches(surplus, BATCH)):
            decrypt = any(name not in self._seen and _is_secret(wanted.get(name)) for name in batch)
            answers.update(self._get(batch, decrypt=decrypt))
        stale = [
            name
            for name, answer in answers.items()
            if name in wanted
            and answer["Type"] == ParameterType.SECURE_STRING
            and not answer["decrypted"]
            and not self._is_seen(name, answer)
        ]
        for batch in _batches(stale, BATCH):
            answers.update(self._get(batch, decrypt=True))
        for name in set(names) - set(answers):
            self._seen.pop(name, None)
        return answers

    def _get(self, names: Sequence[str], *, decrypt: bool) -> dict[str, dict[str, Any]]:
        answers = read(self._ssm, names, decrypt=decrypt)
        for item in answers:
            self._fresh.check(item)
        return {item["Name"]: item for item in answers}

    def _is_seen(self, name: str, answer: Mapping[str, Any]) -> bool:
        at, parameter = self._seen.get(name, (0.0, None))
        return parameter is not None and parameter.version == answer["Version"] and self._clock() - at < SEEN_SECONDS

    def _look_closely(
        self, scope: Scope, answers: Sequence[Mapping[str, Any]], wanted: Mapping[str, Parameter]
    ) -> Iterator[Parameter]:
        """Tags of all, and the metadata of those that are ours or may become ours."""
        # The index is older than what AWS spoke of this moment.
        hinted = {name: parameter for name, parameter in wanted.items() if name not in scope.heard}
        names = [answer["Name"] for answer in answers]
        tags = {name: self._tags_of(name, hinted.get(name)) for name in names if name in wanted}
        tags.update({name: self._tags_of_surplus(name, scope.owner) for name in names if name not in wanted})
        metadata = self._describe({item["Name"]: item["Version"] for item in answers if item["Name"] in wanted})
        for answer in answers:
            name = answer["Name"]
            yield observed_parameter(answer, metadata.get(name, {}), tags[name], self._own_tags(tags[name]))

    def _describe(self, versions: Mapping[str, int]) -> dict[str, Mapping[str, Any]]:
        """The metadata of these versions or newer ones: those of an older one are not what AWS has. Raises Conflict."""
        found: dict[str, Mapping[str, Any]] = {}
        for batch in _batches(list(versions), DESCRIBE_BATCH):
            pages = self._ssm.get_paginator("describe_parameters").paginate(
                ParameterFilters=[{"Key": "Name", "Option": "Equals", "Values": list(batch)}],
                PaginationConfig={"PageSize": DESCRIBE_BATCH},
            )
            found.update({item["Name"]: item for page in pages for item in page["Parameters"]})
        late = [name for name, version in versions.items() if found.get(name, {}).get("Version", 0) < version]
        if late:
            raise Conflict(f"AWS does not describe parameter {min(late)} yet, which it has; looking again", delay=2.0)
        return found

    def _tags_of(self, name: str, wanted: Parameter | None) -> Pairs:
        """Tags as the index has them where they are as wanted, else asked for by name, since the index is late."""
        indexed = self._ownership.indexed(name)
        if indexed is not None and wanted is not None and indexed == all_tags(wanted):
            return indexed
        try:
            return self._ownership.tags(name)
        except NotFound:
            raise Conflict(f"parameter {name} went away this moment; looking again", delay=0.5) from None

    def _tags_of_surplus(self, name: str, owner: Owner) -> Pairs:
        """Tags of what is not desired: before it is given up, its owner is asked for by name once more."""
        return self._ownership.hint(name, owner) or self._tags_of(name, None)

    def _with_tags(
        self, owner: Owner, seen: tuple[float, Parameter], wanted: Parameter | None, indexed: float
    ) -> Parameter:
        """What was seen before, its tags asked for anew where a later index disagrees."""
        at, parameter = seen
        agrees = self._tagged.tags(parameter.name) == all_tags(parameter)
        if wanted is not None and (agrees or indexed <= at):
            return parameter
        name = parameter.name
        tags = self._tags_of(name, None) if wanted else self._tags_of_surplus(name, owner)
        return with_tags(parameter, tags, self._own_tags(tags))

    def _remember(self, scope: Scope, parameter: Parameter) -> None:
        # A key may be usable again at the next look.
        if parameter.owner != scope.owner.tag or parameter.value in (None, UNREADABLE):
            self._seen.pop(parameter.name, None)
        elif self._seen.get(parameter.name, (0.0, None))[1] is not parameter:
            self._seen[parameter.name] = (self._clock(), parameter)

    def _own_tags(self, tags: Pairs) -> Pairs:
        return tuple(pair for pair in tags if pair[0] not in OUR_TAGS and not pair[0].startswith(self._ignored_tags))


def _is_secret(parameter: Parameter | None) -> bool:
    return parameter is not None and parameter.type == ParameterType.SECURE_STRING


def _batches(items: Sequence[str], size: int) -> Iterator[list[str]]:
    for start in range(0, len(items), size):
        yield list(items[start : start + size])
