"""The attachment value type, and the checks of the function it is attached to. Pure."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, ClassVar

from dynconfig.api.function import Architecture
from dynconfig.kinds._shared import environment, function_access, tags
from dynconfig.kinds._shared.extension_layer import serves
from dynconfig.kinds._shared.tags import Pairs
from dynconfig.kinds.attachment.tags import AttachmentTags, completed
from dynconfig.model.attached import Attached, digest
from dynconfig.model.errors import NotPossible
from dynconfig.model.resource import Owner, Resource

EXTENSION = "AWS-Parameters-and-Secrets-Lambda-Extension"
# https://docs.aws.amazon.com/lambda/latest/dg/gettingstarted-limits.html
LAYERS = 5


@dataclass(frozen=True, slots=True, kw_only=True)
class TargetFunction:
    """The user's function as AWS has it, and what its tags record."""

    architecture: str
    role: str
    layers: tuple[str, ...]
    variables: Mapping[str, str]
    revision_id: str
    recorded: AttachmentTags = field(default_factory=AttachmentTags)
    """What was added, as the tags record it, or status where tags were lost."""
    tagged: AttachmentTags = field(default_factory=AttachmentTags)
    """What the tags record."""
    managed_by: str = ""
    """The owner tag, if a DynamicConfig manages the whole function."""
    is_image: bool = False
    """Whether it is a container image, which cannot have layers."""
    environment_error: str = ""
    """Why Lambda did not return the variables."""

    @property
    def additions(self) -> tuple[str, ...]:
        """The layer versions that the operator added."""
        ours = {self.recorded.layer, self.recorded.layer_before} - {""}
        return tuple(arn for arn in self.layers if arn in ours)

    @property
    def others(self) -> tuple[str, ...]:
        """The user's own layers."""
        return tuple(arn for arn in self.layers if arn not in self.additions)

    def own_extension(self, layer: str) -> str:
        """Return the user's own layer of the extension: AWS's in any version, or one of the same layer as `layer`."""
        found = (arn for arn in self.others if _unversioned(arn) == _unversioned(layer) or f":layer:{EXTENSION}" in arn)
        return next(found, "")

    @property
    def own_variables(self) -> dict[str, str]:
        """The user's variables."""
        ours = self.managed_variables
        return {name: value for name, value in self.variables.items() if name not in ours}

    @property
    def managed_variables(self) -> dict[str, str]:
        """The operator's variables."""
        known = self.recorded.variables or frozenset()
        return {name: value for name, value in self.variables.items() if name in known}


@dataclass(frozen=True, slots=True, kw_only=True)
class Attachment(Resource):
    """The attachment to a function. What the function has by itself, and is equivalent, counts as added."""

    kind: ClassVar[str] = "Attachment"
    declared_in: ClassVar[str] = "spec.function.name"
    way_out: ClassVar[str] = (
        "only parameters can be adopted: neither the function's tags nor status say what this attachment added. If no object "
        "uses it, remove the DYNCONFIG_* variables from the function"
    )
    arn: str = field(default="", metadata={"compare": False})
    layer: str
    environment: Pairs
    revision: str = field(default="", metadata={"derived": True})
    policy: str
    is_remembered: bool = field(default=True, metadata={"derived": True})
    """Whether the function's tags record exactly what was added."""
    target: TargetFunction | None = field(default=None, repr=False, metadata={"compare": False})
    architecture: str = field(default="", metadata={"compare": False})
    is_layer_declared: bool = field(default=False, metadata={"compare": False})
    """Whether spec sets the layer, so that no other version satisfies it."""
    reported: Attached | None = field(default=None, repr=False, metadata={"compare": False})
    """What the last status records as added."""

    @property
    def function(self) -> TargetFunction:
        """The function of an observed attachment. Raises ValueError for one that is only declared."""
        if self.target is None:
            raise ValueError(f"the function of {self.name} was not observed")
        return self.target

    @property
    def used_layer(self) -> str:
        """The layer version of the extension that the function has."""
        if self.target is None:
            return ""
        return next(iter(self.target.additions), self.target.own_extension(self.layer))

    @property
    def attached(self) -> Attached | None:
        """What was added, for status: lost tags are restored from it. Kept as it is while the environment is unreadable."""
        target = self.target
        if target is None or target.environment_error:
            return self.reported
        variables = {name: digest(value) for name, value in target.managed_variables.items()}
        return Attached(next(iter(target.additions), ""), target.recorded.role or target.role, variables)

    @property
    def variables(self) -> dict[str, str]:
        """The variables to add, with the revision."""
        return {**dict(self.environment), **({function_access.REVISION: self.revision} if self.revision else {})}


