"""Every error with file and line."""

from datetime import UTC, datetime
from pathlib import Path

import pytest

from dynconfig.cli.files import BadFile, read, scan
from dynconfig.cli.validating import reports

NOW = datetime(2026, 11, 24, tzinfo=UTC)

TWO_DOCUMENTS = """\
apiVersion: dynconfig.dev/v1alpha1
kind: DynamicConfig
metadata: {name: first}
spec:
  path: /first
  parameters:
    - name: db/pool
      value: "many"
      schema: {type: integer}
    - {name: db/max, value: "10", schema: {type: integer}}
    - name: limits
      value: "{}"
      schema:
        type: json
        jsonSchema:
          required: [perMinute]
---
apiVersion: dynconfig.dev/v1alpha1
kind: DynamicConfig
metadata: {name: second}
spec:
  path: /second
  cache:
    ttlSeconds: 301
  parameters:
    - name: colour
      value: red
      tier: Golden
"""

RULES = """\
apiVersion: dynconfig.dev/v1alpha1
kind: DynamicConfig
metadata: {name: ruled}
spec:
  path: /ruled
  parameters:
    - {name: a, value: "1", schema: {type: integer}}
    - name: password
      valueFrom: {secretKeyRef: {name: absent, key: password}}
    - name: api/token
      value: t
  rules:
    - rule: config.a > 0
    - rule: config.a > 1
      message: a is too small
    - rule: config.password != ''
    - rule: config.b > 1
"""


PLAINTEXT = (
    "parameter api/token: looks like a plaintext secret; move it to a Secret and reference it with "
    "valueFrom.secretKeyRef, or suppress this warning with a comment `# dynconfig: allow-plaintext` on its line, "
    "or the annotation dynconfig.dev/allow-plaintext"
)


def messages(folder: Path, text: str) -> list[str]:
    file = folder / "app.yaml"
    file.write_text(text)
    found = reports(read([file], "shop"), NOW)
    return [str(remark).removeprefix(f"{folder}/") for report in found for remark in report.remarks]


def test_every_error_of_every_document_has_its_line(tmp_path: Path) -> None:
    assert messages(tmp_path, TWO_DOCUMENTS) == [
        "app.yaml:7: parameter db/pool: the value is not of type integer",
        "app.yaml:11: parameter limits: the value does not match jsonSchema: $: required perMinute",
        "app.yaml:24: spec.cache.ttlSeconds: must be at most 300",
        "app.yaml:28: spec.parameters[colour].tier: must be Standard, Advanced or Intelligent-Tiering",
    ]


def test_rules_have_their_line_and_report_missing_values(tmp_path: Path) -> None:
    assert messages(tmp_path, RULES) == [
        "app.yaml:14: spec.rules[1]: failed: a is too small",
        "app.yaml:17: spec.rules[3]: references parameter b, which is not declared",
        f"app.yaml:10: warning: {PLAINTEXT}",
        "app.yaml:16: not checked: spec.rules[2]: it needs parameter password, whose value is missing",
    ]


def test_list_of_objects_is_read_item_by_item(tmp_path: Path) -> None:
    indented = "".join(f"    {line}\n" for line in TWO_DOCUMENTS.split("---\n", maxsplit=1)[0].splitlines())
    listed = f"apiVersion: v1\nkind: List\nitems:\n  -\n{indented}"
    assert messages(tmp_path, listed)[0] == "app.yaml:11: parameter db/pool: the value is not of type integer"


def test_list_of_another_kind_is_ignored(tmp_path: Path) -> None:
    other = "kind: PriceList\nmetadata: {name: x}\nitems: [1, 2]\n---\n"
    assert messages(tmp_path, other + RULES)[0].startswith("app.yaml:18: spec.rules[1]")


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("parameters: 5", 6),
        ("parameters:\n    - 5", 7),
        ("parameters:\n    - name: a", 7),
        ("parameters: [{name: a, value: x, schema: {type: integer}}]", 6),
        ("parameters:\n    - &p {name: a, value: '1'}\n    - *p", 7),
        ("tags: &t {a: b}\n  cache: {<<: {size: 5}, ttlSeconds: -1}", 7),
        ("region: moon", 6),
        ("unknown: 1", 6),
        ("parameters: [{name: a, value: '{}', schema: {type: json, jsonSchema: {\n      a: !!binary eA==}}}]", 7),
    ],
)
def test_line_is_that_of_the_innermost_existing_field(tmp_path: Path, text: str, line: int) -> None:
    head = "apiVersion: dynconfig.dev/v1alpha1\nkind: DynamicConfig\nmetadata: {name: x}\nspec:\n"
    found = messages(tmp_path, f"{head}  path: /x\n  {text}\n")
    assert found
    assert {remark.split(":")[1] for remark in found} == {str(line)}


def test_unparsable_file_counts_no_parameters(tmp_path: Path) -> None:
    file = tmp_path / "app.yaml"
    file.write_text(RULES.replace("/ruled", "ruled").split("  parameters")[0] + "  parameters: none\n")
    (report,) = reports(read([file], "shop"), NOW)
    assert (report.title, report.parameters, report.faults) == ("shop/ruled", 0, 2)


