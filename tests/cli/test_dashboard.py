"""`dynconfig dashboard`: the body, and a picture of the data in the emulated CloudWatch."""

import io
import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import boto3
import numpy as np
import pytest
import yaml
from matplotlib.image import imread

from dynconfig import wiring
from dynconfig.cli import dashboard_export
from dynconfig.settings import BadSetting, Settings
from dynconfig_lab.aws import AwsLab

pytestmark = pytest.mark.lab

SPEC = {"path": "/myapp/config", "region": "eu-west-1", "function": {}, "alarms": {}, "dashboard": True}
OBJECT = {
    "apiVersion": "dynconfig.dev/v1alpha1",
    "kind": "DynamicConfig",
    "metadata": {"name": "myapp", "namespace": "shop"},
    "spec": SPEC,
}
WITHOUT_MATPLOTLIB = "import sys; sys.modules['matplotlib'] = None; from dynconfig.cli.app import main; main()"
RED = (220, 38, 38)


@pytest.fixture(scope="module")
def lab() -> Iterator[AwsLab]:
    with AwsLab.start() as lab:
        yield lab


@pytest.fixture
def environment(lab: AwsLab, monkeypatch: pytest.MonkeyPatch) -> None:
    variables = {"AWS_ENDPOINT_URL": lab.endpoint, "AWS_ACCESS_KEY_ID": "lab", "AWS_SECRET_ACCESS_KEY": "lab"}
    for name, value in {**variables, "AWS_REGION": "eu-west-1"}.items():
        monkeypatch.setenv(name, value)


@pytest.fixture
def manifest(tmp_path: Path) -> Path:
    path = tmp_path / "myapp.yaml"
    path.write_text(yaml.safe_dump(OBJECT))
    return path


def dynconfig(*arguments: str, program: tuple[str, ...] = ("-m", "dynconfig")) -> subprocess.CompletedProcess[str]:
    command = (sys.executable, *program, "dashboard", *arguments)
    return subprocess.run(command, capture_output=True, text=True, check=False)


def shown(**spec: Any) -> dashboard_export.DashboardExport:
    document = {**OBJECT, "spec": {**SPEC, **spec}}
    return dashboard_export.export(document, Settings.from_environment(os.environ))


def red(picture: bytes) -> int:
    """The number of pixels in the colour of errors."""
    colors: Any = np.rint(imread(io.BytesIO(picture))[:, :, :3] * 255).astype(int)
    return int((np.abs(colors - np.array(RED)).sum(axis=2) < 24).sum())


@pytest.mark.usefixtures("environment")
def test_body_equals_the_operators_without_the_owner() -> None:
    body = shown().body
    assert [widget["type"] for widget in body["widgets"]] == ["text", "alarm"] + ["metric"] * 6
    assert "dynconfig.dev/owner" not in json.dumps(body)
    unhealthy = "arn:aws:cloudwatch:eu-west-1:123456789012:alarm:dynconfig-shop-myapp/unhealthy"
    assert body["widgets"][1]["properties"]["alarms"][0] == unhealthy


@pytest.mark.usefixtures("environment")
def test_aws_is_not_called_without_alarms(lab: AwsLab) -> None:
    lab.reset_calls()
    assert shown(alarms=None).region == "eu-west-1"
    assert shown(alarms=None, region=None).region == "eu-west-1"
    assert lab.calls() == {}


@pytest.mark.usefixtures("environment")
def test_picture_shows_the_data_of_cloudwatch(lab: AwsLab, manifest: Path, tmp_path: Path) -> None:
    after = tmp_path / "after.png"
    before = dashboard_export.png(
        shown(), wiring.session(Settings.from_environment(os.environ)), now=time.time(), last=3600
    )
    cloudwatch: Any = boto3.client("cloudwatch", endpoint_url=lab.endpoint, region_name="eu-west-1")
    now = datetime.now(UTC)
    dimensions = {"FunctionName": "dynconfig-shop-myapp", "Config": "shop/myapp"}
    datum = {
        "MetricName": "ConfigurationErrors",
        "Dimensions": [{"Name": name, "Value": value} for name, value in dimensions.items()],
        "Value": 3,
        "Unit": "Count",
    }
    data = [{**datum, "Timestamp": now - timedelta(minutes=ago)} for ago in range(1, 60)]
    cloudwatch.put_metric_data(Namespace="DynamicConfig", MetricData=data)
    drawn = dynconfig("-f", str(manifest), "--png", str(after), "--last", "1h")
    assert drawn.returncode == 0, drawn.stderr
    assert "the last 1h of shop/myapp" in drawn.stdout
    # Without data, red is only in the legend.
    assert red(after.read_bytes()) > red(before) + 500


@pytest.mark.usefixtures("environment")
def test_missing_matplotlib_is_reported_with_the_extra(manifest: Path, tmp_path: Path) -> None:
    target = tmp_path / "never.png"
    failed = dynconfig("-f", str(manifest), "--png", str(target), program=("-c", WITHOUT_MATPLOTLIB))
    assert failed.returncode == 1
    assert "pip install 'dynconfig-operator[png]'" in failed.stderr
    assert "Traceback" not in failed.stderr
    assert not target.exists()
    printed = dynconfig("-f", str(manifest), program=("-c", WITHOUT_MATPLOTLIB))
    assert json.loads(printed.stdout) == shown().body


@pytest.mark.parametrize("last", ["soon", "4m", "361h", "", "5"])
def test_invalid_time_range_is_rejected(last: str) -> None:
    with pytest.raises(BadSetting, match=r"--last: invalid value .*, expected a duration from 5m to 360h"):
        dashboard_export.parse_window(last)


def test_time_range_has_the_format_of_other_commands() -> None:
    assert [dashboard_export.parse_window(text) for text in ("5m", "1h30m", "360h")] == [300, 5400, 1296000]


@pytest.mark.usefixtures("environment")
def test_one_object_at_a_time_is_accepted(manifest: Path) -> None:
    other = {**OBJECT, "metadata": {"name": "other", "namespace": "shop"}}
    manifest.write_text(yaml.safe_dump_all([OBJECT, other]))
    failed = dynconfig("-f", str(manifest))
    assert failed.returncode == 1
    assert failed.stderr == "error: the files contain several objects; select one of them: myapp, other\n"
    assert dynconfig("-f", str(manifest), "shop/other").returncode == 0


@pytest.mark.usefixtures("environment")
def test_invalid_object_is_named(manifest: Path) -> None:
    manifest.write_text(yaml.safe_dump({**OBJECT, "spec": {}}))
    assert dynconfig("-f", str(manifest)).stderr == "error: shop/myapp: spec.path: is missing\n"
