"""A rolled-back generation, and the declaration of the stable revision that replaces it. Pure."""

from collections.abc import Mapping
from dataclasses import dataclass, replace

from dynconfig.api.parameter import ParameterSpec, ParameterType, ValuePolicy
from dynconfig.api.spec import DriftPolicy
from dynconfig.model.declaration import Declaration, DeclaredParameter, Restored
from dynconfig.model.errors import AlarmFiring
from dynconfig.model.plan import Plan
from dynconfig.model.resource import Versioned
from dynconfig.model.secret import SealedSecret, Secret
from dynconfig.rollout.state import RolloutState


@dataclass(frozen=True, slots=True)
class LabelledVersion:
    """A parameter at the version that has a label."""

    name: str
    type: str
    value: str | Secret
    version: int
    kms_key: str = ""
    """The KMS key of a SecureString; empty if it is unknown."""

    @property
    def is_restorable(self) -> bool:
        """Whether it can be written again: a SecureString only with its own key."""
        return bool(self.kms_key) or self.type != ParameterType.SECURE_STRING


@dataclass(frozen=True, slots=True)
class RolledBack:
    """A rolled-back generation, and the stable values that replace it."""

    generation: int
    rejected: Mapping[str, SealedSecret]
    """The rejected values by name, sealed: they are only compared."""
    stable: tuple[LabelledVersion, ...]
    created: frozenset[str] = frozenset()
    """Names of parameters it created, which are deleted again."""
    existing: frozenset[str] = frozenset()
    """Names of parameters the owner had when it was rolled back."""

    def concerns(self, declaration: Declaration) -> bool:
        """Whether the declaration still has the rejected values: a Secret may have changed since."""
        if declaration.is_last_change:
            # Its values are only known from AWS, where some may already be restored.
            return self.generation == declaration.generation
        declared = {item.name: item for item in declaration.parameters}
        # A createOnly value may have been rotated, so it cannot be compared.
        compared = (name for name in self.rejected if name in declared and not _is_rotated(declared[name]))
        return self.generation == declaration.generation and all(
            SealedSecret.of(declared[name].value) == self.rejected[name] for name in compared
        )

    def without_texts(self) -> "RolledBack":
        """Return what is kept between reconciles: the stable values are read from AWS again."""
        return replace(self, stable=tuple(replace(kept, value=SealedSecret.of(kept.value)) for kept in self.stable))


@dataclass(frozen=True, slots=True)
class Rejection:
    """The rollback of a generation: the versions to label in AWS (the first one decides), and what replaces it."""

    marked: tuple[Versioned, ...]
    rolled_back: RolledBack


@dataclass(frozen=True, slots=True)
class RolloutEvaluation:
    """A plan without deferred deletions, and the state of the current change."""

    plan: Plan
    rollout_state: RolloutState
    held_back: AlarmFiring | None = None
    """Why the whole change has to wait."""


def stable_declaration(declaration: Declaration, rolled_back: RolledBack) -> Declaration:
    """Return the declaration with the stable values.

    What the failed generation created is not declared any more. What has no stable version is read and not written; its drift,
    if driftPolicy is Report and it was reported before, stays reported.
    """
    declared = {parameter.name: parameter for parameter in declaration.parameters}
    stable = {item.name for item in rolled_back.stable}
    # Unless status has known a stable generation, it is unknown whether the value of that version came from a Secret.
    is_unknown = declaration.applied is None or declaration.applied.stable_generation is None
    parameters = [
        _as_it_was(item, declared.get(item.name), declaration.path, is_masked=is_unknown) for item in rolled_back.stable
    ]
    others = [
        parameter
        for name, parameter in declared.items()
        if name in rolled_back.existing and name not in stable and name not in rolled_back.created
    ]
    reported = frozenset(item.name for item in others if _is_reported(item, declaration))
    parameters += [replace(item, awaits_deletion=item.name not in reported) for item in others]
    return replace(
        declaration,
        parameters=tuple(parameters),
        rolled_back=True,
        rolled_back_created=rolled_back.created - stable,
        applied=replace(declaration.applied, kept_drift=reported) if declaration.applied else None,
    )


def _is_reported(parameter: DeclaredParameter, declaration: Declaration) -> bool:
    """Whether drift of the parameter was reported. Secrets are excluded: status never reports their drift."""
    applied = declaration.applied
    if applied is None or declaration.drift_policy is not DriftPolicy.REPORT or isinstance(parameter.value, Secret):
        return False
    return applied.is_drift_cut or parameter.name in {title.rpartition(" ")[2] for title in applied.drifted}


def _as_it_was(
    kept: LabelledVersion, declared: DeclaredParameter | None, path: str, *, is_masked: bool
) -> DeclaredParameter:
    if declared is None:
        # Its deletion is deferred, so AWS still has its old value.
        spec = ParameterSpec.model_construct(name=kept.name.removeprefix(f"{path}/"), type=ParameterType(kept.type))
        return DeclaredParameter(kept.name, kept.value, spec, (), awaits_deletion=True)
    if declared.spec.value_policy is ValuePolicy.CREATE_ONLY:
        return declared
    # The stable value may be older than the schema and violate it.
    changed: dict[str, object] = {"type": ParameterType(kept.type), "schema_": None}
    if isinstance(kept.value, Secret) and declared.spec.secret_ref is None:
        # The text of a Secret is not tested by the pattern of a parameter that no longer refers to it.
        changed["allowed_pattern"] = ""
    spec = declared.spec.model_copy(update=changed)
    is_secret = is_masked or isinstance(declared.value, Secret) or isinstance(kept.value, Secret)
    return replace(
        declared,
        value=Secret(text_of(kept.value)) if is_secret else kept.value,
        spec=spec,
        restored=Restored(is_secret, kept.kms_key),
    )


def _is_rotated(parameter: DeclaredParameter) -> bool:
    return parameter.spec.value_policy is ValuePolicy.CREATE_ONLY


def text_of(value: str | Secret) -> str:
    return value.reveal() if isinstance(value, Secret) else value


def removals_since(declaration: Declaration) -> float | None:
    """Return since when deletions of this generation are deferred; None if it is new."""
    applied, rollout = declaration.applied, declaration.rollout
    if applied is None or rollout is None or applied.baking_generation != declaration.generation:
        return None
    return None if applied.baking_until is None else applied.baking_until - rollout.bake_seconds
