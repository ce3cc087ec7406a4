"""Much at once, and what others take away: many deletions, a deleted namespace, lost queue and rules, foreign messages."""

import json
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from typing import Any

import pytest
from tests.e2e.world import GROUP
from tests.faults.flows import APP, full, ready, sources
from tests.faults.site import Site

pytestmark = [pytest.mark.e2e, pytest.mark.faults, pytest.mark.timeout(3600)]

NewSite = Callable[[], Site]
OBJECTS = 200
FOREIGN_EVENTS = 10_000
# An object is in sync with these events in the queue as soon as without.
SECONDS = 60.0
MALFORMED = [
    "",
    "no JSON",
    "null",
    "[]",
    "{}",
    '"text"',
    "{" * 5_000,
    "[" * 100_000,
    '{"detail-type": "Parameter Store Change"}',
    '{"detail-type": "Parameter Store Change", "time": 5, "region": "eu-west-1", "detail": {}}',
    '{"detail-type": "Parameter Store Change", "time": "2026-01-01T00:00:00Z", "region": ["eu-west-1"], "detail": null}',
    json.dumps({"detail-type": ["x"], "time": "2026-01-01T00:00:00Z", "region": "eu-west-1", "detail": {}}),
    json.dumps({"detail-type": "x" * 200_000, "time": "2026-01-01T00:00:00Z", "region": "eu-west-1", "detail": {}}),
    "\ufffe\u0000".replace("\u0000", " "),
    '{"time": "99999-01-01T00:00:00Z", "detail-type": "Parameter Store Change", "region": "x", "detail": {"name": 1}}',
]


def event(name: str, operation: str = "Update") -> str:
    """https://docs.aws.amazon.com/systems-manager/latest/userguide/monitoring-systems-manager-event-examples.html"""
    return json.dumps(
        {
            "version": "0",
            "id": "9547ef2d-3b7e-4057-b6cb-5fdf09ee7c8f",
            "detail-type": "Parameter Store Change",
            "source": "aws.ssm",
            "account": "123456789012",
            "time": f"{datetime.now(UTC):%Y-%m-%dT%H:%M:%SZ}",
            "region": "eu-west-1",
            "resources": [f"arn:aws:ssm:eu-west-1:123456789012:parameter{name}"],
            "detail": {"operation": operation, "name": name, "type": "String"},
        }
    )


def queue(site: Site) -> str:
    """The URL of the operator's queue; empty if it does not exist."""
    urls = site.account.client("sqs").list_queues(QueueNamePrefix="dynconfig-").get("QueueUrls", ())
    return next((str(url) for url in urls if url.endswith("-events")), "")


def send(site: Site, bodies: list[str]) -> None:
    """Ten messages a call."""
    sqs, url = site.account.client("sqs"), queue(site)

    def send_some(some: list[str]) -> None:
        sqs.send_message_batch(
            QueueUrl=url, Entries=[{"Id": str(number), "MessageBody": body} for number, body in enumerate(some)]
        )

    with ThreadPoolExecutor(4) as threads:
        list(threads.map(send_some, [bodies[at : at + 10] for at in range(0, len(bodies), 10)]))


def corrects_drift(site: Site, name: str, seconds: float = SECONDS) -> None:
    """Drift of an object's parameter is corrected by an event."""
    site.put_by_hand(name, "by hand")
    site.wait(f"the drift of {name} is corrected", lambda: site.value(name) == "1", seconds)


def listening(site: Site) -> None:
    """An object, and a queue that receives its events."""
    sources(site)
    site.declare(APP, full(site, "ab"))
    ready(APP)(site)
    site.wait("events come", site.is_listening)
    corrects_drift(site, "a")


def crowd(site: Site, count: int) -> None:
    """Many small objects."""

    def declare(number: int) -> None:
        spec = {"path": f"{site.path}/{number}", "parameters": [{"name": name, "value": "1"} for name in "ab"]}
        site.declare(f"crowd-{number}", spec)

    with ThreadPoolExecutor(4) as threads:
        list(threads.map(declare, range(count)))
    site.wait("all are Ready", lambda: all(_is_true(item) for item in site.objects()), 600)


def _is_true(document: dict[str, Any]) -> bool:
    conditions = (document.get("status") or {}).get("conditions", ())
    return any((item["type"], item["status"]) == ("Ready", "True") for item in conditions)


