"""`dynconfig dashboard`: the body, and a picture of what the emulated CloudWatch has."""

import io
import json
import subprocess
import sys
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import boto3
import numpy as np
import pytest
import yaml
from matplotlib.image import imread

from dynconfig_lab.aws import AwsLab

pytestmark = pytest.mark.lab

OBJECT = {
    "apiVersion": "dynconfig.dev/v1alpha1",
    "kind": "DynamicConfig",
    "metadata": {"name": "myapp", "namespace": "shop"},
    "spec": {"path": "/myapp/config", "region": "eu-west-1", "function": {}, "alarms": {}, "dashboard": True},
}
WITHOUT_MATPLOTLIB = "import sys; sys.modules['matplotlib'] = None; from dynconfig.cli import main; main()"
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


def red(path: Path) -> int:
    picture: Any = np.rint(imread(io.BytesIO(path.read_bytes()))[:, :, :3] * 255).astype(int)
    return int((np.abs(picture - np.array(RED)).sum(axis=2) < 24).sum())


@pytest.mark.usefixtures("environment")
def test_the_body_is_printed_as_json_and_claims_nothing(manifest: Path) -> None:
    printed = dynconfig("-f", str(manifest))
    assert printed.returncode == 0, printed.stderr
    body = json.loads(printed.stdout)
    assert [widget["type"] for widget in body["widgets"]] == ["text", "alarm"] + ["metric"] * 6
    assert "dynconfig.dev/owner" not in printed.stdout
    assert "arn:aws:cloudwatch:eu-west-1:123456789012:alarm:dynconfig-shop-myapp/unhealthy" in printed.stdout


@pytest.mark.usefixtures("environment")
def test_the_picture_shows_what_cloudwatch_has(lab: AwsLab, manifest: Path, tmp_path: Path) -> None:
    before, after = tmp_path / "before.png", tmp_path / "after.png"
    assert dynconfig("-f", str(manifest), "--png", str(before)).returncode == 0
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
    # Before, red is in the legend only.
    assert red(after) > red(before) + 500


@pytest.mark.usefixtures("environment")
def test_without_matplotlib_the_missing_extra_is_named(manifest: Path, tmp_path: Path) -> None:
    target = tmp_path / "never.png"
    failed = dynconfig("-f", str(manifest), "--png", str(target), program=("-c", WITHOUT_MATPLOTLIB))
    assert failed.returncode == 1
    assert "pip install 'dynconfig-operator[png]'" in failed.stderr
    assert "Traceback" not in failed.stderr
    assert not target.exists()
    assert dynconfig("-f", str(manifest), program=("-c", WITHOUT_MATPLOTLIB)).returncode == 0


@pytest.mark.usefixtures("environment")
@pytest.mark.parametrize("last", ["soon", "4m", "361h", ""])
def test_a_time_that_makes_no_picture_is_refused(manifest: Path, tmp_path: Path, last: str) -> None:
    failed = dynconfig("-f", str(manifest), "--png", str(tmp_path / "x.png"), "--last", last)
    assert failed.returncode == 1
    assert "--last" in failed.stderr


@pytest.mark.usefixtures("environment")
def test_one_object_at_a_time(manifest: Path) -> None:
    other = {**OBJECT, "metadata": {"name": "other", "namespace": "shop"}}
    manifest.write_text(yaml.safe_dump_all([OBJECT, other]))
    failed = dynconfig("-f", str(manifest))
    assert failed.returncode == 2
    assert "holds 2" in failed.stderr
