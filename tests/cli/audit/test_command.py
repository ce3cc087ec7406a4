"""`dynconfig report`: what is managed, by whom, and what drifted; parameters without an owner with --unmanaged."""

import json
from collections.abc import Callable
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
from tests.cli.cli_harness import OWNER, CliHarness
from tests.cli.shell import Result
from tests.kube.api import Answer, api, listed, status

from dynconfig.api import names

pytestmark = pytest.mark.lab

TIME = "2026-12-01T00:00:00Z"
CANARY = "value-canary"
ALICE = "arn:aws:sts::222222222222:assumed-role/Admin/alice"


def config(name: str, **more: Any) -> dict[str, Any]:
    """An object in sync with a parameter, whose value may be shown nowhere."""
    path = f"/myapp/{name}"
    fields: dict[str, Any] = {"f:spec": {"f:path": {}}}
    ready = {"type": "Ready", "status": "True", "reason": "InSync", "message": "1 of 1", "lastTransitionTime": TIME}
    return {
        "metadata": {
            "namespace": "shop",
            "name": name,
            "uid": f"uid-{name}",
            "generation": 1,
            "annotations": {"kubectl.kubernetes.io/last-applied-configuration": CANARY},
            "managedFields": [{"manager": "argocd", "operation": "Apply", "time": TIME, "fieldsV1": fields}],
        },
        "spec": {"path": path, "parameters": [{"name": "a", "value": CANARY}], **more.get("spec", {})},
        "status": {
            "observedGeneration": 1,
            "region": "eu-west-1",
            "lastObservedTime": TIME,
            "conditions": [ready],
            "parameters": [{"name": f"{path}/a", "type": "String", "version": 3}],
            **more.get("status", {}),
        },
    }


DRIFT = {
    "resource": "Parameter /myapp/drifted/a",
    "field": "description",
    "declared": "ours",
    "observed": "theirs",
    "since": TIME,
    "lastModifiedBy": ALICE,
}


def event(reason: str) -> dict[str, Any]:
    return {
        "metadata": {"namespace": "shop"},
        "involvedObject": {"namespace": "shop", "name": "drifted"},
        "reason": reason,
        "message": f"{reason} (by {ALICE})",
        "lastTimestamp": TIME,
        "count": 2,
    }


def answering(
    *objects: dict[str, Any], events: Answer | None = None, targets: Answer | None = None
) -> Callable[[str], Answer]:
    """A cluster that lists two objects a page."""

    def answer(path: str) -> Answer:
        if "awstargets" in path:
            return targets or status(404, path)
        if "/events" in path:
            return events or listed(event("DriftFound"), event("Created"), event("DriftCorrected"))
        begin = int(parse_qs(urlsplit(path).query).get("continue", ["0"])[0])
        more = {"continue": str(begin + 2)} if begin + 2 < len(objects) else {}
        page = {"metadata": {"resourceVersion": "5", **more}, "items": objects[begin : begin + 2]}
        return 200, json.dumps(page).encode()

    return answer


def report(harness: CliHarness, answer: Callable[[str], Answer], *arguments: str) -> Result:
    with api(answer) as found:
        return harness.dynconfig("report", *arguments, KUBECONFIG=str(found.kubeconfig(harness.folder)))


def document(harness: CliHarness, answer: Callable[[str], Answer], *arguments: str) -> Any:
    return json.loads(report(harness, answer, *arguments, "-o", "json").out)


def test_objects_of_all_pages_are_reported_in_every_format_without_a_value(harness: CliHarness) -> None:
    objects = [config(f"app-{number}") for number in range(5)]
    found = {output: report(harness, answering(*objects), "-o", output) for output in ("text", "json", "html")}
    for result in found.values():
        assert (result.code, result.err) == (0, "")
        assert CANARY not in result.out
        assert all(f"app-{number}" in result.out for number in range(5))
    first = json.loads(found["json"].out)["resources"][0]
    assert first == {
        "account": "",
        "region": "eu-west-1",
        "namespace": "shop",
        "name": "app-0",
        "kind": "Parameter",
        "resource": "/myapp/app-0/a",
        "type": "String",
        "version": 3,
        "lastModified": "",
        "deletionPolicy": "Delete",
        "arn": "",
    }
    assert json.loads(found["json"].out)["objects"][0]["managers"] == [f"argocd (Apply {TIME})"]
    assert found["html"].out.startswith("<!doctype html>")
    assert found["html"].out.isascii()


