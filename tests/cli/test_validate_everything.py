"""`dynconfig validate` finds every error in one run, with its own messages and the right line."""

import json
from pathlib import Path

import pytest
import yaml
from tests.cli.shell import Result, dynconfig

HEAD = "apiVersion: dynconfig.dev/v1alpha1\nkind: DynamicConfig\nmetadata: {name: x}\nspec:\n  path: /x\n"
SECRET = (
    "---\napiVersion: v1\nkind: Secret\nmetadata: {name: s}\nstringData: {password: hunter2}\ndata: {ks: /////w==}\n"
)


def validated(text: str, *more: str) -> Result:
    return dynconfig("validate", "-f", "-", *more, stdin=text)


def of_parameters(*lines: str) -> str:
    return HEAD + "  parameters:\n" + "".join(f"    - {line}\n" for line in lines)


@pytest.mark.parametrize(
    ("text", "place", "words"),
    [
        (of_parameters("{name: a, value: '1', desciption: hi}"), 7, "is an unknown field; did you mean description?"),
        (f"{HEAD}  tagz: {{a: b}}\n", 6, "spec.tagz: is an unknown field; did you mean tags?"),
        (of_parameters("{name: /a, value: '1'}"), 7, "remove the leading /"),
        (of_parameters("{name: a/, value: '1'}"), 7, "must not end with /"),
        (of_parameters("{name: a/../b, value: '1'}"), 7, "must not have a level that is only . or .."),
        (HEAD.replace("/x", "/x/"), 5, "must begin with / and must not end with /"),
        (HEAD.replace("/x", "/x/."), 5, "must not have a level"),
        (f"{HEAD}  function: {{triggers: {{schedule: '0 8 * * *'}}}}\n", 6, "cron in AWS has six fields"),
        (f"{HEAD}  function: {{triggers: {{schedule: 'cron(0 8 * * * *)'}}}}\n", 6, "requires ? in exactly one"),
        (f"{HEAD}  function: {{timeoutSeconds: x}}\n", 6, "must be a whole number"),
        (f"{HEAD}  alarms: {{defaults: false, notify: [me]}}\n", 6, "arn:aws:sns:REGION:ACCOUNT:NAME"),
        (
            of_parameters("{name: a, value: '1'}", "{name: b, value: '1'}", "{name: a, value: '2'}"),
            9,
            "parameter a: the name is declared twice",
        ),
        (
            of_parameters("{name: p, valueFrom: {secretKeyRef: {name: s, key: passwrd}}}") + SECRET,
            7,
            "Secret s has no key passwrd; did you mean password?",
        ),
        (
            of_parameters("{name: p, valueFrom: {secretKeyRef: {name: s, key: ks}}}") + SECRET,
            7,
            "is not base64-encoded UTF-8 text",
        ),
        (f"{HEAD}---\n{HEAD}", 9, "object default/x is declared twice; the first one is at -:3"),
        (f"{HEAD}  region: eu-west-9\n", 6, "spec.region: eu-west-9 is not an AWS region"),
        (
            f"{HEAD}  alarms: {{defaults: false, drift: true, notify: ['arn:aws:sns:eu-west-9:123456789012:t']}}\n",
            6,
            "spec.alarms.notify[0]: eu-west-9 is not an AWS region",
        ),
    ],
)
def test_error_is_reported_with_its_line(text: str, place: int, words: str) -> None:
    result = validated(text)
    assert result.code == 1
    (line,) = [line for line in result.err.splitlines() if line.startswith("-:")]
    assert line.startswith(f"-:{place}: ")
    assert words in line
    assert "hunter2" not in result.text


def test_no_error_hides_another() -> None:
    text = of_parameters(
        "{name: a, value: 'x', schema: {type: integer}}", "{name: b, value: 1}", "{name: b, value: '1'}"
    )
    text += "  function: {triggers: {schedule: 'rate(5 weeks)'}}\n  deletionPolicy: Never\n"
    output = validated(text.replace("/x", "/aws/x")).err
    for words in (
        "a: the value is not of type integer",
        "put it in quotes",
        "twice",
        "schedule",
        "Delete or Retain",
        "AWS reserves",
    ):
        assert words in output


def test_size_limits_of_client_side_apply_warn_and_those_of_etcd_fail() -> None:
    parameters = [{"name": f"p{number}", "value": "v" * 300, "description": "d" * 40} for number in range(800)]
    large = {**yaml.safe_load(HEAD), "spec": {"path": "/x", "parameters": parameters}}
    found = validated(json.dumps(large))
    assert (found.code, "kubectl apply --server-side" in found.err) == (0, True)
    for parameter in parameters:
        parameter["value"] = "v" * 2000
    found = validated(json.dumps(large))
    assert (found.code, "than the Kubernetes limit" in found.err) == (1, True)


@pytest.mark.parametrize("name", ["retries", "meta"])
def test_name_that_resembles_no_field_gets_no_hint(name: str) -> None:
    found = validated(f"{HEAD}  alarms: {{custom: [{{name: a, {name}: 1}}]}}\n").err
    assert f"{name}: is an unknown field\n" in found


