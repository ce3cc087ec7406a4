"""The one metrics line of an invocation, and the log lines around it."""

import pytest
from tests.lambda_app.scene import PASSWORD, PREFIX, RECIPE, Scene, output

from dynconfig_function import ConfigurationError

Captured = pytest.CaptureFixture[str]


def test_an_invocation_writes_one_metrics_line_and_makes_no_call(scene: Scene, capsys: Captured) -> None:
    """Fault 8 of the recipe: put_metric_data on every call costs latency, money and quota."""
    scene.invoke()
    (line,) = output(capsys).metrics
    assert line["_aws"]["Timestamp"] == 1_800_000_000_000
    assert line["_aws"]["CloudWatchMetrics"][0]["Namespace"] == "DynamicConfig"
    assert {metric["Unit"] for metric in line["_aws"]["CloudWatchMetrics"][0]["Metrics"]} == {"Count"}


def test_metrics_carry_the_function_and_the_configuration_as_dimensions(scene: Scene, capsys: Captured) -> None:
    """Fault 9 of the recipe: without a dimension two deployments share one alarm."""
    scene.invoke()
    (line,) = output(capsys).metrics
    assert line["_aws"]["CloudWatchMetrics"][0]["Dimensions"] == [["FunctionName"], ["FunctionName", "Config"]]
    assert (line["FunctionName"], line["Config"], line["revision"]) == ("myapp-config", "shop/myapp", "7")


def test_without_a_name_there_is_no_empty_dimension(scene: Scene, capsys: Captured) -> None:
    scene.restart(DYNCONFIG_NAME="", DYNCONFIG_NAMESPACE="Shop")
    scene.invoke()
    (line,) = output(capsys).metrics
    assert line["_aws"]["CloudWatchMetrics"][0]["Dimensions"] == [["FunctionName"]]
    assert line["_aws"]["CloudWatchMetrics"][0]["Namespace"] == "Shop"


def test_a_cold_invocation_counts_misses_and_a_warm_one_hits(scene: Scene, capsys: Captured) -> None:
    scene.invoke()
    assert output(capsys).counts() == {"CacheHits": 0, "CacheMisses": 5, "SuccessfulParameterRetrievals": 5}
    scene.invoke()
    assert output(capsys).counts() == {"CacheHits": 5, "CacheMisses": 0}


def test_the_fallback_is_counted(scene: Scene, capsys: Captured) -> None:
    scene.extension.status_of_all = 500
    scene.invoke()
    assert output(capsys).counts()["FallbackReads"] == 5


def test_metrics_are_written_although_the_handler_raises(scene: Scene, capsys: Captured) -> None:
    scene.delete("api/timeout")
    with pytest.raises(ConfigurationError):
        scene.invoke()
    assert output(capsys).counts() == {
        "CacheHits": 0,
        "CacheMisses": 5,
        "FallbackReads": 1,
        "SuccessfulParameterRetrievals": 4,
        "FailedParameterRetrievals": 1,
        "ConfigurationErrors": 1,
    }


def test_a_wrong_environment_is_counted_too(scene: Scene, capsys: Captured) -> None:
    scene.restart(DYNCONFIG_PREFIX="")
    with pytest.raises(ConfigurationError):
        scene.invoke()
    assert output(capsys).counts()["ConfigurationErrors"] == 1


def test_a_load_outside_an_invocation_writes_a_line_only_when_it_has_read_something(
    scene: Scene, capsys: Captured
) -> None:
    scene.library.load()
    assert output(capsys).counts()["CacheMisses"] == 5
    scene.library.load()
    assert output(capsys).lines == []
    scene.clock.pass_by(60)
    scene.library.load()
    assert output(capsys).counts() == {"CacheHits": 9, "CacheMisses": 1, "SuccessfulParameterRetrievals": 1}


def test_a_log_line_has_level_message_request_and_revision(scene: Scene, capsys: Captured) -> None:
    scene.extension.status_of_all = 500
    scene.invoke()
    (line,) = output(capsys).logs
    assert line == {
        "timestamp": "2027-01-15T08:00:00Z",
        "level": "WARNING",
        "message": "the extension returned HTTP 500",
        "requestId": "request-1",
        "revision": "7",
        "parameter": f"{PREFIX}/database/host",
    }


def test_an_error_is_logged_with_the_problem_of_each_parameter(scene: Scene, capsys: Captured) -> None:
    scene.delete("api/timeout")
    with pytest.raises(ConfigurationError):
        scene.invoke()
    (line,) = [line for line in output(capsys).logs if line["level"] == "ERROR"]
    assert line["problems"] == {f"{PREFIX}/api/timeout": "does not exist"}


@pytest.mark.parametrize(("level", "lines"), [("ERROR", 0), ("warning", 1), ("nonsense", 1)])
def test_the_level_of_the_logs_is_chosen_by_the_environment(
    scene: Scene, capsys: Captured, level: str, lines: int
) -> None:
    scene.restart(LOG_LEVEL=level)
    scene.extension.status_of_all = 500
    scene.invoke()
    assert len(output(capsys).logs) == lines


def test_no_line_ever_holds_a_value(scene: Scene, capsys: Captured) -> None:
    """Fault 7 of the recipe: the whole configuration is logged."""
    scene.restart(LOG_LEVEL="DEBUG")
    scene.invoke()
    scene.invoke({"show": list(RECIPE)})
    scene.extension.status_of_all = 500
    scene.clock.pass_by(4000)
    scene.invoke()
    scene.put("database/port", "secret-port")
    scene.clock.pass_by(4000)
    scene.invoke()
    scene.clock.pass_by(4000)
    with pytest.raises(ConfigurationError) as caught:
        scene.invoke()
    text = output(capsys).text + repr(caught.value)
    for value in (PASSWORD, "db.shop.internal", "secret-port"):
        assert value not in text


def test_no_log_level_of_the_function_takes_its_metrics_away(scene: Scene, capsys: Captured) -> None:
    """Lambda takes a line without level or valid time for INFO, and drops it where only more serious ones are kept."""
    scene.invoke()
    scene.restart(AWS_LAMBDA_LOG_LEVEL="ERROR")
    scene.invoke()
    usual, serious = output(capsys).metrics
    assert (usual["level"], serious["level"]) == ("INFO", "ERROR")
    assert usual["timestamp"] == "2027-01-15T08:00:00Z"
