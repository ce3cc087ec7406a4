"""What happens when a value does not fit its schema: the last one that did serves on, for as long as while AWS is away."""

import pytest
from tests.lambda_app.function_harness import PREFIX, FunctionHarness

from dynconfig_function import ConfigurationError


def fault(harness: FunctionHarness) -> str:
    with pytest.raises(ConfigurationError) as caught:
        harness.library.load()
    return str(caught.value)


def test_a_value_that_does_not_fit_its_schema_is_an_error_that_does_not_tell_it(harness: FunctionHarness) -> None:
    harness.put("database/port", "70000")
    assert fault(harness) == f"{PREFIX}/database/port is above the maximum 65535"


def test_the_last_value_that_fits_serves_for_an_hour_in_place_of_one_that_does_not(harness: FunctionHarness) -> None:
    harness.library.load()
    harness.put("database/port", "70000")
    harness.clock.pass_by(3600)
    assert harness.library.load()["database/port"] == "5432"
    harness.clock.pass_by(3599)
    assert harness.library.load()["database/port"] == "5432"
    harness.clock.pass_by(1)
    assert fault(harness) == f"{PREFIX}/database/port is above the maximum 65535"


def test_a_value_put_right_is_heard_of_although_the_extension_has_the_wrong_one_in_memory(
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
