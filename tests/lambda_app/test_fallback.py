"""What happens when the extension fails, when AWS fails too, and when a parameter is gone."""

import json
import logging
import threading
from collections.abc import Callable
from typing import Any

import pytest
from botocore.exceptions import NoCredentialsError, ReadTimeoutError
from tests.lambda_app.scene import PASSWORD, PREFIX, RECIPE, Context, Scene, output, refusal

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


def fault(scene: Scene) -> str:
    with pytest.raises(ConfigurationError) as caught:
        scene.library.load()
    return str(caught.value)


@pytest.mark.parametrize("status", [401, 403, 500, 503])
def test_an_extension_that_fails_is_asked_once_and_parameter_store_for_all(scene: Scene, status: int) -> None:
    scene.extension.status_of_all = status
    assert scene.library.load()["database/password"] == PASSWORD
    assert len(scene.reads) == 1
    assert scene.direct == [list(RECIPE)]


def test_an_extension_that_refuses_everything_is_asked_twice_at_most(scene: Scene) -> None:
    scene.extension.status_of_all = 400
    assert len(scene.library.load()) == 5
    assert len(scene.reads) == 2
    assert scene.direct == [list(RECIPE)]


def test_a_name_that_the_extension_refuses_is_read_from_parameter_store_alone(scene: Scene) -> None:
    scene.extension.status[f"{PREFIX}/api/timeout"] = 400
    assert scene.library.load()["api/timeout"] == "30"
    assert scene.direct == [["api/timeout"]]


def test_a_slow_extension_costs_one_timeout(scene: Scene) -> None:
    scene.restart(timeout=0.2)
    scene.extension.hang = threading.Event()
    assert len(scene.library.load()) == 5
    scene.extension.hang.set()
    assert len(scene.reads) == 1


def test_without_the_extension_all_is_read_from_parameter_store(scene: Scene) -> None:
    scene.restart(PARAMETERS_SECRETS_EXTENSION_HTTP_PORT="1")
    assert len(scene.library.load()) == 5


def test_the_fallback_reads_ten_names_a_call(scene: Scene) -> None:
    names = [f"many/{number:02}" for number in range(23)]
    for name in names:
        scene.put(name, "x")
    scene.extension.status_of_all = 500
    assert len(scene.restart({name: {} for name in names}).load()) == 23
    assert [len(batch) for batch in scene.direct] == [10, 10, 3]


def test_a_failed_extension_is_not_tried_again_in_the_same_invocation_but_in_the_next(scene: Scene) -> None:
    scene.restart({"api/timeout": {"t": 0}})
    scene.extension.status_of_all = 500
    with invocation(Context(), scene.library):
        for _time in range(3):
            scene.library.load()
    assert len(scene.reads) == 1
    scene.invoke()
    assert len(scene.reads) == 2


def test_what_the_fallback_read_is_held_as_long_as_any_value(scene: Scene) -> None:
    scene.extension.status_of_all = 500
    scene.library.load()
    scene.library.load()
    assert len(scene.direct) == 1


def test_a_missing_parameter_is_an_error_that_names_it(scene: Scene) -> None:
    """Fault 5 of the recipe: with parameters missing it answers as if all were well."""
    scene.delete("api/timeout")
    scene.delete("features/new-ui")
    assert fault(scene) == f"{PREFIX}/api/timeout does not exist; {PREFIX}/features/new-ui does not exist"


def test_an_error_about_many_parameters_stays_readable(scene: Scene) -> None:
    scene.restart({f"gone/{number}": {} for number in range(50)})
    assert fault(scene).endswith("; and 30 more")


def test_what_could_be_read_is_kept_when_another_is_missing(scene: Scene) -> None:
    scene.delete("api/timeout")
    fault(scene)
    scene.put("api/timeout", "30")
    scene.library.load()
    assert scene.reads[5:] == ["api/timeout"]


def test_a_deleted_parameter_is_never_served_from_memory(scene: Scene) -> None:
    scene.library.load()
    scene.delete("api/timeout")
    scene.clock.pass_by(60)
    assert fault(scene) == f"{PREFIX}/api/timeout does not exist"
    with scene.aws_fails(THROTTLED):
        assert "could not be read: ThrottlingException" in fault(scene)


@pytest.mark.parametrize(
    "failure", [THROTTLED, refusal("InternalServerError", 500), refusal("ServiceUnavailable", 503), timed_out]
)
def test_the_last_value_serves_while_aws_is_away(
    scene: Scene, failure: Failure, capsys: pytest.CaptureFixture[str]
) -> None:
    scene.library.load()
    scene.clock.pass_by(60)
    scene.extension.status_of_all = 500
    output(capsys)
    with scene.aws_fails(failure):
        assert scene.invoke({"show": ["api/timeout"]})["values"] == {"api/timeout": "30"}
    told = output(capsys)
    assert told.counts()["StaleParameters"] == 1
    assert told.counts()["FailedParameterRetrievals"] == 1
    (warning,) = [line for line in told.logs if "last valid value" in line["message"]]
    assert (warning["level"], warning["parameter"]) == ("WARNING", f"{PREFIX}/api/timeout")


