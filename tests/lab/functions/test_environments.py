"""Execution environments: reused while warm, concurrent, replaced with the function, and removed completely."""

import os
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, closing
from pathlib import Path
from typing import Any

import pytest
from tests.lab.aws.clients import connect
from tests.lab.functions.bench import EXTENSION, Bench, zipped

from dynconfig_lab.aws import AwsLab, Faults
from dynconfig_lab.processes import wait_until

pytestmark = pytest.mark.lab

COUNTING = """
import os

calls = 0

def handle(event, context):
    global calls
    calls += 1
    return [os.getpid(), calls, os.environ.get("COLOUR")]
"""
# Waits for a file, so that a test decides when it responds.
WAITING = """
import os
import time

def handle(event, context):
    open(event["here"] + "/" + str(os.getpid()), "w").close()
    while not os.path.exists(event["go"]):
        time.sleep(0.01)
    return os.getpid()
"""


def is_alive(process: int) -> bool:
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    return "Z" not in Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[0]


def test_warm_environment_is_reused(bench: Bench) -> None:
    name = bench.function(COUNTING)
    first, second = bench.invoke(name).payload, bench.invoke(name).payload
    assert first[0] == second[0]
    assert (first[1], second[1]) == (1, 2)


@pytest.mark.parametrize(
    "harm",
    ["shutil.rmtree(os.path.dirname(os.getcwd()))", "[os.chmod(path, 0) for path in (os.getcwd(), '..')]"],
    ids=["it removes its folder", "it locks its folder"],
)
def test_function_that_changes_its_folder_blocks_neither_itself_nor_the_lab(
    harm: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    source = f"import os, shutil, sys\n\ndef handle(event, context):\n    {harm}\n    sys.exit(1)\n"
    with ExitStack() as opened:
        lab = opened.enter_context(AwsLab.start())
        bench = Bench(lambda service: opened.enter_context(closing(connect(lab.endpoint, service))))
        name = bench.function(source)
        found = [bench.invoke(name).payload["errorType"] for _ in range(2)]
        assert found == ["Runtime.ExitError"] * 2
    assert not list(tmp_path.iterdir())


def test_only_the_first_invocation_reports_its_init_duration(bench: Bench) -> None:
    name = bench.function(COUNTING)
    assert ["Init Duration" in bench.invoke(name).log for _ in range(3)] == [True, False, False]


def test_output_of_the_initialisation_comes_first(bench: Bench) -> None:
    name = bench.function("print('loading')\n\ndef handle(event, context):\n    print('handling')\n")
    words = [line.split(" ")[0] for line in bench.invoke(name).log.splitlines()]
    assert words == ["loading", "START", "handling", "END", "REPORT"]


def test_each_configuration_change_replaces_the_environment(bench: Bench) -> None:
    name = bench.function(COUNTING)
    changes: tuple[dict[str, Any], ...] = (
        {"Environment": {"Variables": {"COLOUR": "blue"}}},
        {"MemorySize": 512},
        {"Layers": [EXTENSION]},
        {"Description": "x"},
    )
    before = bench.invoke(name).payload
    for change in changes:
        bench.configure(name, **change)
        after = bench.invoke(name).payload
        assert after[1] == 1, change
        assert wait_until(lambda: not is_alive(before[0]), 5), change  # noqa: B023 - it is used only within the iteration
        before = after


def test_changed_code_replaces_the_environment(bench: Bench, aws: Callable[[str], Any]) -> None:
    name = bench.function(COUNTING)
    before = bench.invoke(name).payload
    aws("lambda").update_function_code(
        FunctionName=name, ZipFile=zipped({"app.py": "def handle(event, context):\n    return 'new'\n"})
    )
    bench.settle(name)
    assert bench.invoke(name).payload == "new"
    assert wait_until(lambda: not is_alive(before[0]), 5)


def test_tag_or_permission_does_not_replace_the_environment(bench: Bench, aws: Callable[[str], Any]) -> None:
    name = bench.function(COUNTING)
    before = bench.invoke(name).payload
    arn = aws("lambda").get_function_configuration(FunctionName=name)["FunctionArn"]
    aws("lambda").tag_resource(Resource=arn, Tags={"team": "shop"})
    assert bench.invoke(name).payload == [before[0], 2, None]


def test_previous_function_serves_during_an_update(
    bench: Bench, aws: Callable[[str], Any], faults: Callable[[Faults], None]
) -> None:
    name = bench.function(COUNTING, Environment={"Variables": {"COLOUR": "red"}})
    warm = bench.invoke(name).payload[0]
    faults(Faults(settle_seconds=3600))
    aws("lambda").update_function_configuration(FunctionName=name, Environment={"Variables": {"COLOUR": "blue"}})
    assert bench.invoke(name).payload == [warm, 2, "red"]
    faults(Faults(settle_seconds=0))
    assert bench.invoke(name).payload[1:] == [1, "blue"]


def test_recreated_function_has_a_new_environment(bench: Bench, aws: Callable[[str], Any]) -> None:
    name = bench.function(COUNTING)
    before = bench.invoke(name).payload
    aws("lambda").delete_function(FunctionName=name)
    assert wait_until(lambda: not is_alive(before[0]), 5)
    bench.function(COUNTING, FunctionName=name)
    assert bench.invoke(name).payload[1] == 1


def test_concurrent_invocations_have_separate_environments(bench: Bench, tmp_path: Path) -> None:
    name = bench.function(WAITING, Timeout=30)
    here, go = tmp_path / "here", tmp_path / "go"
    here.mkdir()
    event = {"here": str(here), "go": str(go)}
    with ThreadPoolExecutor(3) as threads:
        calls = [threads.submit(bench.invoke, name, event) for _ in range(3)]
        try:
            assert wait_until(lambda: len(list(here.iterdir())) == 3, 20)
        finally:
            go.touch()
        processes = {call.result().payload for call in calls}
    assert len(processes) == 3
    # All three stay warm.
    assert bench.invoke(name, event).payload in processes


def test_no_more_run_concurrently_than_reserved(bench: Bench, aws: Callable[[str], Any], tmp_path: Path) -> None:
    name = bench.function(WAITING, Timeout=30)
    aws("lambda").put_function_concurrency(FunctionName=name, ReservedConcurrentExecutions=1)
    event = {"here": str(tmp_path), "go": str(tmp_path / "go")}
    with ThreadPoolExecutor(1) as threads:
        first = threads.submit(bench.invoke, name, event)
        try:
            assert wait_until(lambda: bool(list(tmp_path.iterdir())), 20)
            with pytest.raises(aws("lambda").exceptions.TooManyRequestsException):
                bench.invoke(name, event)
        finally:
            (tmp_path / "go").touch()
        assert first.result().error == ""


def test_function_that_exceeds_its_timeout_is_stopped(bench: Bench) -> None:
    source = "import os\nimport time\n\ndef handle(event, context):\n    print(os.getpid())\n    time.sleep(60)\n"
    name = bench.function(source, Timeout=1)
    answer = bench.invoke(name)
    request_id = answer.log.split("RequestId: ")[1].split(" ")[0]
    assert answer.error == "Unhandled"
    assert answer.payload == {
        "errorType": "Sandbox.Timedout",
        "errorMessage": f"RequestId: {request_id} Error: Task timed out after 1.00 seconds",
    }
    assert f"{request_id} Task timed out after 1.00 seconds" in answer.log
    process = int(answer.log.splitlines()[1])
    assert wait_until(lambda: not is_alive(process), 5)


def test_timeout_starts_with_the_invocation(bench: Bench) -> None:
    name = bench.function(
        "import time\n\ntime.sleep(1)\n\ndef handle(event, context):\n    return context.get_remaining_time_in_millis()\n",
        Timeout=3,
    )
    assert 2000 < bench.invoke(name).payload <= 3000


@pytest.mark.parametrize(
    ("ending", "words"),
    [
        ("os._exit(3)", "Runtime exited with error: exit status 3"),
        ("os._exit(0)", "Runtime exited without providing a reason"),
        ("os.kill(os.getpid(), 9)", "Runtime exited with error: signal: kill"),
    ],
)
def test_function_that_exits_fails_and_the_next_call_starts_a_new_process(
    bench: Bench, ending: str, words: str
) -> None:
    source = f"import os\n\ndef handle(event, context):\n    if event:\n        {ending}\n    return os.getpid()\n"
    name = bench.function(source)
    first = bench.invoke(name).payload
    answer = bench.invoke(name, 1)
    assert (answer.error, answer.payload["errorType"]) == ("Unhandled", "Runtime.ExitError")
    assert words in answer.payload["errorMessage"]
    assert bench.invoke(name).payload != first


@pytest.mark.parametrize(
    ("handler", "source", "kind"),
    [
        ("app.handle", "import nothing_of_that_name\n", "Runtime.ImportModuleError"),
        ("other.handle", "", "Runtime.ImportModuleError"),
        ("app.other", "def handle(event, context):\n    return 1\n", "Runtime.HandlerNotFound"),
        ("app.handle", "raise ValueError('no')\n", "ValueError"),
        ("app.handle", "def handle(:\n", "Runtime.UserCodeSyntaxError"),
    ],
)
def test_function_that_cannot_be_loaded_reports_why(bench: Bench, handler: str, source: str, kind: str) -> None:
    answer = bench.invoke(bench.function(source, Handler=handler))
    assert (answer.error, answer.payload["errorType"]) == ("Unhandled", kind)


def test_child_process_ends_with_the_function(bench: Bench, aws: Callable[[str], Any]) -> None:
    source = (
        "import subprocess\n\nchild = subprocess.Popen(['sleep', '600'])\n\n"
        "def handle(event, context):\n    return child.pid\n"
    )
    name = bench.function(source)
    child = bench.invoke(name).payload
    assert is_alive(child)
    aws("lambda").delete_function(FunctionName=name)
    assert wait_until(lambda: not is_alive(child), 5)


def test_stopped_lab_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    before, clients = set(threading.enumerate()), dict[str, Any]()
    with AwsLab.start() as lab:
        bench = Bench(lambda name: clients.setdefault(name, connect(lab.endpoint, name)))
        here = tmp_path / "here"
        here.mkdir()
        warm = bench.invoke(bench.function(COUNTING)).payload[0]
        waiting = bench.function(WAITING, Timeout=60)
        bench.invoke(waiting, {"here": str(here), "go": str(tmp_path / "go")}, InvocationType="Event")
        assert wait_until(lambda: bool(list(here.iterdir())), 20)
        busy = int(next(here.iterdir()).name)
        assert is_alive(warm)
        assert is_alive(busy)
        for client in clients.values():
            client.close()
    assert not is_alive(warm)
    assert not is_alive(busy)
    assert [found for found in tmp_path.iterdir() if found.name != "here"] == []
    assert wait_until(lambda: set(threading.enumerate()) <= before, 5), threading.enumerate()
