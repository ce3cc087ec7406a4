"""A generation that was undone, and the stable revision in the place of what is declared. Pure."""

from collections.abc import Mapping
from dataclasses import dataclass, replace

from dynconfig.api.parameter import ParameterSpec, ParameterType, ValuePolicy
from dynconfig.api.spec import DriftPolicy
from dynconfig.engine.declaration import Declaration, DeclaredParameter
from dynconfig.engine.errors import AlarmFiring
from dynconfig.engine.plan import Plan
from dynconfig.engine.resource import Versioned
from dynconfig.engine.rollout import Judgement
from dynconfig.engine.secret import SealedSecret, Secret


@dataclass(frozen=True, slots=True)
class Kept:
    """What a resource was at a version that carries a label."""

    name: str
    type: str
    value: str | Secret
    version: int


@dataclass(frozen=True, slots=True)
class Undone:
    """A generation that was undone, and what stands in its place."""

    generation: int
    rejected: Mapping[str, SealedSecret]
    """By name, whether a value is the one that failed; the texts themselves are of no use any more."""
    stable: tuple[Kept, ...]
    created: frozenset[str] = frozenset()
    """Names of what it created, which is deleted again."""
    existing: frozenset[str] = frozenset()
    """Names of what the owner had when it was undone."""

    def concerns(self, declaration: Declaration) -> bool:
        """Whether the declaration still says what failed; a Secret may have changed since."""
        if declaration.is_last_change:
            # What it declared is known from AWS only, where some of it may be undone already.
            return self.generation == declaration.generation
        declared = {item.name: item for item in declaration.parameters}
        # After a rotation nobody can tell whether it was declared otherwise, too.
        compared = (name for name in self.rejected if name in declared and not _is_rotated(declared[name]))
        return self.generation == declaration.generation and all(
            SealedSecret.of(declared[name].value) == self.rejected[name] for name in compared
        )

    def without_texts(self) -> "Undone":
        """What is kept between two reconciles: the values of the stable revision are read again from AWS."""
        return replace(self, stable=tuple(replace(kept, value=SealedSecret.of(kept.value)) for kept in self.stable))


@dataclass(frozen=True, slots=True)
class Rejection:
    """What undoes a generation: the versions that are marked in AWS, of which the first decides, and what replaces it."""

    marked: tuple[Versioned, ...]
    undone: Undone


@dataclass(frozen=True, slots=True)
class Watched:
    """A plan without what has to wait, and how the change that is out is doing."""

    plan: Plan
    judgement: Judgement
    held_back: AlarmFiring | None = None
    """Why the whole change waits."""


def in_place_of(declaration: Declaration, undone: Undone) -> Declaration:
    """The declaration with the stable revision in the place of its values. Pure.

    What the failed generation created is not declared any more. What has no stable version is read and not written; its drift,
    if driftPolicy is Report and it was reported before, stays reported.
    """
    declared = {parameter.name: parameter for parameter in declaration.parameters}
    stable = {item.name for item in undone.stable}
    # Without a report nobody knows whether the value of that version came from a Secret.
    is_unknown = declaration.applied is None
    parameters = [
        _as_it_was(item, declared.get(item.name), declaration.path, is_masked=is_unknown) for item in undone.stable
    ]
    others = [
        parameter
        for name, parameter in declared.items()
        if name in undone.existing and name not in stable and name not in undone.created
    ]
    reported = frozenset(item.name for item in others if _is_reported(item, declaration))
    parameters += [replace(item, is_leaving=item.name not in reported) for item in others]
    return replace(
        declaration,
        parameters=tuple(parameters),
        undone=True,
        undone_created=undone.created - stable,
        undone_reported=reported,
    )


def _is_reported(parameter: DeclaredParameter, declaration: Declaration) -> bool:
    """Whether drift of the parameter was reported. The text of a Secret is left out: a report never tells its drift."""
    applied = declaration.applied
    if applied is None or declaration.drift_policy is not DriftPolicy.REPORT or isinstance(parameter.value, Secret):
        return False
    return applied.is_drift_cut or parameter.name in {title.rpartition(" ")[2] for title in applied.drifted}


def _as_it_was(kept: Kept, declared: DeclaredParameter | None, path: str, *, is_masked: bool) -> DeclaredParameter:
    if declared is None:
        # It waits for its deletion, so that AWS still has it as it was.
        spec = ParameterSpec.model_construct(name=kept.name.removeprefix(f"{path}/"), type=ParameterType(kept.type))
        return DeclaredParameter(kept.name, kept.value, spec, (), is_leaving=True)
    if declared.spec.value_policy is ValuePolicy.CREATE_ONLY:
        return declared
    # The newest schema may not fit a value that is older than it.
    changed: dict[str, object] = {"type": ParameterType(kept.type), "schema_": None}
    if isinstance(kept.value, Secret) and declared.spec.secret_ref is None:
        # Nor is the text of a Secret tested by the pattern of who no longer refers to it.
        changed["allowed_pattern"] = ""
    spec = declared.spec.model_copy(update=changed)
    is_secret = (is_masked or isinstance(declared.value, Secret)) and not isinstance(kept.value, Secret)
    return replace(declared, value=Secret(str(kept.value)) if is_secret else kept.value, spec=spec)


def _is_rotated(parameter: DeclaredParameter) -> bool:
    return parameter.spec.value_policy is ValuePolicy.CREATE_ONLY


def text_of(value: str | Secret) -> str:
    return value.reveal() if isinstance(value, Secret) else value


def leaving_since(declaration: Declaration) -> float | None:
    """Since when deletions of this generation wait; None where it is new."""
    applied, rollout = declaration.applied, declaration.rollout
    if applied is None or rollout is None or applied.baking_generation != declaration.generation:
        return None
    return None if applied.baking_until is None else applied.baking_until - rollout.bake_seconds
