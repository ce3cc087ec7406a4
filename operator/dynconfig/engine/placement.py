"""In which region an object keeps its resources, and the topics of its alarms. Pure."""

from collections.abc import Callable

from dynconfig.api import alarms
from dynconfig.api.spec import DynamicConfigSpec
from dynconfig.engine.errors import InvalidSpec


def check_region(spec: DynamicConfigSpec, default: str, is_region: Callable[[str], bool], known: str | None) -> None:
    """Raise InvalidSpec for a region that AWS does not have, or that is not the one where the resources are."""
    if not spec.region and known not in (None, default):
        raise InvalidSpec(
            f"spec.region: this object names none, and its resources are in {known}, while the operator's region is {default} "
            f"now; nothing is moved from region to region, so set the operator's region back to {known}"
        )
    if spec.region and spec.region != default and (fault := region_fault(spec.region, is_region)):
        raise InvalidSpec(
            f"spec.region: {fault}; a region cannot be edited, so delete this object and declare it anew with another one, or "
            "update the operator if the region is new"
        )


def check_allowed(region: str | None, allowed: tuple[str, ...]) -> None:
    """Raise InvalidSpec for a region that the operator's administrator does not list."""
    if region and (fault := region_fault(region, lambda _region: True, allowed)):
        raise InvalidSpec(
            f"spec.region: {fault}. A region cannot be edited, so delete this object and declare it anew with another one, or "
            "ask the operator's administrator for DYNCONFIG_REGIONS"
        )


def region_fault(region: str, is_region: Callable[[str], bool], allowed: tuple[str, ...] = ()) -> str:
    """Why an object may not name a region, empty if it may: AWS has to have it, and DYNCONFIG_REGIONS to allow it."""
    if not is_region(region):
        return f"{region} is not an AWS region that this version knows"
    if allowed and region not in allowed:
        return f"{region} is not allowed here; allowed are {', '.join(allowed)}"
    return ""


def check_topics(spec: DynamicConfigSpec, region: str) -> None:
    """Raise InvalidSpec for a topic of another region."""
    elsewhere = [topic for topic in (spec.alarms.notify if spec.alarms else ()) if alarms.region_of(topic) != region]
    if elsewhere:
        raise InvalidSpec(
            f"spec.alarms.notify: topic {elsewhere[0]} is not in {region}, the region of this object; CloudWatch notifies "
            "topics of its own region only"
        )
