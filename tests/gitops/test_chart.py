"""The Helm chart: with default values it equals manifests/install, and every value reaches the operator unchanged."""

import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml
from tests.gitops.conftest import CHART, Build, Document, Render, own, rendered

from dynconfig import tenants
from dynconfig.settings import Settings, Tenancy

pytestmark = pytest.mark.tools

ROOT = Path(__file__).parents[2]
INSTALL = ROOT / "manifests" / "install"
ACCOUNT = "dynconfig-operator"
OF_HELM = ("app.kubernetes.io/instance", "app.kubernetes.io/managed-by", "app.kubernetes.io/version", "helm.sh/chart")


def test_default_values_equal_the_kustomize_installation(render: Render, kustomize: Build) -> None:
    charted = {_key(document): _without_helm(document) for document in rendered(render({}))}
    # The chart builds the policy from its values; kustomize's is written by hand, and no installation resets it.
    (policy,) = (key for key in charted if "ConfigMap" in key)
    del charted[policy]
    installed = {_key(document): document for document in kustomize(INSTALL) if document["kind"] != "Namespace"}
    assert charted.keys() == installed.keys()
    for key, document in installed.items():
        assert charted[key] == _without_labels(document), key


def test_chart_shares_the_crd_and_the_rbac_rules() -> None:
    crd = ROOT / "crds" / "dynamicconfigs.dynconfig.dev.yaml"
    assert (CHART / "files" / "crd.yaml").read_text() == crd.read_text(), "run `make chart`"
    targets = crd.parent / "awstargets.dynconfig.dev.yaml"
    assert (CHART / "files" / "targets.yaml").read_text() == targets.read_text(), "run `make chart`"
    for name in ("protection.yaml", "limits.yaml", "secrets.yaml", "access.yaml"):
        assert (CHART / "files" / name).read_text() == (crd.parent / name).read_text(), "run `make chart`"
    for name in ("rbac.yaml", "operator-writes.yaml", "networkpolicy.yaml"):
        assert (CHART / "files" / name).read_text() == (INSTALL / name).read_text(), "run `make chart`"


def test_version_is_that_of_the_project() -> None:
    chart = yaml.safe_load((CHART / "Chart.yaml").read_text())
    version = f'version = "{chart["version"]}"'
    assert version in (ROOT / "pyproject.toml").read_text()
    assert chart["appVersion"] == chart["version"]


QUEUES = [f"https://sqs.us-west-2.amazonaws.com/123456789012/ours-{shard}" for shard in range(2)]


def test_every_value_is_parsed_by_the_operator_as_written(render: Render) -> None:
    values = {
        "region": "us-west-2",
        "allowedRegions": ["us-west-2", "us-east-1"],
        "namespaces": ["shop", "cart"],
        "allowedPaths": {"shop": ["/shop", "/common"], "*": ["/apps"]},
        "tenancy": "single",
        "quota": {"ssm.Put": 10, "ssm.Get": 0.5},
        "ignoredTags": ["aws:", "cost-"],
        "tags": {"CostCenter": "4711", "team": "shop floor"},
        "defaultTarget": "prod-eu",
        "boundary": "arn:aws:iam::123456789012:policy/boundary",
        "events": {"enabled": False, "queueUrls": QUEUES},
        "shards": 2,
        "clusterId": "blue",
        "workers": 8,
        "turnSeconds": 30,
        "log": {"level": "debug", "format": "text"},
        "metrics": {"port": 9191, "objects": 0},
        "health": {"port": 8181},
    }
    found = Settings.from_environment(_environment(_deployment(render(values))))
    assert found == Settings(
        region="us-west-2",
        allowed_regions=("us-west-2", "us-east-1"),
        namespaces=("shop", "cart"),
        allowed_paths={"shop": ("/shop", "/common"), "*": ("/apps",)},
        tenancy=Tenancy.SINGLE,
        quota={"ssm.Put": 10, "ssm.Get": 0.5},
        ignored_tags=("aws:", "cost-"),
        tags={"CostCenter": "4711", "team": "shop floor"},
        default_target="prod-eu",
        boundary="arn:aws:iam::123456789012:policy/boundary",
        events_enabled=False,
        queue_urls=tuple(QUEUES),
        shards=2,
        cluster_id="blue",
        workers=8,
        turn_seconds=30,
        log_level="DEBUG",
        log_format="text",
        metrics_port=9191,
        object_metrics=0,
        health_port=8181,
    )
    # In a cluster the log format has another default.
    unset = {name for name in Settings.model_fields if getattr(found, name) == getattr(Settings(), name)}
    unset -= {"lease_namespace", "lease_seconds", "lease_renew_seconds", "lease_retry_seconds"}
    assert unset == {"is_emulated", "log_format", "pod_name", "policy_file"}


