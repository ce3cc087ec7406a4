"""What happens when the extension fails, when AWS also fails, and when a parameter is missing."""

import json
import logging
import threading
from collections.abc import Callable
from typing import Any

import pytest
from botocore.exceptions import NoCredentialsError, ReadTimeoutError
from tests.lambda_app.function_harness import PASSWORD, PREFIX, RECIPE, Context, FunctionHarness, output, refusal

from dynconfig_function import ConfigurationError
from dynconfig_function.config import invocation
from dynconfig_function.fallback import Fallback
from dynconfig_function.library import Library

Failure = Callable[..., Any]

THROTTLED = refusal("ThrottlingException")


def timed_out(**_rest: object) -> None:
    raise ReadTimeoutError(endpoint_url="https://ssm.eu-west-1.amazonaws.com")


def unauthenticated(**_rest: object) -> None:
    raise NoCredentialsError


def fault(harness: FunctionHarness) -> str:
    with pytest.raises(ConfigurationError) as caught:
        harness.library.load()
    return str(caught.value)


@pytest.mark.parametrize("status", [401, 403, 500, 503])
def test_failing_extension_is_called_once_and_parameter_store_for_all(harness: FunctionHarness, status: int) -> None:
    harness.extension.status_of_all = status
    assert harness.library.load()["database/password"] == PASSWORD
    assert len(harness.reads) == 1
    assert harness.direct == [list(RECIPE)]


def test_extension_that_rejects_everything_is_called_at_most_twice(harness: FunctionHarness) -> None:
    harness.extension.status_of_all = 400
    assert len(harness.library.load()) == 5
    assert len(harness.reads) == 2
    assert harness.direct == [list(RECIPE)]


def test_name_rejected_by_the_extension_is_read_from_parameter_store(harness: FunctionHarness) -> None:
    harness.extension.status[f"{PREFIX}/api/timeout"] = 400
    assert harness.library.load()["api/timeout"] == "30"
    assert harness.direct == [["api/timeout"]]


def test_slow_extension_takes_one_timeout(harness: FunctionHarness) -> None:
    harness.restart(timeout=0.2)
    harness.extension.hang = threading.Event()
    assert len(harness.library.load()) == 5
    harness.extension.hang.set()
    assert len(harness.reads) == 1


def test_everything_is_read_from_parameter_store_without_the_extension(harness: FunctionHarness) -> None:
    harness.restart(PARAMETERS_SECRETS_EXTENSION_HTTP_PORT="1")
    assert len(harness.library.load()) == 5


def test_fallback_reads_ten_names_per_call(harness: FunctionHarness) -> None:
    names = [f"many/{number:02}" for number in range(23)]
    for name in names:
        harness.put(name, "x")
    harness.extension.status_of_all = 500
    assert len(harness.restart({name: {} for name in names}).load()) == 23
    assert [len(batch) for batch in harness.direct] == [10, 10, 3]


def test_failed_extension_is_retried_in_the_next_invocation_only(harness: FunctionHarness) -> None:
    harness.restart({"api/timeout": {"t": 0}})
    harness.extension.status_of_all = 500
    with invocation(Context(), harness.library):
        for _time in range(3):
            harness.library.load()
    assert len(harness.reads) == 1
    harness.invoke()
    assert len(harness.reads) == 2


def test_fallback_values_are_cached_for_their_ttl(harness: FunctionHarness) -> None:
    harness.extension.status_of_all = 500
    harness.library.load()
    harness.library.load()
    assert len(harness.direct) == 1


def test_missing_parameter_is_named_in_the_error(harness: FunctionHarness) -> None:
    """Fault 5 of the recipe: with parameters missing it responds as on success."""
    harness.delete("api/timeout")
    harness.delete("features/new-ui")
    assert fault(harness) == f"{PREFIX}/api/timeout does not exist; {PREFIX}/features/new-ui does not exist"


def test_error_about_many_parameters_is_truncated(harness: FunctionHarness) -> None:
    harness.restart({f"gone/{number}": {} for number in range(50)})
    assert fault(harness).endswith("; and 30 more")


def test_readable_values_are_cached_if_another_is_missing(harness: FunctionHarness) -> None:
    harness.delete("api/timeout")
    fault(harness)
    harness.put("api/timeout", "30")
    harness.library.load()
    assert harness.reads[5:] == ["api/timeout"]


def test_deleted_parameter_is_never_served_from_the_cache(harness: FunctionHarness) -> None:
    harness.library.load()
    harness.delete("api/timeout")
    harness.clock.pass_by(60)
    assert fault(harness) == f"{PREFIX}/api/timeout does not exist"
    with harness.aws_fails(THROTTLED):
        assert "could not be read: ThrottlingException" in fault(harness)


@pytest.mark.parametrize(
    "failure", [THROTTLED, refusal("InternalServerError", 500), refusal("ServiceUnavailable", 503), timed_out]
)
def test_cached_value_is_served_while_aws_is_unavailable(
    harness: FunctionHarness, failure: Failure, capsys: pytest.CaptureFixture[str]
) -> None:
    harness.library.load()
    harness.clock.pass_by(60)
    harness.extension.status_of_all = 500
    output(capsys)
    with harness.aws_fails(failure):
        assert harness.invoke({"show": ["api/timeout"]})["values"] == {"api/timeout": "30"}
    printed = output(capsys)
    assert printed.counts()["StaleParameters"] == 1
    assert printed.counts()["FailedParameterRetrievals"] == 1
    (warning,) = [line for line in printed.logs if "last valid value" in line["message"]]
    assert (warning["level"], warning["parameter"]) == ("WARNING", f"{PREFIX}/api/timeout")


