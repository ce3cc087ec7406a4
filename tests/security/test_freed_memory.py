"""The memory of long texts is returned to the system when they are freed, so that what one attack took is free for the next."""

import pytest
from tests.security.memory import peak_mib

MIB = 96
WORK = r"""
from dynconfig.cli.commands import run
if task["is_set"]:
    run._return_freed_memory()

def resident():
    with open("/proc/self/status") as status:
        return int(re.findall(r"VmRSS:\s+(\d+) kB", status.read())[0]) / 1024

before = resident()
texts, kept = [], []
for number in range(task["mib"] * 2**20 // task["size"]):
    texts.append(b"x" * task["size"])
    # Remains in use right behind it, as the entry of a cache does.
    kept.append(b"y" * 600)
held = resident() - before
texts.clear()
result = {"held": held, "left": resident() - before}
"""


def left(size: int, *, is_set: bool) -> float:
    """The part of the memory that is not returned."""
    _peak, found = peak_mib(WORK, {"mib": MIB, "size": size, "is_set": is_set})
    assert found["held"] > 0.9 * MIB
    return float(found["left"] / found["held"])


@pytest.mark.parametrize("size", [20_000, 64_000, 120_000, 700_000])
def test_memory_of_freed_texts_is_returned(size: int) -> None:
    assert left(size, is_set=True) < 0.1


def test_c_library_alone_keeps_the_memory_of_freed_texts() -> None:
    """So that the test above can fail."""
    assert left(64_000, is_set=False) > 0.5
