"""`dynconfig plan`: the changes, the AWS calls and the effects of a deletion."""

import json
from pathlib import Path
from typing import Any

import pytest
from tests.cli import golden
from tests.cli.cli_harness import OWNER, PARAMETERS, PASSWORD, REGION, CliHarness
from tests.cli.test_cli import EXAMPLE, process

from dynconfig.api import names
from dynconfig.api.names import FROM_SECRET_TAG
from dynconfig.cli import files
from dynconfig.cli.accounts import Accounts, ClusterTargets
from dynconfig.cli.describe import lines
from dynconfig.cli.planning import ClusterState, Planned, Planner
from dynconfig.model.secret import MASK
from dynconfig.settings import Settings
from dynconfig_lab.aws import Faults
from dynconfig_lab.aws.faults import Injected

pytestmark = pytest.mark.lab


def test_plan_of_the_full_example_shows_creations_and_no_secret(harness: CliHarness) -> None:
    harness.lab.reset_calls()
    result = harness.dynconfig("plan", "-f", str(EXAMPLE))
    assert result.code == 2
    assert "+ create Parameter /myapp/config/database/password" in result.out
    assert "value: •••" in result.out
    assert PASSWORD not in result.text
    assert not [name for name in harness.lab.calls() if ".Put" in name or ".Create" in name]
    golden.check("plan", result)


def test_validation_example_can_be_planned(harness: CliHarness) -> None:
    result = harness.dynconfig("plan", "-f", str(EXAMPLE.with_name("validation.yaml")))
    assert result.code == 2, result.err
    assert "Plan: 8 to create; 8 resources declared." in result.out
    assert "replica.shop.internal" not in result.text


def test_plan_of_a_new_object_takes_one_read(harness: CliHarness) -> None:
    harness.lab.reset_calls()
    harness.dynconfig("plan", "-f", str(EXAMPLE))
    assert harness.lab.calls() == {
        "apigatewayv2.GetApis": 1,
        "events.DescribeRule": 1,
        "iam.GetRole": 2,
        "lambda.GetFunction": 1,
        "logs.DescribeLogGroups": 1,
        "scheduler.GetSchedule": 1,
        # The layer of the extension for a new function.
        "ssm.GetParameter": 1,
        "ssm.GetParameters": 1,
        "sts.GetCallerIdentity": 1,
    }


def test_empty_plan_is_reported_and_exits_with_0(harness: CliHarness) -> None:
    result = harness.dynconfig("plan", "-f", harness.applied().rpartition("/")[2])
    assert result.code == 0
    golden.check("plan-nothing", result)


def edited(harness: CliHarness) -> str:
    harness.applied(tags={"team": "shop", "stage": "prod"})
    host, _port, password = PARAMETERS
    more = {"name": "cache/size", "value": "10"}
    harness.manifest(
        {**host, "value": "db.other.internal"}, {**password, "description": "New"}, more, tags={"team": "b"}
    )
    return "myapp.yaml"


def test_edit_is_shown_field_by_field(harness: CliHarness) -> None:
    result = harness.dynconfig("plan", "-f", edited(harness))
    assert result.code == 2
    assert "value: db.shop.internal → db.other.internal" in result.out
    assert "tags.stage: prod → (empty)" in result.out
    assert "- delete Parameter /myapp/config/database/port" in result.out
    golden.check("plan-edit", result)


def test_colours_distinguish_additions_changes_and_removals(harness: CliHarness) -> None:
    result = harness.dynconfig("plan", "-f", edited(harness), NO_COLOR="", FORCE_COLOR="1")
    assert "\x1b[32m  + create" in result.out
    assert "\x1b[33m  ~ update" in result.out
    assert "\x1b[31m  - delete" in result.out


def test_lines_wrap_at_the_terminal_width_without_truncation(harness: CliHarness) -> None:
    wide, narrow = (harness.dynconfig("plan", "-f", str(EXAMPLE), **size) for size in ({}, {"COLUMNS": "60"}))
    details = [line for line in narrow.out.splitlines() if line.startswith("  ")]
    assert max(map(len, details)) <= 60
    assert "".join(narrow.out.split()) == "".join(wide.out.split())


LONG = "x" * 500


@pytest.mark.parametrize(
    ("old", "new", "shown"),
    [
        (f"{LONG}1", f"{LONG}2", ["x1 ", "x2"]),
        (
            json.dumps({"a": LONG, "pool": {"max": 5}}),
            json.dumps({"a": LONG, "pool": {"max": 6}}),
            ["value.pool.max: 5 → 6"],
        ),
        (f"{LONG}\none\nend\n", f"{LONG}\ntwo\nend\n", ["- one", "+ two"]),
    ],
)
def test_difference_inside_a_long_value_is_shown(harness: CliHarness, old: str, new: str, shown: list[str]) -> None:
    harness.applied({"name": "long", "value": old})
    harness.manifest({"name": "long", "value": new})
    result = harness.dynconfig("plan", "-f", "myapp.yaml", COLUMNS="80")
    for text in shown:
        assert text in result.out
    (change,) = json.loads(harness.dynconfig("plan", "-f", "myapp.yaml", "-o", "json").out)[0]["changes"]
    assert (change["differences"][0]["observed"], change["differences"][0]["declared"]) == (old, new)
    drift = harness.dynconfig("drift", "-f", "myapp.yaml", "-o", "json")
    assert json.loads(drift.out)[0]["drift"][0]["observed"] == old


