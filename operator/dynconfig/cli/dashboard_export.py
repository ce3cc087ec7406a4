"""Export the dashboard of an object in a file: its body, or an image with data from CloudWatch."""

import re
from dataclasses import dataclass, replace
from typing import Any

from dynconfig import wiring
from dynconfig.api.duration import DURATION, seconds
from dynconfig.cli import metric_data
from dynconfig.cli.drawing import picture, widgets
from dynconfig.cli.files import Document
from dynconfig.kinds.dashboard.body import body
from dynconfig.kinds.dashboard.dashboards import board_of
from dynconfig.model.arns import Arns
from dynconfig.model.declaration import Declaration, Place
from dynconfig.model.naming import Names
from dynconfig.model.resource import Owner
from dynconfig.model.stored import recorded_place
from dynconfig.model.target import Target
from dynconfig.settings import BadSetting, Settings
from dynconfig.validation.declare import parse_spec
from dynconfig.wiring import Clients

SHORTEST, LONGEST = 300, 15 * 86400

Revisions = tuple[tuple[float, str], ...]
"""Time of each revision in seconds since the epoch, and its name; oldest first."""


@dataclass(frozen=True, slots=True)
class DashboardExport:
    """The dashboard body of one object, and its region."""

    region: str
    body: dict[str, Any]


def export(
    document: Document, settings: Settings, target: Target | None = None, revisions: Revisions = ()
) -> DashboardExport:
    """Return the dashboard that the operator would create, without the owner mark. Raises InvalidSpec, BadSetting.

    With alarms, AWS is called for the account ID, which is part of their ARNs, unless a target has it.
    """
    spec, metadata = parse_spec(document), document["metadata"]
    recorded = recorded_place(document.get("status"))
    region = (
        target.region if target else spec.region or (recorded and recorded.region) or wiring.default_region(settings)
    )
    owner = Owner("", metadata["namespace"], metadata["name"], "")
    function = spec.function
    names = Names.of(owner, region, function.name if function else None, function.role_name if function else None)
    declaration = Declaration(
        owner,
        Place(region, target),
        names,
        spec.path,
        generation=1,
        parameters=(),
        function=function,
        alarms=spec.alarms,
    )
    arns = Arns(region, lambda: target.account if target else wiring.account(wiring.session(settings), settings))
    return DashboardExport(region, body(replace(board_of(declaration, arns), owner="", revisions=revisions)))


def parse_window(text: str) -> int:
    """Return a duration such as 90m in seconds. Raises BadSetting."""
    if not re.fullmatch(DURATION, text) or not SHORTEST <= seconds(text) <= LONGEST:
        raise BadSetting(f"--last: invalid value {text!r}, expected a duration from 5m to 360h, e.g. 90m or 24h")
    return seconds(text)


def png(dashboard: DashboardExport, clients: Clients, *, now: float, last: int) -> bytes:
    """Draw the last `last` seconds until `now`. Raises PictureNotPossible, and errors of AWS."""
    cloudwatch = clients.client("cloudwatch", dashboard.region)
    period = widgets.period_for(last)
    # Align to whole periods, as CloudWatch does.
    end = (now // period + 1) * period
    start = end - last
    series = metric_data.series(cloudwatch, widgets.metrics_in(dashboard.body), start=start, end=end, period=period)
    states = metric_data.states(cloudwatch, widgets.alarms_in(dashboard.body))
    return picture.png(widgets.scene(dashboard.body, series, states, start=start, end=end, period=period))
