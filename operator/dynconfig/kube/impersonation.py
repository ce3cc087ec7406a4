"""The user of a kubeconfig that acts as another one, with the rights of that one alone.

https://kubernetes.io/docs/reference/access-authn-authz/user-impersonation/
"""

import re
from collections.abc import Iterator
from urllib.parse import quote

import msgspec
from lightkube.config.models import User

# What may be in the name of a header, but for the sign of an encoded character itself.
# https://www.rfc-editor.org/rfc/rfc9110#name-tokens
_TOKEN = "!#$&'*+-.^_`|~"  # noqa: S105 -- characters, no secret.
# https://www.rfc-editor.org/rfc/rfc9110#name-field-values
_CONTROL = re.compile(r"[\x00-\x08\x0a-\x1f\x7f]")


class ActingUser(User, omit_defaults=True):
    """A user of a kubeconfig with whom it acts as; lightkube does not read those fields."""

    acts_as: str | None = msgspec.field(name="as", default=None)
    uid: str | None = msgspec.field(name="as-uid", default=None)
    groups: list[str] | None = msgspec.field(name="as-groups", default=None)
    extra: dict[str, list[str] | None] | None = msgspec.field(name="as-user-extra", default=None)


def fault(user: ActingUser) -> str:
    """What is wrong with whom a user acts as; empty if nothing is."""
    headers = impersonation(user)
    if headers and not user.acts_as:
        return "as-uid, as-groups and as-user-extra need as; add it, or remove them"
    if any(_CONTROL.search(text) for _, text in headers):
        return "as, as-uid, as-groups and as-user-extra must not have control characters; remove them"
    return ""


def impersonation(user: User | None) -> list[tuple[str, str]]:
    """The headers that name whom a user acts as, some of them several times."""
    return list(_headers(user)) if isinstance(user, ActingUser) else []


def _headers(user: ActingUser) -> Iterator[tuple[str, str]]:
    if user.acts_as:
        yield "Impersonate-User", user.acts_as
    if user.uid:
        yield "Impersonate-Uid", user.uid
    for group in user.groups or ():
        yield "Impersonate-Group", group
    for key, values in (user.extra or {}).items():
        for value in values or ():
            yield f"Impersonate-Extra-{quote(key, safe=_TOKEN).lower()}", value
