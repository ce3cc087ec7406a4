"""`dynconfig import`: what exists becomes an object that changes nothing."""

import stat
from pathlib import Path
from typing import Any

import pytest
import yaml
from tests.doors import golden
from tests.doors.scene import Scene

pytestmark = pytest.mark.lab

TEAM = [{"Key": "team", "Value": "shop"}]
POLICY = '[{"Type":"NoChangeNotification","Version":"1.0","Attributes":{"After":"20","Unit":"Days"}}]'


def put(scene: Scene, name: str, value: str, **more: Any) -> None:
    scene.ssm.put_parameter(Name=f"/old/app/{name}", Value=value, **{"Type": "String", "Tags": TEAM, **more})


def existing(scene: Scene) -> None:
    """What a team made by hand over the years."""
    scene.make_key("alias/mine")
    put(scene, "database/host", "db.internal", Description="Where it is", AllowedPattern="^db")
    put(scene, "database/port", "05432", Tags=[*TEAM, {"Key": "stage", "Value": "prod"}])
    put(scene, "features", "a,b,c", Type="StringList")
    put(scene, "database/password", "first-canary", Type="SecureString", KeyId="alias/mine")
    put(scene, "database.password", " second-canary\n", Type="SecureString")
    put(scene, "banner", "Hello: \N{EM DASH} world\n  # not a comment\n\ttab \n", Tier="Advanced", Policies=POLICY)
    put(scene, "answer", "yes")
    put(scene, "image", "ami-12345678", DataType="aws:ec2:image")


def everything_but_the_owner(planned: str) -> list[str]:
    """The lines of a plan that say more than who the owner is to be."""
    details = [line for line in planned.splitlines() if line.startswith("      ")]
    return [line for line in details if line != "      owner: nobody → shop/old-app"]


def test_what_was_imported_changes_nothing_but_the_owner(scene: Scene) -> None:
    existing(scene)
    imported = scene.dynconfig(
        "import", "--path", "/old/app", "-n", "shop", "-o", "old.yaml", "--with-secrets", "secret.yaml"
    )
    assert imported.code == 0, imported.err
    planned = scene.dynconfig("plan", "-f", "old.yaml", "-f", "secret.yaml")
    assert planned.code == 2, planned.err
    assert everything_but_the_owner(planned.out) == []
    assert "Plan: 8 to update; 8 resources declared." in planned.out
    assert "PutParameter" not in planned.out


def test_texts_of_secrets_are_not_written_unless_asked_for(scene: Scene) -> None:
    existing(scene)
    result = scene.dynconfig("import", "--path", "/old/app", "-n", "shop", "--region", "eu-west-1")
    assert result.code == 0
    assert "canary" not in result.text
    assert (
        '--from-literal=database.password="$(aws ssm get-parameter --region eu-west-1 --with-decryption' in result.out
    )
    assert "region: eu-west-1" in result.out
    golden.check("import", result)


def test_the_file_of_secrets_is_for_its_owner_alone_and_never_overwritten(scene: Scene) -> None:
    existing(scene)
    arguments = ("import", "--path", "/old/app", "-o", "old.yaml", "--with-secrets", "secret.yaml")
    result = scene.dynconfig(*arguments)
    file = scene.folder / "secret.yaml"
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert "secret.yaml: the texts of 2 secrets, readable by you alone" in result.err
    assert "canary" not in result.text
    golden.check("import-with-secrets", result)
    file.write_text("mine")
    assert "secret.yaml exists" in scene.dynconfig(*arguments).err
    assert file.read_text() == "mine"


def test_two_names_never_share_a_key_of_the_secret(scene: Scene) -> None:
    existing(scene)
    scene.dynconfig("import", "--path", "/old/app", "-o", "old.yaml", "--with-secrets", "secret.yaml")
    secret = yaml.safe_load(Path("secret.yaml").read_text())
    assert secret["stringData"] == {"database.password": " second-canary\n", "database.password.2": "first-canary"}


def test_what_somebody_owns_is_left_out_and_named(scene: Scene) -> None:
    put(scene, "mine", "1")
    put(scene, "theirs", "1", Tags=[{"Key": "dynconfig.dev/owner", "Value": "cluster/team-b/cart/uid-9"}])
    result = scene.dynconfig("import", "--path", "/old/app/")
    assert "# Left out: /old/app/theirs belongs to team-b/cart." in result.out
    spec = yaml.safe_load(result.out)["spec"]
    assert [parameter["name"] for parameter in spec["parameters"]] == ["mine"]
    assert spec["adoptionPolicy"] == "IfUnowned"


def test_nothing_to_import_is_an_error_with_what_to_do(scene: Scene) -> None:
    empty = scene.dynconfig("import", "--path", "/nothing/here")
    assert empty.code == 1
    assert empty.err == (
        "error: /nothing/here: there is no parameter below it; name another path, or another region with --region\n"
    )
    put(scene, "theirs", "1", Tags=[{"Key": "dynconfig.dev/owner", "Value": "cluster/team-b/cart/uid-9"}])
    assert "nothing below /old/app can be imported" in scene.dynconfig("import", "--path", "/old/app").err


@pytest.mark.parametrize("path", ["old", "//old", "/"])
def test_a_path_that_is_none_is_refused(scene: Scene, path: str) -> None:
    assert scene.dynconfig("import", "--path", path).code == 2
