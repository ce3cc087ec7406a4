"""A writer of a DynamicConfig must be allowed to get each Secret that it refers to: the real API server, as users of a
namespace."""

import json
from collections.abc import Iterator
from typing import Any

import pytest
from tests.upgrade.cluster import CRD, ROOT, Cluster

from dynconfig.api.names import ABANDON, ALLOW_PLAINTEXT, APPROVE_GENERATION, FINALIZER, FORCE_GENERATION
from dynconfig_lab.processes import wait_until

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(300)]

POLICY = ROOT / "crds" / "secrets.yaml"
RBAC = ROOT / "manifests" / "install" / "rbac.yaml"
WRITER, NAMED, EDITOR = "writer", "named", "editor"
OPERATOR = "system:serviceaccount:dynconfig-system:dynconfig-operator"
MANY = tuple(f"secret-{number:03}" for number in range(20))

Parameter = dict[str, Any]


def taken(name: str, secret: str, **more: Any) -> Parameter:
    return {"name": name, "valueFrom": {"secretKeyRef": {"name": secret, "key": "password"}}, **more}


def config(name: str, parameters: list[Parameter], held: dict[str, Any] | None = None, **spec: Any) -> str:
    metadata = {"name": name, "namespace": "default", **(held or {})}
    whole = {"path": f"/default/{name}", "parameters": parameters, **spec}
    return json.dumps(
        {"apiVersion": "dynconfig.dev/v1alpha1", "kind": "DynamicConfig", "metadata": metadata, "spec": whole}
    )


def from_all(secrets: tuple[str, ...]) -> list[Parameter]:
    """A parameter for each, and a second one for the first."""
    return [taken("again", secrets[0]), *(taken(f"p{number}", name) for number, name in enumerate(secrets))]


def as_user(cluster: Cluster, user: str, *arguments: str, stdin: str = "") -> str:
    return cluster.kubectl(*arguments, f"--as={user}", stdin=stdin)


def denied(cluster: Cluster, user: str, *arguments: str, stdin: str = "") -> str:
    found = cluster.refused(*arguments, f"--as={user}", stdin=stdin)
    assert "secrets-of-dynamicconfigs.dynconfig.dev" in found, found
    return found


def bound(user: str, kind: str, role: str) -> dict[str, Any]:
    group = "rbac.authorization.k8s.io"
    return {
        "apiVersion": f"{group}/v1",
        "kind": "RoleBinding",
        "metadata": {"name": f"{user}-{role}", "namespace": "default"},
        "roleRef": {"apiGroup": group, "kind": kind, "name": role},
        "subjects": [{"kind": "User", "name": user, "apiGroup": group}],
    }


def role(name: str, *rules: dict[str, Any]) -> dict[str, Any]:
    metadata = {"name": name, "namespace": "default"}
    return {"apiVersion": "rbac.authorization.k8s.io/v1", "kind": "Role", "metadata": metadata, "rules": list(rules)}


@pytest.fixture
def guarded(cluster: Cluster) -> Iterator[Cluster]:
    """The policy, and users: one writes DynamicConfigs only, one may also get Secrets by name, one has the role edit."""
    cluster.kubectl("apply", "-f", str(CRD))
    cluster.wait_served()
    cluster.kubectl("apply", "-f", str(ROOT / "manifests" / "install" / "namespace.yaml"))
    cluster.kubectl("apply", "-f", str(RBAC), "-f", str(POLICY))
    writes = {"apiGroups": ["dynconfig.dev"], "resources": ["dynamicconfigs", "dynamicconfigs/status"], "verbs": ["*"]}
    gets = {"apiGroups": [""], "resources": ["secrets"], "resourceNames": ["mine", *MANY], "verbs": ["get"]}
    lists = {"apiGroups": [""], "resources": ["secrets"], "verbs": ["list", "watch", "create"]}
    for item in (
        role("writes", writes, lists),
        role("gets-by-name", gets),
        bound(WRITER, "Role", "writes"),
        bound(NAMED, "Role", "writes"),
        bound(NAMED, "Role", "gets-by-name"),
        bound(EDITOR, "ClusterRole", "edit"),
    ):
        cluster.kubectl("apply", "-f", "-", stdin=json.dumps(item))

    def is_enforced() -> bool:
        tried = cluster.tried(
            "create", "-f", "-", "--dry-run=server", f"--as={WRITER}", stdin=config("x", [taken("p", "s")])
        )
        return "secrets-of-dynamicconfigs" in tried.stderr

    def is_aggregated() -> bool:
        asked = ("auth", "can-i", "create", "dynamicconfigs.dynconfig.dev", "-n", "default", f"--as={EDITOR}")
        return cluster.tried(*asked).stdout.strip() == "yes"

    assert wait_until(is_enforced, 60), "the policy is not enforced after 60 s"
    assert wait_until(is_aggregated, 60), "the roles are not aggregated after 60 s"
    yield cluster
    cluster.kubectl("delete", "-f", str(POLICY))


