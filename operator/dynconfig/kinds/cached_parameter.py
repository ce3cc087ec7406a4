"""What was seen of parameters, without their values: no text stays in memory between two looks, only whether it is the same."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from dynconfig.api.parameter import ParameterType
from dynconfig.engine.secret import SealedSecret, Secret, UnknownSecret
from dynconfig.kinds.parameter_value import UNREADABLE, Parameter


@dataclass(frozen=True, slots=True)
class CachedParameter:
    """A parameter as it was seen or written at a version; its value is known again where it is the one that is wanted."""

    at: float
    """When it was, in seconds by a clock that never goes back."""
    sealed: Parameter
    """All but its value, in the place of which stands a digest."""
    is_secret: bool
    """No output shows its value."""

    @classmethod
    def of(cls, at: float, parameter: Parameter) -> "CachedParameter":
        """What is kept of a parameter whose value is known."""
        value = parameter.value or ""
        digest = SealedSecret.of(value)
        return cls(at, replace(parameter, value=digest, initial=""), isinstance(value, Secret))

    def suffices(self, wanted: Parameter | None) -> bool:
        """Whether its value need not be read again: it is the wanted one, or others own it."""
        if wanted is None:
            # No one needs the text of what is deleted; what is no SecureString is answered with its text anyway.
            return self.sealed.type == ParameterType.SECURE_STRING
        return wanted.value is None or self._is(wanted.value)

    def opened(self, sealed: Parameter, wanted: Parameter | None, answer: Mapping[str, Any] | None) -> Parameter:
        """The parameter with its value, from what AWS answered at the same version or from what is wanted."""
        if answer is not None and sealed.type != ParameterType.SECURE_STRING:
            return self._with_text(sealed, str(answer["Value"]))
        if answer is not None and answer["decrypted"] and not answer["unreadable"]:
            return self._with_text(sealed, answer["Value"])
        if wanted is not None and wanted.value is not None:
            return replace(sealed, value=self.value(wanted))
        return sealed

    def value(self, wanted: Parameter | None) -> str | Secret | None:
        """The value where it is the wanted one; else it cannot be read any more."""
        if wanted is None or wanted.value is None or not self._is(wanted.value):
            return UNREADABLE
        text = wanted.value.reveal() if isinstance(wanted.value, Secret) else wanted.value
        return Secret(text) if self.is_secret else text

    def _with_text(self, sealed: Parameter, text: str) -> Parameter:
        return replace(sealed, value=Secret(text) if self.is_secret or sealed.from_secret else text)

    def _is(self, value: str | Secret) -> bool:
        return not isinstance(value, UnknownSecret) and self.sealed.value == SealedSecret.of(value)
