"""For all tests: the random examples of a run, the tests of each worker, and that Ctrl-C ends all started processes.

Properties use the same examples in every run, so that a result depends only on the change. ``make explore`` draws
many new ones.
"""

import os
import signal

import pytest
from hypothesis import settings
from tests.schedule import Units, rank
from xdist.remote import Producer

from dynconfig_lab import ports

settings.register_profile("same", derandomize=True, database=None, deadline=None)
settings.register_profile("explore", max_examples=5_000, deadline=None)
settings.load_profile("same")


def pytest_configure() -> None:
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        # An ignored signal stays ignored in every process started from here, as in a shell's background job.
        signal.signal(signal.SIGINT, signal.default_int_handler)
    if worker := os.environ.get("PYTEST_XDIST_WORKER"):
        share = ports.share(int(worker.removeprefix("gw")), int(os.environ["PYTEST_XDIST_WORKER_COUNT"]))
        os.environ[ports.VARIABLE] = f"{share.start}-{share.stop - 1}"


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    if "PYTEST_XDIST_WORKER" in os.environ:
        items.sort(key=lambda item: (rank(item.nodeid), item.get_closest_marker("e2e") is None))


def pytest_xdist_make_scheduler(config: pytest.Config, log: Producer) -> Units:
    return Units(config, log)
