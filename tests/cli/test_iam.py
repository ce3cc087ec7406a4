"""The account and region of `dynconfig iam`: those of the credentials, and no guesses."""

import json
from pathlib import Path
from typing import Any

import pytest
import yaml
from tests.cli.cli_harness import CliHarness
from tests.cli.shell import dynconfig
from tests.kube.api import Answer, api, status


def test_account_and_region_are_those_of_the_credentials(harness: CliHarness) -> None:
    account = harness.aws("sts").get_caller_identity()["Account"]
    result = dynconfig("iam", "--path", "/shop", **{**harness.environment, "AWS_REGION": "us-east-2"})
    assert result.code == 0, result.err
    assert json.loads(result.out)["Statement"][0]["Resource"] == [f"arn:aws:ssm:us-east-2:{account}:parameter/shop/*"]


def test_account_is_required_without_credentials() -> None:
    result = dynconfig("iam", "--path", "/shop", AWS_REGION="eu-west-1")
    assert (result.code, result.out) == (1, "")
    assert result.err.startswith("error: --account is not set and cannot be determined: no AWS credentials")


def test_region_is_required_if_not_configured() -> None:
    result = dynconfig("iam", "--path", "/shop", "--account", "123456789012")
    assert (result.code, result.out) == (1, "")
    assert result.err.startswith("error: --region is not set, and there is no AWS region: set AWS_REGION")
    assert "AWS_DEFAULT_REGION" in result.err


TARGET = """\
apiVersion: dynconfig.dev/v1alpha1
kind: AWSTarget
metadata: {name: prod}
spec:
  region: eu-west-1
  account: "123456789012"
  assumeRole: {roleArn: "arn:aws:iam::123456789012:role/dynconfig", sessionTags: true}
  allow: [{namespaces: [shop], paths: ["/{namespace}"], resources: [parameters, attach]}]
"""
OPERATOR = "arn:aws:iam::999999999999:role/dynconfig-operator"
EKS = ("--eks-cluster", "arn:aws:eks:eu-west-1:999999999999:cluster/prod")


@pytest.fixture
def target(tmp_path: Path) -> str:
    path = tmp_path / "prod.yaml"
    path.write_text(TARGET)
    return str(path)


def statements(*arguments: str, **environment: str) -> list[dict[str, Any]]:
    result = dynconfig("iam", *arguments, **environment)
    assert result.code == 0, result.err
    found: list[dict[str, Any]] = json.loads(result.out)["Statement"]
    return found


def test_policy_of_a_target_needs_no_credentials_and_is_extended_by_options(target: str) -> None:
    key = "arn:aws:kms:eu-west-1:123456789012:key/1"
    result = dynconfig("iam", "--target", target)
    assert "pass their names with --attached-role" in result.err
    more = statements("--target", target, "--key", key, "--attached-role", "team-*")
    added = {each["Sid"] for each in more} - {each["Sid"] for each in json.loads(result.out)["Statement"]}
    assert added == {"Keys", "Attached", "AttachedRoles", "AttachedRolePolicies"}


def test_own_role_may_assume_the_roles_of_targets_beside_its_own_policy(target: str) -> None:
    alone = statements("--assume", target, *EKS)
    assert [each["Sid"] for each in alone] == ["Targets", "TargetTags"]
    place = ("--path", "/a", "--account", "999999999999", "--region", "eu-west-1")
    assert statements(*place, "--assume", target) == [*statements(*place), *alone]
    assert statements(*place, "--assume", target, "--part", "functions") == statements(*place, "--part", "functions")


def test_trust_of_a_target_names_the_cluster_of_its_session_tags(target: str) -> None:
    asked = ("--trust", "target", "--target", target, "--operator-role", OPERATOR)
    for found in statements(*asked, DYNCONFIG_CLUSTER_ID="blue"):
        assert found["Principal"] == {"AWS": OPERATOR}
        assert found["Condition"]["StringEquals"]["aws:RequestTag/dynconfig.dev/cluster"] == "blue"
    result = dynconfig("iam", *asked)
    assert (result.code, result.out) == (1, "")
    assert result.err.startswith("error: session tags name the cluster: set DYNCONFIG_CLUSTER_ID")


