"""The one metrics line of an invocation, and the log lines around it."""

import pytest
from tests.lambda_app.function_harness import PASSWORD, PREFIX, RECIPE, FunctionHarness, output

from dynconfig_function import ConfigurationError

Captured = pytest.CaptureFixture[str]


def test_invocation_writes_one_metrics_line_and_makes_no_call(harness: FunctionHarness, capsys: Captured) -> None:
    """Fault 8 of the recipe: put_metric_data on every call costs latency, money and quota."""
    harness.invoke()
    (line,) = output(capsys).metrics
    assert line["_aws"]["Timestamp"] == 1_800_000_000_000
    assert line["_aws"]["CloudWatchMetrics"][0]["Namespace"] == "DynamicConfig"
    assert {metric["Unit"] for metric in line["_aws"]["CloudWatchMetrics"][0]["Metrics"]} == {"Count"}


def test_metrics_have_function_and_configuration_as_dimensions(harness: FunctionHarness, capsys: Captured) -> None:
    """Fault 9 of the recipe: without a dimension two deployments share one alarm."""
    harness.invoke()
    (line,) = output(capsys).metrics
    assert line["_aws"]["CloudWatchMetrics"][0]["Dimensions"] == [["FunctionName"], ["FunctionName", "Config"]]
    assert (line["FunctionName"], line["Config"], line["revision"]) == ("myapp-config", "shop/myapp", "7")


def test_empty_dimension_is_omitted(harness: FunctionHarness, capsys: Captured) -> None:
    harness.restart(DYNCONFIG_NAME="", DYNCONFIG_NAMESPACE="Shop")
    harness.invoke()
    (line,) = output(capsys).metrics
    assert line["_aws"]["CloudWatchMetrics"][0]["Dimensions"] == [["FunctionName"]]
    assert line["_aws"]["CloudWatchMetrics"][0]["Namespace"] == "Shop"


def test_cold_invocation_counts_misses_and_a_warm_one_hits(harness: FunctionHarness, capsys: Captured) -> None:
    harness.invoke()
    assert output(capsys).counts() == {"CacheHits": 0, "CacheMisses": 5, "SuccessfulParameterRetrievals": 5}
    harness.invoke()
    assert output(capsys).counts() == {"CacheHits": 5, "CacheMisses": 0}


def test_fallback_is_counted(harness: FunctionHarness, capsys: Captured) -> None:
    harness.extension.status_of_all = 500
    harness.invoke()
    assert output(capsys).counts()["FallbackReads"] == 5


def test_metrics_are_written_if_the_handler_raises(harness: FunctionHarness, capsys: Captured) -> None:
    harness.delete("api/timeout")
    with pytest.raises(ConfigurationError):
        harness.invoke()
    assert output(capsys).counts() == {
        "CacheHits": 0,
        "CacheMisses": 5,
        "FallbackReads": 1,
        "SuccessfulParameterRetrievals": 4,
        "FailedParameterRetrievals": 1,
        "ConfigurationErrors": 1,
    }


def test_invalid_environment_is_counted(harness: FunctionHarness, capsys: Captured) -> None:
    harness.restart(DYNCONFIG_PREFIX="")
    with pytest.raises(ConfigurationError):
        harness.invoke()
    assert output(capsys).counts()["ConfigurationErrors"] == 1


def test_load_outside_an_invocation_writes_a_line_only_if_it_has_read_something(
    harness: FunctionHarness, capsys: Captured
) -> None:
    harness.library.load()
    assert output(capsys).counts()["CacheMisses"] == 5
    harness.library.load()
    assert output(capsys).lines == []
    harness.clock.pass_by(60)
    harness.library.load()
    assert output(capsys).counts() == {"CacheHits": 9, "CacheMisses": 1, "SuccessfulParameterRetrievals": 1}


def test_log_line_has_level_message_request_and_revision(harness: FunctionHarness, capsys: Captured) -> None:
    harness.extension.status_of_all = 500
    harness.invoke()
    (line,) = output(capsys).logs
    assert line == {
        "timestamp": "2027-01-15T08:00:00Z",
        "level": "WARNING",
        "message": "the extension returned HTTP 500",
        "requestId": "request-1",
        "revision": "7",
        "parameter": f"{PREFIX}/database/host",
    }


def test_error_is_logged_with_the_problem_of_each_parameter(harness: FunctionHarness, capsys: Captured) -> None:
    harness.delete("api/timeout")
    with pytest.raises(ConfigurationError):
        harness.invoke()
    (line,) = [line for line in output(capsys).logs if line["level"] == "ERROR"]
    assert line["problems"] == {f"{PREFIX}/api/timeout": "does not exist"}


@pytest.mark.parametrize(("level", "lines"), [("ERROR", 0), ("warning", 1), ("nonsense", 1)])
def test_log_level_is_read_from_the_environment(
    harness: FunctionHarness, capsys: Captured, level: str, lines: int
) -> None:
    harness.restart(LOG_LEVEL=level)
    harness.extension.status_of_all = 500
    harness.invoke()
    assert len(output(capsys).logs) == lines


def test_no_log_line_contains_a_value(harness: FunctionHarness, capsys: Captured) -> None:
    """Fault 7 of the recipe: the whole configuration is logged."""
    harness.restart(LOG_LEVEL="DEBUG")
    harness.invoke()
    harness.invoke({"show": list(RECIPE)})
    harness.extension.status_of_all = 500
    harness.clock.pass_by(4000)
    harness.invoke()
    harness.put("database/port", "secret-port")
    harness.clock.pass_by(4000)
    harness.invoke()
    harness.clock.pass_by(4000)
    with pytest.raises(ConfigurationError) as caught:
        harness.invoke()
    text = output(capsys).text + repr(caught.value)
    for value in (PASSWORD, "db.shop.internal", "secret-port"):
        assert value not in text


def test_metrics_are_written_at_every_log_level(harness: FunctionHarness, capsys: Captured) -> None:
    """Lambda treats a line without level or valid time as INFO, and drops it at a higher log level."""
    harness.invoke()
    harness.restart(AWS_LAMBDA_LOG_LEVEL="ERROR")
    harness.invoke()
    usual, serious = output(capsys).metrics
    assert (usual["level"], serious["level"]) == ("INFO", "ERROR")
    assert usual["timestamp"] == "2027-01-15T08:00:00Z"
