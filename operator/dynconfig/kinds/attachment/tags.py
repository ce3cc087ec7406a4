"""The tags of an attached function, which record what was added so that exactly that can be removed. Pure.

They are written before the additions: if the operator dies in between, no addition is unrecorded. Status has a copy of the
record, written after the additions. Lost tags are restored from it; what neither of them records belongs to the user.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace

from dynconfig.api import names
from dynconfig.kinds._shared import function_access
from dynconfig.model.attached import Attached, digest

KEYS = (
    names.ATTACHED_TAG,
    names.ATTACHED_LAYER_TAG,
    names.ATTACHED_LAYER_BEFORE_TAG,
    names.ATTACHED_ROLE_TAG,
    names.ATTACHED_VARIABLES_TAG,
)
# Allowed in tag values, but not in the names of variables.
# https://docs.aws.amazon.com/lambda/latest/dg/configuration-tags.html
_BETWEEN = "/"


@dataclass(frozen=True, slots=True, kw_only=True)
class AttachmentTags:
    """The owner of the attachment, and what was added."""

    owner: str = ""
    layer: str | None = ""
    """The layer version that was or will be added; empty if the function had the extension already; None if not recorded."""
    layer_before: str = ""
    """The layer version that is being replaced."""
    role: str = ""
    """The role that has the read policy; empty if not recorded."""
    variables: frozenset[str] | None = frozenset()
    """Names of the variables that were or will be set; None if not recorded."""

    @classmethod
    def of(cls, tags: Mapping[str, str]) -> "AttachmentTags":
        """Parse the tags of a function."""
        owner = tags.get(names.ATTACHED_TAG, "")
        variables = tags.get(names.ATTACHED_VARIABLES_TAG)
        return cls(
            owner=owner,
            layer=tags.get(names.ATTACHED_LAYER_TAG),
            layer_before=tags.get(names.ATTACHED_LAYER_BEFORE_TAG, ""),
            role=_decoded(tags.get(names.ATTACHED_ROLE_TAG, "")),
            variables=None if variables is None else frozenset(variables.split(_BETWEEN)) - {""},
        )

    @property
    def tags(self) -> dict[str, str]:
        """The tags to write."""
        found = {
            names.ATTACHED_TAG: self.owner or None,
            # Empty if nothing was added: only a lost tag is absent.
            names.ATTACHED_LAYER_TAG: self.layer,
            names.ATTACHED_LAYER_BEFORE_TAG: self.layer_before or None,
            names.ATTACHED_ROLE_TAG: _encoded(self.role) or None,
            names.ATTACHED_VARIABLES_TAG: None if self.variables is None else _BETWEEN.join(sorted(self.variables)),
        }
        return {key: value for key, value in found.items() if value is not None}

    @property
    def unused_keys(self) -> list[str]:
        """The attachment tags that are not needed."""
        return [key for key in KEYS if key not in self.tags]


def completed(tags: AttachmentTags, reported: Attached | None, variables: Mapping[str, str]) -> AttachmentTags:
    """Return the record of an attachment, with what the tags have lost from status.

    `variables` is the environment of the function. What neither tags nor status record belongs to the user, except variables
    that only the operator may set.
    """
    layer, listed = tags.layer, tags.variables
    if layer is None:
        layer = reported.layer if reported else ""
    if listed is None:
        known = reported.variables if reported else variables
        listed = frozenset(
            name
            for name in known.keys() & variables.keys()
            if name.startswith(function_access.PREFIX) or (reported and known[name] == digest(variables[name]))
        )
    return replace(tags, layer=layer, role=tags.role or (reported.role if reported else ""), variables=listed)


# Role names may contain a comma but no colon; tag values a colon but no comma.
def _encoded(role: str) -> str:
    return role.replace(",", ":")


def _decoded(text: str) -> str:
    return text.replace(":", ",")
