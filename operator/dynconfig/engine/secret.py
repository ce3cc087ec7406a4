"""A text that must not be seen: it compares, and prints as dots."""

import hmac

MASK = "•••"


class SecretText(str):
    """The text of a Secret on its way to the one call that needs it; whoever tells of that call knows to mask it."""

    __slots__ = ()


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
        return hmac.compare_digest(self._text.encode(), other._text.encode())

    def __hash__(self) -> int:
        return hash((Secret, self._text))

    def __repr__(self) -> str:
        return MASK

    __str__ = __repr__

    def __reduce__(self) -> str:
        raise TypeError("a Secret is never pickled")