def test_user_without_access_to_a_secret_cannot_refer_to_it(guarded: Cluster) -> None:
    error = denied(guarded, WRITER, "create", "-f", "-", stdin=config("a", [taken("p", "theirs")]))
    assert "takes or took a value from Secret theirs, which writer may not get in namespace default" in error
    assert "ask for a role that may get it" in error
    for how in (("apply", "--server-side"), ("apply",)):
        denied(guarded, WRITER, *how, "-f", "-", stdin=config("a", [taken("p", "theirs")]))
    denied(guarded, NAMED, "create", "-f", "-", stdin=config("a", [taken("p", "mine"), taken("q", "theirs")]))
    as_user(guarded, WRITER, "create", "-f", "-", stdin=config("plain", [{"name": "p", "value": "1"}]))
    denied(guarded, WRITER, "apply", "-f", "-", stdin=config("plain", [taken("p", "theirs")]))
    denied(guarded, WRITER, "replace", "-f", "-", stdin=config("plain", [taken("p", "theirs")]))


@pytest.mark.parametrize("user", [NAMED, EDITOR])
@pytest.mark.parametrize("secrets", [("mine",), MANY])
def test_user_with_access_to_the_secrets_can_refer_to_one_and_to_twenty(
    guarded: Cluster, user: str, secrets: tuple[str, ...]
) -> None:
    as_user(guarded, user, "create", "-f", "-", stdin=config("a", from_all(secrets)))
    as_user(guarded, user, "apply", "-f", "-", stdin=config("a", from_all(secrets), rules=[{"rule": "true"}]))


def test_last_of_twenty_is_checked_like_the_first(guarded: Cluster) -> None:
    for place in (0, 10, 19):
        secrets = (*MANY[:place], "theirs", *MANY[place + 1 :])
        error = denied(guarded, NAMED, "create", "-f", "-", stdin=config("a", from_all(secrets)))
        assert "Secret theirs" in error


def test_more_than_twenty_require_access_to_all_secrets(guarded: Cluster) -> None:
    more = from_all((*MANY, "mine"))
    assert "more than 20 Secrets" in denied(guarded, NAMED, "create", "-f", "-", stdin=config("a", more))
    as_user(guarded, NAMED, "create", "-f", "-", stdin=config("a", more[:-1]))
    as_user(guarded, NAMED, "apply", "-f", "-", stdin=config("a", more))
    # The maximum number, with one name or different names.
    long = "x" * 240
    most = [taken(f"p{number}", f"{long}{number}") for number in range(1000)]
    as_user(guarded, EDITOR, "create", "-f", "-", stdin=config("b", most))
    as_user(guarded, EDITOR, "replace", "-f", "-", stdin=config("b", [*most[1:], taken("new", "other")]))
    one = [taken(f"p{number}", "mine") for number in range(1000)]
    as_user(guarded, NAMED, "create", "-f", "-", stdin=config("c", one))
    as_user(guarded, NAMED, "replace", "-f", "-", stdin=config("c", [*one[1:], taken("new", "mine")]))
    twenty = [taken(f"p{number}", MANY[number % 20]) for number in range(1000)]
    as_user(guarded, NAMED, "create", "-f", "-", stdin=config("d", twenty))
    # The operator's own check does not know the author: what is too expensive for the API server is denied here.
    for user in (NAMED, WRITER):
        denied(guarded, user, "create", "-f", "-", stdin=config("e", most))