def test_json_output_of_a_plan(harness: CliHarness) -> None:
    result = harness.dynconfig("plan", "-f", edited(harness), "-o", "json")
    (planned,) = json.loads(result.out)
    assert (planned["namespace"], planned["name"], planned["region"]) == ("shop", "myapp", "eu-west-1")
    assert [change["change"] for change in planned["changes"]] == ["update", "update", "create", "delete"]
    assert planned["putParameterCalls"] == 3
    assert PASSWORD not in result.text
    golden.check("plan-json", result)


def test_estimated_time_is_shown_for_limited_calls(harness: CliHarness) -> None:
    harness.manifest(*({"name": f"n{number}", "value": "1"} for number in range(400)))
    assert "Estimated time: 2 min 13 s (400 PutParameter at 3/s)" in (harness.dynconfig("plan", "-f", "myapp.yaml").out)
    quick = harness.dynconfig("plan", "-f", "myapp.yaml", DYNCONFIG_QUOTA="ssm.Put=10")
    assert "Estimated time: 40 s (400 PutParameter at 10/s)" in quick.out


def test_tag_change_alone_takes_no_limited_call(harness: CliHarness) -> None:
    harness.applied(tags={"team": "a"})
    harness.manifest(tags={"team": "b"})
    assert "PutParameter" not in harness.dynconfig("plan", "-f", "myapp.yaml").out


def test_resource_of_another_owner_is_named(harness: CliHarness) -> None:
    owner = [{"Key": "dynconfig.dev/owner", "Value": "cluster/team-b/cart/uid-9"}]
    harness.ssm.put_parameter(Name="/myapp/config/database/port", Value="1", Type="String", Tags=owner)
    harness.manifest()
    result = harness.dynconfig("plan", "-f", "myapp.yaml")
    assert result.code == 1
    assert (
        "! Parameter /myapp/config/database/port: NotOwned: parameter /myapp/config/database/port is owned by"
        in result.out
    )
    assert "+ create Parameter /myapp/config/database/host" in result.out
    golden.check("plan-not-owned", result)


def test_missing_config_map_is_named_with_where_to_add_it(harness: CliHarness) -> None:
    reference = {"name": "a", "valueFrom": {"configMapKeyRef": {"name": "settings", "key": "a"}}}
    result = harness.dynconfig("plan", "-f", harness.manifest(reference))
    assert result.code == 1
    assert "key a of ConfigMap settings is not in the files" in result.err
    assert "another -f" in result.err


def without_secret(harness: CliHarness, file: str) -> str:
    return (harness.folder / file).read_text().split("---\n")[1]


def test_unavailable_secret_is_reported_as_unknown(harness: CliHarness) -> None:
    text = without_secret(harness, harness.manifest())
    created = harness.dynconfig("plan", "-f", "-", stdin=text)
    assert created.code == 2
    assert "value: •••  (unknown)" in created.out
    rendered = harness.dynconfig("render", "-f", "-", "--offline", stdin=text)
    assert rendered.code == 0, rendered.err
    assert "•••  (unknown)" in rendered.out


def test_unavailable_secret_is_not_compared_but_the_rest_is(harness: CliHarness) -> None:
    text = without_secret(harness, harness.applied()).replace("5432", "5433")
    result = harness.dynconfig("plan", "-f", "-", stdin=text)
    assert "Plan: 1 to update; 3 resources declared." in result.out
    assert "Not compared, because the Secret is not available here: /myapp/config/database/password." in result.out
    assert PASSWORD not in result.text
    (planned,) = json.loads(harness.dynconfig("plan", "-f", "-", "-o", "json", stdin=text).out)
    assert planned["notCompared"] == ["/myapp/config/database/password"]
    drift = harness.dynconfig("drift", "-f", "-", stdin=text)
    assert "1 value not compared" in drift.out


def test_one_object_of_several_can_be_selected(harness: CliHarness) -> None:
    harness.manifest()
    assert harness.dynconfig("plan", "-f", "myapp.yaml", "myapp").code == 2
    unknown = harness.dynconfig("plan", "-f", "myapp.yaml", "other")
    assert unknown.err == "error: DynamicConfig other not found in the files; they contain myapp\n"


def test_objects_with_one_name_are_listed_with_their_namespaces(harness: CliHarness) -> None:
    text = (harness.folder / harness.manifest()).read_text()
    both = f"{text}---\n{text.replace('namespace: shop', 'namespace: cart')}"
    assert "\nshop/myapp" in harness.dynconfig("plan", "-f", "-", "cart/myapp", "shop/myapp", stdin=both).out
    unclear = harness.dynconfig("plan", "-f", "-", "myapp", stdin=both)
    assert (unclear.code, unclear.err) == (
        1,
        "error: several objects in the files are named myapp; select one of them: cart/myapp, shop/myapp\n",
    )
    unknown = harness.dynconfig("plan", "-f", "-", "other/myapp", stdin=both)
    assert unknown.err == (
        "error: DynamicConfig other/myapp not found in the files; they contain shop/myapp, cart/myapp\n"
    )


