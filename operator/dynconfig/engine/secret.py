"""A text that must not be seen: it compares, and prints as dots."""

import hmac
from typing import Self

from dynconfig.engine.fingerprint import fingerprint

MASK = "•••"


class SecretText(str):
    """The text of a Secret on its way to the one call that needs it; whoever tells of that call knows to mask it."""

    __slots__ = ()


class UnknownText(str):
    """Stands for the text of a Secret that nobody here can read."""

    __slots__ = ()


class OversizedText(str):
    """Stands for a text that is longer than any parameter may be: it was not decoded, and only its size is known."""

    __slots__ = ("size",)

    size: int
    """Bytes."""

    @classmethod
    def of(cls, size: int) -> Self:
        """A text of so many bytes."""
        made = cls(f"({size:,} bytes)")
        made.size = size
        return made


NOT_KNOWN = UnknownText(f"{MASK}  (not known here)")


class Secret:
    """Holds a secret text; `reveal()` is the only way out."""

    __slots__ = ("_text",)

    def __init__(self, text: str) -> None:
        self._text = text

    def reveal(self) -> SecretText:
        """The text itself, for the one call that needs it."""
        return SecretText(self._text)

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
        raise TypeError("a Secret is never pickled")


class SealedSecret(Secret):
    """A text of which only a digest is left, under the key of this process: it equals each secret of the same text."""

    __slots__ = ("_digest",)

    def __init__(self, digest: int) -> None:
        super().__init__("")
        self._digest = digest

    @classmethod
    def of(cls, value: str | Secret) -> "SealedSecret":
        """What is left of a text."""
        if isinstance(value, SealedSecret):
            return value
        return cls(fingerprint(value.reveal() if isinstance(value, Secret) else value))

    def reveal(self) -> SecretText:
        """There is nothing to reveal."""
        raise TypeError("the text of this Secret is not kept")

    def __eq__(self, other: object) -> bool:
        if isinstance(other, UnknownSecret) or not isinstance(other, Secret):
            return NotImplemented
        return self._digest == SealedSecret.of(other)._digest

    def __hash__(self) -> int:
        return hash((Secret, self._digest))


class UnreadableSecret(Secret):
    """The text of a secret that AWS does not decrypt for us; it differs from every text that is declared."""

    __slots__ = ()

    def __init__(self) -> None:
        super().__init__("")

    def __repr__(self) -> str:
        return f"{MASK}  (cannot be read)"

    __str__ = __repr__


class UnknownSecret(Secret):
    """A secret text that nobody here can read: for a plan without the cluster. It differs from no other secret."""

    __slots__ = ()

    def __init__(self) -> None:
        super().__init__(NOT_KNOWN)

    def reveal(self) -> SecretText:
        """There is nothing to reveal."""
        raise TypeError("the text of this Secret is not known here")

    def __eq__(self, other: object) -> bool:
        return True if isinstance(other, Secret) else NotImplemented

    def __hash__(self) -> int:
        return hash(UnknownSecret)

    def __repr__(self) -> str:
        return str(NOT_KNOWN)

    __str__ = __repr__
