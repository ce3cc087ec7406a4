"""`dynconfig diff`: two environments by names relative to their paths; secrets are only compared for equality."""

import json

import pytest
from tests.cli import golden
from tests.cli.cli_harness import PARAMETERS, PASSWORD, CliHarness
from tests.cli.shell import dynconfig

pytestmark = pytest.mark.lab


def environments(harness: CliHarness) -> None:
    """A file for dev and one for prod."""
    host, port, password = PARAMETERS
    harness.manifest(
        host, port, password, {"name": "debug", "value": "true"}, file="dev.yaml", path="/dev", cache={"size": 1}
    )
    (harness.folder / "prod.yaml").write_text(
        (harness.folder / harness.manifest({**host, "value": "db.prod"}, port, password, path="/prod", suspend=True))
        .read_text()
        .replace(PASSWORD, "other-canary")
    )


def test_files_are_compared_by_names_below_their_paths(harness: CliHarness) -> None:
    environments(harness)
    result = harness.dynconfig("diff", "dev.yaml", "prod.yaml", "--offline")
    assert result.code == 2
    assert "~ database/host: db.shop.internal → db.prod" in result.out
    assert "~ database/password: ••• → •••" in result.out
    assert "- debug: true" in result.out
    assert "~ spec.cache.size: 1 → 1000" in result.out
    assert "~ spec.suspend: false → true" in result.out
    assert PASSWORD not in result.text
    assert "other-canary" not in result.text
    golden.check("diff-files", result)


def test_equal_secrets_do_not_differ(harness: CliHarness) -> None:
    harness.manifest(file="one.yaml", path="/one")
    harness.manifest(file="two.yaml", path="/two")
    result = harness.dynconfig("diff", "one.yaml", "two.yaml", "--offline")
    assert result.code == 0
    golden.check("diff-none", result)


def test_unavailable_secret_is_not_assumed_equal(harness: CliHarness) -> None:
    harness.manifest(file="one.yaml")
    (harness.folder / "two.yaml").write_text((harness.folder / "one.yaml").read_text().split("---\n")[1])
    result = harness.dynconfig("diff", "one.yaml", "two.yaml", "--offline")
    assert result.code == 2
    assert "~ database/password: ••• → (unknown)" in result.out


def test_paths_in_aws_are_compared_and_so_is_a_file_with_a_path(harness: CliHarness) -> None:
    harness.applied()
    harness.ssm.put_parameter(Name="/other/database/host", Value="db.shop.internal", Type="String")
    harness.ssm.put_parameter(Name="/other/database/port", Value="5432", Type="StringList")
    harness.ssm.put_parameter(Name="/other/database/password", Value="other-canary", Type="SecureString")
    result = harness.dynconfig("diff", "/myapp/config", "/other@eu-west-1")
    assert result.code == 2
    assert "other-canary" not in result.text
    golden.check("diff-paths", result)
    assert harness.dynconfig("diff", "myapp.yaml", "/myapp/config").code == 0


REFERENCE = {"name": "myapp-db", "key": "password", "allowPlaintext": True}
PLAIN = {"name": "token", "type": "String", "valueFrom": {"secretKeyRef": REFERENCE}}


@pytest.mark.parametrize("is_known", [True, False])
@pytest.mark.parametrize("output", ["text", "json"])
def test_text_of_a_secret_stored_as_string_is_not_shown(harness: CliHarness, output: str, *, is_known: bool) -> None:
    harness.manifest(PLAIN)
    if not is_known:
        (harness.folder / "myapp.yaml").write_text((harness.folder / "myapp.yaml").read_text().split("---\n")[1])
    harness.ssm.put_parameter(Name="/other/token", Value="old-canary", Type="String")
    for words in (("myapp.yaml", "/other"), ("/other", "myapp.yaml")):
        result = harness.dynconfig("diff", *words, "-o", output)
        assert result.code == 2, result.err
        assert "canary" not in result.text
        assert "•••" in result.out


def test_text_of_a_secret_is_equal_in_a_secret_and_in_aws(harness: CliHarness) -> None:
    harness.manifest(PLAIN)
    harness.ssm.put_parameter(Name="/other/token", Value=PASSWORD, Type="String")
    assert harness.dynconfig("diff", "myapp.yaml", "/other").code == 0


def test_path_in_aws_masks_values_from_a_secret(harness: CliHarness) -> None:
    harness.applied(PLAIN, {"name": "open", "value": "1"})
    harness.ssm.put_parameter(Name="/other/token", Value="other-canary", Type="String")
    harness.ssm.put_parameter(Name="/other/open", Value="2", Type="String")
    result = harness.dynconfig("diff", "/myapp/config", "/other")
    assert PASSWORD not in result.text
    assert "canary" not in result.text
    assert "~ open: 1 → 2" in result.out


