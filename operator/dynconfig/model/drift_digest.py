"""Digests of drifted fields that status has no room to list in full: what is not listed must not be taken for an edit. Pure."""

import hashlib

from dynconfig.model.window import Brief

_TITLE_LENGTH = 8
_FIELD_LENGTH = 16


def of_title(title: str) -> str:
    """Return the digest of a resource, with which the digests of its fields begin."""
    return _digest(title)[:_TITLE_LENGTH]


def of_field(title: str, field: str, brief: Brief) -> str:
    """Return the digest of a drifted field with its declared and observed text; secrets are masked in these."""
    texts = (title, field, brief.declared, brief.observed, brief.digest)
    # The lengths distinguish texts with the same concatenation.
    joined = "".join(f"{len(text)}\n{text}" for text in texts)
    return f"{of_title(title)}{_digest(joined)[:_FIELD_LENGTH]}"


def title_in(digest: str) -> str:
    """Return the digest of the resource in that of a field."""
    return digest[:_TITLE_LENGTH]


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode(errors="surrogatepass")).hexdigest()
