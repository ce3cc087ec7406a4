"""The command line in general: help, exit codes, one line for a failure, no traceback, no secret."""

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
import yaml
from tests.cli import golden
from tests.cli.shell import dynconfig
from tests.cli.test_files import CONFIG

from dynconfig.cli.app import names

PLACE = ("--account", "123456789012", "--region", "eu-west-1")
EXAMPLE = Path(__file__).parents[2] / "manifests" / "examples" / "myapp.yaml"


def process(*arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """A command in a separate process, as users run it."""
    kept = {name: os.environ[name] for name in ("PATH", "HOME", "LANG", "PYTHONPATH") if name in os.environ}
    command = (sys.executable, "-m", "dynconfig", *arguments)
    return subprocess.run(
        command,
        env={**kept, "KUBECONFIG": os.devnull, "NO_COLOR": "1", **environment},
        capture_output=True,
        text=True,
        check=False,
    )


def changed(name: str, **fields: object) -> str:
    documents = list(yaml.safe_load_all(EXAMPLE.read_text()))
    (parameter,) = (item for item in documents[1]["spec"]["parameters"] if item["name"] == name)
    parameter.update(fields)
    return yaml.safe_dump_all(documents)


def test_help_lists_every_command() -> None:
    result = dynconfig("--help", COLUMNS="100")
    golden.check("help", result)
    for module in names():
        assert f" {module.rstrip('_')} " in result.out


@pytest.mark.parametrize("command", [module.rstrip("_") for module in names()])
def test_help_of_every_command_has_an_example(command: str) -> None:
    result = dynconfig(command, "--help", COLUMNS="100")
    assert "Example: " in result.out
    golden.check(f"help-{command}", result)


def test_misspelt_command_is_reported_with_a_suggestion() -> None:
    result = dynconfig("plna")
    assert result.code == 64
    assert "plan" in result.err


@pytest.mark.parametrize("arguments", [("--fiel",), ("plan", "--fiel", "x"), ("plan", "-o", "xml"), ("validate",)])
def test_usage_error_does_not_have_the_exit_code_of_changes(arguments: tuple[str, ...]) -> None:
    assert dynconfig(*arguments).code == 64


def test_completion_lists_the_commands() -> None:
    result = process(_DYNCONFIG_COMPLETE="complete_bash", COMP_WORDS="dynconfig dr", COMP_CWORD="1")
    assert result.stdout.split() == ["drift"]


def test_name_is_not_completed_without_a_cluster() -> None:
    result = process(_DYNCONFIG_COMPLETE="complete_bash", COMP_WORDS="dynconfig status my", COMP_CWORD="2")
    assert (result.stdout.split(), result.stderr) == ([], "")


@pytest.mark.parametrize("arguments", [("crd",), ("iam", "--path", "/a", *PLACE), ("--help",)], ids=lambda a: a[0])
def test_closed_pipe_causes_no_traceback(arguments: tuple[str, ...]) -> None:
    reading, writing = os.pipe()
    os.close(reading)
    try:
        command = (sys.executable, "-m", "dynconfig", *arguments)
        result = subprocess.run(command, stdout=writing, stderr=subprocess.PIPE, text=True, check=False)
    finally:
        os.close(writing)
    assert result.returncode != 0
    assert result.stderr == ""


@pytest.mark.parametrize("arguments", [("crd",), ("--version",), ("validate", "-f", str(EXAMPLE))], ids=lambda a: a[0])
def test_full_disk_is_reported_in_one_line(arguments: tuple[str, ...]) -> None:
    with Path("/dev/full").open("w") as full:
        command = (sys.executable, "-m", "dynconfig", *arguments)
        result = subprocess.run(command, stdout=full, stderr=subprocess.PIPE, text=True, check=False)
    assert result.returncode == 1
    assert result.stderr == "error: cannot write to standard output: No space left on device\n"


def test_terminal_without_unicode_gets_ascii_symbols() -> None:
    result = process("validate", "-f", str(EXAMPLE), PYTHONIOENCODING="ascii")
    assert (result.returncode, result.stdout) == (0, "? default/myapp: 5 parameters are valid\n")


@pytest.mark.parametrize("form", ["json", "yaml"])
def test_json_is_escaped_if_the_encoding_is_not_sufficient(tmp_path: Path, form: str) -> None:
    file = tmp_path / "myapp.yaml"
    file.write_text(CONFIG.replace("path: /myapp", "path: /myapp, parameters: [{name: a, value: 'fünf •'}]"))
    arguments = ("render", "-f", str(file), "--offline", "--account", "123456789012", "-o", form)
    result = process(*arguments, PYTHONIOENCODING="ascii", AWS_REGION="eu-west-1")
    document = yaml.safe_load(result.stdout)
    (parameter,) = (document[0] if form == "json" else document)["resources"]
    assert parameter["value"] == "fünf •"


def test_version_is_printed() -> None:
    assert dynconfig("--version").out.startswith("dynconfig 0.")


def test_valid_manifests_are_counted() -> None:
    result = dynconfig("validate", "-f", str(EXAMPLE))
    assert result.code == 0
    assert "default/myapp: 5 parameters are valid" in result.out
    golden.check("validate", result)


def test_every_error_is_reported_with_its_parameter_and_without_its_value() -> None:
    result = dynconfig("validate", "-f", "-", stdin=changed("database/port", value="seven-canary"))
    assert result.code == 1
    assert re.search(r"^-:\d+: parameter database/port: the value is not of type integer$", result.err, re.MULTILINE)
    assert "default/myapp: 1 error" in result.err
    assert "seven-canary" not in result.err + result.out
    golden.check("validate-faults", result)


def with_rule() -> str:
    documents = list(yaml.safe_load_all(EXAMPLE.read_text()))
    documents[1]["spec"]["rules"] = [{"rule": "config['api/timeout'] < 10"}]
    return yaml.safe_dump_all(documents)


@pytest.mark.parametrize("command", ["validate", "plan"])
def test_rule_is_checked_before_anything_is_written(command: str) -> None:
    result = dynconfig(command, "-f", "-", stdin=with_rule(), AWS_REGION="eu-west-1")
    assert result.code == 1
    assert "spec.rules[0]: failed: config['api/timeout'] < 10" in result.err


BROKEN = """
apiVersion: v1
kind: Secret
metadata: {name: db}
data: {password: "%%%"}
---
apiVersion: dynconfig.dev/v1alpha1
kind: DynamicConfig
metadata: {name: app, namespace: default}
spec:
  path: /app
  parameters:
"""


@pytest.mark.parametrize("command", ["plan", "drift"])
def test_each_error_of_an_object_is_printed_on_its_own_line(tmp_path: Path, command: str) -> None:
    file = tmp_path / "app.yaml"
    wrong = (
        "    - {name: a, value: one, schema: {type: integer}}\n    - {name: b, value: two, schema: {type: integer}}\n"
    )
    file.write_text(BROKEN + wrong)
    result = dynconfig(command, "-f", str(file), "--offline", AWS_REGION="eu-west-1")
    assert result.code == 1
    first, second, *hints = result.err.splitlines()
    assert first.startswith("error: default/app: parameter a: ")
    assert second.startswith("error: default/app: parameter b: ")
    assert hints == [f"Run `dynconfig validate -f {file}` to see the lines of errors in the manifests."]


@pytest.mark.parametrize("command", ["plan", "drift"])
def test_unreadable_secret_is_reported_with_object_and_parameter(tmp_path: Path, command: str) -> None:
    file = tmp_path / "app.yaml"
    file.write_text(f"{BROKEN}    - {{name: pw, valueFrom: {{secretKeyRef: {{name: db, key: password}}}}}}\n")
    result = dynconfig(command, "-f", str(file), "--offline", AWS_REGION="eu-west-1")
    assert result.code == 1
    assert result.err.startswith("error: default/app: parameter pw: ")
    assert "is not base64-encoded UTF-8 text" in result.err
    assert "dynconfig validate -f" in result.err


def test_warning_does_not_fail() -> None:
    result = dynconfig("validate", "-f", "-", stdin=EXAMPLE.read_text().replace("api/timeout", "api/token"))
    assert result.code == 0
    assert "warning: parameter api/token: looks like a plaintext secret" in result.err
    golden.check("validate-warning", result)


def test_invalid_field_is_named_as_in_the_file() -> None:
    result = dynconfig("validate", "-f", "-", stdin=changed("api/timeout", ttlSeconds=-5))
    assert result.code == 1
    assert "spec.parameters[api/timeout].ttlSeconds" in result.err


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("validate", "-f", "none.yaml"), "none.yaml: cannot read file"),
        (("plan", "-f", "none.yaml", "--offline"), "error: none.yaml: cannot read file"),
    ],
    ids=["validate", "plan"],
)
def test_failure_is_reported_without_a_traceback(arguments: tuple[str, ...], message: str) -> None:
    result = process(*arguments, AWS_REGION="eu-west-1")
    assert result.returncode == 1
    assert result.stderr.startswith(message)
    assert "Traceback" not in result.stderr


