"""The Secret policy covers every field that names a Secret, and every field that determines the use of its text."""

from collections.abc import Iterator
from typing import Any

import pytest
import yaml
from tests.upgrade.cluster import CRD, ROOT

from dynconfig.api import names

POLICY = (ROOT / "crds" / "secrets.yaml").read_text()
COMPARED = {
    # Where texts are written, which, what is reported of them, and who reads them; policies of IAM may ask for tags.
    *("path", "region", "target", "parameters", "rules", "function", "tags"),
    # Whether a text stays in AWS, replaces one that is there, or an earlier text is restored; an alarm decides that.
    *("deletionPolicy", "adoptionPolicy", "rollout", "alarms"),
}
HARMLESS = {
    # When the operator reads and writes; what and where was decided by an author who may get the Secrets.
    *("suspend", "driftPolicy", "resyncInterval"),
    # How long the readers that there are keep a text, and what is drawn: no text.
    *("cache", "dashboard"),
}


def properties(schema: dict[str, Any], path: str = "") -> Iterator[str]:
    for name, inner in schema.get("properties", {}).items():
        yield f"{path}.{name}"
        yield from properties(inner, f"{path}.{name}")
    if "items" in schema:
        yield from properties(schema["items"], f"{path}[]")


@pytest.fixture(scope="module")
def spec() -> dict[str, Any]:
    (version,) = yaml.safe_load(CRD.read_text())["spec"]["versions"]
    found: dict[str, Any] = version["schema"]["openAPIV3Schema"]["properties"]["spec"]
    return found


def test_no_other_field_names_a_secret(spec: dict[str, Any]) -> None:
    naming = {path for path in properties(spec) if "secret" in path.rpartition(".")[2].lower()}
    assert naming == {".parameters[].valueFrom.secretKeyRef"}


def test_every_field_of_spec_is_compared_or_reveals_nothing_of_a_secret(spec: dict[str, Any]) -> None:
    assert set(spec["properties"]) == COMPARED | HARMLESS
    for name in COMPARED - {"parameters"}:
        assert f"object.spec.{name} != oldObject" in POLICY or f"object.spec.?{name} != oldObject" in POLICY, name


CHECKED_ANNOTATIONS = {
    # Everything stays in AWS without an owner; a text that an alarm rejected is written again; parameters are deleted.
    *(names.ABANDON, names.FORCE_GENERATION, names.APPROVE_GENERATION),
}
FREE_ANNOTATIONS = {
    # What is written was decided by an author who may get the Secrets. `validate` alone reads the second one, from a file. The
    # third one is not of objects.
    *(names.RECONCILE_REQUESTED_AT, names.ALLOW_PLAINTEXT, names.ALLOW_DELETION),
}


def test_every_annotation_is_compared_or_reveals_nothing_of_a_secret() -> None:
    declared = {value for name, value in vars(names).items() if str(value).startswith(f"{names.GROUP}/")}
    others = {value for name, value in vars(names).items() if name.endswith("_TAG")}
    assert (
        declared - others - {names.FINALIZER, names.TARGET_FINALIZER, names.API_VERSION}
        == CHECKED_ANNOTATIONS | FREE_ANNOTATIONS
    )
    for name in CHECKED_ANNOTATIONS:
        compared = f"object.metadata.?annotations[?'{name}'] != oldObject.metadata.?annotations[?'{name}']"
        assert POLICY.count(compared) == 2, name
