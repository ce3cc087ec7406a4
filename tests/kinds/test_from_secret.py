"""Values from Secrets are masked everywhere, even in plaintext parameters and after spec has changed."""

import itertools
import json
import time
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import pytest
from tests.kinds.aws_harness import AwsHarness

from dynconfig.api.names import FROM_SECRET_TAG
from dynconfig.cli.describe import document, lines
from dynconfig.cli.importing import About, imported
from dynconfig.cli.out_of_sync import out_of_sync_fields
from dynconfig.cli.rendered import rendered
from dynconfig.engine.reconcile import Engine
from dynconfig.kinds.parameter import tree as parameter_tree
from dynconfig.kinds.parameter.labels import ParameterLabels
from dynconfig.kinds.parameter.parameters import Parameters
from dynconfig.kinds.parameter.value import Parameter
from dynconfig.model.declaration import Declaration
from dynconfig.model.previous_status import PreviousStatus
from dynconfig.model.secret import MASK
from dynconfig.rollout.rolled_back import RolledBack, stable_declaration
from dynconfig.status import kube_events, report

CANARY = "canary-one"
REF = {"secretKeyRef": {"name": "s", "key": "k", "allowPlaintext": True}}
FROM_SECRET = {"name": "token", "type": "String", "valueFrom": REF}
FORMS: tuple[Mapping[str, Any], ...] = (
    FROM_SECRET,
    {"name": "token", "valueFrom": REF},
    {"name": "token", "type": "StringList", "valueFrom": REF},
    {"name": "token", "value": "plain"},
    {"name": "token", "type": "StringList", "value": "plain,list"},
    {"name": "token", "value": "plain", "valuePolicy": "CreateOnly"},
)


def shown(kind: Parameters, declaration: Declaration, labels: ParameterLabels | None = None) -> str:
    """All output of plan, drift and render, as text and as JSON."""
    found = Engine(lambda _place: (kind,), lambda _place: labels or pytest.fail("no labels")).assess(declaration, 0.0)
    plan = found.plan
    output = [str(list(lines(plan))), json.dumps(document(found)), str(found), str(declaration)]
    output += [str(list(out_of_sync_fields(plan, declaration, is_known=is_known))) for is_known in (True, False)]
    return " ".join([*output, *(json.dumps(rendered(item)) for item in (*plan.declared, *plan.owned))])


@pytest.mark.parametrize(("before", "after"), tuple(itertools.permutations(FORMS, 2)))
@pytest.mark.parametrize("is_reported", [True, False])
def test_values_from_secrets_are_masked_in_all_outputs(
    harness: AwsHarness, before: Mapping[str, Any], after: Mapping[str, Any], *, is_reported: bool
) -> None:
    harness.secrets["s/k"] = CANARY
    outcome = harness.apply(harness.declare({"parameters": [before]}))
    status = report.status(outcome, PreviousStatus(), 1.8e9, None)
    edited = harness.declare({"parameters": [after]}, status=status if is_reported else None, generation=2)
    assert CANARY not in shown(harness.parameters(), edited)
    for policy in ("Correct", "Report"):
        declaration = harness.declare({"parameters": [after], "driftPolicy": policy}, status=status, generation=2)
        outcome = Engine(lambda _place: (harness.parameters(),)).run(replace(declaration, suspended=policy == "Report"))
        assert CANARY not in json.dumps(report.status(outcome, PreviousStatus.of(status), 1.8e9, None))
        assert CANARY not in str(kube_events.events_of(outcome, PreviousStatus.of(status), 1.8e9))


def test_both_values_are_masked_when_a_secret_moves_into_spec(harness: AwsHarness) -> None:
    harness.secrets["s/k"] = CANARY
    status = harness.status(harness.apply(harness.declare({"parameters": [FROM_SECRET]})))
    assert status["parameters"][0]["secret"] is True
    moved = {"parameters": [{"name": "token", "value": "new"}]}
    output = shown(harness.parameters(), harness.declare(moved, status=status, generation=2))
    assert f"value: {MASK} → {MASK}" in output
    assert "→ new" not in output


