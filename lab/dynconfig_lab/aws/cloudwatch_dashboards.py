"""Dashboards: one set for the whole account, independent of the region, with CloudWatch's validation.

https://docs.aws.amazon.com/AmazonCloudWatch/latest/APIReference/CloudWatch-Dashboard-Body-Structure.html
"""

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from moto.cloudwatch.models import cloudwatch_backends

from dynconfig_lab.aws import accounts
from dynconfig_lab.aws.answers import AwsError

Request = Mapping[str, Any]
Finding = dict[str, str]

# The region name under which moto stores global resources.
HOME = "us-east-1"
MOST_WIDGETS = 500
WIDTH, HEIGHT = 24, 1000
_NAME = re.compile(r"[A-Za-z0-9_-]{1,255}")
_NEEDED = {"metric": (), "log": ("query", "region"), "text": ("markdown",), "alarm": ("alarms",), "explorer": ()}
_KNOWN = {"type", "x", "y", "width", "height", "properties"}
_VIEWS = ("timeSeries", "singleValue", "gauge", "bar", "pie", "table", "stackedArea")


@dataclass(frozen=True)
class Dashboard:
    """As it was put."""

    name: str
    body: str
    modified_at: float

    @property
    def arn(self) -> str:
        """Without a region."""
        return f"arn:aws:cloudwatch::{accounts.current()}:dashboard/{self.name}"


def dashboards() -> dict[str, Dashboard]:
    """Dashboards by name. Stored in moto's backend, so that a reset clears them."""
    home: Any = cloudwatch_backends[accounts.current()][HOME]
    dashboards: dict[str, Dashboard] = home.dashboards
    return dashboards


def put(request: Request, now: float) -> dict[str, Any]:
    """PutDashboard; warnings are returned with the success. Raises AwsError."""
    name, body = request["DashboardName"], request["DashboardBody"]
    if not _NAME.fullmatch(name):
        text = (
            f"The value {name} for field DashboardName contains invalid characters. It can only contain alphanumerics, dash "
            "(-) and underscore (_).\n"
        )
        raise AwsError("InvalidParameterValue", text)
    errors, warnings = _findings(body)
    if errors:
        are = "is 1 validation error" if len(errors) == 1 else f"are {len(errors)} validation errors"
        messages = [{"dataPath": item["DataPath"], "message": item["Message"]} for item in errors]
        raise AwsError(
            "InvalidParameterInput", f"The dashboard body is invalid, there {are}:\n{json.dumps(messages, indent=2)}"
        )
    dashboards()[name] = Dashboard(name, body, now)
    _tagger().tag_resource(dashboards()[name].arn, list(request.get("Tags") or ()))
    return {"DashboardValidationMessages": warnings}


def get(request: Request) -> dict[str, Any]:
    """GetDashboard. Raises AwsError."""
    found = dashboards().get(request["DashboardName"])
    if found is None:
        raise _not_found(f"Dashboard {request['DashboardName']} does not exist")
    return {"DashboardArn": found.arn, "DashboardBody": found.body, "DashboardName": found.name}


def listed(request: Request) -> dict[str, Any]:
    """ListDashboards."""
    found = sorted(dashboards().values(), key=lambda item: item.name)
    entries = [
        {
            "DashboardName": item.name,
            "DashboardArn": item.arn,
            "LastModified": datetime.fromtimestamp(item.modified_at, UTC),
            "Size": len(item.body.encode()),
        }
        for item in found
        if item.name.startswith(request.get("DashboardNamePrefix", ""))
    ]
    return {"DashboardEntries": entries}


def delete(request: Request) -> None:
    """DeleteDashboards: all or none. Raises AwsError."""
    names = list(dict.fromkeys(request["DashboardNames"]))
    if not names:
        raise AwsError("InvalidParameterValue", "Need at least 1 dashboard")
    missing = [name for name in names if name not in dashboards()]
    if missing:
        raise _not_found(f"The specified dashboard does not exist. [{', '.join(missing)}]")
    for name in names:
        _tagger().delete_all_tags_for_resource(dashboards().pop(name).arn)


