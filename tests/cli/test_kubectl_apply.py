"""A plan of a file compares with the result of `kubectl apply`, which keeps fields of other managers."""

import json
from typing import Any

import pytest

from dynconfig.cli.kubectl_apply import LAST_APPLIED, applied_spec

Manager = tuple[str, str, dict[str, Any]]
FILE = {"path": "/app", "parameters": [{"name": "a", "value": "1"}]}
CLUSTER = {**FILE, "driftPolicy": "Report", "rollout": {"bakeTime": "5m", "rollbackOnAlarm": True}}


def client_side(file: dict[str, Any], last: object, live: dict[str, Any]) -> Any:
    """The result of kubectl apply with this last-applied annotation."""
    noted = last if isinstance(last, str) else json.dumps({"spec": last})
    return applied_spec({"spec": file}, {"metadata": {"annotations": {LAST_APPLIED: noted}}, "spec": live})


def held(live: dict[str, Any], *managers: Manager, file: dict[str, Any] = FILE) -> Any:
    """The result of an apply with these managers, each with its operation and owned fields of spec."""
    entries = [{"manager": name, "operation": verb, "fieldsV1": {"f:spec": fields}} for name, verb, fields in managers]
    return applied_spec({"spec": file}, {"metadata": {"managedFields": entries}, "spec": live})


def test_fields_of_neither_the_file_nor_the_last_apply_are_kept() -> None:
    assert client_side(FILE, FILE, CLUSTER) == CLUSTER


def test_fields_removed_from_the_file_are_removed() -> None:
    assert client_side(FILE, CLUSTER, CLUSTER) == FILE
    assert client_side(FILE, {**FILE, "driftPolicy": "Correct"}, CLUSTER) == {**FILE, "rollout": CLUSTER["rollout"]}


def test_maps_are_merged_and_lists_are_replaced() -> None:
    live = {**CLUSTER, "tags": {"a": "1", "b": "2"}, "parameters": [{"name": "a", "value": "2"}, {"name": "b"}]}
    file = {**FILE, "tags": {"a": "3"}, "rollout": {"bakeTime": "9m"}}
    found = client_side(file, {**file, "rollout": {"rollbackOnAlarm": False}}, live)
    assert found == {**file, "tags": {"a": "3", "b": "2"}, "driftPolicy": "Report"}
    assert client_side(file, live, live)["tags"] == {"a": "3"}


def test_fields_of_an_editor_are_kept_beside_an_applying_manager() -> None:
    ours: Manager = ("argocd-controller", "Apply", {"f:path": {}, "f:rollout": {"f:bakeTime": {}}})
    hand: Manager = ("kubectl-patch", "Update", {"f:driftPolicy": {}, "f:rollout": {"f:rollbackOnAlarm": {}}})
    assert held(CLUSTER, ours) == FILE
    assert held(CLUSTER, ours, hand) == {**FILE, "driftPolicy": "Report", "rollout": {"rollbackOnAlarm": True}}


def test_items_of_an_editor_are_kept_in_lists_with_keys() -> None:
    live = {**FILE, "parameters": [{"name": "a", "value": "1", "description": "x"}, {"name": "b", "value": "2"}]}
    ours: Manager = ("argocd-controller", "Apply", {"f:path": {}})
    item: dict[str, Any] = {".": {}, "f:name": {}, "f:value": {}}
    edited = {"f:parameters": {'k:{"name":"a"}': {"f:description": {}}, 'k:{"name":"b"}': item}}
    assert held(live, ours, ("kubectl-edit", "Update", edited)) == live
    assert held(live, ("kubectl-create", "Update", edited)) == FILE
    assert held(live, ours) == FILE


@pytest.mark.parametrize("manager", ["helm", "kubectl-client-side-apply"])
def test_manager_that_applies_by_update_removes_fields_it_no_longer_names(manager: str) -> None:
    assert held(CLUSTER, (manager, "Update", {"f:driftPolicy": {}, "f:rollout": {"f:bakeTime": {}}})) == FILE


def test_object_not_created_by_apply_keeps_fields_that_the_file_omits() -> None:
    everything: dict[str, Any] = {
        "f:driftPolicy": {},
        "f:rollout": {".": {}, "f:bakeTime": {}, "f:rollbackOnAlarm": {}},
    }
    assert held(CLUSTER, ("kubectl-create", "Update", everything)) == CLUSTER


@pytest.mark.parametrize("noted", ["", "{", "[]", "{}", '{"spec": 1}'])
def test_empty_last_applied_annotation_counts_as_none(noted: str) -> None:
    assert client_side(FILE, noted, CLUSTER) == FILE


@pytest.mark.parametrize("spec", [None, "text", [1]])
def test_file_without_a_spec_is_left_to_validation(spec: object) -> None:
    live = {"metadata": {"managedFields": None}, "spec": CLUSTER}
    assert applied_spec({"spec": spec}, live) == spec
    assert applied_spec({"spec": FILE}, {"metadata": {}, "spec": None}) == FILE
