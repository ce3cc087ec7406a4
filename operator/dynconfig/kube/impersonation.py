"""User impersonation by a kubeconfig user, which the official client does not support.

https://kubernetes.io/docs/reference/access-authn-authz/user-impersonation/
"""

import re
from collections.abc import Iterator
from urllib.parse import quote

from dynconfig.kube.connection import User

# Characters allowed in header names, except for the percent sign, which encodes others.
# https://www.rfc-editor.org/rfc/rfc9110#name-tokens
_TOKEN = "!#$&'*+-.^_`|~"  # noqa: S105 -- characters, no secret.
# https://www.rfc-editor.org/rfc/rfc9110#name-field-values
_CONTROL = re.compile(r"[\x00-\x08\x0a-\x1f\x7f]")


def fault(user: User) -> str:
    """Return what is wrong with the impersonation fields; empty if they are valid."""
    headers = impersonation(user)
    if headers and not user.impersonated:
        return "as-uid, as-groups and as-user-extra require as; add it or remove them"
    if any(_CONTROL.search(text) for _, text in headers):
        return "as, as-uid, as-groups and as-user-extra must not contain control characters; remove them"
    return ""


def impersonation(user: User) -> list[tuple[str, str]]:
    """Return the impersonation headers; a name may occur several times."""
    return list(_headers(user))


def _headers(user: User) -> Iterator[tuple[str, str]]:
    if user.impersonated:
        yield "Impersonate-User", user.impersonated
    if user.as_uid:
        yield "Impersonate-Uid", user.as_uid
    for group in user.as_groups or ():
        yield "Impersonate-Group", group
    for key, values in (user.as_user_extra or {}).items():
        for value in values or ():
            yield f"Impersonate-Extra-{quote(key, safe=_TOKEN).lower()}", value
