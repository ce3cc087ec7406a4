"""Fences, where the network itself fails: no write is executed after the lease of its shard has ended."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

NAMESPACE = ["unshare", "--user", "--map-root-user", "--net"]
ROOT = Path(__file__).parents[2]


@pytest.mark.parametrize(
    ("client", "number"),
    [("aws", 0), ("kube", 0), ("aws", signal.SIGKILL), ("kube", signal.SIGSTOP)],
    ids=["aws gives up", "kube gives up", "aws is killed", "kube is paused"],
)
def test_no_write_is_executed_after_a_partition_that_outlasts_the_lease(client: str, number: int) -> None:
    """The replica has sent a write that the network has not delivered."""
    try:
        subprocess.run([*NAMESPACE, "true"], check=True, capture_output=True)
    except (OSError, subprocess.CalledProcessError) as error:
        pytest.skip(f"network namespaces are not permitted here: {error}")
    environment = {
        **os.environ,
        "PYTHONPATH": str(ROOT / "operator"),
        "AWS_ACCESS_KEY_ID": "test",
        "AWS_SECRET_ACCESS_KEY": "test",
    }
    script = Path(__file__).parent / "partitioned.py"
    subprocess.run([*NAMESPACE, sys.executable, str(script), client, str(int(number))], env=environment, check=True)