def target_of(answer: Mapping[str, Any], tagged: AttachmentTags, managed_by: str = "") -> TargetFunction:
    """Build the function from a configuration that AWS returns and the parsed tags."""
    variables = environment.variables(answer)
    return TargetFunction(
        managed_by=managed_by,
        architecture=next(iter(answer.get("Architectures", [Architecture.X86_64.value]))),
        role=answer["Role"].rpartition("/")[2],
        layers=tuple(layer["Arn"] for layer in answer.get("Layers", [])),
        variables=variables,
        is_image=answer.get("PackageType") == "Image",
        environment_error=environment.read_error(answer),
        revision_id=answer.get("RevisionId", ""),
        recorded=completed(tagged, None, variables) if tagged.owner else tagged,
        tagged=tagged,
    )


def needs_layer(desired: Attachment, target: TargetFunction) -> bool:
    """Return whether the newest layer version has to be looked up and added."""
    return (
        not desired.is_layer_declared and not target.own_extension(desired.layer) and not _kept_layer(desired, target)
    )


def addition(desired: Attachment, target: TargetFunction) -> AttachmentTags:
    """Return what has to be added: everything the function does not have by itself."""
    return AttachmentTags(
        owner=desired.owner,
        layer="" if target.own_extension(desired.layer) else _kept_layer(desired, target) or desired.layer,
        role=target.role,
        variables=frozenset(desired.variables.keys() - target.own_variables.keys()),
    )


def only_added(desired: Attachment, target: TargetFunction) -> Attachment:
    """Reduce the attachment to the parts that are written to the function."""
    added = addition(desired, target)
    names = added.variables or frozenset()
    environment = tags.pairs({name: value for name, value in desired.environment if name in names})
    revision = desired.revision if function_access.REVISION in names else ""
    return replace(desired, layer=added.layer or "", environment=environment, revision=revision)


def in_transit(desired: Attachment, target: TargetFunction) -> AttachmentTags:
    """Return what to record while the attachment is written: what will be added, and what was added before."""
    wanted = addition(desired, target)
    before = next((arn for arn in target.additions if arn != wanted.layer), "")
    variables = frozenset(wanted.variables or ()) | target.managed_variables.keys()
    return replace(wanted, layer_before=before, variables=variables)


def with_addition(desired: Attachment, target: TargetFunction) -> tuple[tuple[str, ...], dict[str, str]]:
    """Return layers and environment of the function with the attachment."""
    added = addition(desired, target)
    layers = (*target.others, added.layer) if added.layer else target.others
    return layers, {**desired.variables, **target.own_variables}


def attachment_of(name: str, arn: str, target: TargetFunction, policy: str, pending: str) -> Attachment:
    """Return the attachment as AWS has it."""
    found = Attachment(
        name=name,
        owner=target.tagged.owner,
        arn=arn,
        layer="",
        environment=(),
        policy=policy,
        target=target,
        pending=pending,
    )
    return _parted(found, target)


def _parted(found: Attachment, target: TargetFunction) -> Attachment:
    """Return the attachment with the parts of the function that were added."""
    variables = target.managed_variables
    revision = variables.pop(function_access.REVISION, "")
    layer = next(iter(target.additions), "")
    return replace(found, layer=layer, revision=revision, environment=tags.pairs(variables), target=target)


def comparable(found: Attachment, wanted: Attachment | None) -> Attachment:
    """Normalise an observed attachment for the comparison: equivalents of the function itself count as declared."""
    if wanted is None or found.target is None:
        return found
    target = found.target
    provided = {name: value for name, value in wanted.variables.items() if name in target.own_variables}
    variables = {**target.managed_variables, **provided}
    return replace(
        found,
        layer=wanted.layer if target.own_extension(wanted.layer) or _kept_layer(wanted, target) else found.layer,
        revision=variables.pop(function_access.REVISION, ""),
        environment=tags.pairs(variables),
        is_remembered=target.tagged == _to_remember(wanted, target),
    )


def _to_remember(wanted: Attachment, target: TargetFunction) -> AttachmentTags:
    """Return what the tags should record, including the version of a layer that was removed externally."""
    found = addition(wanted, target)
    recorded = target.recorded.layer or ""
    is_removed = needs_layer(wanted, target) and serves(recorded, wanted.layer)
    return replace(found, layer=recorded) if is_removed else found


