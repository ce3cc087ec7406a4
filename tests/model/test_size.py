"""Every stored object can have a status: it is truncated if necessary, or spec is rejected before the first write."""

import json
import re
from typing import Any

import pytest
from tests.engine.fake_kind import OWNER, document, nothing

from dynconfig.api.defaults import with_defaults
from dynconfig.api.status import DynamicConfigStatus
from dynconfig.kube import json_selection
from dynconfig.model.drift_digest import of_title
from dynconfig.model.errors import InvalidSpec
from dynconfig.model.size import LARGE, OBJECT_BYTES, check, fitting, needed_bytes, stored_bytes, weight
from dynconfig.validation.declare import declare, declare_deletion
from dynconfig.validation.tenancy import Tenant

TIME = "2027-01-15T08:00:00Z"


def large(count: int, length: int) -> dict[str, Any]:
    """An object with this many parameters of this length."""
    return document({f"level/{number:04}": "x" * length for number in range(count)})


def report(count: int, message: str = "all is well") -> dict[str, Any]:
    """A full status of this many parameters."""
    ready = {"type": "Ready", "status": "True", "reason": "InSync", "message": message, "lastTransitionTime": TIME}
    drift = {"resource": "Parameter /app/a", "field": "value", "declared": "1", "observed": "2", "since": TIME}
    revision = {"revision": "r", "generation": 1, "time": TIME, "outcome": "Applied", "changed": ["a@1"] * 20}
    return {
        "observedGeneration": 1,
        "conditions": [ready],
        "parameters": [
            {"name": f"/app/level/{number:04}", "type": "String", "version": 1, "lastModified": TIME}
            for number in range(count)
        ],
        "drift": [drift] * 100,
        "history": [revision] * 10,
        "counts": {"declared": count, "inSync": count, "summary": f"{count}/{count}"},
    }


def beside(derived: int, status: dict[str, Any]) -> dict[str, Any]:
    """The report if this many bytes are available."""
    empty = stored_bytes({"spec": {"path": ""}})
    found = {"spec": {"path": "x" * (OBJECT_BYTES - derived - empty)}, "status": {"old": "x" * 100}}
    fitted = dict(fitting(found, status))
    assert stored_bytes(fitted) <= derived
    DynamicConfigStatus.model_validate(fitted, strict=True)
    return fitted


def test_fitting_status_is_not_changed() -> None:
    assert beside(1_000_000, report(100)) == report(100)


def test_times_are_dropped_first_and_ready_reports_truncation() -> None:
    found = beside(stored_bytes(report(1000)) - 1000, report(1000))
    assert [item["name"] for item in found["parameters"]] == [item["name"] for item in report(1000)["parameters"]]
    assert "lastModified" not in str(found["parameters"])
    assert found["conditions"][0]["message"].startswith("all is well (Status is truncated")


def test_drift_and_messages_are_dropped_before_versions() -> None:
    found = beside(70_000, report(1000, "m" * 4096))
    assert len(found["parameters"]) == 1000
    # The other 95 entries are equal here, so that they have one digest.
    assert (len(found["drift"]), len(found["furtherDrift"])) == (5, 1)
    assert "statusLost" not in found
    # Without room for the digests, the others keep their versions, and a policy that applies once a parameter leaves spec stays.
    many = {
        **report(1000),
        "furtherDrift": [f"{of_title('Parameter /app/level/0007')}{number:016}" for number in range(900)],
    }
    many["parameters"][7]["deletionPolicy"] = "Retain"
    listed = beside(80_000, many)
    assert (len(listed["parameters"]), listed["statusLost"], "furtherDrift" in listed) == (1000, True, False)
    assert {item["name"]: item["version"] for item in listed["parameters"] if item["version"] != 1} == {
        "/app/level/0007": 0
    }
    assert listed["parameters"][7]["deletionPolicy"] == "Retain"
    shortest = beside(1_600, report(1000, "m" * 4096))
    assert not {"parameters", "drift", "furtherDrift"} & shortest.keys()
    assert shortest["statusLost"] is True
    assert shortest["counts"]["summary"] == "1000/1000"
    assert "Status is truncated" in shortest["conditions"][0]["message"]


