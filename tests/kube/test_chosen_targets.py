"""The target of an object: verified once before its first use, and named in the error if it cannot be used."""

import asyncio
import threading
from typing import Any

import pytest

from dynconfig.api import names
from dynconfig.kube import chosen_targets
from dynconfig.kube.chosen_targets import VerifiedTargets
from dynconfig.kube.client import ApiUnavailable
from dynconfig.kube.targets import Targets
from dynconfig.model.errors import (
    AccessDenied,
    DynConfigError,
    TargetChanged,
    TargetNotFound,
    TargetNotReady,
    TargetNotVerified,
    TargetTerminating,
    Unavailable,
    WrongAccount,
)
from dynconfig.model.target import Target

SPEC = {"region": "eu-west-1", "account": "210987654321"}
RULE = {"namespaces": ["shop"], "paths": ["/shop"]}
OBJECT = {"metadata": {"namespace": "shop", "name": "app"}, "spec": {"path": "/shop", "target": "prod"}}


class Accounts:
    """Records what is verified."""

    def __init__(self) -> None:
        self.verified: list[Target] = []
        self.error: DynConfigError | None = None
        self.forgotten: list[str] = []
        self.answers = threading.Event()
        self.answers.set()

    def verify(self, target: Target) -> None:
        self.verified.append(target)
        self.answers.wait(10)
        if self.error:
            raise self.error

    def forget(self, name: str) -> None:
        self.forgotten.append(name)


class Known:
    """The targets of a cluster."""

    def __init__(self, default: str = "") -> None:
        self.clock, self.labels = 0.0, dict[str, dict[str, str]]()
        self.uid, self.metadata = "u", dict[str, str]()
        self.changed: list[str] = []
        self.targets, self.accounts = Targets(self.changed.append), Accounts()
        self.targets.is_listed = True
        self.chosen = VerifiedTargets(self.targets, self.accounts, self.labels.get, lambda: self.clock, default)

    def put(self, generation: int = 1, conditions: tuple[dict[str, str], ...] = (), **spec: Any) -> None:
        metadata = {"name": "prod", "uid": self.uid, "generation": generation, **self.metadata}
        status = {"conditions": list(conditions), "lastCheckedTime": str(generation)}
        self.targets.put({"metadata": metadata, "spec": {**SPEC, **spec}, "status": status})

    def of(self, document: dict[str, Any] = OBJECT) -> Target | None:
        async def verified() -> Target | None:
            target = self.chosen.chosen(document)
            await self.chosen.verify(target)
            return target

        return asyncio.run(verified())


def test_object_without_a_target_needs_none() -> None:
    assert Known().of({"metadata": {}, "spec": {"path": "/shop"}}) is None


def test_default_target_is_that_of_objects_without_one() -> None:
    known = Known(default="prod")
    known.put()
    found = known.of({"metadata": {}, "spec": {"path": "/shop"}})
    assert (found and found.account) == "210987654321"


def test_target_is_verified_once_and_again_after_a_change_of_its_role() -> None:
    known = Known()
    known.put()
    assert known.of() == known.of()
    assert len(known.accounts.verified) == 1
    known.put(2, allow=[RULE], tags={"a": "b"})
    assert known.of()
    assert len(known.accounts.verified) == 1
    known.put(3, assumeRole={"roleArn": "arn:aws:iam::210987654321:role/x"})
    assert known.of()
    assert len(known.accounts.verified) == 2


def test_missing_target_is_named() -> None:
    with pytest.raises(TargetNotFound, match="AWSTarget prod does not exist, and nothing was written"):
        Known().of()


def test_target_is_not_missing_before_all_are_listed() -> None:
    known = Known()
    known.targets.is_listed = False
    with pytest.raises(ApiUnavailable, match="not listed yet"):
        known.of()
    known.put()
    assert known.of()


def test_invalid_target_is_not_ready() -> None:
    known = Known()
    known.put(account="1")
    with pytest.raises(TargetNotReady, match=r"AWSTarget prod is not ready, and nothing was written: spec\.account: "):
        known.of()
    assert known.accounts.verified == []