def test_existing_references_need_no_check_unless_they_are_used_differently(guarded: Cluster) -> None:
    before = [taken("p", "theirs"), taken("q", "theirs", description="x"), {"name": "r", "value": "1"}]
    as_user(guarded, EDITOR, "create", "-f", "-", stdin=config("a", before))
    # Metadata, other values, suspension.
    as_user(guarded, WRITER, "annotate", "dcfg", "a", "dynconfig.dev/reconcile-requested-at=now", "-n", "default")
    edits: list[dict[str, Any]] = [
        {"suspend": True},
        {"suspend": True, "dashboard": True, "driftPolicy": "Report", "alarms": {"defaults": False}},
    ]
    for edit in edits:
        as_user(guarded, WRITER, "replace", "-f", "-", stdin=config("a", before, **edit))
    plain = {"name": "r", "value": "2"}
    as_user(guarded, WRITER, "replace", "-f", "-", stdin=config("a", [*before[:2], plain]))
    fewer = [before[0], plain]
    as_user(guarded, EDITOR, "replace", "-f", "-", stdin=config("a", fewer))
    # Each of these would make the operator report about the Secret, or reveal it to other readers.
    theirs = {"secretKeyRef": {"name": "theirs", "key": "other"}}
    answers: list[list[Parameter]] = [
        [*fewer, taken("again", "theirs")],
        [{"name": "p", "valueFrom": theirs}, fewer[1]],
        [{**fewer[0], "schema": {"pattern": "^a"}}, fewer[1]],
        [{**fewer[0], "allowedPattern": "^a"}, fewer[1]],
        [taken("p", "theirs", kmsKeyId="alias/mine"), fewer[1]],
        [{**fewer[0], "name": "moved"}, fewer[1]],
    ]
    for parameters in answers:
        denied(guarded, WRITER, "replace", "-f", "-", stdin=config("a", parameters))
    denied(guarded, WRITER, "replace", "-f", "-", stdin=config("a", fewer, rules=[{"rule": "config.p != 'a'"}]))
    denied(guarded, WRITER, "replace", "-f", "-", stdin=config("a", fewer, function={"name": "dynconfig-default-a"}))
    as_user(guarded, EDITOR, "replace", "-f", "-", stdin=config("a", answers[2]))
    # A rule may compare the text with a value beside it.
    ruled: dict[str, Any] = {"rules": [{"rule": "config.p < config.r"}]}
    as_user(guarded, EDITOR, "replace", "-f", "-", stdin=config("a", fewer, **ruled))
    as_user(guarded, WRITER, "replace", "-f", "-", stdin=config("a", fewer, suspend=True, **ruled))
    compared = [fewer[0], {"name": "r", "value": "3"}]
    denied(guarded, WRITER, "replace", "-f", "-", stdin=config("a", compared, suspend=True, **ruled))


FATE: list[dict[str, Any]] = [
    {"deletionPolicy": "Retain"},
    {"adoptionPolicy": "IfUnowned"},
    {"tags": {"team": "b"}},
    {"rollout": {"bakeTime": "5m"}},
]
"""Whether a text stays in AWS, replaces one that is there, who may read it by its tags, and which is restored."""


@pytest.mark.parametrize("edit", FATE, ids=[next(iter(edit)) for edit in FATE])
def test_changed_use_of_a_secret_requires_access_to_it(guarded: Cluster, edit: dict[str, Any]) -> None:
    parameters = [taken("p", "theirs"), {"name": "r", "value": "1"}]
    as_user(guarded, EDITOR, "create", "-f", "-", stdin=config("a", parameters))
    for user in (WRITER, NAMED):
        assert "Secret theirs" in denied(guarded, user, "replace", "-f", "-", stdin=config("a", parameters, **edit))
    as_user(guarded, EDITOR, "replace", "-f", "-", stdin=config("a", parameters, **edit))
    assert "Secret theirs" in denied(guarded, WRITER, "replace", "-f", "-", stdin=config("a", parameters))
    # The field is as it was: another edit of the same object passes.
    as_user(guarded, WRITER, "replace", "-f", "-", stdin=config("a", parameters, suspend=True, **edit))
    # Of an object without Secrets anyone decides.
    as_user(guarded, WRITER, "create", "-f", "-", stdin=config("plain", parameters[1:]))
    as_user(guarded, WRITER, "replace", "-f", "-", stdin=config("plain", parameters[1:], **edit))


