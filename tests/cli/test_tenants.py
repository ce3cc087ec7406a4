"""The policy file: loaded, validated and reloaded; and `dynconfig can`."""

import json
import logging
from pathlib import Path

import pytest
from tests.cli.shell import dynconfig
from tests.cli.test_cli import EXAMPLE

from dynconfig.settings import BadSetting, Settings, Tenancy
from dynconfig.tenants import Tenants

GRANTED = "allow:\n- namespaces: [shop]\n  paths: [/shop]\n"


@pytest.fixture
def policy(tmp_path: Path) -> Path:
    file = tmp_path / "policy.yaml"
    file.write_text(GRANTED)
    return file


def shared(policy: Path | None = None) -> Tenants:
    return Tenants(Settings(tenancy=Tenancy.SHARED, policy_file=str(policy or "")), Tenancy.SHARED)


def test_default_tenancy_is_shared_for_the_operator_and_single_for_the_cli() -> None:
    assert not Tenants(Settings(), Tenancy.SHARED)("shop").may_use_path("/shop")
    assert Tenants(Settings(), Tenancy.SINGLE)("shop").may_use_path("/shop")
    assert Tenants(Settings(tenancy=Tenancy.SINGLE), Tenancy.SHARED)("shop").may_use_path("/shop")


def test_policy_file_implies_shared_tenancy(policy: Path) -> None:
    found = Tenants(Settings(policy_file=str(policy)), Tenancy.SINGLE)
    assert [found(namespace).may_use_path("/shop") for namespace in ("shop", "cart")] == [True, False]


def test_manifest_of_the_policy_is_read_as_its_content(policy: Path) -> None:
    manifest = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "p"}, "data": {"policy.yaml": GRANTED}}
    policy.write_text(json.dumps(manifest))
    found = Tenants(Settings(policy_file=str(policy)), Tenancy.SINGLE)
    assert [found(namespace).may_use_path("/shop") for namespace in ("shop", "cart")] == [True, False]


def test_policy_with_single_tenancy_is_rejected(policy: Path) -> None:
    with pytest.raises(BadSetting, match="DYNCONFIG_POLICY: has no effect with DYNCONFIG_TENANCY=single"):
        Tenants(Settings(tenancy=Tenancy.SINGLE, policy_file=str(policy)), Tenancy.SHARED)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (None, "cannot be read: No such file or directory"),
        ("allow: [", "is not valid YAML"),
        ("allow:\n- namespaces: [shop]\n  path: [/shop]\n", r"allow\.0\.path: Extra inputs are not permitted"),
        ("- a\n", "Input should be"),
        ("kind: ConfigMap\ndata: {other: x}\n", "the ConfigMap has no data"),
        ("#" * (2**20 + 1), "the limit is 1048576"),
    ],
)
def test_invalid_policy_is_rejected_at_start(tmp_path: Path, text: str | None, message: str) -> None:
    file = tmp_path / "policy.yaml"
    if text is not None:
        file.write_text(text)
    with pytest.raises(BadSetting, match=f"DYNCONFIG_POLICY: .*{message}"):
        shared(file)


def test_valid_policy_is_reloaded_and_an_invalid_one_is_not(policy: Path, caplog: pytest.LogCaptureFixture) -> None:
    found = shared(policy)
    assert not found.reload()
    policy.write_text(GRANTED.replace("/shop", "/other"))
    assert found.reload()
    assert found("shop").may_use_path("/other")
    assert not found("shop").may_use_path("/shop")
    with caplog.at_level(logging.ERROR):
        policy.write_text("allow: everything")
        assert not found.reload()
        policy.unlink()
        assert not found.reload()
        assert not found.reload()
    assert len(caplog.records) == 2
    assert found("shop").may_use_path("/other")