@pytest.mark.parametrize(
    ("spec", "more"), [("[a]", ", not a list: remove the - before its fields"), ("hello", ""), ("5", "")]
)
def test_spec_that_is_not_a_map_is_one_error(tmp_path: Path, spec: str, more: str) -> None:
    head = RULES.partition("spec:")[0]
    assert messages(tmp_path, f"{head}spec: {spec}\n") == [f"app.yaml:4: spec: must be a map of fields{more}"]


@pytest.mark.parametrize("value", ["5432", "yes", "y", "1234e56", "0o17"])
def test_non_string_value_for_kubectl_must_be_quoted(tmp_path: Path, value: str) -> None:
    text = RULES.partition("  parameters:")[0] + f"  parameters:\n    - name: a\n      value: {value}\n"
    wanted = "app.yaml:8: spec.parameters[a].value: must be a string: put it in quotes"
    assert messages(tmp_path, text) == [wanted]


@pytest.mark.parametrize("value", ["2024-01-01", "12:30", "1.2.3"])
def test_string_value_for_kubectl_needs_no_quotes(tmp_path: Path, value: str) -> None:
    text = RULES.partition("  parameters:")[0] + f"  parameters:\n    - name: a\n      value: {value}\n"
    assert messages(tmp_path, text) == []


def test_error_of_one_document_does_not_hide_others(tmp_path: Path) -> None:
    first, second = TWO_DOCUMENTS.split("---\n")
    nameless = second.replace("{name: second}", "{}")
    other = "kind: ConfigMap\nmetadata: {name: settings}\ndata: {port: 5432, level: high}\n"
    foreign = first.replace("v1alpha1", "v9")
    (tmp_path / "broken.yaml").write_text(f"{first}---\na: ]\n")
    (tmp_path / "others.yaml").write_text("---\n".join([foreign, other, nameless]))
    found = reports(scan([tmp_path], "shop"), NOW)
    assert [str(remark).removeprefix(f"{tmp_path}/") for report in found for remark in report.remarks] == [
        "broken.yaml:18: invalid YAML: while parsing a block node: did not find expected node content",
        "others.yaml:1: apiVersion must be dynconfig.dev/v1alpha1, not dynconfig.dev/v9",
        "others.yaml:20: data.port of ConfigMap settings must be a string: put it in quotes",
        "broken.yaml:7: parameter db/pool: the value is not of type integer",
        "broken.yaml:11: parameter limits: the value does not match jsonSchema: $: required perMinute",
        "others.yaml:24: metadata.name is missing",
        "others.yaml:28: spec.cache.ttlSeconds: must be at most 300",
        "others.yaml:32: spec.parameters[colour].tier: must be Standard, Advanced or Intelligent-Tiering",
    ]


def test_date_in_the_past_is_an_error_at_its_line(tmp_path: Path) -> None:
    file = tmp_path / "myapp.yaml"
    file.write_text(
        """\
apiVersion: dynconfig.dev/v1alpha1
kind: DynamicConfig
metadata: {name: myapp}
spec:
  path: /myapp
  parameters:
  - name: offer
    value: "1"
    tier: Advanced
    policies:
    - type: Expiration
      attributes:
        Timestamp: "2026-11-23T00:00:00Z"
"""
    )
    (report,) = reports(read([file], "shop"), NOW)
    (remark,) = report.remarks
    assert remark.place.endswith("myapp.yaml:13")
    assert (
        "spec.parameters[offer].policies[0].attributes.Timestamp is in the past (2026-11-23T00:00:00Z)" in remark.text
    )


TARGET = """\
apiVersion: dynconfig.dev/v1alpha1
kind: AWSTarget
metadata: {name: prod-eu, label: {team: shop}}
spec:
  region: eu-west-1
  account: 123456789012
  kmsKeyID: alias/prod
  assumeRole:
    roleARN: arn:aws:iam::123456789012:role/dynconfig
  allow:
    - namespaces: [shop]
      path: ["/shop"]
"""


def test_every_error_of_a_target_has_its_line(tmp_path: Path) -> None:
    file = tmp_path / "target.yaml"
    file.write_text(TARGET)
    (report,) = reports(scan([file], "default"), NOW)
    assert report.title == "AWSTarget prod-eu"
    assert {str(remark).removeprefix(f"{file}:") for remark in report.remarks} == {
        "3: metadata.label is an unknown field; did you mean labels?",
        "6: spec.account: must be a string: put it in quotes",
        "7: spec.kmsKeyID: is an unknown field; did you mean kmsKeyId?",
        "8: spec.assumeRole.roleArn: is missing",
        "9: spec.assumeRole.roleARN: is an unknown field; did you mean roleArn?",
        "12: spec.allow[0].path: is an unknown field; did you mean paths?",
    }


def test_target_alone_is_no_object_for_other_commands(tmp_path: Path) -> None:
    file = tmp_path / "target.yaml"
    file.write_text(TARGET)
    with pytest.raises(BadFile, match="no DynamicConfig found"):
        read([file], "default")
