"""An addition to a user's own function as a value, and what has to be true of the function that takes it. Pure."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar

from dynconfig.api.function import Architecture
from dynconfig.api.names import ATTACHED_LAYER_TAG, ATTACHED_ROLE_TAG
from dynconfig.engine.errors import NotPossible
from dynconfig.engine.resource import Resource
from dynconfig.kinds import environment, reading
from dynconfig.kinds.tags import Pairs

EXTENSION = "AWS-Parameters-and-Secrets-Lambda-Extension"
# https://docs.aws.amazon.com/lambda/latest/dg/gettingstarted-limits.html
LAYERS = 5
OURS = ("DYNCONFIG_", "SSM_PARAMETER_STORE_", "PARAMETERS_SECRETS_EXTENSION_")


@dataclass(frozen=True, slots=True, kw_only=True)
class Host:
    """The user's function as it is, and what its tags remember of the addition."""

    architecture: str
    role: str
    layers: tuple[str, ...]
    variables: Mapping[str, str]
    revision_id: str
    attached_layer: str
    attached_role: str
    is_image: bool = False
    """It comes as a container image, which brings its extensions itself."""
    untold: str = ""
    """Why Lambda does not tell the variables."""

    def additions(self, *more: str) -> tuple[str, ...]:
        """The layers that we added, in whatever version: the extension, what the tags remember, and those given."""
        named = {_unversioned(arn) for arn in (self.attached_layer, *more) if arn}
        return tuple(arn for arn in self.layers if _unversioned(arn) in named or f":layer:{EXTENSION}" in arn)

    def others(self, *more: str) -> tuple[str, ...]:
        """The user's own layers."""
        ours = self.additions(*more)
        return tuple(arn for arn in self.layers if arn not in ours)

    @property
    def own_variables(self) -> dict[str, str]:
        """The user's own part of the environment."""
        return {name: value for name, value in self.variables.items() if not name.startswith(OURS)}

    @property
    def our_variables(self) -> dict[str, str]:
        """Our part of the environment."""
        return {name: value for name, value in self.variables.items() if name.startswith(OURS)}


@dataclass(frozen=True, slots=True, kw_only=True)
class Attachment(Resource):
    """Our addition to the function of this name."""

    declared_in: ClassVar[str] = "spec.function.name"
    arn: str = field(default="", metadata={"compare": False})
    layer: str
    environment: Pairs
    revision: str = field(default="", metadata={"derived": True})
    policy: str
    host: Host | None = field(default=None, repr=False, metadata={"compare": False})
    architecture: str = field(default="", metadata={"compare": False})

    @property
    def variables(self) -> dict[str, str]:
        """Our part of the environment."""
        return {**dict(self.environment), **({reading.REVISION: self.revision} if self.revision else {})}


def host_of(answer: Mapping[str, Any], tags: Mapping[str, str]) -> Host:
    """The function from a configuration that AWS answers, and its tags."""
    return Host(
        architecture=next(iter(answer.get("Architectures", [Architecture.X86_64.value]))),
        role=answer["Role"].rpartition("/")[2],
        layers=tuple(layer["Arn"] for layer in answer.get("Layers", [])),
        variables=environment.variables(answer),
        is_image=answer.get("PackageType") == "Image",
        untold=environment.untold(answer),
        revision_id=answer.get("RevisionId", ""),
        attached_layer=tags.get(ATTACHED_LAYER_TAG, ""),
        attached_role=_decoded(tags.get(ATTACHED_ROLE_TAG, "")),
    )


def marks(layer: str, role: str) -> dict[str, str]:
    """What the function's tags have to remember besides the owner."""
    return {ATTACHED_LAYER_TAG: layer, ATTACHED_ROLE_TAG: _encoded(role)}


def was_ours(host: Host) -> bool:
    """Whether an addition of ours was left on it: no one else sets this variable."""
    return "DYNCONFIG_PREFIX" in host.variables


def check_unspoilt(desired: Attachment, host: Host) -> None:
    """A function that is to be attached for the first time must not lose anything by it."""
    taken = sorted(host.our_variables)
    if taken:
        raise _impossible(desired, f"sets {', '.join(taken)} itself; remove it there, since it would be overwritten")
    layers = host.additions(desired.layer)
    if layers:
        raise _impossible(desired, f"has the extension as a layer already ({layers[0]}); remove it there, one is added")


def check_room(desired: Attachment, host: Host) -> None:
    """An image takes no layer, other functions five, and 4 KB of environment: the user's and ours together."""
    # https://docs.aws.amazon.com/lambda/latest/dg/chapter-layers.html
    if host.is_image:
        raise _impossible(
            desired,
            "is a container image, which takes no layers; add the extension to the image, or attach to a function that "
            "is a zip file",
        )
    environment.check_told(desired.name, host.untold)
    if len(host.others(desired.layer)) >= LAYERS:
        raise _impossible(desired, f"has {LAYERS} layers, as many as Lambda takes, so the extension cannot be added")
    if host.architecture != desired.architecture:
        raise _impossible(desired, f"is {host.architecture}; set spec.function.architecture: {host.architecture}")
    length = reading.size({**host.own_variables, **desired.variables})
    if length > reading.ENVIRONMENT_BYTES:
        text = f"would have {length} bytes of environment, and Lambda takes {reading.ENVIRONMENT_BYTES}"
        raise _impossible(desired, f"{text}; shorten schemas, or split the configuration")


def _impossible(desired: Attachment, why: str) -> NotPossible:
    return NotPossible(f"spec.function.name: function {desired.name} {why}")


def _unversioned(arn: str) -> str:
    return arn.rpartition(":")[0]


# A role may have a comma in its name and a tag may not; a colon is the other way round.
def _encoded(role: str) -> str:
    return role.replace(",", ":")


def _decoded(text: str) -> str:
    return text.replace(":", ",")
