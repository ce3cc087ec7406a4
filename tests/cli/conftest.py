"""An in-process emulated AWS for commands; empty for each test."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.cli.cli_harness import CliHarness

from dynconfig_lab.aws import AwsLab, Faults


@pytest.fixture(scope="session")
def aws_lab() -> Iterator[AwsLab]:
    with AwsLab.start() as lab:
        yield lab


@pytest.fixture
def harness(aws_lab: AwsLab, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[CliHarness]:
    found = CliHarness(aws_lab, tmp_path)
    aws_lab.clear()
    for name, text in found.environment.items():
        monkeypatch.setenv(name, text)
    # Files are named by their content, as a user would name them.
    monkeypatch.chdir(tmp_path)
    yield found
    aws_lab.faults(Faults())
