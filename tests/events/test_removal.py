"""Uninstalling removes the operator's queue and rules, and no resources of other owners."""

import json
import time
from typing import Any

import boto3
import pytest

from dynconfig import wiring
from dynconfig.api.names import CLUSTER_TAG
from dynconfig.aws.targets import TargetSessions
from dynconfig.events.patterns import event_rules, of_shard
from dynconfig.events.queue import EventQueue
from dynconfig.model.declaration import Place
from dynconfig.model.fence import Fence, LeaseLost
from dynconfig.model.target import Target
from dynconfig.settings import Settings
from dynconfig_lab.aws import AwsLab
from dynconfig_lab.aws.accounts import ACCOUNT

pytestmark = pytest.mark.lab

REGION = "eu-west-1"
SETTINGS = Settings(region=REGION, is_emulated=True)


@pytest.fixture
def endpoint(lab: AwsLab, monkeypatch: pytest.MonkeyPatch) -> str:
    monkeypatch.setenv("AWS_ENDPOINT_URL", lab.endpoint)
    lab.clear()
    return lab.endpoint


def aws(service: str, endpoint: str) -> Any:
    return boto3.client(service, region_name=REGION, endpoint_url=endpoint)  # type: ignore[call-overload]


def opened(cluster: str, shard: int = 0, target: str = "") -> None:
    """The queue and rules of a shard of an operator, for its region or for a target."""
    session = wiring.session(SETTINGS)
    clients: list[Any] = [session.client(service, REGION) for service in ("sqs", "events")]
    queue, rules = of_shard(f"{cluster}-events", shard, target), event_rules(cluster, shard=shard, target=target)
    EventQueue(*clients, cluster=cluster, queue=queue, rules=rules).ensure()


def lease() -> Fence:
    """A fence for the next minute."""
    return Fence(0, time.monotonic, 8.0, time.monotonic() + 60.0)


def names(endpoint: str) -> list[str]:
    """The rules and queues in AWS."""
    rules = [rule["Name"] for rule in aws("events", endpoint).list_rules()["Rules"]]
    queues = [url.rpartition("/")[2] for url in aws("sqs", endpoint).list_queues().get("QueueUrls", [])]
    return sorted([*rules, *queues])


def test_queue_and_rules_are_removed_and_those_of_another_cluster_are_kept(endpoint: str) -> None:
    opened("leaving")
    opened("staying")
    others = [name for name in names(endpoint) if "staying" in name]
    removed = list(wiring.remove_events(SETTINGS, "leaving", Place(REGION)))
    assert len(removed) == 4
    assert names(endpoint) == others
    assert list(wiring.remove_events(SETTINGS, "leaving", Place(REGION))) == []


def test_queues_of_all_shards_are_removed_whatever_the_settings_of_the_command(endpoint: str) -> None:
    for shard in (0, 3):
        opened("leaving", shard)
    assert len(list(wiring.remove_events(SETTINGS, "leaving", Place(REGION)))) == 8
    opened("leaving", 2)
    with lease().within():
        assert len(list(wiring.remove_unused_events(SETTINGS, "leaving", 2, Place(REGION), write_seconds=8.0))) == 4
    assert names(endpoint) == []


def test_replica_that_has_lost_its_lease_removes_nothing_more(endpoint: str) -> None:
    """The next holder may receive events from this queue by then."""
    opened("leaving")
    before, fence = names(endpoint), lease()
    with fence.within():
        removal = wiring.remove_unused_events(SETTINGS, "leaving", 0, Place(REGION), write_seconds=8.0)
        first = next(removal)
        fence.revoke()
        with pytest.raises(LeaseLost):
            list(removal)
        with pytest.raises(LeaseLost):
            list(wiring.remove_unused_events(SETTINGS, "leaving", 0, Place(REGION), write_seconds=8.0))
    assert len(names(endpoint)) == len(before) - 1, first


def test_queue_and_rules_of_a_target_are_removed_and_those_of_its_region_and_of_other_targets_are_kept(
    endpoint: str,
) -> None:
    for target in ("", "prod-1", "pro"):
        opened("leaving", 0, target)
    kept, targets = names(endpoint), TargetSessions(wiring.session(SETTINGS), "leaving")
    place = Place(REGION, Target("prod", REGION, ACCOUNT))
    opened("leaving", 1, "prod")
    with lease().within():
        removed = list(wiring.remove_unused_events(SETTINGS, "leaving", 1, place, write_seconds=8.0, targets=targets))
    assert (len(removed), names(endpoint)) == (4, kept)
    for shard in (0, 3):
        opened("leaving", shard, "prod")
    assert len(list(wiring.remove_events(SETTINGS, "leaving", place))) == 8
    assert names(endpoint) == kept


def test_untagged_queue_of_that_name_is_kept(endpoint: str) -> None:
    aws("sqs", endpoint).create_queue(QueueName="dynconfig-leaving-events", tags={CLUSTER_TAG: "another"})
    (rule, *_) = event_rules("leaving")
    aws("events", endpoint).put_rule(Name=rule.name, EventPattern=json.dumps({"source": ["aws.ssm"]}))
    assert list(wiring.remove_events(SETTINGS, "leaving", Place(REGION))) == []
    assert names(endpoint) == sorted(["dynconfig-leaving-events", rule.name])


def test_given_queue_is_not_removed(endpoint: str) -> None:
    opened("leaving")
    given = Settings(region=REGION, is_emulated=True, queue_urls=(f"{endpoint}/123456789012/theirs",))
    assert list(wiring.remove_events(given, "leaving", Place(REGION))) == []
