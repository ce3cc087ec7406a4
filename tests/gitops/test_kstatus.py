"""Flux waits by kstatus: its result for every state, and that a new object is not treated as done."""

import pytest
from tests.gitops import kstatus, objects

from dynconfig.api.crd import definition

CASES = objects.cases()


@pytest.mark.parametrize("case", CASES.values(), ids=lambda case: case.name)
def test_kstatus_distinguishes_progress_failure_and_success(case: objects.Case) -> None:
    found = _as_served(case.make())
    assert kstatus.compute(found) == case.kstatus
    assert kstatus.compute(objects.reversed_conditions(found)) == case.kstatus


def test_new_object_would_count_as_done_without_the_default_of_the_crd() -> None:
    assert kstatus.compute(CASES["no_status"].make()) == "Current"
    assert kstatus.compute(_as_served(CASES["no_status"].make())) == "InProgress"


def _as_served(found: objects.Document) -> objects.Document:
    """The API server's response: it sets the default of status if it is absent."""
    schema = definition()["spec"]["versions"][0]["schema"]["openAPIV3Schema"]
    return {"status": schema["properties"]["status"]["default"], **found}
