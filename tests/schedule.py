"""How `make test` divides the tests between its workers: by file, the longest first, so that all end at about the same
time."""

from xdist.scheduler import LoadScopeScheduling

TOGETHER = ("tests/upgrade/",)
"""Folders whose files share a control plane, which would start once more on every worker that gets one of them."""
APART = (
    "tests/faults/test_api_server.py",
    "tests/faults/test_aws.py",
    "tests/faults/test_kills.py",
    "tests/faults/test_leases.py",
)
"""Files of the fault sweep whose tests take minutes each, so that every test is a unit of its own."""
LONGEST = (
    "tests/security/test_starvation.py",
    "tests/upgrade/",
    "tests/security/test_operator_rights.py",
    "tests/security/test_operator_process.py",
)
"""What is begun first, in this order."""


def unit_of(nodeid: str) -> str:
    """The unit that stays on one worker: a folder of TOGETHER, a test of APART, or else a file."""
    file = nodeid.partition("::")[0]
    if file in APART:
        return nodeid
    return next((folder for folder in TOGETHER if file.startswith(folder)), file)


def rank(nodeid: str) -> int:
    """The position of a test's unit in LONGEST; all others come after these."""
    unit = unit_of(nodeid)
    return LONGEST.index(unit) if unit in LONGEST else len(LONGEST)


class Units(LoadScopeScheduling):  # type: ignore[misc]  # xdist has no types
    """Gives a worker the next unit, in collection order, as soon as it has almost no tests left."""

    def _split_scope(self, nodeid: str) -> str:
        return unit_of(nodeid)
