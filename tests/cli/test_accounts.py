"""Objects in AWSTargets: commands assume the role with the caller's credentials, and never read another account."""

import json
from pathlib import Path
from typing import Any

import pytest
import yaml
from botocore.exceptions import ClientError
from tests.cli.cli_harness import REGION, CliHarness
from tests.cli.shell import Result
from tests.kube.api import Answer, api, listed, status
from tests.lab.aws.clients import connect

from dynconfig_lab.aws.accounts import ACCOUNT
from dynconfig_lab.processes import wait_until

pytestmark = pytest.mark.lab

OTHER, THIRD, THERE = "210987654321", "333333333333", "eu-central-1"
METADATA = {"name": "myapp", "namespace": "shop", "uid": "uid-1", "generation": 1}
PARAMETER = {"name": "colour", "value": "blue"}
ALARM = {
    "name": "errors",
    "metric": "Errors",
    "namespace": "AWS/Lambda",
    "statistic": "Sum",
    "threshold": 1,
    "comparison": "GreaterThanThreshold",
}
Document = dict[str, Any]


class Places:
    """Roles and parameters in several accounts, and a target in the second one."""

    def __init__(self, harness: CliHarness) -> None:
        self.harness = harness
        self.lab = harness.lab

    def client(self, service: str, account: str = OTHER, region: str = THERE) -> Any:
        """A client of an administrator of an account."""
        keys = {"aws_access_key_id": account, "aws_secret_access_key": "lab"}
        return connect(self.lab.endpoint, service, keys, region_name=region)

    def role(self, name: str = "dynconfig", account: str = OTHER, **statement: Any) -> str:
        """A role that the caller may assume with the external ID; return its ARN."""
        condition = {"StringEquals": {"sts:ExternalId": "shop-4711"}}
        principal = {"Effect": "Allow", "Principal": {"AWS": ACCOUNT}, "Condition": condition, **statement}
        found = {"Action": ["sts:AssumeRole", "sts:TagSession"], **principal}
        trust = json.dumps({"Version": "2012-10-17", "Statement": [found]})
        created = self.client("iam", account).create_role(RoleName=name, AssumeRolePolicyDocument=trust)
        arn = str(created["Role"]["Arn"])
        # Other services see a new role, and its trust policy, seconds later.
        assert "Condition" in statement or wait_until(lambda: self._may_assume(arn), 30)
        return arn

    def _may_assume(self, arn: str) -> bool:
        try:
            self.harness.aws("sts").assume_role(RoleArn=arn, RoleSessionName="test", ExternalId="shop-4711")
        except ClientError:
            return False
        return True

    def target(self, name: str = "prod-eu", role: str | None = None, **spec: Any) -> Document:
        """An AWSTarget with this role, or one that may be assumed."""
        arn = role if role is not None else self.role()
        assumed = {"roleArn": arn, "externalId": "shop-4711", "sessionTags": True}
        return {
            "apiVersion": "dynconfig.dev/v1alpha1",
            "kind": "AWSTarget",
            "metadata": {"name": name, "uid": f"uid-{name}"},
            "spec": {
                "account": OTHER,
                "region": THERE,
                "allow": [{"namespaces": ["shop"], "paths": ["/{namespace}"]}],
                **({"assumeRole": assumed} if arn else {}),
                **spec,
            },
        }

    def put(self, account: str = OTHER, region: str = THERE, value: str = "blue") -> None:
        """A parameter of the object in an account."""
        tags = [{"Key": "dynconfig.dev/owner", "Value": "cluster/shop/myapp/uid-1"}]
        ssm = self.client("ssm", account, region)
        ssm.put_parameter(Name="/shop/colour", Value="blue", Type="String", Tags=tags)
        if value != "blue":
            ssm.put_parameter(Name="/shop/colour", Value=value, Overwrite=True)

    def files(self, *documents: Document) -> str:
        """A file with these objects."""
        file = self.harness.folder / "objects.yaml"
        file.write_text(yaml.safe_dump_all(documents))
        return str(file)

    def dynconfig(self, *words: str, **environment: str) -> Result:
        """Run a command; only its calls are counted."""
        self.lab.reset_calls()
        return self.harness.dynconfig(*words, **environment)

    def read_in(self, account: str) -> list[str]:
        """The operations that were called in an account, except for STS."""
        found = self.lab.calls_by_account().get(account, {})
        return sorted(name for name in found if not name.startswith("sts."))


def config(**spec: Any) -> Document:
    about = {"path": "/shop", "parameters": [PARAMETER], "target": "prod-eu", **spec}
    return {
        "apiVersion": "dynconfig.dev/v1alpha1",
        "kind": "DynamicConfig",
        "metadata": {"name": "myapp", "namespace": "shop"},
        "spec": {name: value for name, value in about.items() if value is not None},
    }