def test_missing_policy_in_an_existing_directory_is_loaded_later(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    file = tmp_path / "policy.yaml"
    settings = Settings(policy_file=str(file))
    found = Tenants(settings, Tenancy.SHARED, awaits_policy=True)
    assert not found("shop").may_use_path("/shop")
    assert [record.levelname for record in caplog.records] == ["WARNING"]
    assert f"{file} not found" in caplog.text
    assert "Add the rules to the ConfigMap" in caplog.text
    assert not found.reload()
    file.write_text(GRANTED)
    assert found.reload()
    assert found("shop").may_use_path("/shop")
    file.unlink()
    assert found.reload()
    assert not found("shop").may_use_path("/shop")
    assert not found.reload()
    assert len([record for record in caplog.records if "not found" in record.message]) == 2


def test_policy_in_a_missing_directory_is_rejected(tmp_path: Path) -> None:
    settings = Settings(policy_file=str(tmp_path / "mistyped" / "policy.yaml"))
    with pytest.raises(BadSetting, match=r"cannot be read: No such file or directory"):
        Tenants(settings, Tenancy.SHARED, awaits_policy=True)


def test_namespace_labels_are_evaluated_as_they_are_now(policy: Path) -> None:
    policy.write_text("allow:\n- namespaceSelector: {matchLabels: {team: a}}\n  paths: [/a]\n")
    found = shared(policy)
    assert found.needs_labels
    assert not found("shop").may_use_path("/a")
    assert found.set_labels({"shop": {"team": "a"}})
    assert not found.set_labels({"shop": {"team": "a"}})
    assert found("shop").may_use_path("/a")
    assert found.set_labels({})
    assert not found("shop").may_use_path("/a")


def test_only_namespaces_that_may_use_something_else_are_affected_by_their_labels(policy: Path) -> None:
    policy.write_text("allow:\n- namespaceSelector: {matchLabels: {team: a}}\n  paths: [/a]\n")
    found = shared(policy)
    labels = {name: {"team": "a"} for name in ("shop", "cart", "new")}
    found.set_labels({"shop": {}, "cart": {"team": "a"}})
    assert found.set_labels({"shop": {"any": "thing"}, "cart": {"team": "a", "any": "thing"}}) == frozenset()
    assert found.set_labels(labels) == {"shop", "new"}
    found.rights_in_targets = lambda name: name == "cart" and (found.labels(name) or {}).get("any")
    assert found.set_labels({name: {"team": "a", "any": "thing"} for name in labels}) == {"cart"}


def test_can_explains_each_decision(policy: Path) -> None:
    result = dynconfig("can", "-f", str(EXAMPLE), "--policy", str(policy))
    assert result.code == 1
    assert "may use paths below /shop" not in result.err
    table = result.out.splitlines()
    assert table[0].split() == ["OBJECT", "FIELD", "VALUE", "ALLOWED", "WHY"]
    (path,) = (line for line in table if " spec.path " in line)
    assert path.split()[3] == "no"


def test_can_lists_the_names_that_need_no_rule(tmp_path: Path) -> None:
    file = tmp_path / "object.yaml"
    file.write_text(
        "apiVersion: dynconfig.dev/v1alpha1\nkind: DynamicConfig\nmetadata: {name: app, namespace: shop}\n"
        "spec: {path: /shop, function: {}, alarms: {}, dashboard: true}\n"
    )
    result = dynconfig("can", "-f", str(file), "-o", "json", AWS_REGION="eu-west-1")
    own = {(each["field"], each["value"]) for each in json.loads(result.out) if each["why"].startswith("it begins")}
    assert own == {
        ("spec.function.name", "dynconfig-shop-app"),
        ("spec.function.roleName", "dynconfig-shop-app-eu-west-1-function"),
        ("spec.alarms", "dynconfig-shop-app/*"),
        ("spec.dashboard", "dynconfig-shop-app-eu-west-1"),
    }
    assert all(each["allowed"] for each in json.loads(result.out) if each["value"].startswith("dynconfig-shop-"))


def test_can_exits_with_0_if_all_is_allowed_and_prints_json(policy: Path) -> None:
    rule = "{matchLabels: {team: a}}\n  paths: [/myapp]\n  names: [myapp-config]"
    policy.write_text(f"allow:\n- namespaceSelector: {rule}\n")
    arguments = ("can", "-f", str(EXAMPLE), "--policy", str(policy), "-o", "json")
    denied = dynconfig(*arguments)
    assert (denied.code, {each["allowed"] for each in json.loads(denied.out)}) == (1, {False, True})
    granted = dynconfig(*arguments, "--label", "team=a")
    assert (granted.code, {each["allowed"] for each in json.loads(granted.out)}) == (0, {True})


def test_can_without_a_policy_reports_how_to_specify_one(policy: Path) -> None:
    for variables, is_hinted in (({}, True), ({"DYNCONFIG_POLICY": str(policy)}, False)):
        result = dynconfig("can", "-f", str(EXAMPLE), **variables)
        assert ("--policy FILE or DYNCONFIG_POLICY" in result.err) is is_hinted
    assert "--policy" not in dynconfig("can", "-f", str(EXAMPLE), "--policy", str(policy)).err
    assert "--policy" not in dynconfig("can", "-f", str(EXAMPLE), DYNCONFIG_TENANCY="single").err


def test_can_rejects_an_object_of_another_namespace(tmp_path: Path, policy: Path) -> None:
    file = tmp_path / "object.yaml"
    metadata = "metadata: {name: app, namespace: cart}"
    file.write_text(f"apiVersion: dynconfig.dev/v1alpha1\nkind: DynamicConfig\n{metadata}\nspec: {{path: /cart}}\n")
    arguments = ("can", "-f", str(file), "--policy", str(policy))
    refused = dynconfig(*arguments, "-n", "shop")
    assert (refused.code, refused.out) == (1, "")
    words = " ".join(refused.err.split())
    assert 'the namespace from the provided object "cart" does not match the namespace "shop"' in words
    assert dynconfig(*arguments, "-n", "cart").out == dynconfig(*arguments).out != ""


def test_can_rejects_an_invalid_label(policy: Path) -> None:
    result = dynconfig("can", "-f", str(EXAMPLE), "--policy", str(policy), "--label", "team")
    assert result.code == 64
    assert "invalid value 'team', expected KEY=VALUE" in result.err


TARGET = """
apiVersion: dynconfig.dev/v1alpha1
kind: AWSTarget
metadata: {name: prod}
spec:
  region: eu-west-1
  account: "123456789012"
  allow:
  - namespaces: [default]
    paths: [/myapp]
    resources: [parameters]
"""


def test_can_explains_the_rules_of_a_target(tmp_path: Path) -> None:
    target = tmp_path / "target.yaml"
    target.write_text(TARGET)
    result = dynconfig("can", "-f", str(EXAMPLE), "--target", str(target), "-o", "json")
    found = {item["field"]: (item["allowed"], item["why"]) for item in json.loads(result.out)}
    assert found["spec.path"] == (True, "/myapp is allowed")
    assert found["spec.parameters"] == (True, "the rules of AWSTarget prod allow parameters")
    assert result.code == (0 if all(allowed for allowed, _ in found.values()) else 1)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (TARGET.replace("AWSTarget", "Pod"), "has 0 objects of kind AWSTarget, expected one"),
        (TARGET.replace("/myapp", "myapp"), "AWSTarget prod: spec.allow[0].paths[0]: "),
        ("a: [", "is not valid YAML"),
        ("[" * 3000, "nested more than"),
    ],
)
def test_can_names_what_is_wrong_in_a_target(tmp_path: Path, text: str, message: str) -> None:
    target = tmp_path / "target.yaml"
    target.write_text(text)
    result = dynconfig("can", "-f", str(EXAMPLE), "--target", str(target))
    assert (result.code, message in result.err) == (1, True), result.err
    missing = dynconfig("can", "-f", str(EXAMPLE), "--target", str(tmp_path / "missing.yaml"))
    assert (missing.code, "cannot be read" in missing.err) == (1, True)


@pytest.mark.parametrize(
    "arguments", [("plan", "--offline"), ("drift", "--offline"), ("render", "--account", "1" * 12)]
)
def test_commands_do_not_compare_an_object_in_a_target_with_the_own_account(
    arguments: tuple[str, ...], tmp_path: Path
) -> None:
    file = tmp_path / "object.yaml"
    file.write_text(
        "apiVersion: dynconfig.dev/v1alpha1\nkind: DynamicConfig\nmetadata: {name: app, namespace: shop}\n"
        "spec: {path: /shop, target: prod}\n"
    )
    command, *more = arguments
    result = dynconfig(command, "-f", str(file), *more, AWS_REGION="eu-west-1")
    assert result.code == 1
    assert "AWSTarget prod is not in the files, and no cluster is contacted" in " ".join(result.err.split())
    assert dynconfig("validate", "-f", str(file)).code == 0