def _findings(body: str) -> tuple[list[Finding], list[Finding]]:
    """Errors, which reject a body, and warnings."""
    try:
        document = json.loads(body)
    except ValueError:
        return [_finding("", "The field DashboardBody must be a valid JSON object")], []
    if not isinstance(document, dict):
        return [_finding("", "Should be object")], []
    widgets = document.get("widgets")
    if not isinstance(widgets, list):
        return [
            _finding("/widgets", "Should be array" if "widgets" in document else "Should have property widgets")
        ], []
    found = list(_of_widgets(widgets))
    return [item for severe, item in found if severe], [item for severe, item in found if not severe]


def _of_widgets(widgets: list[Any]) -> Iterator[tuple[bool, Finding]]:
    if len(widgets) > MOST_WIDGETS:
        yield True, _finding("/widgets", f"Should NOT have more than {MOST_WIDGETS} items")
    for number, widget in enumerate(widgets):
        path = f"/widgets/{number}"
        if isinstance(widget, dict):
            yield from _of_widget(widget, path)
        else:
            yield True, _finding(path, "Should be object")


def _of_widget(widget: Mapping[str, Any], path: str) -> Iterator[tuple[bool, Finding]]:
    kind = widget.get("type")
    if kind not in _NEEDED:
        yield True, _finding(f"{path}/type", f"Should be one of {', '.join(_NEEDED)}")
        return
    if unknown := sorted(set(widget) - _KNOWN):
        yield False, _finding(path, f"Should NOT have additional properties: {', '.join(unknown)}")
    yield from _of_place(widget, path)
    properties = widget.get("properties")
    if not isinstance(properties, dict):
        yield True, _finding(path, "Should have required property 'properties'")
        return
    for name in _NEEDED[kind]:
        if name not in properties:
            yield True, _finding(f"{path}/properties", f"Should have required property '{name}'")
    if kind == "metric":
        yield from _of_metric_widget(properties, f"{path}/properties")


def _of_place(widget: Mapping[str, Any], path: str) -> Iterator[tuple[bool, Finding]]:
    for name, least, most in (("x", 0, WIDTH - 1), ("y", 0, None), ("width", 1, WIDTH), ("height", 1, HEIGHT)):
        value = widget.get(name, least)
        if not isinstance(value, int) or isinstance(value, bool):
            yield True, _finding(f"{path}/{name}", "Should be integer")
        elif value < least or (most is not None and value > most):
            yield True, _finding(f"{path}/{name}", f"Should be >= {least}" if value < least else f"Should be <= {most}")


def _of_metric_widget(properties: Mapping[str, Any], path: str) -> Iterator[tuple[bool, Finding]]:
    if "metrics" not in properties and "annotations" not in properties:
        yield True, _finding(path, "Should have required property 'metrics'")
    if "region" not in properties:
        yield True, _finding(path, "Should have required property 'region'")
    if properties.get("view", "timeSeries") not in _VIEWS:
        yield True, _finding(f"{path}/view", f"Should be one of {', '.join(_VIEWS)}")
    for number, metric in enumerate(properties.get("metrics", ())):
        yield from _of_metric(metric, f"{path}/metrics/{number}")


def _of_metric(metric: object, path: str) -> Iterator[tuple[bool, Finding]]:
    """Check one metric: namespace, name, pairs of dimensions and optional rendering settings last; or an expression
    alone."""
    if not isinstance(metric, list) or not metric:
        yield (
            True,
            _finding(path, "Should be array" if not isinstance(metric, list) else "Should NOT have fewer than 1 items"),
        )
        return
    drawn = isinstance(metric[-1], dict)
    fields = metric[:-1] if drawn else metric
    for place, item in enumerate(fields):
        if not isinstance(item, str):
            yield True, _finding(f"{path}/{place}", 'Invalid metric field type, only "String" type is allowed')
    is_expression = drawn and "expression" in metric[-1]
    if len(fields) % 2 or (not fields and not is_expression):
        yield True, _finding(path, f"Should NOT have more than {max(len(fields) - 1, 2)} items")


def _finding(path: str, message: str) -> Finding:
    return {"DataPath": path, "Message": message}


def _not_found(text: str) -> AwsError:
    return AwsError("ResourceNotFound", text, 404)


def _tagger() -> Any:
    return cloudwatch_backends[accounts.current()][HOME].tagger
