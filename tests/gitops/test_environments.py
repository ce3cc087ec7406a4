"""The example of dev, staging and prod: the environments build, are valid, and differ only where necessary."""

import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from tests.gitops.conftest import Build, Document

from dynconfig.validation.declare import faults

pytestmark = pytest.mark.tools

FOLDER = Path(__file__).parents[2] / "manifests" / "examples" / "environments"
NAMES = ("dev", "staging", "prod")
MAY_DIFFER = {
    "metadata.namespace",
    "spec.path",
    "spec.driftPolicy",
    "spec.deletionPolicy",
    "spec.tags.environment",
    "spec.parameters[database/host].value",
    "spec.parameters[features/new-ui].value",
    "spec.function.logRetentionDays",
}


@pytest.fixture(scope="module")
def built(kustomize: Build) -> dict[str, Document]:
    found: dict[str, Document] = {}
    for name in NAMES:
        (found[name],) = kustomize(FOLDER / name)
    return found


@pytest.mark.parametrize("name", NAMES)
def test_every_environment_is_valid(name: str, built: dict[str, Document]) -> None:
    assert faults(built[name], lambda source: None) == ()
    assert built[name]["metadata"]["namespace"] == f"shop-{name}"
    assert built[name]["spec"]["path"] == f"/shop/{name}"


def test_environments_differ_only_where_necessary(built: dict[str, Document]) -> None:
    fields = {name: dict(_fields("", document)) for name, document in built.items()}
    every = {field for found in fields.values() for field in found}
    assert {field for field in every if len({str(fields[name].get(field)) for name in NAMES}) > 1} == MAY_DIFFER


@pytest.mark.parametrize("name", NAMES)
def test_important_fields_are_set_in_git_so_that_manual_edits_are_detected(
    name: str, built: dict[str, Document]
) -> None:
    policy = yaml.safe_load((FOLDER / name / "policy.yaml").read_text())["spec"]
    assert {"path", "suspend", "driftPolicy", "deletionPolicy"} <= policy.keys()
    assert all("type" in parameter for parameter in built[name]["spec"]["parameters"])


def test_production_outlives_its_object_and_corrects_drift(built: dict[str, Document]) -> None:
    assert built["prod"]["spec"]["deletionPolicy"] == "Retain"
    assert built["prod"]["spec"]["driftPolicy"] == "Correct"


def test_parameter_moved_in_the_base_fails_the_build(tmp_path: Path, kubectl: Path) -> None:
    shutil.copytree(FOLDER, tmp_path / "environments")
    base = tmp_path / "environments" / "base" / "config.yaml"
    document = yaml.safe_load(base.read_text())
    document["spec"]["parameters"].reverse()
    base.write_text(yaml.safe_dump(document))
    command = [str(kubectl), "kustomize", str(tmp_path / "environments" / "dev")]
    result = subprocess.run(command, capture_output=True, text=True, check=False)
    assert result.returncode != 0
    assert "/spec/parameters/0/name" in result.stderr


def _fields(path: str, value: Any) -> Iterator[tuple[str, Any]]:
    if isinstance(value, dict):
        for key, item in value.items():
            yield from _fields(f"{path}.{key}".lstrip("."), item)
    elif isinstance(value, list):
        for item in value:
            yield from _fields(f"{path}[{item['name']}]", item)
    else:
        yield path, value
