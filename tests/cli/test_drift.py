"""`dynconfig drift`: what was changed in AWS, for people and for pipelines."""

import json

import pytest
from tests.cli import golden
from tests.cli.cli_harness import PASSWORD, CliHarness

pytestmark = pytest.mark.lab


def test_no_drift_is_said_and_ends_with_0(harness: CliHarness) -> None:
    harness.applied()
    result = harness.dynconfig("drift", "-f", "myapp.yaml")
    assert result.code == 0
    golden.check("drift-none", result)


def changed(harness: CliHarness) -> None:
    """What a person does in the console."""
    harness.applied()
    harness.ssm.put_parameter(Name="/myapp/config/database/host", Value="db.elsewhere", Overwrite=True)
    harness.ssm.put_parameter(Name="/myapp/config/database/password", Value="changed-canary", Overwrite=True)
    harness.ssm.delete_parameter(Name="/myapp/config/database/port")


def test_every_field_that_differs_is_a_row_with_who_changed_it(harness: CliHarness) -> None:
    changed(harness)
    result = harness.dynconfig("drift", "-f", "myapp.yaml")
    assert result.code == 2
    assert "db.shop.internal" in result.out
    assert "changed by arn:aws:iam::" in result.out
    assert "changed-canary" not in result.text
    assert PASSWORD not in result.text
    golden.check("drift", result)


def test_drift_for_programs_is_json(harness: CliHarness) -> None:
    changed(harness)
    result = harness.dynconfig("drift", "-f", "myapp.yaml", "-o", "json")
    (found,) = json.loads(result.out)
    by_name = {item["resource"].rpartition("/")[2]: item for item in found["drift"]}
    assert (by_name["host"]["declared"], by_name["host"]["observed"]) == ("db.shop.internal", "db.elsewhere")
    assert (by_name["port"]["field"], by_name["port"]["observed"]) == ("exists", "no")
    assert (by_name["password"]["declared"], by_name["password"]["observed"]) == ("•••", "•••")
    golden.check("drift-json", result)


def test_the_table_fits_the_screen(harness: CliHarness) -> None:
    changed(harness)
    result = harness.dynconfig("drift", "-f", "myapp.yaml", COLUMNS="90")
    assert max(map(len, result.out.splitlines())) <= 90
    assert "…" not in result.out


def test_one_object_that_cannot_be_told_of_ends_with_1(harness: CliHarness) -> None:
    changed(harness)
    broken = (
        (harness.folder / "myapp.yaml").read_text().replace("name: myapp\n", "name: broken\n").replace("'5432'", "''")
    )
    (harness.folder / "broken.yaml").write_text(broken)
    result = harness.dynconfig("drift", "-f", "myapp.yaml", "-f", "broken.yaml")
    assert result.code == 1
    assert "error: shop/broken: spec.parameters[database/port].value" in result.err
    assert "db.elsewhere" in result.out
    assert "2 objects: 3 fields changed in AWS; 1 could not be checked." in result.out


def test_where_nothing_could_be_looked_at_nothing_is_said_to_be_as_it_was(harness: CliHarness) -> None:
    harness.manifest(path="wrong")
    result = harness.dynconfig("drift", "-f", "myapp.yaml")
    assert (result.code, result.out) == (1, "1 object: 1 could not be checked.\n")
