"""Cached parameters without their values: only a digest stays in memory between two observations.

Not a TtlCache: an expired entry still holds the value of its version, which is used while its KMS key is unusable.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from dynconfig.api.parameter import ParameterType
from dynconfig.kinds.parameter.value import UNREADABLE, Parameter
from dynconfig.model.secret import SealedSecret, Secret, UnknownSecret

# PutParameter returns the time in its Date header only, in whole seconds.
DATE_SECONDS = 5.0


@dataclass(frozen=True, slots=True)
class CachedParameter:
    """A parameter as read or written at a version. Its value is known only if it equals the desired one."""

    at: float
    """Time of the read or write, in seconds of a monotonic clock."""
    sealed: Parameter
    """The parameter with a digest in place of its value."""
    is_secret: bool
    """Whether the value must not be shown in any output."""

    @classmethod
    def of(cls, at: float, parameter: Parameter) -> "CachedParameter":
        """Create the cache entry of a parameter whose value is known."""
        value = parameter.value or ""
        digest = SealedSecret.of(value)
        return cls(at, replace(parameter, value=digest, initial=""), isinstance(value, Secret))

    def suffices(self, wanted: Parameter | None) -> bool:
        """Return whether the value need not be read again: it equals the desired one, or is not enforced."""
        if wanted is None:
            # A deletion does not need the value; other types than SecureString are returned with their value anyway.
            return self.sealed.type == ParameterType.SECURE_STRING
        return wanted.value is None or self._is(wanted.value)

    def is_version(self, answer: Mapping[str, Any]) -> bool:
        """Return whether a response is of this version: not only its number, which one that was created again may have, too."""
        sealed, modified = self.sealed, answer["LastModifiedDate"].timestamp()
        return (sealed.version, sealed.type, sealed.data_type) == (
            answer["Version"],
            answer["Type"],
            answer.get("DataType", sealed.data_type),
        ) and abs(modified - (sealed.last_modified or modified)) <= DATE_SECONDS

    def is_same(self, answer: Mapping[str, Any]) -> bool:
        """Return whether a response without decryption is of this version, with its text if that is no secret."""
        return self.is_version(answer) and (
            self.sealed.type == ParameterType.SECURE_STRING or self._is(str(answer["Value"]))
        )

    def opened(self, sealed: Parameter, wanted: Parameter | None, answer: Mapping[str, Any] | None) -> Parameter:
        """Return the parameter with its value, from the response for the same version or from the desired one."""
        if answer is not None and sealed.type != ParameterType.SECURE_STRING:
            return self._with_text(sealed, str(answer["Value"]))
        if answer is not None and answer["decrypted"] and not answer["unreadable"]:
            return self._with_text(sealed, answer["Value"])
        if wanted is not None and wanted.value is not None:
            return replace(sealed, value=self.value(wanted))
        return sealed

    def value(self, wanted: Parameter | None) -> str | Secret | None:
        """Return the value if it equals the desired one, else UNREADABLE."""
        if wanted is None or wanted.value is None or not self._is(wanted.value):
            return UNREADABLE
        is_secret = self.is_secret or self.sealed.from_secret.is_set
        if isinstance(wanted.value, Secret):
            return wanted.value if is_secret else str(wanted.value.reveal())
        return Secret(wanted.value) if is_secret else wanted.value

    def _with_text(self, sealed: Parameter, text: str) -> Parameter:
        return replace(sealed, value=Secret(text) if self.is_secret or sealed.from_secret.is_set else text)

    def _is(self, value: str | Secret) -> bool:
        return not isinstance(value, UnknownSecret) and self.sealed.value == SealedSecret.of(value)
