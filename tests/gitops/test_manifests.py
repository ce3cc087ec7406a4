"""What Argo CD and Flux get: it refers to existing files, in the right order, and deletes nothing by accident."""

import shutil
from pathlib import Path

import pytest
import yaml
from tests.cli.shell import dynconfig
from tests.gitops.conftest import Build, Document, Render, rendered

from dynconfig import tenants

pytestmark = pytest.mark.tools

ROOT = Path(__file__).parents[2]
ARGOCD = ROOT / "manifests" / "argocd"
FLUX = ROOT / "manifests" / "flux"
EXAMPLES = ROOT / "manifests" / "examples"
ENVIRONMENTS = ("dev", "staging", "prod")


def wave(document: Document) -> int:
    return int(document["metadata"].get("annotations", {}).get("argocd.argoproj.io/sync-wave", "0"))


@pytest.fixture
def argocd(kustomize: Build) -> dict[tuple[str, str], Document]:
    return {(item["kind"], item["metadata"]["name"]): item for item in kustomize(ARGOCD)}


@pytest.fixture
def flux(kustomize: Build) -> dict[tuple[str, str], Document]:
    return {(item["kind"], item["metadata"]["name"]): item for item in kustomize(FLUX)}


def test_operator_is_applied_in_waves_and_its_crd_is_kept(kustomize: Build) -> None:
    documents = kustomize(ROOT / "manifests" / "argocd" / "operator")
    waves = {item["kind"]: wave(item) for item in documents}
    assert waves["CustomResourceDefinition"] < waves["ServiceAccount"] == waves["ClusterRole"] < waves["Deployment"]
    assert waves["NetworkPolicy"] < waves["Deployment"]
    policies = {
        item["metadata"]["name"]: wave(item) for item in documents if item["kind"] == "ValidatingAdmissionPolicy"
    }
    of_operator = {name for name in policies if name.startswith("dynconfig-operator")}
    assert {policies.pop(name) for name in of_operator} == {waves["ServiceAccount"]}
    assert set(policies.values()) == {waves["CustomResourceDefinition"]}
    for item in documents:
        if wave(item) == waves["CustomResourceDefinition"]:
            assert item["metadata"]["annotations"]["argocd.argoproj.io/sync-options"] == "Delete=false,Prune=false"


@pytest.mark.parametrize("folder", ["install", "argocd/operator", "namespaced"])
def test_no_installation_contains_the_policy_that_it_mounts(kustomize: Build, folder: str) -> None:
    documents = kustomize(ROOT / "manifests" / folder)
    assert not [item for item in documents if item["kind"] == "ConfigMap"]
    sample = yaml.safe_load((EXAMPLES / "tenants" / "policy.yaml").read_text())
    (deployment,) = (item for item in documents if item["kind"] == "Deployment")
    assert sample["metadata"]["namespace"] == deployment["metadata"]["namespace"]
    pod = deployment["spec"]["template"]["spec"]
    (volume,) = (item for item in pod["volumes"] if item["name"] == "policy")
    assert volume["configMap"] == {"name": sample["metadata"]["name"], "optional": True}
    (mount,) = (item for item in pod["containers"][0]["volumeMounts"] if item["name"] == "policy")
    (file,) = (item["value"] for item in pod["containers"][0]["env"] if item["name"] == "DYNCONFIG_POLICY")
    assert [f"{mount['mountPath']}/{key}" for key in sample["data"]] == [file]


def test_sample_policies_are_valid_and_the_local_one_allows_the_example(kustomize: Build, tmp_path: Path) -> None:
    file = tmp_path / "policy.yaml"
    sample = yaml.safe_load((EXAMPLES / "tenants" / "policy.yaml").read_text())
    file.write_text(sample["data"]["policy.yaml"])
    assert tenants.policy(file).allow
    (local,) = (item for item in kustomize(ROOT / "manifests" / "local") if item["kind"] == "ConfigMap")
    file.write_text(local["data"]["policy.yaml"])
    result = dynconfig("can", "-f", str(EXAMPLES / "myapp.yaml"), "--policy", str(file))
    assert result.code == 0, result.out


def test_operator_and_objects_are_separate_and_the_operator_is_first(argocd: dict[tuple[str, str], Document]) -> None:
    operator, objects = argocd["Application", "dynconfig-operator"], argocd["ApplicationSet", "shop"]
    assert wave(operator) < wave(objects)
    assert (ROOT / operator["spec"]["source"]["path"] / "kustomization.yaml").is_file()
    assert objects["spec"]["syncPolicy"]["preserveResourcesOnDeletion"]


