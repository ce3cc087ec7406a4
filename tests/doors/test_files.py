"""Manifests on disk."""

import base64
from pathlib import Path

import pytest

from dynconfig.engine.declaration import Source
from dynconfig.files import BadFile, read

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


def test_objects_without_a_namespace_get_the_one_asked_for(tmp_path: Path) -> None:
    (config,) = read([file(tmp_path, CONFIG)], "shop").configs
    assert config["metadata"]["namespace"] == "shop"


def test_a_folder_is_read_in_order_and_other_kinds_are_passed_over(tmp_path: Path) -> None:
    file(tmp_path, CONFIG.replace("myapp}", "b}"), "b.yml")
    file(tmp_path, CONFIG.replace("myapp}", "a}") + "---\nkind: Service\nmetadata: {name: x}\n")
    file(tmp_path, "not: [yaml", "c.txt")
    assert [config["metadata"]["name"] for config in read([tmp_path], "shop").configs] == ["a", "b"]


def test_secrets_beside_an_object_answer_its_references(tmp_path: Path) -> None:
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
        ("a: [", "is not YAML"),
        ("- 1", "not an object"),
        ("kind: Service\nmetadata: {name: x}", "no DynamicConfig in it"),
        (CONFIG.replace("v1alpha1", "v9"), "apiVersion has to be"),
        (CONFIG.replace("name: myapp", ""), r"a\.yaml:4: metadata\.name is missing"),
        (CONFIG.replace("{name: myapp}", "[myapp]"), r"a\.yaml:4: metadata is not an object"),
        (CONFIG.replace("myapp}", "x" * 64 + "}"), "longer than 63"),
        ("", "no DynamicConfig in it"),
    ],
)
def test_a_file_that_cannot_be_used_is_named(tmp_path: Path, text: str, words: str) -> None:
    with pytest.raises(BadFile, match=words) as refused:
        read([file(tmp_path, text)], "shop")
    assert "a.yaml" in str(refused.value)


@pytest.mark.parametrize("encoded", ["%%%", base64.b64encode(b"\xff").decode()])
def test_a_secret_that_is_no_base64_of_text_is_named(tmp_path: Path, encoded: str) -> None:
    secret = f"---\nkind: Secret\nmetadata: {{name: db}}\ndata: {{password: '{encoded}'}}\n"
    found = read([file(tmp_path, CONFIG + secret)], "shop")
    with pytest.raises(BadFile, match="key password of Secret db is not UTF-8 text in base64"):
        found.text("shop", Source("Secret", "db", "password"))


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(BadFile, match=r"none\.yaml: cannot be read"):
        read([tmp_path / "none.yaml"], "shop")
