"""The AWS tags that users declare, limited to what all services in use accept.

https://docs.aws.amazon.com/tag-editor/latest/userguide/best-practices-and-strats.html
"""

import unicodedata
from typing import Annotated

from pydantic import Field

from dynconfig.api.model import Rule

OWN_TAG_PREFIX = "dynconfig.dev/"
MAX_KEY, MAX_VALUE = 128, 256
# AWS allows 50 tags per resource; one is the owner tag.
MAX_TAGS_TOGETHER = 49
# A plaintext parameter whose value comes from a Secret has one more tag, which says so.
MAX_TAGS_FROM_SECRET = MAX_TAGS_TOGETHER - 1
_SIGNS = "_.:/=+@-"
_LEGAL = rf"[\p{{L}}\p{{Z}}\p{{N}}{_SIGNS}]"

TagKey = Annotated[str, Field(min_length=1, max_length=MAX_KEY)]
TagValue = Annotated[str, Field(max_length=MAX_VALUE, pattern=f"^{_LEGAL}*$")]
Tags = Annotated[dict[TagKey, TagValue], Field(max_length=40)]

# One rule for both, since an object may have 40,000 tags. The pattern ignores the case of ASCII letters only.
_RESERVED = r"^([aA][wW][sS]:|[dD][yY][nN][cC][oO][nN][fF][iI][gG]\.[dD][eE][vV]/)"
TAG_KEYS = Rule(
    cel=f"!has(self.tags) || self.tags.all(key, key.matches(r'^{_LEGAL}{{1,{MAX_KEY}}}$') && !key.matches(r'{_RESERVED}'))",
    message=f"tag keys must have 1 to {MAX_KEY} letters, digits, spaces and {' '.join(_SIGNS)} only, and must not begin with "
    "aws: or dynconfig.dev/, which are reserved; rename the tag",
    holds=lambda model: all(is_legal(key) and not is_reserved(key) for key in model.tags),
    field="tags",
)


def is_reserved(key: str) -> bool:
    """Whether a key is reserved for AWS or the operator. Case is ignored, since IAM tag keys are case-insensitive."""
    return key.lower().startswith(("aws:", OWN_TAG_PREFIX))


def is_legal(text: str) -> bool:
    """Whether all characters are Unicode letters, separators or digits, or one of _.:/=+@-."""
    return all(character in _SIGNS or unicodedata.category(character)[0] in "LZN" for character in text)
