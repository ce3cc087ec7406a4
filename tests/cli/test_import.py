"""`dynconfig import`: existing parameters become an object that changes nothing."""

import json
import os
import stat
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml
from rich.console import Console
from tests.cli import golden
from tests.cli.cli_harness import CliHarness
from tests.cli.test_kubectl_yaml import WORDS

from dynconfig_lab import binaries

pytestmark = pytest.mark.lab

TEAM = [{"Key": "team", "Value": "shop"}]
POLICY = '[{"Type":"NoChangeNotification","Version":"1.0","Attributes":{"After":"20","Unit":"Days"}}]'


def put(harness: CliHarness, name: str, value: str, **more: Any) -> None:
    harness.ssm.put_parameter(Name=f"/old/app/{name}", Value=value, **{"Type": "String", "Tags": TEAM, **more})


def existing(harness: CliHarness) -> None:
    """Parameters as a team might have created them by hand."""
    harness.make_key("alias/mine")
    put(harness, "database/host", "db.internal", Description="Where it is", AllowedPattern="^db")
    put(harness, "database/port", "05432", Tags=[*TEAM, {"Key": "stage", "Value": "prod"}])
    put(harness, "features", "a,b,c", Type="StringList")
    put(harness, "database/password", "first-canary", Type="SecureString", KeyId="alias/mine")
    put(harness, "database.password", " second-canary\n", Type="SecureString")
    put(harness, "banner", "Hello: \N{EM DASH} world\n  # not a comment\n\ttab \n", Tier="Advanced", Policies=POLICY)
    put(harness, "answer", "yes")
    put(harness, "image", "ami-12345678", DataType="aws:ec2:image")


def everything_but_the_owner(planned: str) -> list[str]:
    """The lines of a plan other than ownership changes."""
    details = [line for line in planned.splitlines() if line.startswith("      ")]
    return [line for line in details if line != "      owner: none → shop/old-app"]


def test_imported_object_changes_only_the_owner(harness: CliHarness) -> None:
    existing(harness)
    imported = harness.dynconfig(
        "import", "--path", "/old/app", "-n", "shop", "-o", "old.yaml", "--with-secrets", "secret.yaml"
    )
    assert imported.code == 0, imported.err
    planned = harness.dynconfig("plan", "-f", "old.yaml", "-f", "secret.yaml")
    assert planned.code == 2, planned.err
    assert everything_but_the_owner(planned.out) == []
    assert "Plan: 8 to update; 8 resources declared." in planned.out
    assert "PutParameter" not in planned.out


def test_secret_values_are_written_only_on_request(harness: CliHarness) -> None:
    existing(harness)
    result = harness.dynconfig("import", "--path", "/old/app", "-n", "shop", "--region", "eu-west-1")
    assert result.code == 0
    assert "canary" not in result.text
    assert "--from-file=database.password=<(aws ssm get-parameter --region eu-west-1 --with-decryption" in result.out
    assert "region: eu-west-1" in result.out
    golden.check("import", result)


def test_secrets_file_is_readable_by_its_owner_only_and_never_overwritten(harness: CliHarness) -> None:
    existing(harness)
    arguments = ("import", "--path", "/old/app", "-o", "old.yaml", "--with-secrets", "secret.yaml")
    result = harness.dynconfig(*arguments)
    file = harness.folder / "secret.yaml"
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert "secret.yaml: 2 secret values, readable only by you" in result.err
    assert "canary" not in result.text
    golden.check("import-with-secrets", result)
    file.write_text("mine")
    assert "secret.yaml already exists" in harness.dynconfig(*arguments).err
    assert file.read_text() == "mine"


def test_two_names_never_share_a_key_of_the_secret(harness: CliHarness) -> None:
    existing(harness)
    harness.dynconfig("import", "--path", "/old/app", "-o", "old.yaml", "--with-secrets", "secret.yaml")
    secret = yaml.safe_load(Path("secret.yaml").read_text())
    assert secret["stringData"] == {"database.password": " second-canary\n", "database.password.2": "first-canary"}


def test_owned_parameters_are_skipped_and_named(harness: CliHarness) -> None:
    put(harness, "mine", "1")
    put(harness, "theirs", "1", Tags=[{"Key": "dynconfig.dev/owner", "Value": "cluster/team-b/cart/uid-9"}])
    result = harness.dynconfig("import", "--path", "/old/app/")
    assert "# Left out: /old/app/theirs is owned by team-b/cart." in result.out
    spec = yaml.safe_load(result.out)["spec"]
    assert [parameter["name"] for parameter in spec["parameters"]] == ["mine"]
    assert spec["adoptionPolicy"] == "IfUnowned"


