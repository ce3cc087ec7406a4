"""Checks of the whole repository: generated files are current, examples are valid, nothing local is in it."""

import ast
import re
import subprocess
from pathlib import Path

import pytest
import yaml
from pydantic import AliasChoices

from dynconfig.cli.commands import crd
from dynconfig.cli.files import read
from dynconfig.kube.metrics import Metrics
from dynconfig.settings import Settings
from dynconfig.validation.declare import faults

ROOT = Path(__file__).parents[2]
# Home folders of users and machines.
HOMES = ("root", "Users", "work")
CODE = [*ROOT.glob("operator/**/*.py"), *ROOT.glob("lab/**/*.py"), *ROOT.glob("benchmarks/**/*.py")]
CODE += ROOT.glob("lambda_app/**/*.py")
TESTS = [*ROOT.glob("tests/**/*.py")]
# Names with a standard term in Kubernetes or AWS: docs/decisions, CHANGELOG and this file may mention them.
RETIRED = [
    "Addressees",
    "Agenda",
    "Bell",
    "Desk",
    "Ear",
    "Freshness",
    "Gauges",
    "Host",
    "Judgement",
    "Mailbox",
    "Patience",
    "PostOffice",
    "Postman",
    "Recall",
    "Shelf",
    "Sight",
    "Spoken",
    "Subjects",
    "Surroundings",
    "Timetable",
    "Toy",
    "Troublemaker",
    "Workshop",
    "is_blamed",
    "put_off",
    "steer",
    "stands_alone",
    "up_to_date",
    "goodbye",
    "goodbyes",
    "parting",
    "addressees",
    "agenda",
    "desk",
    "leash",
    "mailbox",
    "postman",
    "surroundings",
    "timetable",
    "toy",
    "workshop",
    "LateBell",
    "LateToy",
    "MOST_TOLD",
    "WatchedShelf",
    "_told",
    "heard",
    "hears",
    "is_heard",
    "is_told",
    "look_now",
    "looked_at",
    "stands",
    "strangers",
    "told",
    "wait_heard",
    "dynconfig_happened_total",
]