def written(**spec: Any) -> Document:
    """An object in a cluster that the operator wrote in the target."""
    listed_parameters = [{"name": "/shop/colour", "type": "String", "version": 1}]
    place = {"target": "prod-eu", "account": OTHER, "region": THERE}
    return {
        **config(**spec),
        "metadata": {**METADATA, "finalizers": ["dynconfig.dev/aws-resources"]},
        "status": {
            **place,
            "observedGeneration": 1,
            "appliedGeneration": 1,
            "lastObservedTime": "2026-11-24T12:00:00Z",
            "parameters": listed_parameters,
            "history": [
                {"revision": "4c1f19fd", "generation": 1, "time": "2026-11-24T12:00:00Z", "outcome": "Applied"},
            ],
        },
    }


@pytest.fixture
def places(harness: CliHarness) -> Places:
    return Places(harness)


def in_cluster(places: Places, *words: str, objects: tuple[Document, ...], **environment: str) -> Result:
    """A command in a cluster with these objects."""

    def answer(path: str) -> Answer:
        parts = path.partition("?")[0].split("/")
        kind = {"dynamicconfigs": "DynamicConfig", "awstargets": "AWSTarget"}.get(parts[-1])
        if kind:
            return listed(*(found for found in objects if found["kind"] == kind))
        named = (found for found in objects if found["metadata"]["name"] == parts[-1] and "dynconfig.dev" in path)
        one = next(named, None)
        return (200, json.dumps(one).encode()) if one else status(404, "not found", name=parts[-1])

    with api(answer) as server:
        more = {"KUBECONFIG": str(server.kubeconfig(places.harness.folder)), "DYNCONFIG_CLUSTER_ID": "cluster"}
        return places.dynconfig(*words, **{**more, **environment})


# --- with the manifest of the target, without a cluster


def test_plan_of_files_reads_the_account_of_the_target(places: Places) -> None:
    places.put(ACCOUNT, REGION, value="of the caller")
    file = places.files(places.target(tags={"env": "prod"}), config())
    result = places.dynconfig("plan", "-f", file, "--offline")
    assert result.code == 2, result.text
    assert f"shop/myapp /shop in {THERE} (AWSTarget prod-eu, account {OTHER})" in result.out
    assert "+ create Parameter /shop/colour" in " ".join(result.out.split()), result.out
    assert places.read_in(ACCOUNT) == []
    assert places.read_in(OTHER)
    (found,) = json.loads(places.dynconfig("plan", "-f", file, "--offline", "-o", "json").out)
    assert (found["target"], found["account"], found["region"]) == ("prod-eu", OTHER, THERE)


def test_default_target_decides_for_objects_that_name_none(places: Places) -> None:
    file = places.files(places.target(), config(target=None))
    result = places.dynconfig("plan", "-f", file, "--offline", DYNCONFIG_DEFAULT_TARGET="prod-eu")
    assert result.code == 2, result.text
    assert f"account {OTHER}" in result.out
    assert places.read_in(ACCOUNT) == []


def test_one_role_is_assumed_once_for_all_objects(places: Places) -> None:
    second = config(path="/shop/second")
    second["metadata"] = {"name": "second", "namespace": "shop"}
    file = places.files(places.target(), config(), second)
    assert places.dynconfig("plan", "-f", file, "--offline").code == 2
    assert places.lab.calls()["sts.AssumeRole"] == 1


def test_target_without_a_manifest_is_named(places: Places) -> None:
    result = places.dynconfig("plan", "-f", places.files(config()), "--offline")
    assert (result.code, places.read_in(ACCOUNT)) == (1, [])
    assert "AWSTarget prod-eu is not in the files, and no cluster is contacted" in " ".join(result.err.split())


def test_render_in_a_target_calls_no_aws(places: Places) -> None:
    alarms = {"defaults": False, "custom": [ALARM], "notify": [f"arn:aws:sns:{THERE}:{OTHER}:pager"]}
    rule = {"namespaces": ["shop"], "paths": ["/shop"], "topics": [f"arn:aws:sns:*:{OTHER}:pager"]}
    target = places.target(tags={"env": "prod"}, kmsKeyId="alias/prod", allow=[rule])
    file = places.files(target, config(alarms=alarms))
    result = places.dynconfig("render", "-f", file, "--offline", "-o", "json")
    assert result.code == 0, result.text
    (found,) = json.loads(result.out)
    assert next(item for item in found["resources"] if item["kind"] == "Parameter")["tags"]["env"] == "prod"
    assert places.lab.calls() == {}


