"""User impersonation by a kubeconfig user.

https://kubernetes.io/docs/reference/access-authn-authz/user-impersonation/
"""

import re
from collections.abc import Iterator
from urllib.parse import quote

import msgspec
from lightkube.config.models import User

# Characters allowed in header names, except for the percent sign, which encodes others.
# https://www.rfc-editor.org/rfc/rfc9110#name-tokens
_TOKEN = "!#$&'*+-.^_`|~"  # noqa: S105 -- characters, no secret.
# https://www.rfc-editor.org/rfc/rfc9110#name-field-values
_CONTROL = re.compile(r"[\x00-\x08\x0a-\x1f\x7f]")


class ActingUser(User, omit_defaults=True):
    """A kubeconfig user with its impersonation fields, which lightkube does not support."""

    impersonated: str | None = msgspec.field(name="as", default=None)
    uid: str | None = msgspec.field(name="as-uid", default=None)
    groups: list[str] | None = msgspec.field(name="as-groups", default=None)
    extra: dict[str, list[str] | None] | None = msgspec.field(name="as-user-extra", default=None)


def fault(user: ActingUser) -> str:
    """Return what is wrong with the impersonation fields; empty if they are valid."""
    headers = impersonation(user)
    if headers and not user.impersonated:
        return "as-uid, as-groups and as-user-extra require as; add it or remove them"
    if any(_CONTROL.search(text) for _, text in headers):
        return "as, as-uid, as-groups and as-user-extra must not contain control characters; remove them"
    return ""


def impersonation(user: User | None) -> list[tuple[str, str]]:
    """Return the impersonation headers; a name may occur several times."""
    return list(_headers(user)) if isinstance(user, ActingUser) else []


def _headers(user: ActingUser) -> Iterator[tuple[str, str]]:
    if user.impersonated:
        yield "Impersonate-User", user.impersonated
    if user.uid:
        yield "Impersonate-Uid", user.uid
    for group in user.groups or ():
        yield "Impersonate-Group", group
    for key, values in (user.extra or {}).items():
        for value in values or ():
            yield f"Impersonate-Extra-{quote(key, safe=_TOKEN).lower()}", value
