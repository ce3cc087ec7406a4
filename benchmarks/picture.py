"""Draws the picture of a dashboard in the README: python -m benchmarks.picture docs/dashboard.png

All its data comes from the lab: its CloudWatch contains three hours of a function's metrics, with a faulty revision
deployed fourteen minutes before the end, and evaluates the alarms of `manifests/examples/watched.yaml` on them.
"""

import math
import os
import random
import sys
import time
from dataclasses import replace
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any

from dynconfig import wiring
from dynconfig.cli import dashboard_export, files
from dynconfig.cli.drawing.widgets import metrics_in
from dynconfig.engine.reconcile import Engine
from dynconfig.kinds.alarm import Alarms
from dynconfig.kinds.composite_alarm import CompositeAlarms
from dynconfig.model.resource import Owner
from dynconfig.settings import Settings
from dynconfig.validation.declare import declare
from dynconfig.validation.tenancy import Tenant
from dynconfig_lab.aws import AwsLab
from dynconfig_lab.aws.cloudwatch_metrics import metrics_of

EXAMPLE = Path(__file__).parents[1] / "manifests" / "examples" / "watched.yaml"
HOURS, BAD_MINUTES, GOOD_MINUTES = 3, 14, 125


def main(target: Path) -> None:
    """Fill the lab, apply the alarms, evaluate them, draw."""
    with AwsLab.start() as lab:
        variables = {"AWS_ENDPOINT_URL": lab.endpoint, "AWS_ACCESS_KEY_ID": "lab", "AWS_SECRET_ACCESS_KEY": "lab"}
        os.environ.update(variables)
        settings = Settings.from_environment(os.environ)
        (document,) = files.read([EXAMPLE], "default").configs
        now = time.time()
        shown = dashboard_export.export(document, settings, revisions=_revisions(now))
        _fill(shown, now)
        _apply(document, settings)
        lab.evaluate_alarms()
        target.write_bytes(dashboard_export.png(shown, wiring.session(settings), now=now, last=HOURS * 3600))


def _revisions(now: float) -> tuple[tuple[float, str], ...]:
    return (now - 60 * GOOD_MINUTES, "4c1f19fd"), (now - 60 * BAD_MINUTES, "e77ab02e")


def _apply(document: files.Document, settings: Settings) -> None:
    metadata = document["metadata"]
    owner = Owner("lab", metadata["namespace"], metadata["name"], "uid")
    declaration = declare(
        document, owner=owner, default_region="eu-west-1", tenant=Tenant("shop"), read=lambda _source: None
    )
    session = wiring.session(settings)
    account = partial(wiring.account, session, settings)
    context = wiring.context(session, "eu-west-1", settings, account, time.monotonic)
    kinds = (Alarms(context), CompositeAlarms(context))
    outcome = Engine(lambda _place: kinds).run(replace(declaration, never_written=True))
    if outcome.error:
        raise outcome.error


def _fill(shown: dashboard_export.DashboardExport, now: float) -> None:
    chance = random.Random(7)  # noqa: S311 - a picture, no secret
    named = {metric.name: metric for metric in metrics_in(shown.body)}
    for minute in range(HOURS * 60):
        at = now - 60 * (HOURS * 60 - minute)
        for name, values in _minute(chance, minute, is_bad=now - at <= 60 * BAD_MINUTES).items():
            metric = named[name]
            data = [_datum(name, metric.dimensions, value, at) for value in values]
            metrics_of(shown.region).put(metric.namespace, data)


def _minute(chance: random.Random, minute: int, *, is_bad: bool) -> dict[str, list[float]]:
    """The metrics of a function with eight execution environments in one minute."""
    calls = round(110 + 35 * math.sin(minute / 28) + chance.uniform(-12, 12))
    failed = round(calls * chance.uniform(0.05, 0.12)) if is_bad else 0
    # One in thirty reads a parameter with an expired TTL through the extension.
    reads = max(1, round(calls / 30 + chance.uniform(-1, 1)))
    times = [chance.lognormvariate(2.3, 0.35) + (180 if number < failed else 0) for number in range(calls)]
    found = {
        "Invocations": [1.0] * calls,
        "Errors": [float(failed)],
        "Throttles": [0.0],
        "Duration": times,
        "CacheHits": [float(2 * calls - reads)],
        "CacheMisses": [float(reads)],
        "SuccessfulParameterRetrievals": [float(reads)],
    }
    return {**found, "ConfigurationErrors": [float(failed)]} if failed else found


def _datum(name: str, dimensions: tuple[tuple[str, str], ...], value: float, at: float) -> dict[str, Any]:
    return {
        "MetricName": name,
        "Dimensions": [{"Name": key, "Value": text} for key, text in dimensions],
        "Value": value,
        "Unit": "Milliseconds" if name == "Duration" else "Count",
        "Timestamp": datetime.fromtimestamp(at, UTC),
    }


if __name__ == "__main__":
    main(Path(sys.argv[1]))