def test_cached_value_is_served_for_at_most_an_hour(harness: FunctionHarness) -> None:
    harness.restart({"api/timeout": {"t": 60}}).load()
    harness.extension.status_of_all = 500
    with harness.aws_fails(THROTTLED):
        harness.clock.pass_by(60 + 3599)
        assert harness.library.load()["api/timeout"] == "30"
        harness.clock.pass_by(1)
        assert fault(harness) == f"{PREFIX}/api/timeout could not be read: ThrottlingException"


def test_aws_is_retried_after_ten_seconds(harness: FunctionHarness, capsys: pytest.CaptureFixture[str]) -> None:
    harness.restart({"api/timeout": {"t": 60}}).load()
    harness.extension.status_of_all = 500
    with harness.aws_fails(THROTTLED):
        harness.clock.pass_by(60)
        for _time in range(3):
            output(capsys)
            harness.invoke()
            assert output(capsys).counts()["StaleParameters"] == 1
        assert len(harness.reads) == 2
        harness.clock.pass_by(10)
        harness.invoke()
        assert len(harness.reads) == 3


def test_refreshed_value_is_no_longer_stale(harness: FunctionHarness, capsys: pytest.CaptureFixture[str]) -> None:
    harness.library.load()
    harness.clock.pass_by(60)
    harness.extension.status_of_all = 500
    with harness.aws_fails(THROTTLED):
        harness.library.load()
    harness.extension.status_of_all = 0
    harness.put("api/timeout", "45")
    harness.clock.pass_by(10)
    assert harness.library.load()["api/timeout"] == "45"
    output(capsys)
    harness.invoke()
    assert "StaleParameters" not in output(capsys).counts()


def test_value_without_cache_entry_is_an_error(harness: FunctionHarness) -> None:
    harness.extension.status_of_all = 500
    with harness.aws_fails(timed_out):
        assert f"{PREFIX}/database/host could not be read: ReadTimeoutError" in fault(harness)


@pytest.mark.parametrize(
    ("failure", "reason"),
    [(refusal("AccessDeniedException"), "AccessDeniedException"), (unauthenticated, "NoCredentialsError")],
)
def test_permanent_error_is_not_masked_by_a_cached_value(
    harness: FunctionHarness, failure: Failure, reason: str
) -> None:
    harness.library.load()
    harness.clock.pass_by(60)
    harness.extension.status_of_all = 500
    with harness.aws_fails(failure):
        assert fault(harness) == f"{PREFIX}/api/timeout could not be read: {reason}"


def test_unavailable_aws_is_not_called_for_each_batch(harness: FunctionHarness) -> None:
    harness.restart({f"many/{number}": {} for number in range(23)})
    harness.extension.status_of_all = 500
    with harness.aws_fails(THROTTLED):
        assert fault(harness).endswith("; and 3 more")
    assert len(harness.direct) == 1


def test_botocore_never_logs_responses_with_values(harness: FunctionHarness, caplog: pytest.LogCaptureFixture) -> None:
    logger = logging.getLogger("botocore")
    before = logger.level
    with caplog.at_level(logging.DEBUG):
        Fallback(harness.ssm).read([f"{PREFIX}/database/password"])
    logger.setLevel(before)
    assert PASSWORD not in caplog.text


def refused_if_asked_for(*names: str) -> Failure:
    """AWS denies a call with one of these names."""
    refused = refusal("AccessDeniedException")

    def answer(params: dict[str, Any], **rest: object) -> object:
        asked = json.loads(params["body"])["Names"]
        return refused(**rest) if any(f"{PREFIX}/{name}" in asked for name in names) else None

    return answer


def test_denied_parameter_does_not_affect_others(harness: FunctionHarness) -> None:
    harness.library.load()
    harness.clock.pass_by(300)
    harness.extension.status_of_all = 500
    with harness.aws_fails(refused_if_asked_for("database/password")):
        assert fault(harness) == f"{PREFIX}/database/password could not be read: AccessDeniedException"
    assert len(harness.direct) == 5
    harness.library.load()
    assert harness.direct[5:] == [["database/password"]]


def test_general_denial_is_assumed_after_ten_denied_names(harness: FunctionHarness) -> None:
    harness.restart({f"many/{number}": {} for number in range(23)})
    harness.extension.status_of_all = 500
    with harness.aws_fails(refusal("AccessDeniedException")):
        assert fault(harness).endswith("; and 3 more")
    assert [len(names) for names in harness.direct] == [10, *[1] * 10, 10, 3]


def test_throttled_call_stops_reading(harness: FunctionHarness) -> None:
    harness.extension.status_of_all = 500
    answers = [refusal("AccessDeniedException"), THROTTLED]
    with harness.aws_fails(lambda **rest: answers.pop(0)(**rest)):
        assert f"{PREFIX}/database/password could not be read: ThrottlingException" in fault(harness)
    assert len(harness.direct) == 2


def test_missing_region_is_a_counted_error(
    harness: FunctionHarness, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for name in ("AWS_REGION", "AWS_DEFAULT_REGION", "AWS_PROFILE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("AWS_CONFIG_FILE", "/nowhere")
    harness.extension.status_of_all = 500
    library = Library(harness.environment, harness.clock, Fallback)
    with pytest.raises(ConfigurationError, match="database/host could not be read: NoRegionError"):
        library.load()
    library.close()
    assert output(capsys).counts()["ConfigurationErrors"] == 1