def test_drift_and_its_history_name_who_changed_it(harness: CliHarness) -> None:
    found = document(harness, answering(config("drifted", status={"drift": [DRIFT]})), "-n", "shop")
    (drift,) = found["drift"]
    assert (drift["resource"], drift["lastModifiedBy"]) == (DRIFT["resource"], ALICE)
    assert [(item["reason"], item["count"]) for item in found["driftHistory"]] == [
        ("DriftFound", 2),
        ("DriftCorrected", 2),
    ]
    assert ALICE in found["driftHistory"][0]["message"]


def test_part_that_cannot_be_read_is_named_and_the_rest_is_reported(harness: CliHarness) -> None:
    targets = status(403, "awstargets is forbidden")
    result = report(harness, answering(config("a"), events=status(403, "events is forbidden"), targets=targets), "-A")
    assert result.code == 1
    assert "/myapp/a" in result.out
    assert "Drift history: the Kubernetes API server: events is forbidden" in result.err
    assert "Targets: the Kubernetes API server: awstargets is forbidden" in result.err
    assert "the report is incomplete" in result.err


def test_user_of_one_namespace_without_targets_needs_no_permission_to_list_them(harness: CliHarness) -> None:
    result = report(harness, answering(config("a"), targets=status(403, "forbidden")), "-n", "shop")
    assert (result.code, result.err) == (0, "")


def test_parameters_without_an_owner_are_found_below_the_paths_only(harness: CliHarness) -> None:
    harness.applied()
    other = f"other/team/cart/{OWNER.uid}"
    for name in ("/myapp/config/forgotten", "/myapp/configuration/beside", "/myapp/config/sub/theirs"):
        harness.ssm.put_parameter(Name=name, Value=CANARY, Type="String")
    harness.ssm.add_tags_to_resource(
        ResourceType="Parameter", ResourceId="/myapp/config/sub/theirs", Tags=[{"Key": names.OWNER_TAG, "Value": other}]
    )
    below = [config(name, spec={"path": path}) for name, path in (("a", "/myapp/config"), ("b", "/myapp/config/sub"))]
    invalid = config("c", spec={"path": "/aws/service"})
    result = report(harness, answering(*below, invalid), "--unmanaged", "-o", "json")
    assert (result.code, result.err) == (0, "")
    (found,) = json.loads(result.out)["unmanaged"]
    assert (found["account"], found["region"]) == ("123456789012", "eu-west-1")
    assert (found["parameter"], found["type"], found["version"]) == ("/myapp/config/forgotten", "String", 1)
    assert found["lastModifiedBy"].startswith("arn:aws:iam::")
    assert CANARY not in result.out


def test_account_of_other_credentials_and_unknown_region_are_named(harness: CliHarness) -> None:
    target = {"metadata": {"name": "prod-eu"}, "spec": {"account": "222222222222", "region": "eu-west-1"}}
    there = config("there", spec={"target": "prod-eu"})
    lost = config("lost", spec={"target": "lost"})
    wrong = config("wrong", status={"region": "eu-west-99"})
    result = report(harness, answering(there, lost, wrong, targets=listed(target)), "--unmanaged")
    assert result.code == 1
    assert "in account 222222222222: the credentials belong to account 123456789012" in result.err
    assert "in account of AWSTarget lost: the credentials belong" in result.err
    assert "Unmanaged parameters in eu-west-99: eu-west-99 is not an AWS region" in result.err


@pytest.mark.parametrize(
    "arguments",
    [
        ("--region", "eu-west-1"),
        ("--orphans", "-n", "shop"),
        ("--orphans", "-A"),
        ("--orphans", "--unmanaged"),
        ("--orphans", "-o", "html"),
    ],
    ids=" ".join,
)
def test_option_of_the_other_report_is_a_usage_error(harness: CliHarness, arguments: tuple[str, ...]) -> None:
    result = harness.dynconfig("report", *arguments)
    assert (result.code, result.out) == (64, "")
    assert "orphans" in result.err