def test_path_may_end_with_a_slash(harness: CliHarness) -> None:
    harness.applied()
    assert harness.dynconfig("diff", "/myapp/config/", "/myapp/config/@eu-west-1").code == 0


def test_errors_of_an_object_are_reported_with_its_name(harness: CliHarness) -> None:
    harness.manifest(file="good.yaml")
    harness.manifest(file="bad.yaml", path="bad")
    result = harness.dynconfig("diff", "good.yaml", "bad.yaml")
    assert result.code == 1
    assert result.err.startswith("error: bad.yaml: shop/myapp: spec.path: ")
    (harness.folder / "list.yaml").write_text(
        (harness.folder / "good.yaml").read_text().split("spec:")[0] + "spec: [a]\n"
    )
    assert harness.dynconfig("diff", "list.yaml", "good.yaml").err == (
        "error: list.yaml: shop/myapp: spec: must be a map of fields, not a list: remove the - before its fields\n"
    )


def test_json_output_of_a_comparison(harness: CliHarness) -> None:
    environments(harness)
    found = json.loads(harness.dynconfig("diff", "dev.yaml", "prod.yaml", "-o", "json").out)
    by_name = {item["name"]: (item["left"], item["right"]) for item in found["differences"]}
    assert by_name["debug"] == ("true", None)
    assert by_name["database/password"] == ("•••", "•••")


def test_one_of_several_objects_of_a_file_can_be_selected(harness: CliHarness) -> None:
    text = (harness.folder / harness.manifest()).read_text()
    second = text.split("---")[1].replace("name: myapp\n", "name: second\n")
    (harness.folder / "two.yaml").write_text(f"{text}---\n{second}")
    ambiguous = harness.dynconfig("diff", "two.yaml", "myapp.yaml")
    assert ambiguous.err == (
        "error: two.yaml: it contains several objects (myapp, second); name one, for example two.yaml#myapp\n"
    )
    assert harness.dynconfig("diff", "two.yaml#second", "myapp.yaml").code == 0


def test_objects_with_one_name_are_listed_with_their_namespaces(harness: CliHarness) -> None:
    text = (harness.folder / harness.manifest()).read_text()
    (harness.folder / "two.yaml").write_text(f"{text}---\n{text.replace('namespace: shop', 'namespace: cart')}")
    assert "(shop/myapp, cart/myapp); name one, for example two.yaml#shop/myapp" in (
        harness.dynconfig("diff", "two.yaml", "myapp.yaml").err
    )
    assert harness.dynconfig("diff", "two.yaml#myapp", "myapp.yaml").err == (
        "error: several objects in the files are named myapp; select one of them: cart/myapp, shop/myapp\n"
    )
    assert harness.dynconfig("diff", "two.yaml#cart/myapp", "myapp.yaml").code == 0


@pytest.mark.parametrize(
    ("word", "message"),
    [
        ("none.yaml", "none.yaml: no such file"),
        (
            "myapp",
            "myapp: no such file, and no cluster is configured to look for an object of that name; set KUBECONFIG",
        ),
        ("/no//path", "/no//path: no such file, and not a path in AWS such as /myapp/prod or /myapp/prod@us-east-1"),
        ("/nothing", "/nothing: no parameters found under this path in eu-west-1"),
    ],
)
def test_missing_target_is_named(harness: CliHarness, word: str, message: str) -> None:
    result = harness.dynconfig("diff", word, word)
    assert result.code == 1
    assert message in result.err


def test_name_is_a_file_without_a_cluster() -> None:
    assert (
        "--offline does not look for an object of that name in the cluster"
        in dynconfig("diff", "a", "b", "--offline").err
    )


def test_explicit_default_is_not_a_difference(harness: CliHarness) -> None:
    harness.manifest(file="one.yaml", cache={"size": 10})
    harness.manifest(file="two.yaml", cache={"size": 10}, driftPolicy="Correct", deletionPolicy="Delete", suspend=False)
    assert harness.dynconfig("diff", "one.yaml", "two.yaml", "--offline").code == 0
    harness.manifest(file="two.yaml", cache={"size": 10}, driftPolicy="Report")
    result = harness.dynconfig("diff", "one.yaml", "two.yaml", "--offline")
    assert "~ spec.driftPolicy: Correct → Report" in result.out
    assert "1 difference;" in result.out
