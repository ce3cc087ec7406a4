"""The log of a failure contains its place and cause, and never the value of a variable; libraries log no secret."""

import json
import logging
import subprocess
import sys

import pytest

from dynconfig import logs
from dynconfig.model.errors import AccessDenied, Refused
from dynconfig.settings import Settings

SECRET = "canary-5f1e"
FORMATS = ("text", "json")


def failing() -> None:
    password = SECRET
    try:
        int(password)
    except ValueError as error:
        raise Refused(f"a password of {len(password)} characters") from error


def logged(log_format: str) -> str:
    try:
        failing()
    except Refused:
        record = logging.LogRecord("shop", logging.ERROR, __file__, 1, "failed: %s", ("shop/myapp",), sys.exc_info())
    return logs.handler(Settings(log_format=log_format)).format(record)


@pytest.mark.parametrize("log_format", FORMATS)
def test_logged_traceback_shows_no_variables_and_no_library_messages(log_format: str) -> None:
    assert SECRET not in logged(log_format)


@pytest.mark.parametrize("log_format", FORMATS)
def test_logged_traceback_names_every_cause_and_its_place(log_format: str) -> None:
    text = logged(log_format)
    for said in ("failed: shop/myapp", "Refused", "a password of 11 characters", "ValueError", "failing"):
        assert said in text


def test_traceback_starts_on_a_new_line() -> None:
    assert logged("text").splitlines()[0].endswith("failed: shop/myapp")


def test_json_separates_causes_and_frames() -> None:
    later, earlier = json.loads(logged("json"))["exception"]
    assert (later["exc_type"], earlier["exc_type"]) == ("Refused", "ValueError")
    assert [frame["name"] for frame in later["frames"]] == ["logged", "failing"]
    assert later["frames"][0].keys() == {"filename", "lineno", "name"}


@pytest.mark.parametrize("log_format", FORMATS)
def test_library_debug_messages_are_never_logged(log_format: str) -> None:
    names = ["botocore.endpoint", "urllib3", "kopf", "a.library.of.tomorrow", "dynconfigured"]
    script = f"""
import logging
from dynconfig import logs
from dynconfig.settings import Settings
logs.configure(Settings(log_level="DEBUG", log_format={log_format!r}))
for name in {names!r}:
    logging.getLogger(name).setLevel(logging.DEBUG)
    logging.getLogger(name).debug("Authorization: {SECRET}")
    logging.getLogger(name).info("Authorization: {SECRET}")
    logging.getLogger(name).warning("a warning of " + name)
logging.getLogger("dynconfig.kube").debug("a message of the operator")
"""
    written = _written(script)
    assert SECRET not in written
    assert [name for name in names if f"a warning of {name}" not in written] == []
    assert "a message of the operator" in written


@pytest.mark.parametrize(
    "failing_part",
    [
        f"raise ValueError({SECRET!r})",
        f"import threading; thread = threading.Thread(target=int, args=({SECRET!r},)); thread.start(); thread.join()",
        f"class A:\n    def __del__(self): int({SECRET!r})\nA()",
        f"logging.getLogger('dynconfig').error('%d', {SECRET!r})",
        f"raise ExceptionGroup('several', [ValueError({SECRET!r}), KeyError({SECRET!r})])",
        (
            f"async def f(): int({SECRET!r})\nasync def g():\n    loop.set_exception_handler(logs.handle_loop_exception)\n"
            "    t = asyncio.create_task(f()); await asyncio.sleep(0); await asyncio.sleep(0)\n"
            "loop = asyncio.new_event_loop()\nloop.run_until_complete(g())"
        ),
    ],
    ids=["uncaught", "thread", "finalizer", "message", "group", "task"],
)
def test_unhandled_exception_is_logged_without_its_message(failing_part: str) -> None:
    script = f"""
import asyncio, logging
from dynconfig import logs
from dynconfig.settings import Settings
logs.configure(Settings(log_level="DEBUG"))
{failing_part}
"""
    written = _written(script)
    assert SECRET not in written
    assert "ValueError" in written or "could not be logged" in written


def _written(script: str) -> str:
    """The complete output of a process."""
    command = [sys.executable, "-X", "dev", "-c", script]
    result = subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)
    return result.stdout + result.stderr


@pytest.mark.parametrize(("error", "is_logged"), [(AccessDenied("role"), False), (OSError("file"), True)])
def test_role_that_cannot_be_assumed_is_not_logged_by_botocore_as_well(error: Exception, is_logged: bool) -> None:
    failure = (type(error), error, None)
    record = logging.LogRecord("botocore.credentials", logging.WARNING, "", 0, "Refreshing failed", (), failure)
    assert logs.is_logged(record) is is_logged
