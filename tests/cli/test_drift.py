"""`dynconfig drift`: external changes in AWS, for users and pipelines."""

import json

import pytest
from tests.cli import golden
from tests.cli.cli_harness import PASSWORD, CliHarness

pytestmark = pytest.mark.lab


def test_no_drift_is_reported_and_exits_with_0(harness: CliHarness) -> None:
    harness.applied()
    result = harness.dynconfig("drift", "-f", "myapp.yaml")
    assert result.code == 0
    golden.check("drift-none", result)


def changed(harness: CliHarness) -> None:
    """Change a parameter as in the AWS console."""
    harness.applied()
    harness.ssm.put_parameter(Name="/myapp/config/database/host", Value="db.elsewhere", Overwrite=True)
    harness.ssm.put_parameter(Name="/myapp/config/database/password", Value="changed-canary", Overwrite=True)
    harness.ssm.delete_parameter(Name="/myapp/config/database/port")


def test_every_field_that_differs_is_a_row_with_its_author(harness: CliHarness) -> None:
    changed(harness)
    result = harness.dynconfig("drift", "-f", "myapp.yaml")
    assert result.code == 2
    assert "db.shop.internal" in result.out
    assert "changed by arn:aws:iam::" in result.out
    assert "changed-canary" not in result.text
    assert PASSWORD not in result.text
    golden.check("drift", result)


def test_json_output_of_drift(harness: CliHarness) -> None:
    changed(harness)
    result = harness.dynconfig("drift", "-f", "myapp.yaml", "-o", "json")
    (found,) = json.loads(result.out)
    by_name = {item["resource"].rpartition("/")[2]: item for item in found["drift"]}
    assert (by_name["host"]["declared"], by_name["host"]["observed"]) == ("db.shop.internal", "db.elsewhere")
    assert (by_name["port"]["field"], by_name["port"]["observed"]) == ("exists", "no")
    assert (by_name["password"]["declared"], by_name["password"]["observed"]) == ("•••", "•••")
    golden.check("drift-json", result)


def test_table_fits_the_terminal(harness: CliHarness) -> None:
    changed(harness)
    result = harness.dynconfig("drift", "-f", "myapp.yaml", COLUMNS="90")
    assert max(map(len, result.out.splitlines())) <= 90
    assert "…" not in result.out


def test_one_failing_object_exits_with_1(harness: CliHarness) -> None:
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


def test_failed_observation_is_not_reported_as_no_drift(harness: CliHarness) -> None:
    harness.manifest(path="wrong")
    result = harness.dynconfig("drift", "-f", "myapp.yaml")
    assert (result.code, result.out) == (1, "1 object: 1 could not be checked.\n")