def test_alarms_that_restore_an_earlier_text_are_decided_by_who_may_get_it(guarded: Cluster) -> None:
    parameters, alarms = [taken("p", "theirs")], {"alarms": {"defaults": False}}
    rollout: dict[str, Any] = {"rollout": {"bakeTime": "5m"}}
    as_user(guarded, EDITOR, "create", "-f", "-", stdin=config("a", parameters, **rollout))
    denied(guarded, WRITER, "replace", "-f", "-", stdin=config("a", parameters, **rollout, **alarms))
    as_user(guarded, EDITOR, "replace", "-f", "-", stdin=config("a", parameters, **alarms))
    as_user(guarded, WRITER, "replace", "-f", "-", stdin=config("a", parameters))


def test_controllers_without_secrets_write_status_annotations_and_the_time_of_resyncs(guarded: Cluster) -> None:
    """Such as an autoscaler, `dynconfig reconcile` or a chat bot that suspends: none of them may get a Secret."""
    as_user(guarded, EDITOR, "create", "-f", "-", stdin=config("a", [taken("p", "theirs")]))
    patches: list[dict[str, Any]] = [
        {"spec": {"suspend": True, "driftPolicy": "Report", "resyncInterval": "1h"}},
        {"spec": {"cache": {"ttlSeconds": 5, "onChange": "Refresh"}, "dashboard": True}},
        {"metadata": {"annotations": {"note": "a"}, "labels": {"team": "b"}}},
    ]
    for patch in patches:
        as_user(guarded, WRITER, "patch", "dcfg", "a", "-n", "default", "--type=merge", "-p", json.dumps(patch))
    status = {"status": {"observedGeneration": 1}}
    subresource = ("--subresource=status", "--type=merge", "-p", json.dumps(status))
    as_user(guarded, WRITER, "patch", "dcfg", "a", "-n", "default", *subresource)


def test_secret_values_in_aws_are_given_to_no_one_else(guarded: Cluster) -> None:
    before = [taken("p", "theirs", valuePolicy="CreateOnly"), {"name": "r", "value": "1"}]
    as_user(guarded, EDITOR, "create", "-f", "-", stdin=config("a", before))
    own = [taken("p", "mine", valuePolicy="CreateOnly"), before[1]]
    for parameters in (own, [{"name": "p", "value": "guess"}, before[1]], before[1:]):
        mores: list[dict[str, Any]] = [{}, {"suspend": True}]
        for more in mores:
            error = denied(guarded, NAMED, "replace", "-f", "-", stdin=config("a", parameters, **more))
            assert "Secret theirs" in error
    # Another object may declare the same name, and adopt what this one leaves.
    assert "Secret theirs" in denied(guarded, NAMED, "delete", "dcfg", "a", "-n", "default")
    as_user(guarded, EDITOR, "replace", "-f", "-", stdin=config("a", own))
    as_user(guarded, NAMED, "replace", "-f", "-", stdin=config("a", before[1:]))
    as_user(guarded, WRITER, "delete", "dcfg", "a", "-n", "default")


def test_value_that_aws_still_has_is_guarded_after_its_reference_was_removed(guarded: Cluster) -> None:
    """Such as after a rollback, or while the plain value that replaced it bakes: status does not name the Secret."""
    parameters = [{"name": "p", "value": "1"}, {"name": "q", "value": "2"}]
    as_user(guarded, EDITOR, "create", "-f", "-", stdin=config("a", parameters))
    listed = [{"name": f"/default/a/{name}", "type": "String", "version": 1} for name in ("p", "q")]

    def report(*, is_secret: bool) -> None:
        marked = [{**listed[0], **({"secret": True} if is_secret else {})}, listed[1]]
        patch = json.dumps({"status": {"parameters": marked}})
        guarded.kubectl("patch", "dcfg", "a", "-n", "default", "--subresource=status", "--type=merge", "-p", patch)

    report(is_secret=True)
    gone = ("delete", "dcfg", "a", "-n", "default", "--dry-run=server")
    given_up: list[tuple[str, ...]] = [
        gone,
        patched({"ownerReferences": OWNERS[:1]}),
        patched({"annotations": {ABANDON: "true"}}),
        patched({}, parameters=parameters[1:]),
    ]
    for arguments in given_up:
        for user in (WRITER, NAMED):
            assert "AWS may still have a value from a Secret" in denied(guarded, user, *arguments)
        as_user(guarded, EDITOR, *arguments)
    for kept in ({"suspend": True}, {"parameters": parameters[:1]}, {"parameters": [{"name": "p", "value": "3"}]}):
        as_user(guarded, WRITER, *patched({"labels": {"team": "b"}}, "a", **kept))
    report(is_secret=False)
    for arguments in given_up:
        as_user(guarded, WRITER, *arguments)