@pytest.mark.parametrize("error", [AccessDenied("no"), WrongAccount("other")])
def test_role_or_account_that_is_not_as_declared_is_not_ready(error: DynConfigError) -> None:
    known = Known()
    known.put()
    known.accounts.error = error
    for _ in range(3):
        with pytest.raises(TargetNotReady, match=f"and nothing was written: {error}"):
            known.of()
    # Fifty objects of a target that is not ready cause one call in ten seconds.
    assert len(known.accounts.verified) == 1
    known.clock += 10.0
    known.accounts.error = None
    assert known.of()


def test_change_of_a_target_is_tried_at_once() -> None:
    known = Known()
    known.put()
    known.accounts.error = AccessDenied("no")
    with pytest.raises(TargetNotReady):
        known.of()
    known.accounts.error = None
    known.put(2)
    assert known.of()


def test_outage_of_aws_is_no_fault_of_the_target() -> None:
    known = Known()
    known.put()
    known.accounts.error = Unavailable("down")
    with pytest.raises(Unavailable, match="down"):
        known.of()


def test_changes_that_concern_objects_are_reported() -> None:
    known = Known()
    known.put()
    known.put()
    assert known.changed == ["prod"]
    known.put(2)
    known.put(2, ({"type": "Ready", "status": "False"},))
    known.put(2, ({"type": "Ready", "status": "True"},))
    known.put(2, ({"type": "Ready", "status": "True"},))
    known.targets.remove("prod")
    assert known.changed == ["prod"] * 5


def test_rules_decide_by_namespace_and_its_labels() -> None:
    known = Known()
    known.put(allow=[RULE])
    assert not known.chosen.needs_labels()
    assert known.chosen.tenant_in("shop", "prod").may_use_path("/shop/a")
    assert not known.chosen.tenant_in("cart", "prod").may_use_path("/shop/a")
    known.put(2, allow=[{"namespaceSelector": {"matchLabels": {"team": "a"}}, "paths": ["/team"]}])
    assert known.chosen.needs_labels()
    assert not known.chosen.tenant_in("shop", "prod").may_use_path("/team")
    known.labels["shop"] = {"team": "b"}
    before = known.chosen.rights("shop")
    known.labels["shop"] = {"team": "b", "any": "thing"}
    assert known.chosen.rights("shop") == before
    known.labels["shop"] = {"team": "a"}
    assert known.chosen.tenant_in("shop", "prod").may_use_path("/team")
    assert known.chosen.rights("shop") != before


def test_unknown_target_writes_nothing_and_gives_nothing_up() -> None:
    for known in (Known(), Known()):
        found = known.chosen.tenant_in("shop", "prod")
        assert not found.may_use_path("/shop")
        assert found.may_have_path("/shop")
        known.put(account="1")


def test_target_without_finalizer_is_checked_before_its_first_object_is_written() -> None:
    known = Known()
    known.put(allow=[RULE])
    known.targets.changes.clear()
    known.accounts.error = AccessDenied("not yet")
    with pytest.raises(TargetNotReady):
        known.of()
    assert known.targets.changes.is_set()
    document = known.targets.get("prod")
    assert document
    known.targets.put({**document, "metadata": {**document["metadata"], "finalizers": [names.TARGET_FINALIZER]}})
    known.targets.changes.clear()
    known.accounts.error = None
    assert known.of()
    assert not known.targets.changes.is_set()


WRITTEN = {"observedGeneration": 1, "target": "prod", "account": SPEC["account"], "region": SPEC["region"]}


def written(**status: Any) -> dict[str, Any]:
    """An object that wrote in its target."""
    return {**OBJECT, "status": {**WRITTEN, **status}}


