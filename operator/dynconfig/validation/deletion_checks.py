"""Checks before AWS is called for a deleted or invalid object: whether it can have anything there, and where. Pure."""

from collections.abc import Callable, Mapping
from typing import Any

from dynconfig.api import names
from dynconfig.model.errors import InvalidSpec
from dynconfig.model.regions import unknown_region
from dynconfig.model.stored import recorded_place, region_of, spec_of
from dynconfig.validation.region_checks import region_fault
from dynconfig.validation.tenancy import Aspect, Tenant, Use


def has_nothing(
    document: Mapping[str, Any],
    *,
    default_region: str,
    tenant: Tenant,
    allowed_regions: tuple[str, ...] = (),
    is_region: Callable[[str], bool],
) -> bool:
    """Whether AWS has nothing of an object: status records no place, and its namespace may not write where its spec says.

    What its namespace may have is searched by the owner tag even then, since status may be lost, as after a restored backup.
    """
    if recorded_place(document.get("status")) is not None:
        return False
    region, path = region_of(document), spec_of(document).get("path")
    if not isinstance(path, str) or not tenant.may_have_path(path):
        return True
    if region is None or region == default_region:
        return False
    return bool(region_fault(region, is_region, allowed_regions)) or not _may_have_region(tenant, region)


def _may_have_region(tenant: Tenant, region: str) -> bool:
    use = Use("spec.region", Aspect.REGION, region)
    return not tenant.is_known or tenant.decide(use, lambda _arn: False).is_allowed


def may_write_parameters(
    document: Mapping[str, Any], *, default_region: str, tenant: Tenant, is_region: Callable[[str], bool]
) -> bool:
    """Whether parameters at the path and in the region of spec are allowed, and the region exists. False as long as unknown."""
    region, path = region_of(document) or default_region, spec_of(document).get("path")
    is_default = region == default_region
    if not isinstance(path, str) or not (is_default or is_region(region)):
        return False
    return tenant.may_write_parameters(path, "" if is_default else region)


def check_region(region: str, default_region: str, is_region: Callable[[str], bool]) -> None:
    """Raise InvalidSpec if the region of a deletion does not exist."""
    if region != default_region and not is_region(region):
        raise InvalidSpec(
            f"nothing was deleted: {unknown_region(region)}. To delete only the object, set the annotation {names.ABANDON} "
            'to "true"'
        )
