"""Whether a value that is written down in the open looks like a secret: by the words of its name, or by what it holds. Pure."""

import re

_WORDS = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+")
# fmt: off
_SECRETS = frozenset((
    "password", "passwords", "passwd", "pwd", "pass", "passphrase", "secret", "secrets", "token",
    "credential", "credentials", "creds", "apikey", "secretkey", "accesskey", "privatekey",
))
# Each makes a secret of the word `key` after it.
_KEYS = frozenset((
    "api", "secret", "private", "access", "signing", "encryption", "master", "auth", "license", "service",
    "account", "ssh", "hmac",
))
# fmt: on
# What these are of is a number, a place or a name, and no secret.
_COUNTED = frozenset(("max", "min", "num", "count", "maximum", "minimum"))
# A password that is filled in later begins with one of these.
_PLACEHOLDERS = "$<{%"
_CREDENTIALS = re.compile(rf"[a-zA-Z][a-zA-Z0-9+.-]*://[^\s/:@]*:[^\s/@{re.escape(_PLACEHOLDERS)}][^\s/@]*@")
_PRIVATE_KEY = re.compile(r"-----BEGIN ([A-Z]+ )*PRIVATE KEY-----")


def reason(name: str, value: str) -> str | None:
    """Why a parameter looks like a plaintext secret, as the end of a sentence about it; None if it does not."""
    if _CREDENTIALS.search(value):
        return "has a URL with a password in it"
    if _PRIVATE_KEY.search(value):
        return "is a private key"
    return "looks like a plaintext secret" if _is_named_like_one(name) else None


def _is_named_like_one(name: str) -> bool:
    """Whether its last word is one for a secret: `token` is one, `token-ttl` and `max-token` are none."""
    words = [word.lower() for word in _WORDS.findall(name)]
    before, last = ("", *words)[-2:] if words else ("", "")
    if last in ("key", "keys"):
        return before in _KEYS
    return last in _SECRETS and before not in _COUNTED
