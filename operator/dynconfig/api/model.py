"""The base of every model in the contract: strict fields, and rules that hold here and in the API server alike."""

from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass
from typing import Annotated, Any, ClassVar, Self

from pydantic import BaseModel, ConfigDict, Field, Strict, ValidationInfo, model_validator
from pydantic.alias_generators import to_camel

# https://kubernetes.io/docs/reference/using-api/server-side-apply/#field-management
HELD_ELSEWHERE = (
    "if the manifest has only one of them, another field manager holds the other, which server-side apply does not remove, "
    "not even by force: `dynconfig plan -f FILE` and `kubectl get dcfg NAME -o yaml --show-managed-fields` name that manager; "
    "run `kubectl replace -f FILE` once, then apply as before"
)
"""Advice for two fields of which an object may have only one."""


# The API server takes no text for a number or a boolean, and no boolean for a number; pydantic by itself does.
# 300.0 is a whole number in JSON, and arrives as one, from the API server and from files.
WholeNumber = Annotated[int, Strict()]
Number = Annotated[float, Strict(), Field(allow_inf_nan=False)]
Flag = Annotated[bool, Strict()]


@dataclass(frozen=True)
class Rule:
    """A rule over several fields, said twice: in CEL for the API server, in Python for files on a laptop.

    `holds` is None for a rule about an edit (`oldSelf`): `allows` says it of the model before and after. `advice` follows the
    message in the API server's answer only: it is about an object that is in the cluster.
    """

    cel: str
    message: str
    holds: Callable[[Any], bool] | None = None
    field: str = ""
    advice: str = ""
    allows: Callable[[Any, Any], bool] | None = None


FIELDS_ALONE = {"rules": False}
"""The context of a validation that keeps no rules."""


class Model(BaseModel):
    """A frozen model with camelCase names outside and no unknown fields."""

    model_config = ConfigDict(
        alias_generator=to_camel,
        populate_by_name=True,
        extra="forbid",
        frozen=True,
        use_enum_values=False,
        # Built when it is first needed: no command needs all of them.
        defer_build=True,
    )

    rules: ClassVar[tuple[Rule, ...]] = ()

    @model_validator(mode="after")
    def _keep_rules(self, info: ValidationInfo) -> Self:
        broken = None if info.context is FIELDS_ALONE else next(broken_rules(self), None)
        if broken is not None:
            raise ValueError(broken)
        return self


class _Unreadable(Exception):
    """A rule needs a field that cannot be read."""


class _Readable:
    """The fields of a model that can be read."""

    def __init__(self, model: Model, unreadable: Collection[str]) -> None:
        self._model = model
        self._unreadable = unreadable

    def __getattr__(self, name: str) -> Any:
        if name in self._unreadable:
            raise _Unreadable
        return getattr(self._model, name)


def broken_rules(model: Model, unreadable: Collection[str] = ()) -> Iterator[str]:
    """The messages of the rules that do not hold; a rule that needs an unreadable field is not evaluated."""
    readable = _Readable(model, unreadable) if unreadable else model
    for rule in model.rules:
        try:
            holds = rule.holds is None or rule.holds(readable)
        except _Unreadable:
            continue
        if not holds:
            yield rule.message


def refused_edits(before: Model, after: Model, place: str = "spec") -> Iterator[str]:
    """What the API server refuses of an edit, each with its field; as there, a part that is new or gone is not compared.

    https://kubernetes.io/docs/tasks/extend-kubernetes/custom-resources/custom-resource-definitions/#transition-rules
    """
    for rule in after.rules:
        if rule.allows is not None and not rule.allows(before, after):
            yield f"{place}.{rule.field}: {rule.message}"
    for name, field in type(after).model_fields.items():
        old, new = getattr(before, name), getattr(after, name)
        if isinstance(old, Model) and isinstance(new, Model):
            yield from refused_edits(old, new, f"{place}.{field.alias or name}")
