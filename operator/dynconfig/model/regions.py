"""The message about a region that AWS does not have. Pure."""


def unknown_region(region: str) -> str:
    """Return what is wrong with a region that is not in the list of this version, and what to do. Without a final period."""
    return f"{region} is not an AWS region known to this version; correct it, or upgrade dynconfig if the region is new"