def test_nothing_to_import_is_an_error_with_what_to_do(harness: CliHarness) -> None:
    empty = harness.dynconfig("import", "--path", "/nothing/here")
    assert empty.code == 1
    assert empty.err == (
        "error: /nothing/here: no parameters found under this path; choose another path, or another region with --region\n"
    )
    put(harness, "theirs", "1", Tags=[{"Key": "dynconfig.dev/owner", "Value": "cluster/team-b/cart/uid-9"}])
    assert "nothing under /old/app can be imported" in harness.dynconfig("import", "--path", "/old/app").err


@pytest.mark.parametrize("path", ["old", "//old", "/"])
def test_invalid_path_is_rejected(harness: CliHarness, path: str) -> None:
    assert harness.dynconfig("import", "--path", path).code == 64


@pytest.mark.parametrize(
    "option", [("--name", "My App"), ("--name", "a" * 64), ("-n", "a.b"), ("-n", ""), ("--with-secrets", "-")]
)
def test_invalid_option_is_rejected_before_aws_is_called(harness: CliHarness, option: tuple[str, str]) -> None:
    existing(harness)
    harness.lab.reset_calls()
    assert harness.dynconfig("import", "--path", "/old/app", *option).code == 64
    assert harness.lab.calls() == {}


@pytest.mark.parametrize(
    ("file", "reason"),
    [("none/old.yaml", "folder none not found"), (".", "it is a folder")],
    ids=["no folder", "folder"],
)
def test_unwritable_file_is_reported_before_the_secrets_file_is_written(
    harness: CliHarness, file: str, reason: str
) -> None:
    existing(harness)
    for options in (("-o", file, "--with-secrets", "secret.yaml"), ("--with-secrets", file)):
        result = harness.dynconfig("import", "--path", "/old/app", *options)
        assert (result.code, result.err) == (1, f"error: cannot write {file}: {reason}\n")
    assert list(harness.folder.iterdir()) == []


def test_dash_is_standard_output(harness: CliHarness) -> None:
    existing(harness)
    assert harness.dynconfig("import", "--path", "/old/app", "-o", "-").out.startswith(
        "# The parameters under /old/app"
    )


STUB_OF_AWS = """#!/bin/sh
for name; do :; done
case $name in
  */database.password) printf '%s\\n' '-----BEGIN' 'END-----' '';;
  *) printf '%s\\n' 'plain';;
esac
"""
STUB_OF_KUBECTL = """#!/bin/sh
for argument; do
  case $argument in
    --from-file=*) key=${argument#*=}; cat "${key#*=}" > "$OUT/${key%%=*}";;
  esac
done
"""


def test_command_for_the_secret_keeps_line_endings(harness: CliHarness) -> None:
    existing(harness)
    out = harness.folder / "out"
    out.mkdir()
    for name, text in {"aws": STUB_OF_AWS, "kubectl": STUB_OF_KUBECTL}.items():
        (harness.folder / name).write_text(text)
        (harness.folder / name).chmod(0o700)
    notes = harness.dynconfig("import", "--path", "/old/app").out.split("apiVersion")[0].splitlines()
    command = "\n".join(line.removeprefix("# ") for line in notes if line.startswith("#   "))
    environment = {"PATH": f"{harness.folder}:{os.environ['PATH']}", "OUT": str(out)}
    subprocess.run(["/bin/bash", "-c", command], check=True, env=environment)
    assert {file.name: file.read_text() for file in out.iterdir()} == {
        "database.password": "-----BEGIN\nEND-----\n",
        "database.password.2": "plain",
    }


@pytest.mark.tools
def test_every_value_is_the_same_for_kubectl_as_in_aws(harness: CliHarness) -> None:
    texts = {
        f"p{number}": word
        for number, word in enumerate((*WORDS, "a\x85b", "a\u2028b\n", "\u2029c", "12e5\n", "a\r\nb"))
    }
    names = ("y", "0o17", "12e5", "null")
    for name, text in texts.items():
        put(harness, name, text)
    for name in names:
        put(harness, name, "1e5", Type="SecureString")
    reason = harness.dynconfig("import", "--path", "/old/app", "-o", "old.yaml", "--with-secrets", "secret.yaml")
    assert reason.code == 0, reason.err
    config, secret = (as_kubectl_reads(harness.folder / file) for file in ("old.yaml", "secret.yaml"))
    values = {item["name"]: item["value"] for item in config["spec"]["parameters"] if "value" in item}
    assert values == texts
    assert secret["stringData"] == dict.fromkeys(names, "1e5")


def as_kubectl_reads(file: Path) -> Any:
    kubectl = binaries.kubectl(Console(stderr=True))
    command = (str(kubectl), "label", "--local", "-f", str(file), "a=b", "-o", "json")
    reason = subprocess.run(command, capture_output=True, text=True, check=True, env={"KUBECONFIG": "/dev/null"})
    return json.loads(reason.stdout)