def test_longest_compared_lists_stay_within_the_cost_budget(guarded: Cluster) -> None:
    long = "x" * 240
    most = [taken(f"p{number}", f"{long}{number}", description="d" * 900) for number in range(316)]
    as_user(guarded, EDITOR, "create", "-f", "-", stdin=config("a", most))
    edited = [*most[1:], {"name": "r", "value": "1"}, taken("q", "mine")]
    error = denied(guarded, NAMED, "replace", "-f", "-", stdin=config("a", edited))
    assert f"Secret {long}0" in error
    as_user(guarded, WRITER, "replace", "-f", "-", stdin=config("a", [*most, {"name": "r", "value": "1"}]))


@pytest.mark.parametrize("controller", ["namespace-controller", "generic-garbage-collector"])
def test_controllers_that_delete_objects_may_get_all_secrets(guarded: Cluster, controller: str) -> None:
    user = f"system:serviceaccount:kube-system:{controller}"
    asked = ("auth", "can-i", "get", "secrets", "-n", "default", f"--as={user}")
    assert guarded.tried(*asked).stdout.strip() == "yes"


OWNERS: list[dict[str, Any]] = [
    {"apiVersion": "v1", "kind": "ConfigMap", "name": name, "uid": f"00000000-0000-4000-8000-00000000000{number}"}
    for number, name in enumerate(("nobody", "somebody"))
]
DECIDES: list[dict[str, Any]] = [
    {"ownerReferences": OWNERS[:1]},
    {"ownerReferences": [*OWNERS, {**OWNERS[0], "uid": "00000000-0000-4000-8000-000000000002"}]},
    {"ownerReferences": [{**OWNERS[0], "uid": "00000000-0000-4000-8000-000000000002"}, OWNERS[1]]},
    {"finalizers": None},
    {"finalizers": ["example.com/others"]},
    {"annotations": {ABANDON: "true"}},
    {"annotations": {FORCE_GENERATION: "1"}},
    {"annotations": {APPROVE_GENERATION: "1"}},
    {"annotations": {FORCE_GENERATION: "2", "note": "a"}},
    {"ownerReferences": OWNERS[:1], "labels": {"team": "b"}, "annotations": {"note": "a"}},
]
KEEPS: list[dict[str, Any]] = [
    {"labels": {"team": "b"}, "annotations": {"note": "a", "dynconfig.dev/reconcile-requested-at": "now"}},
    {"annotations": {ALLOW_PLAINTEXT: "true"}},
    {"finalizers": [FINALIZER]},
    {"finalizers": [FINALIZER, "example.com/others", "example.com/more"]},
    {"ownerReferences": None},
]


def held(cluster: Cluster) -> dict[str, Any]:
    """Metadata with two existing owners, so that the garbage collector does not delete the object."""
    owners = []
    for number, owner in enumerate(OWNERS):
        name = f"owner-{number}"
        found = cluster.tried("create", "configmap", name, "-n", "default", "-o", "json")
        assert found.returncode == 0, found.stderr
        owners.append({**owner, "name": name, "uid": json.loads(found.stdout)["metadata"]["uid"]})
    return {"finalizers": ["example.com/others", FINALIZER], "ownerReferences": owners}


def patched(metadata: dict[str, Any], name: str = "a", **spec: Any) -> tuple[str, ...]:
    patch = json.dumps({"metadata": metadata, **({"spec": spec} if spec else {})})
    return ("patch", "dcfg", name, "-n", "default", "--type=merge", "-p", patch, "--dry-run=server")