def tracked() -> list[Path]:
    listed = subprocess.run(
        ["git", "ls-files"],  # noqa: S607 - wherever git is
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    return [ROOT / line for line in listed.splitlines() if (ROOT / line).is_file()]


def title(path: Path) -> str:
    return str(path.relative_to(ROOT))


def test_crd_is_current() -> None:
    for kind, name in (("DynamicConfig", "dynamicconfigs"), ("AWSTarget", "awstargets")):
        assert (ROOT / "crds" / f"{name}.dynconfig.dev.yaml").read_text() == crd.text(kind)


@pytest.mark.parametrize("example", sorted((ROOT / "manifests" / "examples").glob("*.yaml")), ids=title)
def test_every_example_validates(example: Path) -> None:
    manifests = read([example], "default")
    for document in manifests.configs:
        assert faults(document, lambda source: manifests.text("default", source)) == ()


def test_every_manifest_is_yaml_with_a_kind() -> None:
    for path in ROOT.glob("manifests/install/*.yaml"):
        for document in yaml.safe_load_all(path.read_text()):
            assert document["kind"], path


def test_source_root_is_not_a_package() -> None:
    assert not (ROOT / "operator" / "__init__.py").exists()


def test_files_have_at_most_500_lines() -> None:
    assert [title(path) for path in [*CODE, *TESTS] if len(path.read_text().splitlines()) > 500] == []


def test_modules_and_public_classes_of_the_operator_have_docstrings() -> None:
    bare = []
    for path in [*CODE, *TESTS]:
        module = ast.parse(path.read_text())
        bare += [] if ast.get_docstring(module) else [title(path)]
        if (ROOT / "operator") in path.parents:
            bare += [f"{title(path)}: {name}" for name in _classes_without_docstring(module)]
    assert bare == []


def _classes_without_docstring(module: ast.Module) -> list[str]:
    return [
        node.name
        for node in ast.walk(module)
        if isinstance(node, ast.ClassDef) and not node.name.startswith("_") and not ast.get_docstring(node)
    ]


def test_no_test_depends_on_the_speed_of_the_machine() -> None:
    """CPU time is compared with work that is measured beside it (tests/cpu.py)."""
    clocks = re.compile(r"\b(thread_time|process_time|perf_counter)(_ns)?\b")
    asserts = [
        (path, node) for path in TESTS for node in ast.walk(ast.parse(path.read_text())) if isinstance(node, ast.Assert)
    ]
    assert [f"{title(path)}:{node.lineno}" for path, node in asserts if clocks.search(ast.unparse(node))] == []


def test_retired_names_do_not_come_back() -> None:
    retired = re.compile(rf"(?<![\w-])(?:{'|'.join(RETIRED)})(?!\w)")
    found = {
        title(path): sorted(set(retired.findall(path.read_text())))
        for path in [*CODE, *TESTS]
        if path != Path(__file__)
    }
    assert {name: words for name, words in found.items() if words} == {}


def test_no_file_names_an_index_or_a_machine() -> None:
    # Requirements may name packages and hashes, never where to get them.
    for path in (ROOT / "requirements").glob("*.txt"):
        assert not re.search(r"--(extra-)?index-url|--find-links|https?://", path.read_text()), path
    for path in tracked():
        if path.suffix in (".py", ".md", ".yaml", ".toml", ".txt", ".mod", "") and path.stat().st_size < 1_000_000:
            assert not re.search(rf"/({'|'.join(HOMES)})/\w+", path.read_text(errors="replace")), path


def test_every_requirement_has_a_hash() -> None:
    for path in (ROOT / "requirements").glob("*.txt"):
        blocks = re.split(r"\n(?=[a-zA-Z0-9])", path.read_text())
        for block in (block for block in blocks if re.match(r"[a-zA-Z0-9]", block)):
            assert "--hash=sha256:" in block, f"{path.name}: {block.splitlines()[0]}"


def test_every_target_of_the_makefile_has_a_description() -> None:
    text = (ROOT / "Makefile").read_text()
    internal = {"lab-binaries", "lab-tools"}
    targets = set(re.findall(r"^\.PHONY: ([a-z-]+)$", text, re.MULTILINE)) - internal
    explained = set(re.findall(r"^([a-z-]+):.*## ", text, re.MULTILINE))
    assert targets == explained


def test_all_settings_are_in_the_readme() -> None:
    readme = (ROOT / "README.md").read_text()
    aliases = [field.validation_alias for field in Settings.model_fields.values()]
    names = {alias.choices[0] if isinstance(alias, AliasChoices) else alias for alias in aliases}
    own = {name for name in map(str, names) if name.startswith("DYNCONFIG_")}
    assert len(own) > 10
    assert {name for name in own if f"`{name}`" not in readme} == set()


def test_all_metrics_are_in_the_readme() -> None:
    readme = (ROOT / "README.md").read_text()
    found = Metrics(lambda: 0.0, dict, dict, tuple, 1).registry.collect()
    exported = {f"{family.name}_total" if family.type == "counter" else family.name for family in found}
    assert len(exported) > 10
    assert {name for name in exported if not re.search(rf"^\|[^|]*`{name}[`{{]", readme, re.MULTILINE)} == set()


@pytest.mark.parametrize("name", ["plan-edit", "drift", "plan-delete"])
def test_output_of_commands_in_the_readme_is_current(name: str) -> None:
    output, _, _ = (ROOT / "tests" / "cli" / "golden" / f"{name}.txt").read_text().partition("--- exit code")
    assert output in (ROOT / "README.md").read_text()


def test_version_is_the_same_everywhere() -> None:
    version = re.search(r'^version = "([^"]+)"', (ROOT / "pyproject.toml").read_text(), re.MULTILINE)
    assert version
    assert f'__version__ = "{version[1]}"' in (ROOT / "operator" / "dynconfig" / "__init__.py").read_text()
    assert f"dynconfig-operator:{version[1]}" in (ROOT / "manifests" / "install" / "deployment.yaml").read_text()