def test_same_text_in_spec_creates_no_new_version(harness: AwsHarness) -> None:
    harness.secrets["s/k"] = CANARY
    status = harness.status(harness.apply(harness.declare({"parameters": [FROM_SECRET]})))
    moved = {"parameters": [{"name": "token", "value": CANARY}]}
    for known in (status, None):
        harness.apply(harness.declare(moved, status=known, generation=2))
    assert harness.versions() == {"token": 1}
    assert FROM_SECRET_TAG not in harness.tags("token")


def test_mark_is_removed_with_the_secret(harness: AwsHarness) -> None:
    harness.secrets["s/k"] = CANARY
    status = harness.status(harness.apply(harness.declare({"parameters": [FROM_SECRET]})))
    assert harness.tags("token")[FROM_SECRET_TAG] == "true"
    moved = harness.declare({"parameters": [{"name": "token", "value": "new"}]}, status=status, generation=2)
    status = report.status(harness.apply(moved), PreviousStatus.of(status), 1.8e9, None)
    assert "secret" not in status["parameters"][0]
    assert FROM_SECRET_TAG not in harness.tags("token")
    later = harness.declare({"parameters": [{"name": "token", "value": "newer"}]}, status=status, generation=3)
    assert "value: new → newer" in shown(harness.parameters(), later)


def test_parameter_of_an_older_operator_is_marked_without_a_new_version(harness: AwsHarness) -> None:
    harness.secrets["s/k"] = CANARY
    declaration = harness.declare({"parameters": [FROM_SECRET]})
    status = harness.status(harness.apply(declaration))
    harness.aws().remove_tags_from_resource(
        ResourceType="Parameter", ResourceId=f"{harness.path}/token", TagKeys=[FROM_SECRET_TAG]
    )
    outcome = harness.apply(harness.declare({"parameters": [FROM_SECRET]}, status=status))
    assert outcome.drift == ()
    assert harness.tags("token")[FROM_SECRET_TAG] == "true"
    assert harness.versions() == {"token": 1}
    assert harness.apply(declaration, harness.parameters()).plan.is_empty


def test_rollback_to_a_secret_value_is_masked(harness: AwsHarness) -> None:
    harness.secrets["s/k"] = CANARY
    labels = ParameterLabels(harness.session.client("ssm", "eu-west-1"), _NoIndex())
    engine = Engine(lambda _place: (harness.parameters(),), lambda _place: labels)
    rollout = {"rollout": {"bakeTime": "10m"}}
    first = engine.run(harness.declare({"parameters": [FROM_SECRET], **rollout}), now=time.time())
    labels.mark_stable(item for item in first.owned if isinstance(item, Parameter))
    status = report.status(first, PreviousStatus(), 1.8e9, None)
    plain = {"parameters": [{"name": "token", "value": "plain"}], **rollout}
    second = engine.run(harness.declare(plain, status=status, generation=2), now=time.time())
    assert harness.value("token") == "plain"
    baking = report.status(second, PreviousStatus.of(status), 1.8e9, None)
    stable = labels.versions_with([f"{harness.path}/token"], "stable")
    assert CANARY in str(stable)
    for known in (baking, None):
        rolled_back = stable_declaration(harness.declare(plain, status=known, generation=2), RolledBack(2, {}, stable))
        assert CANARY not in shown(harness.parameters(), rolled_back, labels)


def test_import_keeps_the_value_in_a_secret(harness: AwsHarness) -> None:
    harness.secrets["s/k"] = CANARY
    harness.apply(harness.declare({"parameters": [FROM_SECRET], "deletionPolicy": "Retain"}))
    harness.apply(harness.deletion({"parameters": [FROM_SECRET], "deletionPolicy": "Retain"}))
    found = list(parameter_tree.parameters(harness.aws(), harness.path, decrypt=False))
    config = imported(found, About(harness.path, "ns", "myapp", None)).config
    assert CANARY not in json.dumps(config)
    (declared,) = config["spec"]["parameters"]
    assert declared == {
        "name": "token",
        "type": "String",
        "valueFrom": {"secretKeyRef": {"name": "myapp-secrets", "key": "token", "allowPlaintext": True}},
    }


class _NoIndex:
    """An empty tag index."""

    def refresh(self, owner: Any, *, bypass_cache: bool) -> float:
        """Nothing to refresh."""
        return 0.0

    def tags(self, name: str) -> None:
        """Nothing is indexed."""

    def owned(self, owner: str) -> tuple[str, ...]:
        """Nothing is indexed."""
        return ()
