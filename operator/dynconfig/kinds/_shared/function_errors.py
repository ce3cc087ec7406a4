"""Lambda's refusals, with the field of spec.function that they refer to. Pure."""

from dynconfig.model.errors import Refused

# Words in Lambda's errors, and the field of spec.function that they refer to.
_FIELDS = (
    ("Layer", "extension.layerArn"),
    ("layer", "extension.layerArn"),
    ("environment variables", "environment"),
    ("runtime", "runtime"),
    ("MemorySize", "memoryMiB"),
    ("memorySize", "memoryMiB"),
)


def naming_field(error: Refused) -> Refused:
    """Prefix an error with the field of spec that it refers to."""
    words = str(error)
    named = next((f"spec.function.{field}: " for word, field in _FIELDS if word in words), "")
    return Refused(f"{named}{words}", code=error.code)
