"""What the tags of an attached function remember of our addition, so that exactly that can be removed again. Pure.

They are written before what they remember: an operator that dies in between leaves nothing that no tag knows.
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
# Neither is in the name of a variable, and both may be in a tag.
# https://docs.aws.amazon.com/lambda/latest/dg/configuration-tags.html
_BETWEEN = "/"


@dataclass(frozen=True, slots=True, kw_only=True)
class AttachmentTags:
    """Whose addition it is, and what was added."""

    owner: str = ""
    layer: str = ""
    """The layer version that we added or are about to add; empty where the function had the extension already."""
    layer_before: str = ""
    """The one that it replaces, until it is replaced."""
    role: str = ""
    """The role that got our policy."""
    variables: frozenset[str] | None = frozenset()
    """Names of the variables that we set; None where an older operator remembered no names."""

    @classmethod
    def of(cls, tags: Mapping[str, str]) -> "AttachmentTags":
        """What the tags of a function remember."""
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
        """The tags that remember it."""
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
        """The tags of ours that it does not need."""
        return [key for key in KEYS if key not in self.tags]


# A role may have a comma in its name and a tag may not; a colon is the other way round.
def _encoded(role: str) -> str:
    return role.replace(",", ":")


def _decoded(text: str) -> str:
    return text.replace(":", ",")
