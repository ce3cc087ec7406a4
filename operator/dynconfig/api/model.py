"""The base class of all API models: strict fields, and rules enforced both here and in the API server."""

import re
from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass
from typing import Annotated, Any, ClassVar, Self

from pydantic import BaseModel, ConfigDict, Field, Strict, ValidationInfo, model_validator
from pydantic.alias_generators import to_camel

from dynconfig.api import cel

# https://kubernetes.io/docs/reference/using-api/server-side-apply/#field-management
HELD_ELSEWHERE = (
    "if the manifest sets only one of them, another field manager owns the other, which server-side apply does not remove, "
    "even with --force-conflicts: `dynconfig plan -f FILE` and `kubectl get dcfg NAME -o yaml --show-managed-fields` name that "
    "manager; "
    "run `kubectl replace -f FILE` once, then apply as before"
)
"""Advice for mutually exclusive fields."""


# The API server accepts no string for a number or boolean, and no boolean for a number; pydantic does by default.
# 300.0 is an integer in JSON and is parsed as one, from the API server and from files.
WholeNumber = Annotated[int, Strict()]
Number = Annotated[float, Strict(), Field(allow_inf_nan=False)]
Flag = Annotated[bool, Strict()]


@dataclass(frozen=True)
class Rule:
    """A rule over several fields, written in CEL for the API server and for local files.

    `holds` replaces it in local files if CEL cannot express it, or takes long: the library compiles a pattern on each call.
    `advice` is added to the message in the CRD only, since it applies to objects in the cluster.
    """

    message: str
    cel: str = ""
    holds: Callable[[Any], bool] | None = None
    field: str = ""
    advice: str = ""

    @property
    def is_transition(self) -> bool:
        """Whether the rule compares an object with what it was before an edit."""
        return "oldSelf" in self.cel


FIELDS_ALONE = {"rules": False}
"""Validation context that skips the rules."""


FOR_RULES = {"rules": True}
"""Serialization context of documents for rules, which do not read free-form fields; CEL supports no integers above 64 bits."""


class Model(BaseModel):
    """A frozen model with camelCase aliases and no unknown fields."""

    model_config = ConfigDict(
        alias_generator=to_camel,
        populate_by_name=True,
        extra="forbid",
        frozen=True,
        use_enum_values=False,
        # Built on first use: no command needs all models.
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
    """A rule needs a field that is not valid."""


class _Readable:
    """A view of a model that raises on invalid fields."""

    def __init__(self, model: Model, unreadable: Collection[str]) -> None:
        self._model = model
        self._unreadable = unreadable

    def __getattr__(self, name: str) -> Any:
        if name in self._unreadable:
            raise _Unreadable
        return getattr(self._model, name)


def broken_rules(model: Model, unreadable: Collection[str] = ()) -> Iterator[str]:
    """Yield the messages of broken rules. A rule that needs an unreadable field is not evaluated."""
    rules = [rule for rule in model.rules if not rule.is_transition]
    aliases = [type(model).model_fields[name].alias for name in unreadable]
    expressions = [
        rule.cel for rule in rules if not rule.holds and not any(_reads(rule.cel, str(name)) for name in aliases)
    ]
    broken = cel.broken(expressions, document(model)) if expressions else ()
    readable = _Readable(model, unreadable) if unreadable else model
    for rule in rules:
        try:
            if rule.cel in broken or not (rule.holds is None or rule.holds(readable)):
                yield rule.message
        except _Unreadable:
            continue


def document(model: Model) -> dict[str, Any]:
    """Return a model as the API server passes it to rules."""
    return model.model_dump(mode="json", by_alias=True, exclude_none=True, context=FOR_RULES)


def _reads(expression: str, field: str) -> bool:
    return re.search(rf"\bself\.{field}\b", expression) is not None


def refused_edits(before: Model, after: Model, place: str = "spec") -> Iterator[str]:
    """Yield what the API server rejects in an edit, each with its field. Like there, added or removed parts are not compared.

    https://kubernetes.io/docs/tasks/extend-kubernetes/custom-resources/custom-resource-definitions/#transition-rules
    """
    transitions = [rule for rule in after.rules if rule.is_transition]
    broken = cel.broken((rule.cel for rule in transitions), document(after), document(before)) if transitions else ()
    yield from (f"{place}.{rule.field}: {rule.message}" for rule in transitions if rule.cel in broken)
    for name, field in type(after).model_fields.items():
        old, new = getattr(before, name), getattr(after, name)
        if isinstance(old, Model) and isinstance(new, Model):
            yield from refused_edits(old, new, f"{place}.{field.alias or name}")
