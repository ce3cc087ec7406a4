"""Values that violate their schema: the last valid value is served, as long as if AWS were unavailable."""

import pytest
from tests.lambda_app.function_harness import PREFIX, FunctionHarness

from dynconfig_function import ConfigurationError


def fault(harness: FunctionHarness) -> str:
    with pytest.raises(ConfigurationError) as caught:
        harness.library.load()
    return str(caught.value)


def test_schema_violation_is_an_error_without_the_value(harness: FunctionHarness) -> None:
    harness.put("database/port", "70000")
    assert fault(harness) == f"{PREFIX}/database/port is above the maximum 65535"


def test_last_valid_value_is_served_for_an_hour(harness: FunctionHarness) -> None:
    harness.library.load()
    harness.put("database/port", "70000")
    harness.clock.pass_by(3600)
    assert harness.library.load()["database/port"] == "5432"
    harness.clock.pass_by(3599)
    assert harness.library.load()["database/port"] == "5432"
    harness.clock.pass_by(1)
    assert fault(harness) == f"{PREFIX}/database/port is above the maximum 65535"


def test_corrected_value_is_read_despite_a_stale_extension_cache(
    harness: FunctionHarness,
) -> None:
    harness.extension.ttl = 300
    harness.library.load()
    harness.put("database/port", "70000")
    harness.clock.pass_by(3600)
    harness.library.load()
    harness.put("database/port", "6543")
    harness.clock.pass_by(10)
    assert harness.library.load()["database/port"] == "6543"