def test_application_set_creates_an_application_for_each_environment(argocd: dict[tuple[str, str], Document]) -> None:
    spec = argocd["ApplicationSet", "shop"]["spec"]
    (generator,) = spec["generators"]
    elements = {item["environment"]: item["revision"] for item in generator["list"]["elements"]}
    assert elements == {"dev": "main", "staging": "env/staging", "prod": "env/prod"}
    for name in elements:
        path = spec["template"]["spec"]["source"]["path"].replace("{{.environment}}", name)
        assert (EXAMPLES / path / "kustomization.yaml").is_file()
    # The operator's writes cause no difference, so none needs to be ignored.
    assert "ignoreDifferences" not in spec["template"]["spec"]


def test_projects_allow_only_what_their_applications_need(
    argocd: dict[tuple[str, str], Document], kustomize: Build
) -> None:
    project = argocd["AppProject", "dynconfig-operator"]["spec"]
    allowed = {item["kind"] for item in project["clusterResourceWhitelist"]}
    installed = kustomize(ROOT / "manifests" / "argocd" / "operator")
    assert allowed == {item["kind"] for item in installed if "namespace" not in item["metadata"]}
    assert {item["metadata"].get("namespace", "") for item in installed} == {"", "dynconfig-system"}
    shop = argocd["AppProject", "shop"]["spec"]
    assert [item["kind"] for item in shop["namespaceResourceWhitelist"]] == ["DynamicConfig"]
    built = [item for name in ENVIRONMENTS for item in kustomize(EXAMPLES / "environments" / name)]
    assert {item["kind"] for item in built} == {"DynamicConfig"}
    assert all(item["metadata"]["namespace"].startswith("shop-") for item in built)


def test_flux_waits_for_each_before_the_next(flux: dict[tuple[str, str], Document]) -> None:
    order = ["dynconfig-operator", "shop-dev", "shop-staging", "shop-prod"]
    for name, before in zip(order, ["", *order], strict=False):
        spec = flux["Kustomization", name]["spec"]
        assert spec["wait"] is True
        assert [item["name"] for item in spec.get("dependsOn", [])] == ([before] if before else [])
        assert ("GitRepository", spec["sourceRef"]["name"]) in flux
        root = ROOT if name == "dynconfig-operator" else EXAMPLES
        assert (root / spec["path"] / "kustomization.yaml").is_file()


def test_flux_keeps_the_crd(flux: dict[tuple[str, str], Document], kustomize: Build) -> None:
    built = kustomize(ROOT / flux["Kustomization", "dynconfig-operator"]["spec"]["path"])
    kept = {
        item["kind"]
        for item in built
        if item["metadata"].get("annotations", {}).get("kustomize.toolkit.fluxcd.io/prune") == "disabled"
    }
    assert kept == {"CustomResourceDefinition", "ValidatingAdmissionPolicy", "ValidatingAdmissionPolicyBinding"}


def test_component_for_irsa_adds_the_role_that_the_chart_adds(kustomize: Build, render: Render, tmp_path: Path) -> None:
    for name in ("crds", "manifests"):
        shutil.copytree(ROOT / name, tmp_path / name)
    lines = ["apiVersion: kustomize.config.k8s.io/v1beta1", "kind: Kustomization", "resources: [manifests/install]"]
    (tmp_path / "kustomization.yaml").write_text("\n".join([*lines, "components: [manifests/irsa]"]))
    built = kustomize(tmp_path)
    added = [item for item in built if item not in kustomize(ROOT / "manifests" / "install")]
    role = {"eks.amazonaws.com/role-arn": "arn:aws:iam::123456789012:role/dynconfig-operator"}
    charted = rendered(render({"serviceAccount": {"annotations": role}}))
    (account,) = (item for item in charted if item["kind"] == "ServiceAccount")
    assert [(item["kind"], item["metadata"]["annotations"]) for item in added] == [("ServiceAccount", role)]
    assert account["metadata"]["annotations"] == role


def test_served_namespaces_are_those_with_a_role_binding(kustomize: Build) -> None:
    documents = kustomize(ROOT / "manifests" / "namespaced")
    bound = {
        item["metadata"].get("namespace", "all")
        for item in documents
        if item.get("roleRef", {}).get("name") == "dynconfig-operator"
    }
    (deployment,) = (item for item in documents if item["kind"] == "Deployment")
    (container,) = deployment["spec"]["template"]["spec"]["containers"]
    (served,) = (item["value"] for item in container["env"] if item["name"] == "DYNCONFIG_NAMESPACES")
    assert bound == set(served.split(","))
    roles = {item["metadata"]["name"]: item["rules"] for item in documents if item["kind"] == "ClusterRole"}
    everywhere = {item["roleRef"]["name"] for item in documents if item["kind"] == "ClusterRoleBinding"}
    assert not [rule for name in everywhere for rule in roles[name] if "secrets" in rule["resources"]]