def test_transient_error_is_retried(harness: CliHarness) -> None:
    harness.manifest()
    harness.lab.faults(Faults.parse({"errors": {"ssm.GetParameters": {"code": "InternalServerError", "times": 2}}}))
    assert harness.dynconfig("plan", "-f", "myapp.yaml").code == 2


def test_unknown_aws_error_is_reported_once(harness: CliHarness) -> None:
    harness.lab.faults(Faults(errors={"ssm.GetParameters": Injected("InTheTableOfNobody", "new")}))
    result = process("plan", "-f", str(EXAMPLE), **harness.environment)
    assert result.returncode == 1
    assert (result.stdout + result.stderr).count("InTheTableOfNobody") == 1


def deletion(harness: CliHarness, *more: str, **spec: Any) -> str:
    harness.applied(**spec)
    return harness.dynconfig("plan", "-f", "myapp.yaml", "--delete", *more).text


def test_plan_delete_lists_what_is_deleted(harness: CliHarness) -> None:
    result = deletion(harness)
    assert "- delete Parameter /myapp/config/database/password" in result
    assert "Deletion: 3 to delete, 0 to keep." in result
    harness.applied()
    golden.check("plan-delete", harness.dynconfig("plan", "-f", "myapp.yaml", "--delete"))


def test_plan_delete_lists_what_is_kept_and_why(harness: CliHarness) -> None:
    harness.ssm.put_parameter(Name="/myapp/config/theirs", Value="1", Type="String")
    harness.applied(deletionPolicy="Retain")
    harness.manifest(*PARAMETERS, {"name": "theirs", "value": "1"}, deletionPolicy="Retain")
    result = harness.dynconfig("plan", "-f", "myapp.yaml", "--delete")
    assert "keep Parameter /myapp/config/database/host: retained without an owner" in result.out
    assert "keep Parameter /myapp/config/theirs: has no owner" in result.out
    golden.check("plan-delete-retain", result)


def test_plan_delete_reports_what_blocks_it(harness: CliHarness) -> None:
    harness.applied()
    harness.manifest(suspend=True)
    result = harness.dynconfig("plan", "-f", "myapp.yaml", "--delete")
    assert "! spec.suspend is true" in result.out
    golden.check("plan-delete-blocked", result)


def test_json_output_of_a_plan_delete(harness: CliHarness) -> None:
    harness.applied()
    (found,) = json.loads(harness.dynconfig("plan", "-f", "myapp.yaml", "--delete", "-o", "json").out)
    assert len(found["goes"]) == 3
    assert (found["stays"], found["blocks"]) == ([], [])


def test_status_of_an_older_operator_shows_no_secret(harness: CliHarness) -> None:
    reference = {"name": "myapp-db", "key": "password", "allowPlaintext": True}
    secret = {"name": "token", "type": "String", "valueFrom": {"secretKeyRef": reference}}
    (before,) = files.read([Path(harness.applied(secret))], "shop").configs
    name = "/myapp/config/token"
    harness.ssm.remove_tags_from_resource(ResourceType="Parameter", ResourceId=name, TagKeys=[FROM_SECRET_TAG])
    status = {
        "observedGeneration": 1,
        "appliedGeneration": 1,
        "parameters": [{"name": name, "type": "String", "version": 1}],
    }
    metadata = {**before["metadata"], "uid": OWNER.uid, "generation": 1, "finalizers": [names.FINALIZER]}
    manifests = files.read([Path(harness.manifest({"name": "token", "value": "new"}))], "shop")
    settings = Settings(is_emulated=True)
    accounts = Accounts(settings, ClusterTargets())
    planner = Planner(settings, accounts.engine(), REGION, accounts)
    known = ClusterState(OWNER.cluster, {**before, "metadata": metadata, "status": status}, lambda _source: None)
    planned = planner.planned(manifests.configs[0], manifests, known)
    assert isinstance(planned, Planned)
    shown = str(list(lines(planned.plan)))
    assert f"value: {MASK} → {MASK}" in shown
    assert PASSWORD not in shown


def test_value_that_aws_does_not_decrypt_is_not_compared(harness: CliHarness) -> None:
    key = harness.aws("kms").create_key()["KeyMetadata"]["KeyId"]
    file = harness.applied({**PARAMETERS[2], "kmsKeyId": key}, PARAMETERS[0])
    harness.aws("kms").disable_key(KeyId=key)
    result = harness.dynconfig("plan", "-f", file)
    assert result.code == 0, result.text
    assert "No changes: 2 resources are in sync with AWS." in result.out
    assert "cannot be decrypted here: /myapp/config/database/password." in " ".join(result.out.split())
    (planned,) = json.loads(harness.dynconfig("plan", "-f", file, "-o", "json").out)
    assert planned["notCompared"] == ["/myapp/config/database/password"]
    assert "1 value not compared, because it cannot be decrypted here" in harness.dynconfig("drift", "-f", file).out
