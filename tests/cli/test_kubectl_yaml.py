"""YAML as kubectl parses it, checked against kubectl itself."""

import json
import subprocess
from pathlib import Path

import pytest
import yaml
from rich.console import Console

from dynconfig.cli.kubectl_yaml import documents
from dynconfig.kube.yaml_bounds import MAX_DEPTH
from dynconfig_lab import binaries

# Words that some parsers do not read as strings.
WORDS = (
    *("y", "Y", "n", "N", "yes", "NO", "On", "oFF", "off", "true", "True", "tRUE", "FALSE"),
    *("~", "null", "Null", "NULL", "nULL", "<<", "=", "-", "+", ".", "_1", "-_1"),
    *(
        "5432",
        "05432",
        "08",
        "0o17",
        "0O17",
        "0o",
        "0o8",
        "0x1F",
        "0X1f",
        "0x_f",
        "0x",
        "0b101",
        "-0b1",
        "0b2",
        "+12",
        "-0",
    ),
    *("1_000", "1__0", "1_", "0_7", "9223372036854775807", "123456789012345678901234567890"),
    *("1234e56", "12e5", "1E+3", "1e", "1.", ".5", "+.5", "-.5e3", "5.e1", "1.5.2", "1_0.5", ".5_0", "e5", "1.2_3"),
    *("2024-01-01", "2024-01-01T00:00:00Z", "12:30", "1:2:3", "190:20:30.15", "10.0.0.1", "1,000", "30s"),
)


def read(text: str) -> object:
    ((document, _),) = documents(text)
    return document


@pytest.mark.tools
def test_words_have_the_types_of_kubectl(tmp_path: Path) -> None:
    kubectl = binaries.kubectl(Console(stderr=True))
    words = "".join(f"  - {word}\n  - '{word}'\n" for word in WORDS)
    file = tmp_path / "words.yaml"
    file.write_text(
        f"apiVersion: v1\nkind: Words\nmetadata: {{name: a}}\nspec:\n  words:\n{words}  y: a\n  0o7: b\n  3: c\n"
    )
    command = (str(kubectl), "label", "--local", "-f", str(file), "a=b", "-o", "json")
    completed = subprocess.run(command, capture_output=True, text=True, check=True, env={"KUBECONFIG": "/dev/null"})
    spec, document = json.loads(completed.stdout)["spec"], read(file.read_text())
    assert isinstance(document, dict)
    ours, theirs = document["spec"].pop("words"), spec.pop("words")
    pairs = zip(WORDS, ours[::2], theirs[::2], strict=True)
    assert [(word, our, their) for word, our, their in pairs if (type(our), our) != (type(their), their)] == []
    assert ours[1::2] == list(WORDS)
    assert document["spec"] == spec


@pytest.mark.parametrize(
    ("word", "value"),
    [
        ("y", True),
        ("off", False),
        ("12e5", 1.2e6),
        ("0o17", 15),
        ("017", 15),
        ("9223372036854775808", 2.0**63),
        ("2024-01-01", "2024-01-01"),
        ("12:30", "12:30"),
        ("=", "="),
        ("!!timestamp 2024-13-45", "2024-13-45"),
        ("1" * 5000, float("inf")),
        ("", None),
    ],
)
def test_plain_scalar_has_the_type_of_kubectl(word: str, value: object) -> None:
    assert read(f"a: {word}") == {"a": value}


@pytest.mark.parametrize("word", ["!!int x", "!!float x", "!!python/name:os.system x", "!!map x", "{~: x}", "{[a]: x}"])
def test_mismatching_tag_is_an_error_of_the_file(word: str) -> None:
    with pytest.raises(yaml.YAMLError):
        read(f"a: {word}")


def test_keys_are_strings_as_kubectl_sends_them() -> None:
    assert read("{1: a, y: b, '2': c}") == {"1": "a", "true": "b", "2": "c"}


def test_duplicate_key_is_reported_with_both_lines() -> None:
    with pytest.raises(yaml.MarkedYAMLError, match="duplicate key b; the first one is in line 2") as refused:
        read("a:\n  b: 1\n  c: 2\n  b: 3\n")
    assert refused.value.problem_mark is not None
    assert refused.value.problem_mark.line == 3


def test_merged_keys_may_be_overridden() -> None:
    assert read("a: {x: &p {b: 1}}\nc: {<<: *p, b: 2}\nd: &d {<<: *p, b: 3}\ne: {<<: *d, f: 4}") == {
        "a": {"x": {"b": 1}},
        "c": {"b": 2},
        "d": {"b": 3},
        "e": {"b": 3, "f": 4},
    }


@pytest.mark.parametrize("text", ["[" * 100_000, "- " * 100_000 + "a", "{a: " * 100_000])
def test_too_deep_nesting_is_an_error_of_the_file(text: str) -> None:
    with pytest.raises(yaml.MarkedYAMLError, match=f"nested more than {MAX_DEPTH} levels deep"):
        read(text)


def test_recursive_alias_is_an_error_of_the_file() -> None:
    with pytest.raises(yaml.MarkedYAMLError, match="an anchor is used within itself"):
        read("a: &a {b: [*a]}")