def test_dashboard_has_account_and_region_of_the_target(places: Places, tmp_path: Path) -> None:
    file = places.files(places.target(), config(alarms={"defaults": False, "custom": [ALARM]}, dashboard=True))
    printed = places.dynconfig("dashboard", "-f", file)
    assert printed.code == 0, printed.text
    assert f"arn:aws:cloudwatch:{THERE}:{OTHER}:alarm:" in printed.out
    assert places.lab.calls() == {}
    drawn = places.dynconfig("dashboard", "-f", file, "--png", str(tmp_path / "found.png"))
    assert drawn.code == 0, drawn.text
    assert places.read_in(ACCOUNT) == []
    assert {name.partition(".")[0] for name in places.read_in(OTHER)} >= {"cloudwatch"}


def test_rules_of_the_target_decide_before_its_role_is_assumed(places: Places) -> None:
    target = places.target(allow=[{"namespaces": ["cart"], "paths": ["/shop"]}])
    result = places.dynconfig("plan", "-f", places.files(target, config()), "--offline")
    assert result.code == 1
    assert "namespace shop may not use path /shop" in " ".join(result.err.split())
    assert places.lab.calls() == {}


def test_rules_that_need_unknown_labels_are_named(places: Places) -> None:
    target = places.target(allow=[{"namespaceSelector": {"matchLabels": {"a": "b"}}, "paths": ["/shop"]}])
    result = places.dynconfig("plan", "-f", places.files(target, config()), "--offline")
    assert "The labels of namespace shop are unknown here" in " ".join(result.err.split())


# --- with a cluster


@pytest.mark.parametrize("recorded", [True, False])
def test_drift_of_an_object_in_the_cluster(places: Places, *, recorded: bool) -> None:
    """With spec.target, or without: the target was the default when the object was written."""
    places.put(value="green")
    places.put(ACCOUNT, REGION)
    document = written(**({"target": None} if recorded else {}))
    result = in_cluster(places, "drift", "-n", "shop", objects=(document, places.target()))
    assert result.code == 2, result.text
    assert "Parameter /shop/colour value blue green changed by" in " ".join(result.out.split())
    assert places.read_in(OTHER)


def test_manifest_of_a_target_counts_as_applied(places: Places) -> None:
    places.put()
    target = places.target()
    edited = {**target, "spec": {**target["spec"], "tags": {"env": "prod"}}}
    result = in_cluster(places, "plan", "-f", places.files(edited, config()), objects=(written(), target))
    assert result.code == 2, result.text
    assert "env" in result.out
    moved = {**target, "spec": {**target["spec"], "region": "us-east-1"}}
    refused = in_cluster(places, "plan", "-f", places.files(moved, config()), objects=(written(), target))
    assert refused.code == 1
    assert "both are immutable" in " ".join(refused.err.split())


def test_object_written_in_another_account_is_not_read(places: Places) -> None:
    document = written()
    document["status"]["account"] = THIRD
    result = in_cluster(places, "drift", "-n", "shop", objects=(document, places.target()))
    assert result.code == 1
    assert f"AWSTarget prod-eu is now account {OTHER}" in " ".join(result.err.split())
    assert places.lab.calls() == {}


@pytest.mark.parametrize("missing", [True, False])
def test_target_that_is_missing_or_unreadable_is_named(places: Places, *, missing: bool) -> None:
    document = written()
    if missing:
        result = in_cluster(places, "plan", "-n", "shop", objects=(document,))
        assert "AWSTarget prod-eu does not exist" in " ".join(result.err.split())
    else:

        def answer(path: str) -> Answer:
            if "awstargets" in path:
                return status(403, "awstargets is forbidden")
            return (200, json.dumps(document).encode()) if path.endswith("/myapp") else listed(document)

        with api(answer) as server:
            more = {"KUBECONFIG": str(server.kubeconfig(places.harness.folder)), "DYNCONFIG_CLUSTER_ID": "cluster"}
            result = places.dynconfig("plan", "-n", "shop", **more)
        assert "cannot read AWSTarget prod-eu" in " ".join(result.err.split())
    assert (result.code, places.read_in(ACCOUNT)) == (1, [])


def test_orphans_in_the_account_of_a_target_are_found_once(places: Places) -> None:
    places.put()
    target = places.target()
    again = {**target, "metadata": {"name": "prod-eu-2"}}
    result = in_cluster(places, "report", "--orphans", "-o", "json", objects=(target, again))
    assert result.code == 2, result.text
    assert [item["arn"] for item in json.loads(result.out)] == [f"arn:aws:ssm:{THERE}:{OTHER}:parameter/shop/colour"]
    assert in_cluster(places, "report", "--orphans", objects=(target, written())).code == 0