def test_the_last_value_serves_for_an_hour_at_most(scene: Scene) -> None:
    scene.restart({"api/timeout": {"t": 60}}).load()
    scene.extension.status_of_all = 500
    with scene.aws_fails(THROTTLED):
        scene.clock.pass_by(60 + 3599)
        assert scene.library.load()["api/timeout"] == "30"
        scene.clock.pass_by(1)
        assert fault(scene) == f"{PREFIX}/api/timeout could not be read: ThrottlingException"


def test_aws_is_left_alone_for_ten_seconds_while_an_old_value_serves(
    scene: Scene, capsys: pytest.CaptureFixture[str]
) -> None:
    scene.restart({"api/timeout": {"t": 60}}).load()
    scene.extension.status_of_all = 500
    with scene.aws_fails(THROTTLED):
        scene.clock.pass_by(60)
        for _time in range(3):
            output(capsys)
            scene.invoke()
            assert output(capsys).counts()["StaleParameters"] == 1
        assert len(scene.reads) == 2
        scene.clock.pass_by(10)
        scene.invoke()
        assert len(scene.reads) == 3


def test_a_value_that_can_be_read_again_is_no_longer_old(scene: Scene, capsys: pytest.CaptureFixture[str]) -> None:
    scene.library.load()
    scene.clock.pass_by(60)
    scene.extension.status_of_all = 500
    with scene.aws_fails(THROTTLED):
        scene.library.load()
    scene.extension.status_of_all = 0
    scene.put("api/timeout", "45")
    scene.clock.pass_by(10)
    assert scene.library.load()["api/timeout"] == "45"
    output(capsys)
    scene.invoke()
    assert "StaleParameters" not in output(capsys).counts()


def test_a_value_that_was_never_read_cannot_stand_in(scene: Scene) -> None:
    scene.extension.status_of_all = 500
    with scene.aws_fails(timed_out):
        assert f"{PREFIX}/database/host could not be read: ReadTimeoutError" in fault(scene)


@pytest.mark.parametrize(
    ("failure", "reason"),
    [(refusal("AccessDeniedException"), "AccessDeniedException"), (unauthenticated, "NoCredentialsError")],
)
def test_a_refusal_that_only_a_person_can_end_is_not_covered_by_an_old_value(
    scene: Scene, failure: Failure, reason: str
) -> None:
    scene.library.load()
    scene.clock.pass_by(60)
    scene.extension.status_of_all = 500
    with scene.aws_fails(failure):
        assert fault(scene) == f"{PREFIX}/api/timeout could not be read: {reason}"


def test_aws_that_is_away_is_not_asked_for_each_batch(scene: Scene) -> None:
    scene.restart({f"many/{number}": {} for number in range(23)})
    scene.extension.status_of_all = 500
    with scene.aws_fails(THROTTLED):
        assert fault(scene).endswith("; and 3 more")
    assert len(scene.direct) == 1


def test_botocore_never_logs_the_answers_that_hold_values(scene: Scene, caplog: pytest.LogCaptureFixture) -> None:
    logger = logging.getLogger("botocore")
    before = logger.level
    with caplog.at_level(logging.DEBUG):
        Fallback(scene.ssm).read([f"{PREFIX}/database/password"])
    logger.setLevel(before)
    assert PASSWORD not in caplog.text


def refused_if_asked_for(*names: str) -> Failure:
    """AWS refuses a call that has one of these names in it."""
    refused = refusal("AccessDeniedException")

    def answer(params: dict[str, Any], **rest: object) -> object:
        asked = json.loads(params["body"])["Names"]
        return refused(**rest) if any(f"{PREFIX}/{name}" in asked for name in names) else None

    return answer


def test_a_parameter_that_may_not_be_read_does_not_take_others_along(scene: Scene) -> None:
    scene.library.load()
    scene.clock.pass_by(300)
    scene.extension.status_of_all = 500
    with scene.aws_fails(refused_if_asked_for("database/password")):
        assert fault(scene) == f"{PREFIX}/database/password could not be read: AccessDeniedException"
    assert len(scene.direct) == 5
    scene.library.load()
    assert scene.direct[5:] == [["database/password"]]


def test_a_function_that_may_read_nothing_is_refused_one_by_one_for_ten_names_only(scene: Scene) -> None:
    scene.restart({f"many/{number}": {} for number in range(23)})
    scene.extension.status_of_all = 500
    with scene.aws_fails(refusal("AccessDeniedException")):
        assert fault(scene).endswith("; and 3 more")
    assert [len(names) for names in scene.direct] == [10, *[1] * 10, 10, 3]


def test_a_throttled_call_for_one_of_ten_ends_the_reading(scene: Scene) -> None:
    scene.extension.status_of_all = 500
    answers = [refusal("AccessDeniedException"), THROTTLED]
    with scene.aws_fails(lambda **rest: answers.pop(0)(**rest)):
        assert f"{PREFIX}/database/password could not be read: ThrottlingException" in fault(scene)
    assert len(scene.direct) == 2


def test_a_function_without_a_region_is_an_error_that_is_counted(
    scene: Scene, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for name in ("AWS_REGION", "AWS_DEFAULT_REGION", "AWS_PROFILE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("AWS_CONFIG_FILE", "/nowhere")
    scene.extension.status_of_all = 500
    library = Library(scene.environment, scene.clock, Fallback)
    with pytest.raises(ConfigurationError, match="database/host could not be read: NoRegionError"):
        library.load()
    library.close()
    assert output(capsys).counts()["ConfigurationErrors"] == 1
