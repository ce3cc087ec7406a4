"""Fields of other field managers are reported before the API server rejects an apply."""

from typing import Any

import pytest

from dynconfig.cli.managers import owned_elsewhere

FROM = {"secretKeyRef": {"name": "s", "key": "k"}}
PLAIN, SECRET = {"name": "a", "value": "1"}, {"name": "a", "valueFrom": FROM}


def live(parameter: dict[str, Any], *managers: tuple[str, str]) -> dict[str, Any]:
    """An object whose parameter value these managers own."""
    (field,) = (f"f:{name}" for name in parameter if name != "name")
    fields: dict[str, Any] = {"f:spec": {"f:parameters": {'k:{"name":"a"}': {".": {}, "f:name": {}, field: {}}}}}
    entries = [{"manager": name, "operation": verb, "fieldsV1": fields} for name, verb in managers]
    return {"metadata": {"managedFields": entries}, "spec": {"parameters": [parameter]}}


def warnings_of(wanted: dict[str, Any], found: dict[str, Any]) -> list[str]:
    return list(owned_elsewhere({"spec": {"parameters": [wanted]}}, found))


@pytest.mark.parametrize(
    "managers",
    [
        (("argocd-controller", "Apply"), ("kubectl-edit", "Update")),
        (("kubectl-edit", "Update"),),
        (("argocd-controller", "Apply"), ("platform", "Apply")),
    ],
)
def test_field_of_another_manager_is_reported(managers: tuple[tuple[str, str], ...]) -> None:
    (text,) = warnings_of(SECRET, live(PLAIN, *managers))
    assert text.startswith("parameter a: value is owned by ")
    assert all(name in text for name, _ in managers)
    (text,) = warnings_of(PLAIN, live(SECRET, *managers))
    assert text.startswith("parameter a: valueFrom is owned by ")


@pytest.mark.parametrize("manager", [("argocd-controller", "Apply"), ("kubectl-client-side-apply", "Update")])
def test_field_of_the_only_applier_is_not_reported(manager: tuple[str, str]) -> None:
    assert warnings_of(SECRET, live(PLAIN, manager)) == []


def test_unchanged_source_is_not_reported() -> None:
    assert warnings_of(PLAIN, live(PLAIN, ("kubectl-edit", "Update"))) == []
    assert warnings_of(SECRET, {"metadata": {}, "spec": {}}) == []
    assert list(owned_elsewhere({"spec": None}, {"metadata": {}})) == []