def test_policy_of_a_shared_cluster_is_parsed_as_written(render: Render, tmp_path: Path) -> None:
    rule = {"namespaces": ["shop"], "paths": ["/{namespace}"], "resources": ["parameters", "attach"]}
    documents = rendered(render({"allow": [rule]}))
    (found,) = (item for item in documents if item["kind"] == "ConfigMap")
    file = tmp_path / "policy.yaml"
    file.write_text(found["data"]["policy.yaml"])
    assert tenants.policy(file).model_dump(mode="json", exclude_unset=True) == {"allow": [rule]}
    deployment = _deployment_in(documents)
    (volume,) = (item for item in deployment["spec"]["template"]["spec"]["volumes"] if item["name"] == "policy")
    assert volume["configMap"]["name"] == found["metadata"]["name"]
    assert _environment(deployment)["DYNCONFIG_POLICY"] == "/etc/dynconfig/policy.yaml"


def test_cluster_of_one_team_has_no_policy(render: Render) -> None:
    documents = rendered(render({"tenancy": "single"}))
    assert not [item for item in documents if item["kind"] == "ConfigMap"]
    assert Settings.from_environment(_environment(_deployment_in(documents))).tenancy is Tenancy.SINGLE


def test_region_is_left_to_the_variables_of_eks(render: Render, kustomize: Build) -> None:
    # IRSA and Pod Identity set AWS_REGION and AWS_DEFAULT_REGION unless the pod sets them itself.
    # https://docs.aws.amazon.com/eks/latest/userguide/pod-id-how-it-works.html
    for documents in (rendered(render({})), kustomize(INSTALL)):
        assert (
            not {"AWS_REGION", "AWS_DEFAULT_REGION", "DYNCONFIG_REGION"}
            & _environment(_deployment_in(documents)).keys()
        )


def test_operator_of_single_namespaces_may_read_only_there(render: Render) -> None:
    documents = rendered(render({"namespaces": ["shop", "cart"]}))
    bound = [(item["kind"], item["metadata"].get("namespace")) for item in _bindings(documents, "dynconfig-operator")]
    assert sorted(bound) == [("RoleBinding", "cart"), ("RoleBinding", "shop")]
    everywhere = _bindings(rendered(render({})), "dynconfig-operator")
    assert [item["kind"] for item in everywhere] == ["ClusterRoleBinding"]


def test_aws_role_is_set_by_annotation(render: Render) -> None:
    role = {"eks.amazonaws.com/role-arn": "arn:aws:iam::123456789012:role/dynconfig"}
    documents = rendered(render({"serviceAccount": {"name": "other", "annotations": role}}))
    (account,) = (item for item in documents if item["kind"] == "ServiceAccount")
    assert (account["metadata"]["name"], account["metadata"]["annotations"]) == ("other", role)
    assert _pod(_deployment_in(documents))["serviceAccountName"] == "other"
    subjects = {subject["name"] for item in documents for subject in item.get("subjects", ())}
    assert subjects == {"other"}


def test_operator_limits_apply_to_its_service_account(render: Render) -> None:
    documents = rendered(render({"serviceAccount": {"create": False, "name": "theirs"}}, "platform"))
    (policy,) = (
        item
        for item in documents
        if item["kind"] == "ValidatingAdmissionPolicy" and item["metadata"]["name"] == ACCOUNT
    )
    (condition,) = policy["spec"]["matchConditions"]
    assert condition["expression"] == "request.userInfo.username == 'system:serviceaccount:platform:theirs'"
    assert policy["spec"]["failurePolicy"] == "Fail"
    (binding,) = (item for item in documents if item.get("spec", {}).get("policyName") == ACCOUNT)
    assert binding["spec"]["validationActions"] == ["Deny"]


def test_token_is_mounted_only_into_the_operators_pod(render: Render) -> None:
    documents = rendered(render({}))
    (account,) = (item for item in documents if item["kind"] == "ServiceAccount")
    assert account["automountServiceAccountToken"] is False
    assert _pod(_deployment_in(documents))["automountServiceAccountToken"] is True


def test_network_policy_selects_the_pod_and_accepts_more_rules(render: Render) -> None:
    proxy = {"ports": [{"port": 3128}]}
    documents = rendered(render({"networkPolicy": {"egress": [proxy]}, "metrics": {"port": 9191}}, "platform"))
    (policy,) = (item for item in documents if item["kind"] == "NetworkPolicy")
    template = _deployment_in(documents)["spec"]["template"]
    assert policy["metadata"]["namespace"] == "platform"
    assert policy["spec"]["podSelector"]["matchLabels"].items() <= template["metadata"]["labels"].items()
    ports = {port["name"] for port in template["spec"]["containers"][0]["ports"]}
    assert {port["port"] for rule in policy["spec"]["ingress"] for port in rule["ports"]} == ports
    assert policy["spec"]["egress"][-1] == proxy
    assert all(rule.get("ports") for rule in policy["spec"]["egress"])
    assert "NetworkPolicy" not in {item["kind"] for item in rendered(render({"networkPolicy": {"enabled": False}}))}


def test_existing_service_account_is_used(render: Render) -> None:
    documents = rendered(render({"serviceAccount": {"create": False, "name": "theirs"}}))
    assert "ServiceAccount" not in {item["kind"] for item in documents}
    assert _pod(_deployment_in(documents))["serviceAccountName"] == "theirs"


