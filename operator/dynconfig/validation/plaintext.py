"""Detect plaintext values that look like secrets, by name or content. Pure."""

import re

_WORDS = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+")
# fmt: off
_SECRETS = frozenset((
    "password", "passwords", "passwd", "pwd", "pass", "passphrase", "secret", "secrets", "token",
    "credential", "credentials", "creds", "apikey", "secretkey", "accesskey", "privatekey",
))
# Words that make a following `key` a secret.
_KEYS = frozenset((
    "api", "secret", "private", "access", "signing", "encryption", "master", "auth", "license", "service",
    "account", "ssh", "hmac",
))
# fmt: on
# Words that make a name a number rather than a secret.
_COUNTED = frozenset(("max", "min", "num", "count", "maximum", "minimum"))
# First characters of placeholders for passwords.
_PLACEHOLDERS = "$<{%"
_CREDENTIALS = re.compile(rf"(?<=[a-zA-Z0-9+.-])://[^\s/:@]*:[^\s/@{re.escape(_PLACEHOLDERS)}][^\s/@]*@")
_PRIVATE_KEY = re.compile(r"-----BEGIN ([A-Z]+ )*PRIVATE KEY-----")


def reason(name: str, value: str) -> str | None:
    """Return why a parameter looks like a plaintext secret, to be appended to its name; None if it does not."""
    if _CREDENTIALS.search(value):
        return "has a URL with a password"
    if _PRIVATE_KEY.search(value):
        return "is a private key"
    return "looks like a plaintext secret" if _is_named_like_one(name) else None


def _is_named_like_one(name: str) -> bool:
    """Whether the last word of the name denotes a secret: `token` does, `token-ttl` and `max-token` do not."""
    words = [word.lower() for word in _WORDS.findall(name)]
    before, last = ("", *words)[-2:] if words else ("", "")
    if last in ("key", "keys"):
        return before in _KEYS
    return last in _SECRETS and before not in _COUNTED