def was_attached(target: TargetFunction) -> bool:
    """Return whether an attachment was left on the function: only the operator sets this variable."""
    return "DYNCONFIG_PREFIX" in target.variables


def is_left_by(target: TargetFunction, owner: Owner) -> bool:
    """Return whether the variables of this owner's attachment are still on the function."""
    return target.variables.get("DYNCONFIG_NAME") == owner.title


def restored(found: Attachment, owner: Owner, reported: Attached | None) -> Attachment:
    """Return an attachment of this owner, with the record that its tags have lost from status.

    If the owner's tag and the owner's variables were lost, layer and variables are those of a deployment: it may be another
    function of the same name.
    """
    target, known = found.function, reported
    if not (found.owner or is_left_by(target, owner)):
        known = Attached(role=reported.role if reported else "")
    recorded = completed(replace(target.tagged, owner=owner.tag), known, target.variables)
    target = replace(target, recorded=recorded)
    return replace(_parted(found, target), owner=owner.tag, reported=reported)


def check_unmanaged(desired: Attachment, target: TargetFunction) -> None:
    """Raise NotPossible if a DynamicConfig manages the function, even the same one."""
    if target.managed_by:
        raise _impossible(
            desired,
            "is managed by a DynamicConfig (mode: Managed). mode: Attach requires a function that you manage; name another one",
        )


def check_no_conflict(desired: Attachment, target: TargetFunction) -> None:
    """Raise NotPossible if the function's own settings conflict with the declaration."""
    faults = list(_contradictions(desired, target))
    if faults:
        raise _impossible(desired, "; ".join(faults))


def check_limits(desired: Attachment, target: TargetFunction) -> None:
    """Raise NotPossible for a container image, more than five layers, or more than 4 KB of environment."""
    # https://docs.aws.amazon.com/lambda/latest/dg/chapter-layers.html
    if target.is_image:
        raise _impossible(
            desired,
            "is a container image and cannot have layers. Add the extension to the image, or attach to a function with a "
            "zip package",
        )
    environment.check_readable(desired.name, target.environment_error)
    layers, variables = with_addition(desired, target)
    if len(layers) > LAYERS:
        raise _impossible(desired, f"already has {LAYERS} layers (Lambda limit), so the extension cannot be added")
    if target.architecture != desired.architecture:
        raise _impossible(
            desired, f"has architecture {target.architecture}. Set spec.function.architecture: {target.architecture}"
        )
    length = function_access.size(variables)
    if length > function_access.ENVIRONMENT_BYTES:
        text = f"would need {length} bytes for its environment (Lambda limit: {function_access.ENVIRONMENT_BYTES})"
        listed = len(desired.variables.get(function_access.PARAMETERS, "").encode())
        raise _impossible(
            desired,
            f"{text}, of which the parameter list takes {listed}. Declare fewer or shorter names and schemas, or use mode: "
            "Managed, which stores the list in the function package",
        )


def _contradictions(desired: Attachment, target: TargetFunction) -> Iterator[str]:
    own = target.own_variables
    for name, value in sorted(desired.variables.items()):
        if name in own and name.startswith("DYNCONFIG_") and own[name] != value:
            yield f"already sets {name} to a different value; remove it from the function, the operator sets it"
        if name == function_access.EXTENSION_TTL_NAME and name in own and not _is_within(own[name], value):
            yield (
                f"already sets {name}, but not to {value} s or less as cache.ttlSeconds requires; change it in the function, "
                "or raise cache.ttlSeconds"
            )
    layer = target.own_extension(desired.layer)
    if layer and desired.is_layer_declared and layer != desired.layer:
        yield f"already has the extension layer {layer}; remove it from the function, or omit spec.function.extension.layerArn"


def _kept_layer(desired: Attachment, target: TargetFunction) -> str:
    """Return the layer that was added before, if it satisfies the declared one."""
    if desired.is_layer_declared:
        return desired.layer if desired.layer in target.additions else ""
    return next((arn for arn in target.additions if serves(arn, desired.layer)), "")


def _is_within(text: str, limit: str) -> bool:
    return text.isascii() and text.isdecimal() and int(text) <= int(limit)


def _impossible(desired: Attachment, why: str) -> NotPossible:
    return NotPossible(f"spec.function.name: function {desired.name} {why}")


def _unversioned(arn: str) -> str:
    return arn.rpartition(":")[0]