@pytest.mark.parametrize(
    ("given", "message"),
    [
        (b"\x8e\xff\x00", "-: cannot read file: 'utf-8' codec can't decode"),
        (None, "-: cannot read file: standard input is closed"),
    ],
    ids=["no text", "closed"],
)
def test_unreadable_standard_input_is_an_error(given: bytes | None, message: str) -> None:
    command = f"exec '{sys.executable}' -m dynconfig validate -f - {'<&-' if given is None else ''}"
    result = subprocess.run(["/bin/sh", "-c", command], input=given, capture_output=True, check=False)
    assert result.returncode == 1
    assert result.stderr.decode().startswith(message)
    assert b"Traceback" not in result.stderr


def test_standard_input_may_start_with_a_byte_order_mark() -> None:
    assert dynconfig("validate", "-f", "-", stdin="\ufeff" + EXAMPLE.read_text()).code == 0


def test_missing_region_is_reported_with_how_to_set_it() -> None:
    result = dynconfig("plan", "-f", str(EXAMPLE), "--offline")
    assert result.code == 1
    assert "set AWS_REGION" in result.err


def test_unreachable_aws_is_reported_in_one_line() -> None:
    environment = {"AWS_ACCESS_KEY_ID": "x", "AWS_SECRET_ACCESS_KEY": "x", "AWS_ENDPOINT_URL": "http://127.0.0.1:9"}
    result = dynconfig("plan", "-f", str(EXAMPLE), "--offline", AWS_REGION="eu-west-1", **environment)
    assert result.code == 1
    assert result.err.startswith("error: default/myapp: ")
    assert "AWS is unavailable" in result.err


