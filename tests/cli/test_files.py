"""Manifests in files."""

import base64
from datetime import UTC, datetime
from pathlib import Path

import pytest
from tests.cpu import cpu_time

from dynconfig.cli import validating
from dynconfig.cli.files import BadFile, Manifests, read
from dynconfig.model.declaration import Source

CONFIG = """
apiVersion: dynconfig.dev/v1alpha1
kind: DynamicConfig
metadata: {name: myapp}
spec: {path: /myapp}
"""


def file(folder: Path, text: str, name: str = "a.yaml") -> Path:
    path = folder / name
    path.write_text(text)
    return path


def test_objects_without_a_namespace_get_the_given_one(tmp_path: Path) -> None:
    (config,) = read([file(tmp_path, CONFIG)], "shop").configs
    assert config["metadata"]["namespace"] == "shop"


@pytest.mark.parametrize("namespace", ["", "~", "''"])
def test_empty_namespace_counts_as_unset(tmp_path: Path, namespace: str) -> None:
    (config,) = read([file(tmp_path, CONFIG.replace("myapp}", f"myapp, namespace: {namespace}}}"))], "shop").configs
    assert config["metadata"]["namespace"] == "shop"


def test_other_kinds_may_have_any_structure(tmp_path: Path) -> None:
    other = "---\nkind: [a]\nmetadata: [b]\n---\nkind: Kustomization\nmetadata: ~\n"
    assert len(read([file(tmp_path, CONFIG + other)], "shop").configs) == 1


def test_byte_order_mark_is_ignored(tmp_path: Path) -> None:
    path = tmp_path / "a.yaml"
    path.write_bytes(b"\xef\xbb\xbf" + CONFIG.strip().encode())
    assert len(read([path], "shop").configs) == 1


def test_folder_is_read_in_order_and_other_kinds_are_ignored(tmp_path: Path) -> None:
    file(tmp_path, CONFIG.replace("myapp}", "b}"), "b.yml")
    file(tmp_path, CONFIG.replace("myapp}", "a}") + "---\nkind: Service\nmetadata: {name: x}\n")
    file(tmp_path, "not: [yaml", "c.txt")
    assert [config["metadata"]["name"] for config in read([tmp_path], "shop").configs] == ["a", "b"]


def test_secrets_in_the_same_files_resolve_references(tmp_path: Path) -> None:
    encoded = base64.b64encode(b"from-data").decode()
    secret = f"---\nkind: Secret\nmetadata: {{name: db}}\nstringData: {{plain: open}}\ndata: {{coded: {encoded}}}\n"
    settings = "---\nkind: ConfigMap\nmetadata: {name: settings}\ndata: {level: high}\n"
    found = read([file(tmp_path, CONFIG + secret + settings)], "shop")
    assert found.text("shop", Source("Secret", "db", "plain")) == "open"
    assert found.text("shop", Source("Secret", "db", "coded")) == "from-data"
    assert found.text("shop", Source("ConfigMap", "settings", "level")) == "high"
    assert found.text("shop", Source("Secret", "db", "absent")) is None
    assert found.text("elsewhere", Source("Secret", "db", "plain")) is None


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("a: [", "invalid YAML"),
        ("- 1", "not an object"),
        ("kind: Service\nmetadata: {name: x}", "no DynamicConfig found"),
        (CONFIG.replace("v1alpha1", "v9"), "apiVersion must be"),
        (CONFIG.replace("name: myapp", ""), r"a\.yaml:4: metadata\.name is missing"),
        (CONFIG.replace("{name: myapp}", "[myapp]"), r"a\.yaml:4: metadata must be an object"),
        (CONFIG.replace("{name: myapp}", "~"), r"a\.yaml:4: metadata\.name is missing"),
        (CONFIG.replace("myapp}", "x" * 64 + "}"), "longer than 63"),
        (
            CONFIG.replace("myapp}", "My App}"),
            r"a\.yaml:4: metadata\.name 'My App' is invalid: use lowercase letters",
        ),
        (CONFIG.replace("myapp}", "5}"), r"a\.yaml:4: metadata\.name must be a string: put it in quotes"),
        (CONFIG.replace("myapp}", "a, namespace: a.b}"), r"a\.yaml:4: metadata\.namespace 'a\.b' is invalid"),
        (CONFIG.replace("myapp}", "a, namespace: 99}"), r"a\.yaml:4: metadata\.namespace must be a string"),
        (CONFIG + "  path: /b\n", r"a\.yaml:6: invalid YAML: "),
        (CONFIG + "---\n" + "[" * 100_000, r"a\.yaml:7: invalid YAML: it is nested"),
        (CONFIG + "---\nkind: Secret\ndata: hello", r"a\.yaml:8: data of Secret None must be a map of strings"),
        (
            CONFIG + "---\nkind: Secret\nmetadata: {name: s}\nstringData: [k]",
            r"a\.yaml:9: stringData of Secret s must be",
        ),
        (
            CONFIG + "---\nkind: ConfigMap\nmetadata: {name: c}\ndata: {a: x, b: 5}",
            r"a\.yaml:9: data\.b of ConfigMap c must",
        ),
        (CONFIG.replace("myapp}", "5}") + "---\n- 1", r"an object \(and 1 more; run dynconfig validate to list all\)"),
        ("", "no DynamicConfig found"),
    ],
)
def test_unusable_file_is_named(tmp_path: Path, text: str, words: str) -> None:
    with pytest.raises(BadFile, match=words) as refused:
        read([file(tmp_path, text)], "shop")
    assert "a.yaml" in str(refused.value)


