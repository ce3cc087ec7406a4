"""The tags of an attached function, which record what was added so that exactly that can be removed. Pure.

They are written before the additions: if the operator dies in between, no addition is unrecorded.
"""

from collections.abc import Mapping
from dataclasses import dataclass

from dynconfig.api import names

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
    layer: str = ""
    """The layer version that was or will be added; empty if the function had the extension already."""
    layer_before: str = ""
    """The layer version that is being replaced."""
    role: str = ""
    """The role that has the read policy."""
    variables: frozenset[str] | None = frozenset()
    """Names of the variables that were set; None if an older operator did not record them."""

    @classmethod
    def of(cls, tags: Mapping[str, str]) -> "AttachmentTags":
        """Parse the tags of a function."""
        owner = tags.get(names.ATTACHED_TAG, "")
        variables = tags.get(names.ATTACHED_VARIABLES_TAG)
        listed = None if variables is None and owner else frozenset((variables or "").split(_BETWEEN)) - {""}
        return cls(
            owner=owner,
            layer=tags.get(names.ATTACHED_LAYER_TAG, ""),
            layer_before=tags.get(names.ATTACHED_LAYER_BEFORE_TAG, ""),
            role=_decoded(tags.get(names.ATTACHED_ROLE_TAG, "")),
            variables=listed,
        )

    @property
    def tags(self) -> dict[str, str]:
        """The tags to write."""
        found = {
            names.ATTACHED_TAG: self.owner,
            names.ATTACHED_LAYER_TAG: self.layer,
            names.ATTACHED_LAYER_BEFORE_TAG: self.layer_before,
            names.ATTACHED_ROLE_TAG: _encoded(self.role),
        }
        kept = {key: value for key, value in found.items() if value}
        return {**kept, names.ATTACHED_VARIABLES_TAG: _BETWEEN.join(sorted(self.variables or ()))}

    @property
    def unused_keys(self) -> list[str]:
        """The attachment tags that are not needed."""
        return [key for key in KEYS if key not in self.tags]


# Role names may contain a comma but no colon; tag values a colon but no comma.
def _encoded(role: str) -> str:
    return role.replace(",", ":")


def _decoded(text: str) -> str:
    return text.replace(":", ",")
