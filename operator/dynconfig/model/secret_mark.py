"""The mark of a plaintext parameter with the text of a Secret: a tag in AWS, by which all output masks the value. Pure."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from dynconfig.api.names import FROM_SECRET_TAG


@dataclass(frozen=True, slots=True)
class SecretMark:
    """A mark as declared or as observed. Marks are equal if no call is needed to turn one into the other."""

    is_set: bool = False
    """Declared: the value comes from a Secret. Observed: AWS has the mark, and it is compared."""
    is_kept: bool = field(default=False, compare=False)
    """Declared: a mark that AWS has is not removed. Observed: AWS has the mark, and no declaration removes it."""

    def __str__(self) -> str:
        return str(self.is_set)

    @property
    def is_masked(self) -> bool:
        """Return whether AWS has the mark, of one that was observed."""
        return self.is_set or self.is_kept

    @property
    def in_aws(self) -> "SecretMark":
        """Return an observed mark as AWS has it, whatever was declared."""
        return MARKED if self.is_masked else UNMARKED

    @property
    def tags(self) -> Mapping[str, str]:
        """Return the tags that are compared and written for it."""
        return {FROM_SECRET_TAG: "true"} if self.is_set else {}

    def compared_with(self, declared: "SecretMark") -> "SecretMark":
        """Return an observed mark as it is compared: one that the declaration keeps is no difference."""
        return KEPT if self.is_set and declared.is_kept else self

    def written_over(self, observed: "SecretMark") -> "SecretMark":
        """Return what AWS has after a declared mark was written over an observed one, as it is compared."""
        return MARKED if self.is_set else KEPT if observed.is_kept else UNMARKED


UNMARKED, MARKED, KEPT = SecretMark(), SecretMark(is_set=True), SecretMark(is_kept=True)