@pytest.mark.parametrize("encoded", ["%%%", base64.b64encode(b"\xff").decode()])
def test_secret_with_invalid_base64_is_named(tmp_path: Path, encoded: str) -> None:
    secret = f"---\nkind: Secret\nmetadata: {{name: db}}\ndata: {{password: '{encoded}'}}\n"
    found = read([file(tmp_path, CONFIG + secret)], "shop")
    with pytest.raises(BadFile, match="key password of Secret db is not base64-encoded UTF-8 text"):
        found.text("shop", Source("Secret", "db", "password"))


def test_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(BadFile, match=r"none\.yaml: cannot read file"):
        read([tmp_path / "none.yaml"], "shop")


@pytest.mark.parametrize("text", ["- {op: add, path: /spec/suspend, value: true}", "kind: Service"])
def test_kustomization_that_must_be_built_is_reported(tmp_path: Path, text: str) -> None:
    file(tmp_path, text, "values.yaml")
    with pytest.raises(BadFile) as plain:
        read([tmp_path], "shop")
    assert "kustomiz" not in str(plain.value).replace(str(tmp_path), "")
    file(tmp_path, "resources: [../base]", "kustomization.yaml")
    with pytest.raises(BadFile, match=r"is a kustomization: use kubectl kustomize .* > FILE"):
        read([tmp_path], "shop")


@pytest.mark.parametrize(
    ("stored", "expected"),
    [
        ("db-bcdfghkmt2", True),
        ("dev-db-bcdfghkmt2", True),
        ("db-v2-bcdfghkmt2", True),
        ("a.b-db-x-y-bcdfghkmt2", True),
        ("db", False),
        ("db-bcdfghkmt", False),
        ("mydb-bcdfghkmt2", False),
        ("x-bcdfghkmt2", False),
        (f"{'x-' * 200}db-bcdfghkmt2", False),
    ],
)
def test_generated_name_of_a_secret_is_found(stored: str, *, expected: bool) -> None:
    found = Manifests((), (), {("Secret", "shop", name): {} for name in ("other-22222bcdfg", stored, "z-2222222222")})
    assert found.renamed("shop", Source("Secret", "db", "k")) == (stored if expected else None)
    assert found.renamed("other", Source("Secret", "db", "k")) is None
    assert found.renamed("shop", Source("ConfigMap", "db", "k")) is None


HEAD = "apiVersion: dynconfig.dev/v1alpha1\nkind: DynamicConfig\nmetadata: {name: x}\nspec:\n  path: /a\n"
REFERENCE = "  - {{name: p{0}, valueFrom: {{secretKeyRef: {{name: {1}, key: k}}}}}}\n"
SECRET = '---\napiVersion: v1\nkind: Secret\nmetadata: {{name: "{0}"}}\n'
LARGE = {
    "names that match in many ways": "  parameters:\n"
    + "".join(REFERENCE.format(index, "a") for index in range(100))
    + SECRET.format("a-" * 4000),
    "many generated names": "  parameters:\n"
    + "".join(REFERENCE.format(index, f"s{index}") for index in range(4000))
    + "".join(SECRET.format(f"t{index}-bcdfghkmt2") for index in range(4000)),
    "many fields": "".join(f"  k{index}: 1\n" for index in range(12000)),
    "many lines": "  parameters:\n"
    + "".join(f"  - {{name: a{index}/password, value: hunter2}}\n" for index in range(400))
    + "\n" * 2_000_000,
}


@pytest.mark.timeout(120)
@pytest.mark.parametrize("large", LARGE.values(), ids=LARGE)
def test_time_to_validate_a_file_grows_with_its_size(tmp_path: Path, large: str) -> None:
    file = tmp_path / "large.yaml"
    file.write_text(HEAD + large)
    with cpu_time() as taken:
        assert list(validating.reports(read([file], "shop"), datetime(2027, 1, 15, tzinfo=UTC)))
    assert taken.ordinary < 12