@pytest.mark.parametrize("target", [("--target", "prod-eu"), ()])
def test_import_reads_the_account_of_a_target(places: Places, target: tuple[str, ...]) -> None:
    client = places.client("ssm")
    client.put_parameter(Name="/shop/colour", Value="blue", Type="String")
    default = {} if target else {"DYNCONFIG_DEFAULT_TARGET": "prod-eu"}
    result = in_cluster(places, "import", "--path", "/shop", *target, objects=(places.target(),), **default)
    assert result.code == 0, result.text
    assert yaml.safe_load(result.out)["spec"].get("target") == ("prod-eu" if target else None)
    assert places.read_in(ACCOUNT) == []


@pytest.mark.parametrize("word", ["/shop@prod-eu", "/shop", f"/shop@{THERE}"])
def test_diff_reads_the_account_of_a_target(places: Places, word: str) -> None:
    places.put(value="green")
    default = {} if word.endswith("prod-eu") else {"DYNCONFIG_DEFAULT_TARGET": "prod-eu"}
    file = places.files(config())
    result = in_cluster(places, "diff", file, word, objects=(places.target(),), **default)
    assert result.code == 2, result.text
    assert "~ colour: blue → green" in result.out
    assert places.read_in(ACCOUNT) == []


def test_path_in_another_region_than_the_default_target_is_denied(places: Places) -> None:
    result = in_cluster(
        places,
        "diff",
        places.files(config()),
        "/shop@us-east-1",
        objects=(places.target(),),
        DYNCONFIG_DEFAULT_TARGET="prod-eu",
    )
    assert (result.code, places.read_in(ACCOUNT)) == (1, [])
    assert f"AWSTarget prod-eu is in {THERE}, not in us-east-1" in result.err


@pytest.mark.parametrize("command", ["status", "history"])
def test_place_is_shown_without_aws(places: Places, command: str) -> None:
    found = in_cluster(places, command, "-n", "shop", "-o", "json", objects=(written(),))
    (document,) = json.loads(found.out)
    assert {name: document[name] for name in ("target", "account", "region")} == {
        "target": "prod-eu",
        "account": OTHER,
        "region": THERE,
    }
    assert f"{THERE} (prod-eu, {OTHER})" in in_cluster(places, command, "-n", "shop", objects=(written(),)).out
    assert places.lab.calls() == {}


# --- without access


COMMANDS: dict[str, tuple[str, ...]] = {
    "plan": ("plan", "-n", "shop"),
    "plan of a file": ("plan", "-f", "FILE"),
    "plan of a deletion": ("plan", "-n", "shop", "myapp", "--delete"),
    "drift": ("drift", "-n", "shop"),
    "diff": ("diff", "FILE", "/shop@prod-eu"),
    "import": ("import", "--path", "/shop", "--target", "prod-eu"),
    "dashboard": ("dashboard", "-f", "FILE", "--png", "found.png"),
    "uninstall": ("uninstall", "--keep-aws", "--yes"),
}
DENIED = {
    "wrong external ID": "your AWS credentials may not assume",
    "no role": f"prod-eu has no role and is in account {OTHER}, but your AWS credentials belong to another",
}


def denied(places: Places, kind: str) -> Document:
    """A target whose account the caller's credentials do not reach."""
    if kind == "no role":
        return places.target(role="")
    condition = {"StringEquals": {"sts:ExternalId": "another"}}
    return places.target(role=places.role(Condition=condition))


@pytest.mark.parametrize("command", COMMANDS)
@pytest.mark.parametrize("kind", DENIED)
def test_no_command_reads_another_account_instead(places: Places, command: str, kind: str) -> None:
    places.put(ACCOUNT, REGION)
    places.put(ACCOUNT, THERE)
    target, file = denied(places, kind), places.files(config())
    words = tuple(file if word == "FILE" else word for word in COMMANDS[command])
    result = in_cluster(places, *words, objects=(written(), target))
    assert result.code == 1, result.text
    assert DENIED[kind] in " ".join(result.err.split())
    assert "AWS_PROFILE" in result.err
    assert (places.read_in(ACCOUNT), places.read_in(OTHER)) == ([], [])


def test_report_names_the_target_that_it_cannot_search(places: Places) -> None:
    result = in_cluster(places, "report", "--orphans", objects=(denied(places, "wrong external ID"),))
    assert result.code == 1
    text = " ".join(result.err.split())
    assert (
        f"AWSTarget prod-eu: account {OTHER} was not searched in {THERE}: your AWS credentials may not assume" in text
    )
    assert places.read_in(OTHER) == []


def test_uninstall_names_the_object_and_what_to_do(places: Places) -> None:
    result = in_cluster(places, "uninstall", "--keep-aws", "--yes", objects=(written(), denied(places, "no role")))
    assert "shop/myapp: AWSTarget prod-eu has no role" in " ".join(result.err.split())
    assert "`dynconfig abandon -n shop myapp`" in result.err
