"""An emulated AWS in this process for the commands that need one; each test finds it empty."""

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
    # Files are named as a person would name them: by what stands in the folder.
    monkeypatch.chdir(tmp_path)
    yield found
    aws_lab.faults(Faults())
