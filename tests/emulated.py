"""The emulated AWS in the process of the tests."""

from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from dynconfig_lab.aws import AwsLab


@contextmanager
def emulated_aws() -> Iterator[AwsLab]:
    """An AWS for as long as a `with` lasts, and the credentials that it takes."""
    with pytest.MonkeyPatch.context() as environment, AwsLab.start() as lab:
        environment.setenv("AWS_ACCESS_KEY_ID", "lab")
        environment.setenv("AWS_SECRET_ACCESS_KEY", "lab")
        yield lab
