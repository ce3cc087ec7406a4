"""The peak memory of some work in a separate process."""

import json
import subprocess
import sys
from typing import Any

_PROGRAM = r"""
import json, re, sys
task = json.load(sys.stdin)
{work}
with open("/proc/self/status") as status:
    print(json.dumps([int(re.findall(r"VmHWM:\s+(\d+) kB", status.read())[0]) / 1024, result]))
"""

# 2.5 GB of address space: a successful attack must not take the machine down.
_LIMIT = "import resource; resource.setrlimit(resource.RLIMIT_AS, (5 * 2**29, 5 * 2**29))\n"


def peak_mib(work: str, task: Any, *, seconds: float = 60) -> tuple[float, Any]:
    """MiB at the peak of a program that sets `result` of its `task`, and the result. Raises AssertionError if it fails."""
    program = _LIMIT + _PROGRAM.replace("{work}", work)
    done = subprocess.run(
        [sys.executable, "-c", program],
        input=json.dumps(task),
        capture_output=True,
        text=True,
        timeout=seconds,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-800:]
    peak, result = json.loads(done.stdout)
    return float(peak), result
