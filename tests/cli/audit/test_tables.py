"""What is read from an object and its status, and how it is placed in the tables."""

from dataclasses import replace
from typing import Any

import pytest
from tests.cli.audit.evidence import TIME, evidence, shop

from dynconfig.cli.audit.objects import Managed, PlaintextSecret, RolledBack, audited
from dynconfig.cli.audit.tables import Table, tables
from dynconfig.model.stored import RecordedPlace

REF = {"secretKeyRef": {"name": "db", "key": "password", "allowPlaintext": True}}
METADATA = {"namespace": "shop", "name": "app", "generation": 1}


def read(spec: object, status: object = None, **metadata: Any) -> Any:
    return audited({"metadata": {**METADATA, **metadata}, "spec": spec, "status": status}, 0.0)


def table(found: tuple[Table, ...], key: str) -> list[dict[str, Any]]:
    (wanted,) = (each for each in found if each.key == key)
    return [dict(zip((each.key for each in wanted.columns), row, strict=True)) for row in wanted.rows]


def test_secrets_in_plaintext_are_those_of_spec_and_of_status() -> None:
    parameters = [
        {"name": "plain", "type": "String", "valueFrom": REF},
        {"name": "list", "type": "StringList", "valueFrom": REF},
        {"name": "secure", "valueFrom": REF},
        {"name": "password", "value": "not guessed"},
        {"name": "invalid", "type": "Strange", "valueFrom": REF},
    ]
    stored = [{"name": f"/shop/{name}", "type": "String", "version": 1, "secret": True} for name in ("plain", "before")]
    found = read({"path": "/shop", "parameters": parameters}, {"parameters": stored})
    assert found.plaintext == (
        PlaintextSecret("/shop/plain", "String", "db:password"),
        PlaintextSecret("/shop/list", "StringList", "db:password"),
        PlaintextSecret("/shop/before", "String", ""),
    )


def test_deletion_policy_is_that_of_the_parameter_or_else_of_the_object() -> None:
    spec = {"path": "/s", "deletionPolicy": "Retain", "parameters": [{"name": "a", "deletionPolicy": "Delete"}]}
    listed = [{"name": f"/s/{name}", "type": "String", "version": 2} for name in ("a", "b")]
    role = {"kind": "Role", "name": "r", "arn": "arn:aws:iam::1:role/r"}
    found = read(spec, {"parameters": listed, "resources": [role]}).managed
    assert [(item.name, item.deletion_policy) for item in found] == [
        ("/s/a", "Delete"),
        ("/s/b", "Retain"),
        ("r", "Retain"),
    ]


def test_managers_are_those_that_wrote_spec_newest_first() -> None:
    wrote: dict[str, Any] = {"f:spec": {"f:path": {}}}
    entries = [
        {"manager": "helm", "operation": "Update", "time": "2026-11-01T00:00:00Z", "fieldsV1": wrote},
        {"manager": "kubectl-edit", "operation": "Update", "time": TIME, "fieldsV1": wrote},
        {"manager": "dynconfig", "operation": "Update", "fieldsV1": {"f:metadata": {}}},
        {"manager": "dynconfig", "operation": "Update", "subresource": "status", "fieldsV1": {"f:status": {}}},
    ]
    found = read({"path": "/s"}, managedFields=entries).managers
    assert found == (f"kubectl-edit (Update {TIME})", "helm (Update 2026-11-01T00:00:00Z)")


def test_rollbacks_are_in_the_history_with_the_reason_of_the_last_one() -> None:
    entry = {"revision": "b", "time": TIME, "outcome": "Stable", "changed": ["a@3"]}
    history = [{**entry, "generation": 5, "rolledBackTo": "a"}, {**entry, "generation": 4}]
    earlier = {**entry, "generation": 3, "rolledBackTo": "a"}
    last = {"generation": 5, "to": "a", "reason": "alarm errors fired", "time": TIME}
    found = read({"path": "/s"}, {"history": [*history, earlier], "rollback": last})
    assert found.rollbacks == (
        RolledBack(TIME, 5, "a", "alarm errors fired", ("a@3",)),
        RolledBack(TIME, 3, "a", "", ("a@3",)),
    )
    assert read({"path": "/s"}, {"rollback": last}).rollbacks == (RolledBack(TIME, 5, "a", "alarm errors fired", ()),)


@pytest.mark.parametrize(
    "spec", [None, 1, [], {}, {"parameters": 1}, {"parameters": [1, {}, {"valueFrom": 2}], "path": 3}]
)
@pytest.mark.parametrize("status", [None, 1, {"parameters": 2, "drift": [3], "conditions": {}}, {"history": [{}]}])
def test_object_of_any_shape_is_reported(spec: object, status: object) -> None:
    assert read(spec, status).plaintext == ()


def test_account_of_the_operators_own_identity_is_read_from_arns_if_they_agree() -> None:
    own = replace(shop("own"), place=RecordedPlace(region="eu-west-1"))
    with_arn = [
        replace(
            own, name=f"arn-{account}", managed=(Managed("Role", "r", "Delete", arn=f"arn:aws:iam::{account}:role/r"),)
        )
        for account in ("1", "2")
    ]
    one, two = (table(tables(evidence(own, *found)), "objects") for found in (with_arn[:1], with_arn))
    assert {row["account"] for row in one} == {"1"}
    assert {row["account"] for row in two} == {""}


def test_object_that_was_never_written_is_placed_where_its_target_is() -> None:
    new = replace(shop("new"), place=RecordedPlace(target="prod-eu"))
    (row,) = table(tables(evidence(new)), "objects")
    assert (row["account"], row["region"]) == ("222222222222", "eu-central-1")


def test_places_count_the_objects_of_an_account_region_and_namespace() -> None:
    beside = replace(shop("c"), namespace="cart", stage="Stalled", is_drifted=False, plaintext=())
    found = table(tables(evidence(shop("b"), beside, shop("a"))), "places")
    assert [(row["namespace"], row["objects"], row["ready"], row["stalled"], row["drifted"]) for row in found] == [
        ("cart", 1, 0, 1, 0),
        ("shop", 2, 2, 0, 2),
    ]
    assert found[1]["plaintextSecrets"] == found[1]["resources"] == 2