def test_many_objects_deleted_at_once_leave_nothing(new_site: NewSite, points: list[str]) -> None:
    site = new_site()
    crowd(site, OBJECTS)
    site.check()
    site.http.delete(f"{GROUP}/namespaces/{site.namespace}/dynamicconfigs").raise_for_status()
    site.wait("the objects are deleted", lambda: not site.objects(), 600)
    points.append(f"{OBJECTS} objects deleted at once")
    site.check_clean()


def test_deleted_namespace_leaves_nothing(new_site: NewSite, points: list[str]) -> None:
    site = new_site()
    sources(site)
    site.declare(APP, full(site, "ab"))
    crowd(site, 10)
    ready(APP)(site)
    url = f"/api/v1/namespaces/{site.namespace}"
    site.http.delete(url).raise_for_status()
    site.wait("the namespace is deleted", lambda: site.http.get(url).status_code == 404, 300)
    points.append("namespace deleted")
    site.check_clean()


def test_deleted_queue_is_made_again(new_site: NewSite, points: list[str]) -> None:
    site = new_site()
    listening(site)
    site.account.client("sqs").delete_queue(QueueUrl=queue(site))
    site.wait("there is a queue", lambda: bool(queue(site)), 300)
    site.wait("events come", site.is_listening, 300)
    corrects_drift(site, "b", 120)
    points.append("queue deleted")
    site.check(*_CORRECTIONS)
    site.check_clean()


def test_deleted_rules_are_made_again(new_site: NewSite, points: list[str]) -> None:
    site = new_site()
    listening(site)
    events, name = site.account.client("events"), site.listening_rule()
    events.remove_targets(Rule=name, Ids=[target["Id"] for target in events.list_targets_by_rule(Rule=name)["Targets"]])
    events.delete_rule(Name=name)
    # An own write whose event does not arrive shows that the rule is missing.
    site.edit(APP, {"spec": {"parameters": full(site, "abc")["parameters"]}}).raise_for_status()
    ready(APP)(site)
    site.wait("events come", site.is_listening, 300)
    corrects_drift(site, "b", 120)
    points.append("rules deleted")
    site.check(*_CORRECTIONS)
    site.check_clean()


def test_many_foreign_events_delay_no_object(new_site: NewSite, points: list[str]) -> None:
    site = new_site()
    site.declare("small", site.spec(*({"name": name, "value": "1"} for name in "ab")))
    ready("small")(site)
    corrects_drift(site, "a")
    writes = len(site.log())
    send(site, [event(f"/of-others/{number}") for number in range(FOREIGN_EVENTS)])
    corrects_drift(site, "b")
    site.wait("the queue is empty", lambda: _waiting(site) == 0, 300)
    points.append(f"{FOREIGN_EVENTS} foreign events")
    assert [(call.operation, call.resource) for call in site.log()[writes:]] == [("ssm.PutParameter", f"{site.path}/b")]
    site.check(*_CORRECTIONS)
    site.check_clean()


def test_malformed_messages_are_dropped(new_site: NewSite, points: list[str]) -> None:
    site = new_site()
    listening(site)
    for body in MALFORMED:
        # SQS refuses empty messages.
        # https://docs.aws.amazon.com/AWSSimpleQueueService/latest/APIReference/API_SendMessage.html
        if body:
            site.account.client("sqs").send_message(QueueUrl=queue(site), MessageBody=body)
            points.append(f"message {body[:20]}")
    send(site, [event(name) for name in ("", "/" * 2_000, "x" * 5_000, f"{site.path}/none", "arn:aws:ssm:::")])
    corrects_drift(site, "b")
    site.wait("the queue is empty", lambda: _waiting(site) == 0, 60)
    site.check(*_CORRECTIONS)
    site.check_clean()


# A correction may write what an earlier one wrote; the log of a write's content has no value.
_CORRECTIONS = ("ssm.PutParameter", "ssm.PutParameter", "cloudwatch.PutDashboard")


def _waiting(site: Site) -> int:
    """The messages that are in the queue or in the hands of the operator."""
    names = ["ApproximateNumberOfMessages", "ApproximateNumberOfMessagesNotVisible"]
    attributes = site.account.client("sqs").get_queue_attributes(QueueUrl=queue(site), AttributeNames=names)
    return sum(map(int, attributes["Attributes"].values()))
