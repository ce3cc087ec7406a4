"""Background tasks: none ends unnoticed."""

import ast
import asyncio
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from dynconfig.kube.background import BackgroundTasks
from dynconfig.model.uninterrupted import finished, in_thread

ROOT = Path(__file__).parents[2]
OPERATOR = ROOT / "operator" / "dynconfig"
STARTING = {"create_task", "ensure_future", "run_coroutine_threadsafe", "Thread"}
# By file and function: what notices its end, and the test that shows it.
NOTICED = {
    ("kube/background.py", "start"): "tests/kube/test_background.py::test_task_that_ends_by_itself_stops_the_operator",
    ("model/uninterrupted.py", "finished"): "tests/kube/test_background.py::test_cancellation_waits_for_the_end",
    ("kube/leases.py", "run"): "tests/kube/test_lease_ends.py::test_failure_to_serve_a_shard_ends_the_replica",
    ("kube/leases.py", "_begin_end"): (
        "tests/kube/test_lease_ends.py::test_failure_to_end_a_shard_ends_the_replica_and_all_other_shards_are_released"
    ),
    ("kube/lease_thread.py", "start"): "tests/kube/test_lease_thread.py::test_bug_in_ending_a_shard_is_raised",
    ("kube/lease_thread.py", "_in_loop"): "tests/kube/test_lease_thread.py::test_bug_in_ending_a_shard_is_raised",
    # Ends with `close`, or with its process.
    ("kube/lease_thread.py", "__init__"): "tests/kube/test_lease_thread.py::test_bug_in_ending_a_shard_is_raised",
    (
        "kube/controller.py",
        "run",
    ): "tests/kube/test_controller_faults.py::test_reconcile_that_cannot_be_reported_is_logged_and_retried",
    (
        "kube/status_writer.py",
        "announce",
    ): "tests/kube/test_announcement.py::test_status_lists_a_resource_before_it_is_created",
    ("events/listener.py", "__init__"): "tests/events/test_listener.py::test_bug_is_reported",
    ("kube/targets.py", "_begin"): (
        "tests/kube/test_targets.py::test_unexpected_exception_stops_the_checks_of_no_other_target"
    ),
    # Awaited by the objects of the target.
    ("kube/chosen_targets.py", "_start"): (
        "tests/kube/test_chosen_targets.py::test_role_or_account_that_is_not_as_declared_is_not_ready"
    ),
    # Awaited by the watch.
    (
        "kube/watch.py",
        "_opened",
    ): "tests/kube/test_watch.py::test_broken_connection_ends_the_watch_after_what_was_received",
    # Awaited when the operator stops.
    (
        "handlers.py",
        "start",
    ): "tests/e2e/test_replicas.py::test_standby_takes_over_from_a_killed_and_from_a_stopped_operator",
}


def starts() -> Iterator[tuple[str, str]]:
    """Yield file and function of each place where the operator starts a task or thread."""
    for path in sorted(OPERATOR.rglob("*.py")):
        name = path.relative_to(OPERATOR).as_posix()
        if name.startswith("cli/"):
            continue
        for function in ast.walk(ast.parse(path.read_text())):
            if isinstance(function, ast.FunctionDef | ast.AsyncFunctionDef):
                calls = (node.func for node in ast.walk(function) if isinstance(node, ast.Call))
                if any(isinstance(call, ast.Attribute) and call.attr in STARTING for call in calls):
                    yield name, function.name


def test_end_of_each_task_and_thread_is_noticed() -> None:
    assert set(starts()) == NOTICED.keys()
    for where in NOTICED.values():
        path, _, test = where.partition("::")
        assert f"def {test}" in (ROOT / path).read_text(), where


async def crash() -> None:
    raise ValueError("a bug")


async def end() -> None:
    return


@pytest.mark.parametrize(
    ("begin", "is_stopped"),
    [
        (lambda tasks: tasks.start("crash", crash()), True),
        (lambda tasks: tasks.start("crash", crash(), ends=True), True),
        (lambda tasks: tasks.start_from_thread("crash", crash()), True),
        (lambda tasks: tasks.start("end", end()), True),
        (lambda tasks: tasks.start("end", end(), ends=True), False),
        (lambda tasks: tasks.start("cancelled", asyncio.sleep(60)).cancel(), True),
        (lambda tasks: tasks.start("cancelled", asyncio.sleep(60), ends=True).cancel(), True),
        (lambda tasks: tasks.cancel([tasks.start("cancelled", asyncio.sleep(60))]), False),
    ],
)
def test_task_that_ends_by_itself_stops_the_operator(
    begin: Callable[[BackgroundTasks], object], is_stopped: bool, caplog: pytest.LogCaptureFixture
) -> None:
    async def act() -> None:
        stopped = asyncio.Event()
        tasks = BackgroundTasks(stopped)
        begin(tasks)
        for _ in range(5):
            await asyncio.sleep(0)
        assert stopped.is_set() == is_stopped
        assert ("stopping the operator" in caplog.text) == is_stopped
        await tasks.close()

    asyncio.run(act())


def test_cancellation_waits_for_the_end() -> None:
    async def act() -> None:
        begun, free, ended = threading.Event(), threading.Event(), list[str]()

        def work() -> None:
            begun.set()
            free.wait(10.0)
            ended.append("thread")

        async def request() -> None:
            while not ended:
                await asyncio.sleep(0.01)
            ended.append("request")

        running = [asyncio.create_task(in_thread(work)), asyncio.create_task(finished(request()))]
        assert await asyncio.to_thread(begun.wait, 10.0)
        for task in running:
            task.cancel()
        done, _pending = await asyncio.wait(running, timeout=0.1)
        assert not done
        free.set()
        await asyncio.wait(running)
        assert ended == ["thread", "request"]
        assert all(task.cancelled() for task in running)

    asyncio.run(act())
