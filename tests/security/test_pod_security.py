"""The shipped pods pass the `restricted` Pod Security Standard of the real API server."""

import copy
from collections.abc import Callable, Iterator
from typing import Any

import httpx2
import pytest
from tests.gitops.conftest import Build, kubectl, kustomize
from tests.security.installation import MANIFESTS, NAMESPACE

from dynconfig_lab.controlplane import ControlPlane

__all__ = ["kubectl", "kustomize"]

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(300)]

Document = dict[str, Any]


@pytest.fixture
def http(plane: ControlPlane, kustomize: Build) -> Iterator[httpx2.Client]:
    """The API server with the shipped namespace."""
    (namespace,) = (item for item in kustomize(MANIFESTS / "install") if item["kind"] == "Namespace")
    with plane.client() as found:
        found.post("/api/v1/namespaces", json=namespace)
        shipped = found.get(f"/api/v1/namespaces/{NAMESPACE}").raise_for_status().json()["metadata"]["labels"]
        assert shipped["pod-security.kubernetes.io/enforce"] == "restricted"
        yield found


def accepted(http: httpx2.Client, template: Document) -> httpx2.Response:
    """The response to a pod of this template, as a dry run."""
    pod = {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {**template["metadata"], "name": "tried"},
        "spec": template["spec"],
    }
    return http.post(f"/api/v1/namespaces/{NAMESPACE}/pods?dryRun=All", json=pod)


def templates(documents: list[Document]) -> dict[str, Document]:
    return {item["metadata"]["name"]: item["spec"]["template"] for item in documents if item["kind"] == "Deployment"}


@pytest.mark.parametrize("folder", ["install", "namespaced", "local"])
def test_pods_pass_restricted(folder: str, kustomize: Build, http: httpx2.Client) -> None:
    found = templates(kustomize(MANIFESTS / folder))
    assert found
    for name, template in found.items():
        answer = accepted(http, template)
        assert answer.status_code == 201, f"{name}: {answer.text}"
        assert "warning" not in answer.headers, f"{name}: {answer.headers}"
        spec, (container,) = template["spec"], template["spec"]["containers"]
        assert container["securityContext"]["readOnlyRootFilesystem"] is True
        # Of the pods only the operator calls the API server.
        assert spec["automountServiceAccountToken"] is (name == "dynconfig-operator")


@pytest.mark.parametrize(
    "weaken",
    [
        lambda spec: spec["securityContext"].pop("runAsNonRoot"),
        lambda spec: spec["securityContext"].pop("seccompProfile"),
        lambda spec: spec["securityContext"].update(runAsUser=0),
        lambda spec: spec["containers"][0]["securityContext"].pop("allowPrivilegeEscalation"),
        lambda spec: spec["containers"][0]["securityContext"].pop("capabilities"),
        lambda spec: spec.update(hostNetwork=True),
        lambda spec: spec["volumes"].append({"name": "host", "hostPath": {"path": "/"}}),
    ],
    ids=["root", "seccomp", "uid 0", "escalation", "capabilities", "host network", "host path"],
)
def test_weaker_pod_is_rejected(weaken: Callable[[Document], object], kustomize: Build, http: httpx2.Client) -> None:
    template = copy.deepcopy(templates(kustomize(MANIFESTS / "install"))["dynconfig-operator"])
    weaken(template["spec"])
    answer = accepted(http, template)
    assert answer.status_code == 403
    assert "restricted" in answer.text