@pytest.mark.parametrize("command", ["plan", "drift", "render"])
def test_missing_files_and_cluster_are_reported_with_what_to_specify(command: str) -> None:
    result = dynconfig(command, AWS_REGION="eu-west-1")
    assert result.code == 1
    assert result.err == "error: no manifests and no cluster: add -f FILE, or set KUBECONFIG\n"


def test_unreachable_cluster_is_reported_with_what_works_without_it(tmp_path: Path) -> None:
    cluster = {"clusters": [{"name": "c", "cluster": {"server": "http://127.0.0.1:9"}}], "current-context": "c"}
    kubeconfig = tmp_path / "config"
    kubeconfig.write_text(yaml.safe_dump({**cluster, "contexts": [{"name": "c", "context": {"cluster": "c"}}]}))
    environment = {"AWS_REGION": "eu-west-1", "KUBECONFIG": str(kubeconfig)}
    result = dynconfig("plan", "-f", str(EXAMPLE), **environment)
    assert result.code == 1
    assert "the Kubernetes API server is unavailable" in result.err
    assert "--offline" in result.err
    assert dynconfig("status", **environment).code == 1


def test_policy_is_limited_to_the_given_paths() -> None:
    # A kind that is added later does not change this part.
    about = ("--path", "/shop", "--account", "111122223333", "--region", "eu-west-1")
    result = dynconfig("iam", *about, "--parameters-only")
    assert json.loads(result.out)["Statement"][0]["Resource"] == ["arn:aws:ssm:eu-west-1:111122223333:parameter/shop/*"]
    golden.check("iam", result)


@pytest.mark.parametrize(
    ("paths", "message"),
    [
        (1, ""),
        (
            25,
            "characters, and a managed policy takes 6,144: print two, with --part parameters and --part functions, or give it",
        ),
        (60, "characters, and a managed policy takes 6,144, an inline policy of a role 10,240: print two, with --part"),
    ],
)
def test_policy_too_long_for_iam_is_reported_with_what_to_do(paths: int, message: str) -> None:
    asked = [word for number in range(paths) for word in ("--path", f"/team-{number}/config")]
    result = dynconfig("iam", *asked, *PLACE, "--key", "arn:aws:kms:eu-west-1:123456789012:key/k")
    assert (result.code, len(json.loads(result.out))) == (0, 2)
    warnings = [line for line in result.err.splitlines() if "without --boundary" not in line]
    assert bool(message) is bool(warnings)
    assert message in result.err


@pytest.mark.parametrize(
    ("more", "is_warned"),
    [((), True), (("--boundary", "arn:aws:iam::123456789012:policy/b"), False), (("--parameters-only",), False)],
)
def test_policy_without_a_boundary_causes_a_warning(more: tuple[str, ...], is_warned: bool) -> None:
    result = dynconfig("iam", "--path", "/shop", *PLACE, *more)
    assert result.code == 0
    assert ("without --boundary" in result.err) is is_warned


@pytest.mark.parametrize(
    ("option", "text"),
    [
        ("--path", "myapp"),
        ("--path", "//myapp"),
        ("--path", "/"),
        ("--account", "abc"),
        ("--account", "1"),
        ("--region", "zzz"),
        ("--key", "notarn"),
        ("--key", "arn:aws:kms:eu-west-1:123456789012:alias/*"),
        ("--layer", "own:3"),
        ("--boundary", "arn:aws:iam::123456789012:role/r"),
    ],
)
def test_invalid_policy_options_are_rejected_in_one_line(option: str, text: str) -> None:
    result = dynconfig("iam", "--path", "/shop", option, text)
    assert (result.code, result.out) == (1, "")
    assert result.err.startswith(f"error: {option}: invalid value {text!r}, expected e.g. ")
    assert result.err.count("\n") == 1


def test_patterns_of_keys_and_layers_are_accepted() -> None:
    key, layer = "arn:aws-cn:kms:cn-north-1:123456789012:key/*", "arn:aws:lambda:*:123456789012:layer:own:*"
    result = dynconfig(
        "iam", "--path", "/team-*", "--key", key, "--layer", layer, "--region", "us-gov-west-1", *PLACE[:2]
    )
    assert result.code == 0, result.err


def test_crd_is_yaml_that_kubectl_accepts() -> None:
    both = [document["spec"]["names"]["kind"] for document in yaml.safe_load_all(dynconfig("crd").out)]
    assert both == ["DynamicConfig", "AWSTarget"]
    for kind in both:
        document = yaml.safe_load(dynconfig("crd", "--kind", kind).out)
        assert (document["kind"], document["spec"]["names"]["kind"]) == ("CustomResourceDefinition", kind)