def test_metadata_that_decides_about_values_in_aws_needs_the_same_access_as_deletion(guarded: Cluster) -> None:
    kept = held(guarded)
    as_user(guarded, EDITOR, "create", "-f", "-", stdin=config("bare", [taken("p", "theirs")]))
    as_user(guarded, WRITER, "create", "-f", "-", stdin=config("plain", [{"name": "p", "value": "1"}]))
    for user in (WRITER, NAMED):
        error = denied(guarded, user, *patched({"ownerReferences": OWNERS[:1]}, "bare"))
        assert "Secret theirs" in error
        assert "leave metadata.ownerReferences, the finalizer" in error
        error = denied(guarded, user, *patched({"annotations": {FORCE_GENERATION: "1"}}, "bare"))
        assert "Secret theirs" in error
        assert "the annotations dynconfig.dev/abandon, dynconfig.dev/approve-generation and" in error
    as_user(guarded, EDITOR, "create", "-f", "-", stdin=config("a", [taken("p", "theirs")], kept))
    as_user(guarded, EDITOR, "create", "-f", "-", stdin=config("b", from_all(MANY), kept))
    for metadata in (*DECIDES, {"ownerReferences": kept["ownerReferences"][:1]}):
        denied(guarded, NAMED, *patched(metadata))
        denied(guarded, NAMED, *patched(metadata, suspend=True))
        denied(guarded, NAMED, *patched(metadata, parameters=[]))
        as_user(guarded, EDITOR, *patched(metadata))
        as_user(guarded, NAMED, *patched(metadata, "b"))
        denied(guarded, WRITER, *patched(metadata, "b"))
        as_user(guarded, WRITER, *patched(metadata, "plain"))
    for metadata in KEEPS:
        as_user(guarded, WRITER, *patched(metadata))
        as_user(guarded, WRITER, *patched(metadata, suspend=True))
    denied(guarded, WRITER, "replace", "-f", "-", stdin=config("a", [taken("p", "theirs")]))
    for name in (ABANDON, FORCE_GENERATION, APPROVE_GENERATION):
        as_user(guarded, EDITOR, *patched({"annotations": {name: "1"}})[:-1])
        denied(guarded, NAMED, *patched({"annotations": {name: None}}))
        denied(guarded, NAMED, *patched({"annotations": {name: "2"}}))
    guarded.kubectl("delete", "configmap", "owner-0", "owner-1", "-n", "default", "--wait=false")
    for name in ("a", "b"):
        guarded.kubectl(
            "patch", "dcfg", name, "-n", "default", "--type=merge", "-p", '{"metadata": {"finalizers": null}}'
        )


def test_metadata_of_the_longest_lists_stays_within_the_cost_budget(guarded: Cluster) -> None:
    """Each Secret of 1000 references is found once before and once after the edit."""
    twenty = [taken(f"p{number}", MANY[number % 20]) for number in range(1000)]
    most = [taken(f"p{number}", f"{'x' * 240}{number}", description="d" * 900) for number in range(316)]
    as_user(guarded, EDITOR, "create", "-f", "-", stdin=config("a", twenty))
    as_user(guarded, EDITOR, "create", "-f", "-", stdin=config("b", most))
    owned = {"ownerReferences": OWNERS[:1]}
    as_user(guarded, NAMED, *patched(owned))
    as_user(guarded, EDITOR, *patched(owned, "b"))
    assert f"Secret {'x' * 240}0" in denied(guarded, NAMED, *patched(owned, "b"))
    for name in ("a", "b"):
        for metadata in KEEPS:
            as_user(guarded, WRITER, *patched(metadata, name))


@pytest.mark.parametrize("is_namespaced", [False, True], ids=["cluster", "namespace"])
def test_operator_adds_and_removes_its_finalizer(guarded: Cluster, is_namespaced: bool) -> None:
    if is_namespaced:
        guarded.kubectl("delete", "clusterrolebinding", "dynconfig-operator")
        binding = bound("operator", "ClusterRole", "dynconfig-operator")
        subject = {"kind": "ServiceAccount", "name": "dynconfig-operator", "namespace": "dynconfig-system"}
        guarded.kubectl("apply", "-f", "-", stdin=json.dumps({**binding, "subjects": [subject]}))
    asked = ("auth", "can-i", "get", "secrets", "-n", "dynconfig-system", f"--as={OPERATOR}")
    assert wait_until(lambda: guarded.tried(*asked).stdout.strip() == ("no" if is_namespaced else "yes"), 30)
    more = from_all((*MANY, "theirs"))
    as_user(guarded, EDITOR, "create", "-f", "-", stdin=config("a", more))
    for finalizers in ([FINALIZER], None):
        as_user(guarded, OPERATOR, *patched({"finalizers": finalizers})[:-1])
    as_user(guarded, EDITOR, "delete", "dcfg", "a", "-n", "default")