@pytest.mark.parametrize(
    ("changed", "words"),
    [
        ({"account": "333333333333"}, "account 333333333333, in eu-west-1"),
        ({"region": "us-east-1"}, "in us-east-1; nothing was written or deleted"),
        ({"target": "former"}, "AWSTarget former"),
    ],
)
def test_target_in_another_account_or_region_than_an_object_was_written_is_refused(
    changed: dict[str, str], words: str
) -> None:
    known = Known()
    known.put()
    assert known.of(written())
    assert known.of(written(account=""))
    with pytest.raises(TargetChanged, match=words):
        known.of(written(**changed))


def test_terminating_target_accepts_no_new_objects() -> None:
    known = Known()
    known.metadata["deletionTimestamp"] = "2027-01-15T08:00:00Z"
    known.put()
    assert known.of(written())
    with pytest.raises(TargetTerminating, match="accepts no new objects"):
        known.of()


@pytest.mark.parametrize("allow", [[RULE], []])
def test_terminating_target_serves_an_object_without_status_only_for_its_deletion(allow: list[dict[str, Any]]) -> None:
    known = Known()
    known.metadata["deletionTimestamp"] = "2027-01-15T08:00:00Z"
    known.put(allow=allow)
    # The status of this one was lost, or its author set the finalizer.
    metadata: dict[str, Any] = {**OBJECT["metadata"], "finalizers": [names.FINALIZER]}
    found = {**OBJECT, "metadata": metadata}
    with pytest.raises(TargetTerminating):
        known.of(found)
    metadata["deletionTimestamp"] = "2027-01-15T08:00:00Z"
    if allow:
        assert known.of(found)
        return
    with pytest.raises(TargetTerminating):
        known.of(found)


def test_targets_known_before_they_could_not_be_listed_any_more_are_not_used() -> None:
    known = Known()
    known.put(allow=[RULE])
    known.targets.set_unreadable("forbidden")
    with pytest.raises(TargetNotReady, match=r"cannot list AWSTargets any more.*: forbidden"):
        known.of(written())
    assert not known.chosen.tenant_in("shop", "prod").may_use_path("/shop")
    known.targets.set_unreadable("")
    assert known.of(written())
    assert known.changed == ["prod"] * 3


def test_target_is_verified_again_after_ten_minutes_or_a_failed_check_or_when_created_again() -> None:
    known = Known()
    known.put()

    def times() -> int:
        assert known.of()
        return len(known.accounts.verified)

    assert times() == 1
    known.clock += 599.9
    assert times() == 1
    known.clock += 0.2
    assert times() == 2
    known.put(1, ({"type": "Ready", "status": "True"},))
    assert times() == 2
    known.put(1, ({"type": "Ready", "status": "False"},))
    assert times() == 3
    known.uid = "v"
    known.put()
    assert times() == 4


def test_deleted_target_is_forgotten_on_every_replica() -> None:
    known = Known()
    known.put()
    assert known.of()
    known.targets.remove("prod")
    assert known.accounts.forgotten == ["prod"]


def test_objects_wait_only_briefly_for_a_target_and_are_requeued(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(chosen_targets, "PATIENCE_SECONDS", 0.05)

    async def scenario() -> None:
        known = Known()
        known.put()
        target = known.chosen.chosen(OBJECT)
        known.accounts.answers.clear()
        found = await asyncio.gather(*(known.chosen.verify(target) for _ in range(20)), return_exceptions=True)
        assert {type(each) for each in found} == {TargetNotVerified}
        requeued = asyncio.Event()
        known.targets.on_change(lambda _name: requeued.set())
        known.accounts.answers.set()
        async with asyncio.timeout(10):
            await requeued.wait()
        await known.chosen.verify(target)
        assert len(known.accounts.verified) == 1

    asyncio.run(scenario())


def test_only_objects_that_may_use_their_path_wake_the_checks_and_once() -> None:
    known = Known()
    known.put(allow=[RULE])
    woken = []
    for namespace in ("evil", "shop", "shop"):
        known.targets.changes.clear()
        known.of({**OBJECT, "metadata": {"namespace": namespace, "name": "app"}})
        woken.append(known.targets.changes.is_set())
    known.targets.forget_needs()
    known.of()
    assert (woken, known.targets.changes.is_set()) == ([False, True, False], True)