def test_created_since_stable_is_dropped_with_the_times() -> None:
    created = {**report(1000), "createdSinceStable": [f"/app/level/{number:04}" for number in range(1000)]}
    assert beside(1_000_000, created) == created
    assert "createdSinceStable" not in beside(stored_bytes(created) - 1000, created)
    assert "createdSinceStable" not in beside(1_600, created)


def test_truncation_note_is_not_repeated() -> None:
    once = beside(75_000, report(1000))
    again = beside(75_000, {**report(1000), "conditions": once["conditions"]})
    assert again["conditions"] == once["conditions"]


def test_characters_that_go_escapes_are_counted_as_six_bytes() -> None:
    assert stored_bytes({"a": "<>&é"}) == len(json.dumps({"a": ""}, separators=(",", ":"))) + 18 + 2


@pytest.mark.parametrize(("count", "length", "is_legal"), [(1000, 1000, True), (1000, 1400, False), (150, 4096, True)])
def test_oversized_spec_is_rejected_before_any_write(count: int, length: int, is_legal: bool) -> None:
    found = large(count, length)
    if is_legal:
        check(found)
        assert (
            len(declare(found, owner=OWNER, default_region="eu-west-1", tenant=Tenant("shop"), read=nothing).parameters)
            == count
        )
    else:
        with pytest.raises(InvalidSpec, match=r"spec: the object needs 1,[0-9,]+ bytes with its status"):
            declare(found, owner=OWNER, default_region="eu-west-1", tenant=Tenant("shop"), read=nothing)
    assert declare_deletion(found, owner=OWNER, default_region="eu-west-1").deleting


def test_size_of_a_file_equals_the_stored_size() -> None:
    unstored = large(1000, 1200)
    stored = with_defaults(unstored)
    stored["metadata"] = {**stored["metadata"], "resourceVersion": "1"}
    assert needed_bytes(unstored) - needed_bytes(stored) == -len(',"resourceVersion":"1"')
    assert stored["spec"]["parameters"][0]["tier"] == "Standard"


def test_accepted_object_has_room_for_each_parameter_in_status() -> None:
    found = large(1000, 1130)
    assert needed_bytes(found) <= OBJECT_BYTES
    assert len(fitting(found, report(1000))["parameters"]) == 1000


@pytest.mark.parametrize("text", ['["\\{', "[[[", '\\"[', "\\\\{", '"[]"{'])
def test_brackets_in_texts_are_no_lists(text: str) -> None:
    """A value of JSON text does not make an object one of the large ones, of which few are reconciled at once."""
    without = re.sub(r"[\[\]{}]", "x", text)
    weights = {weight({"spec": {"value": found * 20_000, "list": [{}]}}) for found in (text, without)}
    assert len(weights) == 1
    assert weight({"spec": [[]] * 20_000}) > LARGE


@pytest.mark.parametrize(
    "metadata",
    [
        {"ownerReferences": [{"apiVersion": "v1", "kind": "ConfigMap", "name": "x" * 1_200_000, "uid": "1"}]},
        {"labels": {f"{number:x}": "" for number in range(50_000)}},
        {"managedFields": [{f"f:{number:x}": {} for number in range(50_000)}]},
        {"annotations": {"note": "x" * 250_000}},
    ],
    ids=lambda metadata: next(iter(metadata)),
)
def test_metadata_that_is_left_out_counts(metadata: dict[str, Any]) -> None:
    """It is read and sent with each request, so that few such objects are reconciled at once."""
    document = {"metadata": {"name": "n", **metadata}, "spec": {}}
    kept = json_selection.loads(json.dumps(document, separators=(",", ":")), json_selection.OBJECT)
    assert metadata.keys().isdisjoint(kept["metadata"]) or not kept["metadata"]["annotations"]
    assert weight(kept) > LARGE
