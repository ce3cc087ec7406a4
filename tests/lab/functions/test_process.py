"""The output of a function's process is read, whatever else this process has open."""

import os
import resource
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path

import pytest

from dynconfig_lab.functions.process import Process


@pytest.fixture
def many_files() -> Iterator[None]:
    """All descriptors below 1024 are in use."""
    limits = resource.getrlimit(resource.RLIMIT_NOFILE)
    if limits[1] < 2000:
        pytest.skip("this system allows too few files")
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(limits[0], 2000), limits[1]))
    with ExitStack() as opened:
        while opened.enter_context(open(os.devnull)).fileno() < 1100:
            pass
        yield
    resource.setrlimit(resource.RLIMIT_NOFILE, limits)


@pytest.mark.usefixtures("many_files")
def test_output_is_read_with_more_open_files_than_select_accepts(tmp_path: Path) -> None:
    lines: list[str] = []
    wake, waking = os.pipe()
    with ThreadPoolExecutor(1) as keeper:
        process = Process(("sh", "-c", "echo one; echo two"), tmp_path, dict(os.environ), keeper)
        while process.read(lines, wake, 10):
            pass
        process.drain(lines)
        assert process.end() in (0, -9)
    os.close(wake)
    os.close(waking)
    assert lines == ["one", "two"]
