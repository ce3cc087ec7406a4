"""Creates many parameters at once, as if they had been put some time ago: without events, and not counted as calls."""

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from moto.ssm.models import ssm_backends

from dynconfig_lab.aws import accounts
from dynconfig_lab.aws.faults import BadFaults

FIELDS = {"Name", "Value", "Type", "Tags"}


def fill(document: object) -> int:
    """Create the parameters of {"region", "modified", "parameters"}; return their number. Raises BadFaults."""
    found = document if isinstance(document, Mapping) else {}
    region, listed, modified = (found.get(name) for name in ("region", "parameters", "modified"))
    if not isinstance(region, str) or not isinstance(listed, list) or not isinstance(modified, int | float):
        raise BadFaults("region, modified (seconds since the epoch) and parameters have to be given")
    for item in listed:
        if not isinstance(item, Mapping) or set(item) != FIELDS:
            raise BadFaults(f"parameters: each has to have {', '.join(sorted(FIELDS))}")
    written = datetime.fromtimestamp(modified, UTC).replace(tzinfo=None)
    for item in listed:
        _create(ssm_backends[accounts.current()][region], item, written)
    return len(listed)


def _create(backend: Any, item: Mapping[str, Any], written: datetime) -> None:
    parameter = backend.put_parameter(
        name=item["Name"],
        description="",
        value=item["Value"],
        parameter_type=item["Type"],
        allowed_pattern="",
        keyid="",
        overwrite=False,
        tags=item["Tags"],
        data_type="text",
        tier="Standard",
        policies=None,
    )
    parameter.last_modified_date = written
