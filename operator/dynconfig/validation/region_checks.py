"""Checks of an object's region and the region of its alarm topics. Pure."""

from collections.abc import Callable

from dynconfig.api import alarms
from dynconfig.api.spec import DynamicConfigSpec
from dynconfig.model.errors import InvalidSpec
from dynconfig.model.regions import unknown_region


def check_region(spec: DynamicConfigSpec, default: str, is_region: Callable[[str], bool], known: str) -> None:
    """Raise InvalidSpec if the region does not exist, or is not the recorded one (`known`; empty before the first write)."""
    if not spec.region and known not in ("", default):
        raise InvalidSpec(
            f"spec.region is not set and the resources of this object are in {known}, but the operator's region is now "
            f"{default}; resources are not moved between regions. Set the operator's region back to {known}"
        )
    if spec.region and spec.region != default and (fault := region_fault(spec.region, is_region)):
        raise InvalidSpec(
            f"spec.region: {fault}. spec.region is immutable: to correct it, delete this object and create it again"
        )


def check_allowed(region: str | None, allowed: tuple[str, ...]) -> None:
    """Raise InvalidSpec if the region is not in DYNCONFIG_REGIONS."""
    if region and (fault := region_fault(region, lambda _region: True, allowed)):
        raise InvalidSpec(
            f"spec.region: {fault}. spec.region is immutable: delete this object and create it again with another region, or "
            "ask the operator's administrator to add it to DYNCONFIG_REGIONS"
        )


def region_fault(region: str, is_region: Callable[[str], bool], allowed: tuple[str, ...] = ()) -> str:
    """Return why a region is not allowed; empty if it exists and DYNCONFIG_REGIONS allows it."""
    if not is_region(region):
        return unknown_region(region)
    if allowed and region not in allowed:
        return f"{region} is not allowed here; allowed regions: {', '.join(allowed)}"
    return ""


def check_topics(spec: DynamicConfigSpec, region: str) -> None:
    """Raise InvalidSpec if an alarm topic is in another region."""
    elsewhere = [topic for topic in (spec.alarms.notify if spec.alarms else ()) if alarms.region_of(topic) != region]
    if elsewhere:
        raise InvalidSpec(
            f"spec.alarms.notify: topic {elsewhere[0]} is not in {region}, the region of this object; CloudWatch only "
            "notifies topics in the same region"
        )
