"""The dashboard of an object in a file: its body, or a picture of it with what CloudWatch has."""

import re
from dataclasses import dataclass, replace
from typing import Any

from dynconfig import wiring
from dynconfig.api.duration import DURATION, seconds
from dynconfig.aws import metric_data
from dynconfig.drawing import picture, widgets
from dynconfig.engine.arns import Arns
from dynconfig.engine.declaration import Declaration, Place
from dynconfig.engine.declare import parse_spec
from dynconfig.engine.naming import Names
from dynconfig.engine.resource import Owner
from dynconfig.files import Document
from dynconfig.kinds.dashboard import board_of
from dynconfig.kinds.dashboard_body import body
from dynconfig.settings import BadSetting, Settings

SHORTEST, LONGEST = 300, 15 * 86400

Revisions = tuple[tuple[float, str], ...]
"""When which revision came, in seconds since the epoch, oldest first."""


@dataclass(frozen=True, slots=True)
class Shown:
    """The dashboard of one object: what it shows, and where."""

    region: str
    body: dict[str, Any]


def shown(document: Document, settings: Settings, revisions: Revisions = ()) -> Shown:
    """What the operator would make of the object, but for the owner's mark. Raises InvalidSpec, BadSetting.

    AWS is asked for the account where there are alarms: their ARNs have it in them.
    """
    spec, metadata = parse_spec(document), document["metadata"]
    region = spec.region or wiring.default_region(settings)
    owner = Owner("", metadata["namespace"], metadata["name"], "")
    function = spec.function
    names = Names.of(owner, region, function.name if function else None, function.role_name if function else None)
    declaration = Declaration(
        owner, Place(region), names, spec.path, generation=1, parameters=(), function=function, alarms=spec.alarms
    )
    arns = Arns(region, lambda: wiring.account(wiring.session(settings), settings))
    return Shown(region, body(replace(board_of(declaration, arns), owner="", revisions=revisions)))


def window(text: str) -> int:
    """A duration such as 90m in seconds. Raises BadSetting."""
    if not re.fullmatch(DURATION, text) or not SHORTEST <= seconds(text) <= LONGEST:
        raise BadSetting(f"--last: {text!r} is not a duration from 5m to 360h, such as 90m or 24h")
    return seconds(text)


def png(shown: Shown, settings: Settings, *, now: float, last: int) -> bytes:
    """A picture of the last seconds until now. Raises PictureNotPossible, and whatever AWS answers."""
    cloudwatch = wiring.session(settings).client("cloudwatch", shown.region)
    period = widgets.period_for(last)
    # Whole periods, as CloudWatch counts them.
    end = (now // period + 1) * period
    start = end - last
    series = metric_data.series(cloudwatch, widgets.metrics_in(shown.body), start=start, end=end, period=period)
    states = metric_data.states(cloudwatch, widgets.alarms_in(shown.body))
    return picture.png(widgets.scene(shown.body, series, states, start=start, end=end, period=period))
