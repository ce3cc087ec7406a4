"""What is logged of a failure tells where it happened and why, and never what a variable held."""

import json
import logging
import sys

import pytest

from dynconfig import logs
from dynconfig.settings import Settings

SECRET = "canary-5f1e"
FORMATS = ("text", "json")


def failing() -> None:
    password = SECRET
    try:
        int("the first cause")
    except ValueError as error:
        raise RuntimeError(f"a password of {len(password)} characters") from error


def logged(log_format: str) -> str:
    try:
        failing()
    except RuntimeError:
        record = logging.LogRecord("shop", logging.ERROR, __file__, 1, "failed: %s", ("shop/myapp",), sys.exc_info())
    return logs.handler(Settings(log_format=log_format)).format(record)


@pytest.mark.parametrize("log_format", FORMATS)
def test_a_traceback_in_the_log_shows_no_variable(log_format: str) -> None:
    assert SECRET not in logged(log_format)


@pytest.mark.parametrize("log_format", FORMATS)
def test_a_traceback_in_the_log_tells_every_cause_and_where_it_was(log_format: str) -> None:
    text = logged(log_format)
    for told in ("failed: shop/myapp", "RuntimeError", "a password of 11 characters", "the first cause", "failing"):
        assert told in text


def test_json_tells_causes_and_frames_apart() -> None:
    later, earlier = json.loads(logged("json"))["exception"]
    assert (later["exc_type"], earlier["exc_type"]) == ("RuntimeError", "ValueError")
    assert [frame["name"] for frame in later["frames"]] == ["logged", "failing"]
    assert "locals" not in later["frames"][0]