def test_json_may_escape_a_character_as_surrogate_pair() -> None:
    text = json.dumps(
        {**yaml.safe_load(HEAD), "spec": {"path": "/x", "parameters": [{"name": "a", "value": "😀\\ud83d\\ude00"}]}}
    )
    assert "\\ud83d" in text
    assert validated(text).code == 0


def test_json_output_of_errors() -> None:
    (report,) = json.loads(validated(of_parameters("{name: a, value: '1', tye: x}"), "-o", "json").out)
    assert (report["object"], report["valid"]) == ("default/x", False)
    assert report["remarks"][0]["place"] == "-:7"
    assert "did you mean type?" in report["remarks"][0]["message"]


def test_kustomization_is_built_and_a_reference_it_breaks_is_named(tmp_path: Path) -> None:
    config = of_parameters("{name: p, valueFrom: {secretKeyRef: {name: db, key: password}}}")
    (tmp_path / "config.yaml").write_text(config)
    customization = {
        "resources": ["config.yaml"],
        "secretGenerator": [{"name": "db", "literals": ["password=hunter2"]}],
    }
    (tmp_path / "kustomization.yaml").write_text(json.dumps(customization))
    result = dynconfig("validate", "-k", str(tmp_path))
    assert result.code == 1
    assert "Secret db is renamed to db-" in result.err
    fixed = {**customization, "generatorOptions": {"disableNameSuffixHash": True}}
    (tmp_path / "kustomization.yaml").write_text(json.dumps(fixed))
    assert dynconfig("validate", "-k", str(tmp_path)).code == 0


def test_folder_without_kustomization_is_named(tmp_path: Path) -> None:
    result = dynconfig("validate", "-k", str(tmp_path))
    assert result.code == 1
    assert str(tmp_path) in result.err


@pytest.mark.parametrize(
    ("lines", "output"),
    [
        (["{name: a/token, value: t} # dynconfig: allow-plaintext", "{name: b/token, value: t}"], ["b/token"]),
        (["name: a/token # dynconfig: allow-plaintext\n      value: t", "name: b/token\n      value: t"], ["b/token"]),
        (
            ["name: a/token\n      value: t\n    # dynconfig: allow-plaintext", "name: b/token\n      value: t"],
            ["a/token", "b/token"],
        ),
        (["name: a/token\n      value: t", "name: b/token\n      value: t #dynconfig:allow-plaintext"], ["a/token"]),
    ],
)
def test_comment_on_a_line_of_the_parameter_allows_plaintext(lines: list[str], output: list[str]) -> None:
    found = [line for line in validated(of_parameters(*lines)).err.splitlines() if "plaintext secret" in line]
    assert [line.split("parameter ")[1].split(":")[0] for line in found] == output


def test_many_warnings_are_summarised_except_in_json() -> None:
    text = of_parameters(*(f"{{name: p{number}/token, value: t}}" for number in range(800)))
    result = validated(text)
    assert result.code == 0
    assert len(result.err.splitlines()) == 6
    assert "795 more warnings; use -o json to list all" in result.err
    (report,) = json.loads(validated(text, "-o", "json").out)
    assert len(report["remarks"]) == 800


@pytest.mark.parametrize(("count", "code"), [(100, 0), (110, 1)])
def test_more_parameters_than_an_attached_function_supports_are_rejected(count: int, code: int) -> None:
    text = of_parameters(*(f"{{name: service/section-{number:03}/setting, value: v}}" for number in range(count)))
    result = validated(f"{text}  function: {{mode: Attach, name: theirs}}\n")
    assert result.code == code
    assert ("in the environment of the attached function; the limit is 4,096" in result.err) == bool(code)
    assert validated(f"{text}  function: {{}}\n").code == 0


def test_regions_are_those_that_the_operator_accepts() -> None:
    text = f"{HEAD}  region: us-east-1\n"
    assert dynconfig("validate", "-f", "-", stdin=text).code == 0
    allowed = {"DYNCONFIG_REGIONS": "eu-west-1, eu-west-2"}
    found = dynconfig("validate", "-f", "-", stdin=text, **allowed)
    wanted = "-:6: spec.region: us-east-1 is not allowed here; allowed regions: eu-west-1, eu-west-2"
    assert (found.code, found.err.startswith(wanted)) == (1, True)
    assert dynconfig("validate", "-f", "-", stdin=text, DYNCONFIG_REGIONS="us-east-1").code == 0
    setting = dynconfig("validate", "-f", "-", stdin=text, DYNCONFIG_REGIONS="us-east-1,us-east-9")
    assert setting.err.startswith("error: DYNCONFIG_REGIONS: us-east-9 is not an AWS region")


