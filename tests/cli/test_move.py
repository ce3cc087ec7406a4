"""`dynconfig plan` for objects between which a parameter moves."""

import json
from pathlib import Path
from typing import Any

import pytest
import yaml
from tests.cli.cli_harness import PARAMETERS, CliHarness

from dynconfig.api import names

pytestmark = pytest.mark.lab


def heir(**spec: Any) -> dict[str, Any]:
    """An object that declares the database's host by another path."""
    parameters = [{"name": "host", "value": "db.shop.internal", "description": "Database host"}]
    return {
        "apiVersion": names.API_VERSION,
        "kind": names.KIND,
        "metadata": {"name": "database", "namespace": "shop"},
        "spec": {"path": "/myapp/config/database", "parameters": parameters, **spec},
    }


def moved(harness: CliHarness, **spec: Any) -> str:
    """A file with the releasing object and the adopting one."""
    harness.applied()
    file = Path(harness.manifest(*PARAMETERS[1:]))
    file.write_text(file.read_text() + "---\n" + yaml.safe_dump(heir(**spec)))
    return str(file)


@pytest.mark.parametrize("policy", ["Delete", "Retain"])
def test_plan_of_both_objects_shows_the_hand_over(harness: CliHarness, policy: str) -> None:
    result = harness.dynconfig("plan", "-f", moved(harness, adoptionPolicy="IfUnowned", deletionPolicy=policy))
    assert result.code == 2, result.err
    assert "= release Parameter /myapp/config/database/host" in result.out
    assert "handed over to shop/database" in result.out
    assert "owner: shop/myapp → shop/database" in result.out
    assert "delete" not in result.out


def test_no_hand_over_without_adoption_policy(harness: CliHarness) -> None:
    result = harness.dynconfig("plan", "-f", moved(harness))
    assert "- delete Parameter /myapp/config/database/host" in result.out
    said = " ".join(result.out.split())
    assert "is being released by shop/myapp; set adoptionPolicy: IfUnowned to adopt it" in said
    assert result.code == 1


def test_plan_of_a_deletion_shows_the_hand_over(harness: CliHarness) -> None:
    file = moved(harness, adoptionPolicy="IfUnowned")
    result = harness.dynconfig("plan", "-f", file, "myapp", "--delete", "-o", "json")
    (planned,) = json.loads(result.out)
    assert planned["stays"] == [
        {"resource": "Parameter /myapp/config/database/host", "because": "handed over to shop/database"}
    ]
    # If both are deleted, neither adopts anything.
    both = json.loads(harness.dynconfig("plan", "-f", file, "--delete", "-o", "json").out)
    assert "Parameter /myapp/config/database/host" in both[0]["goes"]


def test_namespace_without_permission_for_the_path_adopts_nothing(harness: CliHarness) -> None:
    file = moved(harness, adoptionPolicy="IfUnowned")
    text = Path(file).read_text().replace("name: database\n  namespace: shop", "name: database\n  namespace: evil")
    Path(file).write_text(text)
    allowed = {"DYNCONFIG_ALLOWED_PATHS": "shop=/myapp;evil=/evil"}
    result = harness.dynconfig("plan", "-f", file, "myapp", **allowed)
    assert "- delete Parameter /myapp/config/database/host" in result.out