def test_trust_names_the_service_account(target: str) -> None:
    own = ("--service-account", "ops/writer")
    provider = "arn:aws:iam::999999999999:oidc-provider/oidc.eks.eu-west-1.amazonaws.com/id/A"
    (irsa,) = statements("--trust", "irsa", "--oidc-provider", provider, *own)
    assert irsa["Condition"]["StringEquals"][f"{provider.partition('/')[2]}:sub"] == "system:serviceaccount:ops:writer"
    (pod,) = statements("--trust", "pod-identity", *EKS, *own)
    assert pod["Condition"]["StringEquals"]["aws:RequestTag/kubernetes-service-account"] == "writer"


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        ((), 64, "--path: missing; or pass --target, --assume or --trust"),
        (("--trust", "irsa"), 64, "--oidc-provider: missing; required with --trust irsa"),
        (("--trust", "pod-identity"), 64, "--eks-cluster: missing; required with --trust pod-identity"),
        (("--trust", "target", "--target", "FILE"), 64, "--operator-role: missing; required with --trust target"),
        (("--trust", "pod-identity", *EKS, "--path", "/a"), 64, "--path: not used with --trust pod-identity"),
        (("--target", "FILE", "--path", "/a", "--alarms"), 64, "--path, --alarms: not used with --target"),
        (("--assume", "FILE", "--part", "functions"), 64, "--part: not used with --assume"),
        (("--target", "gone.yaml"), 1, "gone.yaml cannot be read"),
        (("--target", "gone"), 1, "no Kubernetes cluster"),
        (
            ("--trust", "pod-identity", "--eks-cluster", "prod"),
            1,
            "--eks-cluster: invalid value 'prod', expected e.g. arn",
        ),
        (("--trust", "irsa", "--oidc-provider", "oidc.eks"), 1, "--oidc-provider: invalid value 'oidc.eks'"),
        (("--path", "/a", "--service-account", "x"), 1, "--service-account: invalid value 'x'"),
        (("--path", "/a", "--key", "arn:aws:kms:eu-west-1:123456789012:alias/*"), 1, "--key: invalid value"),
    ],
)
def test_wrong_combinations_are_rejected(arguments: tuple[str, ...], code: int, words: str, target: str) -> None:
    result = dynconfig("iam", *(target if each == "FILE" else each for each in arguments), COLUMNS="200")
    assert (result.code, result.out) == (code, "")
    assert words in result.err


def test_target_without_a_role_has_no_trust_policy(tmp_path: Path) -> None:
    path = tmp_path / "own.yaml"
    path.write_text("\n".join(line for line in TARGET.splitlines() if "assumeRole" not in line))
    result = dynconfig("iam", "--trust", "target", "--target", str(path), "--operator-role", OPERATOR)
    assert result.err == "error: AWSTarget prod has no spec.assumeRole: the operator uses its own identity there\n"


def test_target_and_cluster_id_are_read_from_the_cluster(tmp_path: Path, target: str) -> None:
    in_cluster = {**yaml.safe_load(TARGET), "metadata": {"name": "prod", "uid": "t"}}

    def answer(path: str) -> Answer:
        if path.endswith("/awstargets/prod"):
            return 200, json.dumps(in_cluster).encode()
        if path.endswith("/namespaces/kube-system"):
            return 200, json.dumps({"metadata": {"uid": "blue"}}).encode()
        return status(404, "NotFound")

    with api(answer) as server:
        cluster = {"KUBECONFIG": str(server.kubeconfig(tmp_path))}
        assert statements("--target", "prod", **cluster) == statements("--target", target)
        trusted = statements("--trust", "target", "--target", "prod", "--operator-role", OPERATOR, **cluster)
        missing = dynconfig("iam", "--target", "gone", **cluster)
    assert {each["Condition"]["StringEquals"]["aws:RequestTag/dynconfig.dev/cluster"] for each in trusted} == {"blue"}
    assert missing.err == "error: AWSTarget gone not found, and there is no file with this name\n"