@pytest.mark.parametrize(
    "command",
    [
        ("iam", "--path", "/shop", "--account", "123456789012", "--region", "eu-west-9"),
        ("import", "--path", "/shop", "--region", "eu-west-9"),
        ("diff", "/shop@eu-west-9", "/shop@eu-west-1"),
    ],
)
def test_region_option_rejects_unknown_regions(command: tuple[str, ...]) -> None:
    found = dynconfig(*command, AWS_ACCESS_KEY_ID="none", AWS_SECRET_ACCESS_KEY="none")
    assert (found.code, "eu-west-9 is not an AWS region" in found.err) == (1, True)


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("cache: {ttlSeconds: '300'}", "spec.cache.ttlSeconds: must be a whole number: remove the quotes"),
        ("cache: {ttlSeconds: 1.5}", "spec.cache.ttlSeconds: must be a whole number"),
        ("cache: {ttlSeconds: true}", "spec.cache.ttlSeconds: must be a whole number"),
        ("cache: [{size: 1}]", "spec.cache: must be a map of fields, not a list: remove the - before its fields"),
        ("suspend: 'yes'", "spec.suspend: must be true or false: remove the quotes"),
        ("suspend: 1", "spec.suspend: must be true or false"),
        ("suspend:", "spec.suspend: is empty: set a value, or remove the field"),
        ("tags: {a: 1}", "spec.tags.a: must be a string: put it in quotes"),
        ("function: {memoryMiB: '256'}", "spec.function.memoryMiB: must be a whole number: remove the quotes"),
        ("function: {timeoutSeconds: 30s}", "spec.function.timeoutSeconds: must be a whole number, not a string"),
        ("resyncInterval: 600", "spec.resyncInterval: must be a string: put it in quotes"),
        (
            "parameters: [{name: a, value: '1', schema: {type: integer, minimum: '1'}}]",
            "spec.parameters[a].schema.minimum: must be a number: remove the quotes",
        ),
        ("parameters: [{name: a, value: [1]}]", "spec.parameters[a].value: must be a string, not a list"),
        ("parameters: [{name: a, value: '1', ignore: [tags, tags]}]", "ignore must not repeat a field"),
        ('parameters: [{name: "a\\n", value: x}]', r"spec.parameters[a\n].name: must consist of letters"),
    ],
)
def test_wrong_type_is_rejected_with_the_correct_form(line: str, words: str) -> None:
    found = validated(f"{HEAD}  {line}\n")
    assert found.code == 1
    assert found.err.splitlines()[0].startswith(f"-:6: {words}" if words.startswith("spec") else "-:6: ")
    assert words in found.err


@pytest.mark.parametrize("line", ["cache: {ttlSeconds: 300.0}", "cache: {ttlSeconds: 1e2}", "suspend: yes"])
def test_number_or_boolean_for_kubectl_is_one_here(line: str) -> None:
    assert validated(f"{HEAD}  {line}\n").code == 0


def test_all_wrong_types_are_found_in_one_run_each_at_its_line() -> None:
    lines = ("  suspend: 'no'", "  cache:", "    size: '5'", "    ttlSeconds: 1.5", "  parameters:", "    - name: a")
    text = HEAD.replace("{name: x}", "{name: x, labels: {a: 1}}") + "\n".join((*lines, "      value: 5432\n"))
    (report,) = json.loads(validated(text, "-o", "json").out)
    places = [(remark["place"], remark["message"].split(":")[0].split(" ")[0]) for remark in report["remarks"]]
    assert sorted(places) == [
        ("-:12", "spec.parameters[a].value"),
        ("-:3", "metadata.labels.a"),
        ("-:6", "spec.suspend"),
        ("-:8", "spec.cache.size"),
        ("-:9", "spec.cache.ttlSeconds"),
    ]


@pytest.mark.parametrize(
    ("metadata", "words"),
    [
        ("{name: x, labels: {a: 1}}", "metadata.labels.a must be a string: put it in quotes"),
        ("{name: x, labels: {a: 'b c'}}", "metadata.labels.a is not a valid label value"),
        ("{name: x, annotations: {'a b': c}}", "metadata.annotations.a b has an invalid key"),
        ("{name: x, annotations: {dynconfig.dev/approve-generation: 3}}", "approve-generation must be a string"),
        ("{name: x, annotations: [a]}", "metadata.annotations must be a map of strings"),
        ("{name: x, finalizers: a}", "metadata.finalizers must be a list of strings"),
        ("{name: x, labls: {a: b}}", "metadata.labls is an unknown field; did you mean labels?"),
    ],
)
def test_metadata_that_the_api_server_rejects_is_rejected(metadata: str, words: str) -> None:
    found = validated(HEAD.replace("{name: x}", metadata))
    assert (found.code, found.err.startswith("-:3: ")) == (1, True)
    assert words in found.err


def test_unknown_top_level_field_is_rejected() -> None:
    assert "-:6: spce is an unknown field; did you mean spec?" in validated(f"{HEAD}spce: {{}}\n").err


@pytest.mark.parametrize(
    ("called", "is_own"), [("dynconfig-default-x", True), ("dynconfig-default-x:live", True), ("another", False)]
)
def test_function_as_its_own_destination_causes_a_warning(called: str, is_own: bool) -> None:
    arn = f"arn:aws:lambda:eu-west-1:123456789012:function:{called}"
    result = validated(f"{HEAD}  function: {{onFailure: '{arn}'}}\n")
    assert result.code == 0
    assert ("cannot be the destination of its own failed events" in result.err) is is_own
