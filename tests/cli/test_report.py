"""`dynconfig report --orphans`: AWS resources of deleted objects."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from tests.cli.cli_harness import OWNER, CliHarness
from tests.kube.api import Answer, api, listed, status

pytestmark = pytest.mark.lab


def answering(*uids: str, **spec: str) -> Callable[[str], Answer]:
    """A cluster with objects of these uids."""
    documents = [
        {"metadata": {"namespace": "shop", "name": f"n{uid}", "uid": uid}, "spec": {"path": "/myapp/config", **spec}}
        for uid in uids
    ]

    def answer(path: str) -> Answer:
        return listed(*documents) if "dynamicconfigs" in path else status(404, path)

    return answer


def report(harness: CliHarness, folder: Path, *uids: str, output: str = "json") -> tuple[int, str]:
    """Exit code and output beside a cluster with objects of these uids."""
    with api(answering(*uids)) as found:
        environment = {"KUBECONFIG": str(found.kubeconfig(folder)), "DYNCONFIG_CLUSTER_ID": OWNER.cluster}
        result = harness.dynconfig("report", "--orphans", "-o", output, **environment)
    return result.code, result.out or result.err


def test_resource_of_an_existing_object_is_not_an_orphan(harness: CliHarness, tmp_path: Path) -> None:
    harness.applied()
    assert report(harness, tmp_path, OWNER.uid) == (0, "[]\n")


def test_orphan_is_reported_with_how_to_remove_it(harness: CliHarness, tmp_path: Path) -> None:
    harness.applied()
    code, text = report(harness, tmp_path, "uid-of-a-later-one")
    assert code == 2
    assert [(item["namespace"], item["name"], item["uid"]) for item in json.loads(text)] == [
        ("shop", "myapp", OWNER.uid)
    ] * 3
    assert {item["arn"].partition(":parameter")[2] for item in json.loads(text)} == {
        f"/myapp/config/database/{name}" for name in ("host", "port", "password")
    }
    code, text = report(harness, tmp_path, output="text")
    assert "3 orphans. To adopt them, create an object with the same namespace and name" in text


def test_region_of_a_denied_object_is_not_searched(harness: CliHarness, tmp_path: Path) -> None:
    harness.applied()
    with api(answering("refused", region="eu-west-9")) as found:
        environment = {"KUBECONFIG": str(found.kubeconfig(tmp_path)), "DYNCONFIG_CLUSTER_ID": OWNER.cluster}
        result = harness.dynconfig("report", "--orphans", "-o", "json", **environment)
    assert (result.code, result.err, len(json.loads(result.out))) == (2, "", 3)


def test_failing_region_is_named_and_the_others_are_reported(harness: CliHarness, tmp_path: Path) -> None:
    harness.applied()
    with api(answering("later")) as found:
        environment = {"KUBECONFIG": str(found.kubeconfig(tmp_path)), "DYNCONFIG_CLUSTER_ID": OWNER.cluster}
        # It is sorted before the region of the resources.
        arguments = ("report", "--orphans", "--region", "ap-south-9", "-o")
        listed, printed = (harness.dynconfig(*arguments, output, **environment) for output in ("json", "text"))
    assert (listed.code, printed.code) == (1, 1)
    assert len(json.loads(listed.out)) == 3
    assert "3 orphans" in printed.out
    assert "ap-south-9 is not an AWS region known to this version" in listed.err
    assert "1 search failed" in printed.err


def test_account_of_a_target_is_not_said_to_be_without_orphans(harness: CliHarness, tmp_path: Path) -> None:
    target = {"metadata": {"name": "prod-eu"}, "spec": {"account": "222222222222", "region": "eu-central-1"}}

    def answer(path: str) -> Answer:
        return listed(target) if "awstargets" in path else answering(OWNER.uid)(path)

    with api(answer) as found:
        environment = {"KUBECONFIG": str(found.kubeconfig(tmp_path)), "DYNCONFIG_CLUSTER_ID": OWNER.cluster}
        result = harness.dynconfig("report", "--orphans", **environment)
    assert (result.code, result.out) == (1, "The other searches found no orphans.\n")
    assert "AWSTarget prod-eu: account 222222222222 was not searched in eu-central-1" in result.err


def test_roles_schedules_and_dashboards_of_a_lost_object_are_found(harness: CliHarness, tmp_path: Path) -> None:
    function = {"triggers": {"schedule": "rate(1 hour)"}}
    harness.applied(function=function, dashboard=True)
    iam, scheduler = harness.aws("iam"), harness.aws("scheduler")
    allowed = {"Effect": "Allow", "Principal": {"Service": "lambda.amazonaws.com"}, "Action": "sts:AssumeRole"}
    trust = json.dumps({"Version": "2012-10-17", "Statement": [allowed]})
    iam.create_role(RoleName="theirs", AssumeRolePolicyDocument=trust)
    code, text = report(harness, tmp_path, "uid-of-a-later-one")
    found = {item["arn"].partition(":")[2].split(":", 1)[1] for item in json.loads(text)}
    assert code == 2
    assert {
        "iam::123456789012:role/dynconfig/dynconfig-shop-myapp-eu-west-1-function",
        "iam::123456789012:role/dynconfig/dynconfig-shop-myapp-eu-west-1-schedule",
        "scheduler:eu-west-1:123456789012:schedule/default/dynconfig-shop-myapp",
        "cloudwatch::123456789012:dashboard/dynconfig-shop-myapp-eu-west-1",
    } <= found
    assert not [arn for arn in found if "theirs" in arn]
    assert {item["region"] for item in json.loads(text)} == {"eu-west-1", "all"}
    assert report(harness, tmp_path, OWNER.uid) == (0, "[]\n")
    assert scheduler.list_schedules()["Schedules"]