def test_image_size_and_placement_are_configurable(render: Render) -> None:
    values = {
        "image": {"repository": "registry.example/dynconfig", "tag": "1.2.3", "pullPolicy": "Always"},
        "imagePullSecrets": [{"name": "pull"}],
        "replicas": 0,
        "resources": {"requests": {"cpu": "1"}, "limits": {"memory": "1Gi"}},
        "podLabels": {"team": "platform"},
        "podAnnotations": {"note": "x"},
        "nodeSelector": {"pool": "system"},
        "tolerations": [{"operator": "Exists"}],
        "extraEnv": [{"name": "AWS_ENDPOINT_URL", "value": "http://aws:4566"}],
    }
    deployment = _deployment(render(values))
    pod, template = _pod(deployment), deployment["spec"]["template"]["metadata"]
    (container,) = pod["containers"]
    assert deployment["spec"]["replicas"] == 0
    assert (container["image"], container["imagePullPolicy"]) == ("registry.example/dynconfig:1.2.3", "Always")
    assert container["resources"]["limits"] == {"memory": "1Gi"}
    assert template["labels"]["team"] == "platform"
    assert template["annotations"] == {"note": "x"}
    assert {key: pod[key] for key in ("imagePullSecrets", "nodeSelector", "tolerations")} == {
        key: values[key] for key in ("imagePullSecrets", "nodeSelector", "tolerations")
    }
    assert _environment(deployment)["AWS_ENDPOINT_URL"] == "http://aws:4566"


def test_pod_monitor_finds_the_pods_and_their_port(render: Render) -> None:
    documents = rendered(render({"metrics": {"podMonitor": {"enabled": True, "labels": {"release": "p"}}}}))
    (monitor,) = (item for item in documents if item["kind"] == "PodMonitor")
    deployment = _deployment_in(documents)
    assert monitor["metadata"]["labels"]["release"] == "p"
    assert (
        monitor["spec"]["selector"]["matchLabels"].items()
        <= deployment["spec"]["template"]["metadata"]["labels"].items()
    )
    (endpoint,) = monitor["spec"]["podMetricsEndpoints"]
    assert endpoint["port"] in {port["name"] for port in _pod(deployment)["containers"][0]["ports"]}


def test_crd_and_its_protection_outlive_the_chart_and_can_be_omitted(render: Render) -> None:
    kept = {
        _key(item)
        for item in rendered(render({}))
        if item["metadata"].get("annotations", {}).get("helm.sh/resource-policy") == "keep"
    }
    kinds = {kind for kind, _name in kept}
    assert kinds == {"CustomResourceDefinition", "ValidatingAdmissionPolicy", "ValidatingAdmissionPolicyBinding"}
    assert not kept & {_key(item) for item in rendered(render({"crd": {"install": False}}))}


def test_policies_can_be_omitted_and_the_one_for_secrets_can_warn(render: Render) -> None:
    without = {item["kind"] for item in rendered(render({"crd": {"policies": False}}))}
    assert "CustomResourceDefinition" in without
    assert not any(kind.startswith("ValidatingAdmissionPolicy") for kind in without)
    warning = rendered(render({"crd": {"secretAccess": "Warn"}}))
    bindings = [item for item in warning if item["kind"] == "ValidatingAdmissionPolicyBinding"]
    actions = {item["metadata"]["name"].partition("-")[0]: item["spec"]["validationActions"] for item in bindings}
    assert actions == {
        "keep": ["Deny"],
        "limit": ["Deny"],
        "access": ["Deny"],
        "dynconfig": ["Deny"],
        "secrets": ["Warn"],
    }


def test_helm_lint_reports_nothing(helm: Path, tmp_path: Path) -> None:
    result = subprocess.run(
        [str(helm), "lint", "--strict", str(CHART)], capture_output=True, text=True, check=False, env=own(tmp_path)
    )
    assert result.returncode == 0, result.stdout + result.stderr


def _deployment(result: "subprocess.CompletedProcess[str]") -> Document:
    return _deployment_in(rendered(result))


def _deployment_in(documents: list[Document]) -> Document:
    (found,) = (document for document in documents if document["kind"] == "Deployment")
    return found


def _pod(deployment: Document) -> Document:
    return dict(deployment["spec"]["template"]["spec"])


def _environment(deployment: Document) -> dict[str, str]:
    return {item["name"]: item["value"] for item in _pod(deployment)["containers"][0]["env"] if "value" in item}


def _bindings(documents: list[Document], role: str) -> list[Document]:
    return [item for item in documents if "roleRef" in item and item["roleRef"]["name"] == role]


def _key(document: Document) -> tuple[str, str]:
    return document["kind"], document["metadata"]["name"]


def _without_helm(document: Document) -> Document:
    """The document without what every chart adds, and without the defaults that kustomize leaves to the API server."""
    metadata: dict[str, Any] = document["metadata"]
    assert metadata["labels"].keys() >= set(OF_HELM)
    if document["kind"] == "Deployment":
        (container,) = _pod(document)["containers"]
        assert container.pop("imagePullPolicy") == "IfNotPresent"
    return _without_labels(document)


def _without_labels(document: Document) -> Document:
    return {**document, "metadata": {key: value for key, value in document["metadata"].items() if key != "labels"}}
