"""With a real Argo CD: sync, all health states, self-heal and promotion; the operator's writes never cause a
difference."""

from collections.abc import Callable
from typing import Any

import pytest
from tests.gitops.live.shop import NAMES, Shop

from dynconfig_lab.aws import Faults

pytestmark = [pytest.mark.argocd, pytest.mark.timeout(3600)]

Change = Callable[[dict[str, Any]], None]


def setting(**fields: Any) -> Change:
    """A change of fields of spec."""
    return lambda document: document["spec"].update(fields)


def test_application_set_applies_every_environment_to_aws(shop: Shop) -> None:
    for name in NAMES:
        shop.wait_for(name, "Synced", "Healthy")
        assert shop.world(name).value("database/host") == f"db.{name}.shop.internal"
        assert shop.resource_health(name)["status"] == "Healthy"


def test_commit_reaches_parameter_store(shop: Shop) -> None:
    shop.wait_for("dev", "Synced", "Healthy")
    values = shop.checkout / "environments" / "dev" / "values.yaml"
    values.write_text(values.read_text().replace("db.dev.shop.internal", "other.dev.shop.internal"))
    commit = shop.publish("dev")
    shop.wait_for("dev", "Synced", "Healthy", commit)
    assert shop.world("dev").value("database/host") == "other.dev.shop.internal"


def test_health_passes_through_all_states(shop: Shop) -> None:
    shop.wait_for("dev", "Synced", "Healthy")
    shop.wait_for("dev", "Synced", "Suspended", shop.commit("dev", setting(suspend=True)))
    shop.wait_for("dev", "Synced", "Healthy", shop.commit("dev", setting(suspend=False)))
    values = shop.checkout / "environments" / "dev" / "values.yaml"
    good = values.read_text()
    values.write_text(good.replace('value: "true"', "value: perhaps"))
    shop.wait_for("dev", "Synced", "Degraded", shop.publish("dev"))
    assert "features/new-ui" in shop.world("dev").condition("shop")[2]
    values.write_text(good)
    shop.wait_for("dev", "Synced", "Healthy", shop.publish("dev"))


def test_transient_failure_is_progressing_and_then_healthy(shop: Shop) -> None:
    shop.wait_for("dev", "Synced", "Healthy")
    dev = shop.world("dev")
    dev.kubectl("delete", "secret", "shop-db")
    dev.annotate("shop", "reconcile-requested-at", "while-the-secret-is-away")
    shop.wait_for("dev", "Synced", "Progressing")
    dev.secret("shop-db", password="canary-dev")
    shop.wait_for("dev", "Synced", "Healthy")


def test_manual_edit_is_reverted(shop: Shop) -> None:
    shop.wait_for("dev", "Synced", "Healthy")
    dev = shop.world("dev")
    dev.edit("shop", {"spec": {"suspend": True, "deletionPolicy": "Retain"}})
    shop.wait("the content of git is restored", lambda: dev.get("shop")["spec"]["deletionPolicy"] == "Delete")
    assert dev.get("shop")["spec"]["suspend"] is False
    shop.wait_for("dev", "Synced", "Healthy")


def test_writes_of_the_operator_are_not_a_difference(shop: Shop) -> None:
    shop.wait_for("dev", "Synced", "Healthy")
    dev = shop.world("dev")
    with shop.watching("dev") as seen:
        dev.put_by_hand("database/host", "by.hand.internal")
        dev.reconcile_now("shop")
        assert dev.condition("shop", "Drifted")[0] == "True"
        shop.refresh("dev", "hard")
        shop.wait("the caches were forgotten", lambda: not _is_refreshing(shop))
        shop.wait_for("dev", "Synced", "Healthy")
        dev.put_by_hand("database/host", "db.dev.shop.internal")
        dev.reconcile_now("shop")
    assert set(seen) == {"Synced"}
    # Drift under Report is in status and not a failure.
    assert "Drifted" not in dev.conditions("shop")


def test_object_removed_from_git_exists_until_aws_is_cleaned_up(shop: Shop) -> None:
    shop.wait_for("dev", "Synced", "Healthy")
    dev, folder = shop.world("dev"), shop.checkout / "environments" / "dev"
    (folder / "second.yaml").write_text(_SECOND)
    kustomization = (folder / "kustomization.yaml").read_text()
    (folder / "kustomization.yaml").write_text(kustomization.replace("  - ../base\n", "  - ../base\n  - second.yaml\n"))
    shop.wait_for("dev", "Synced", "Healthy", shop.publish("dev"))
    assert second_value(shop) == "1"
    shop.stack.lab.faults(Faults(down=True))
    (folder / "second.yaml").unlink()
    (folder / "kustomization.yaml").write_text(kustomization)
    commit = shop.publish("dev")
    shop.wait_for("dev", "OutOfSync", "Progressing", commit)
    assert dev.get("second")["metadata"]["deletionTimestamp"]
    shop.stack.lab.faults(Faults())
    shop.wait_for("dev", "Synced", "Healthy", commit)
    assert dev.is_gone("second")
    assert second_value(shop) is None


def test_environment_follows_the_previous_one_when_that_is_healthy(shop: Shop) -> None:
    shop.wait_for("staging", "Synced", "Healthy")
    base = shop.checkout / "environments" / "base" / "config.yaml"
    base.write_text(base.read_text().replace('value: "30"', 'value: "45"'))
    commit = shop.publish("dev")
    assert shop.world("staging").value("api/timeout") == "30"
    shop.promote("dev", "staging")
    shop.refresh("staging")
    shop.wait_for("staging", "Synced", "Healthy", commit)
    assert shop.world("staging").value("api/timeout") == "45"
    assert shop.world("prod").value("api/timeout") == "30"


def second_value(shop: Shop) -> str | None:
    """The value of the second object's only parameter."""
    answer = shop.stack.aws("ssm").get_parameters(Names=["/shop-second/dev/a"])
    return next((str(item["Value"]) for item in answer["Parameters"]), None)


def _is_refreshing(shop: Shop) -> bool:
    return "argocd.argoproj.io/refresh" in (shop.application("dev")["metadata"].get("annotations") or {})


_SECOND = """
apiVersion: dynconfig.dev/v1alpha1
kind: DynamicConfig
metadata: {name: second}
spec:
  path: /shop-second/dev
  parameters: [{name: a, value: "1"}]
"""
