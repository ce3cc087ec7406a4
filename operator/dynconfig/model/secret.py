"""Secret values: they can be compared, and print as dots."""

import hmac
from typing import Self

from dynconfig.model.fingerprint import fingerprint

MASK = "•••"


class SecretText(str):
    """The plaintext of a secret for an API call. Its type tells loggers to mask it."""

    __slots__ = ()


class UnknownText(str):
    """Placeholder for the value of a Secret that cannot be read here."""

    __slots__ = ()


class OversizedText(str):
    """Placeholder for a value that exceeds the size limit of all parameters. It is not decoded; only its size is known."""

    __slots__ = ("size",)

    size: int
    """Bytes."""

    @classmethod
    def of(cls, size: int) -> Self:
        """Return a placeholder for a value of this size in bytes."""
        made = cls(f"({size:,} bytes)")
        made.size = size
        return made


NOT_KNOWN = UnknownText(f"{MASK}  (unknown)")


class Secret:
    """A secret value, only accessible through `reveal()`."""

    __slots__ = ("_text",)

    def __init__(self, text: str) -> None:
        self._text = text

    def reveal(self) -> SecretText:
        """Return the plaintext."""
        return SecretText(self._text)

    def held(self, text: str) -> str:
        """Return the own plaintext if it is the same, so that only one copy of it stays in memory; else the given one."""
        return self._text if hmac.compare_digest(self._text.encode(), text.encode()) else text

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Secret):
            return NotImplemented
        if isinstance(other, SealedSecret):
            return other == self
        return hmac.compare_digest(self._text.encode(), other._text.encode())

    def __hash__(self) -> int:
        return hash((Secret, fingerprint(self._text)))

    def __repr__(self) -> str:
        return MASK

    __str__ = __repr__

    def __reduce__(self) -> str:
        raise TypeError("a Secret cannot be pickled")


class SealedSecret(Secret):
    """A secret value as a keyed digest of this process. It equals each secret with the same value."""

    __slots__ = ("_digest",)

    def __init__(self, digest: int) -> None:
        super().__init__("")
        self._digest = digest

    @classmethod
    def of(cls, value: str | Secret) -> "SealedSecret":
        """Return the digest of a value."""
        if isinstance(value, SealedSecret):
            return value
        return cls(fingerprint(value.reveal() if isinstance(value, Secret) else value))

    def reveal(self) -> SecretText:
        """Raise TypeError, since there is no plaintext."""
        raise TypeError("the value of this Secret is not stored")

    def __eq__(self, other: object) -> bool:
        if isinstance(other, UnknownSecret) or not isinstance(other, Secret):
            return NotImplemented
        return self._digest == SealedSecret.of(other)._digest

    def __hash__(self) -> int:
        return hash((Secret, self._digest))


class UnreadableSecret(Secret):
    """A secret value that AWS does not decrypt for the caller. It differs from every declared value."""

    __slots__ = ()

    def __init__(self) -> None:
        super().__init__("")

    def __repr__(self) -> str:
        return f"{MASK}  (cannot be read)"

    __str__ = __repr__


class UnknownSecret(Secret):
    """A secret value that is not available, for plans without the cluster. It equals every other secret."""

    __slots__ = ()

    def __init__(self) -> None:
        super().__init__(NOT_KNOWN)

    def reveal(self) -> SecretText:
        """Raise TypeError, since there is no plaintext."""
        raise TypeError("the value of this Secret is unknown here")

    def __eq__(self, other: object) -> bool:
        return True if isinstance(other, Secret) else NotImplemented

    def __hash__(self) -> int:
        return hash(UnknownSecret)

    def __repr__(self) -> str:
        return str(NOT_KNOWN)

    __str__ = __repr__
