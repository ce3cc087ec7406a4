"""The handler's responses to direct invocations, the HTTP API, schedules and Parameter Store Change events."""

import json
from typing import Any

import pytest
from tests.lambda_app.function_harness import PASSWORD, PREFIX, RECIPE, FunctionHarness, output, refusal

from dynconfig_function import ConfigurationError
from dynconfig_function.errors import NotRefreshed

SCHEDULED = {
    "version": "0",
    "id": "53dc4d37-cffa-4f76-80c9-8b7d4a4d2eaa",
    "detail-type": "Scheduled Event",
    "source": "aws.scheduler",
    "account": "123456789012",
    "time": "2026-11-23T10:00:00Z",
    "region": "eu-west-1",
    "resources": ["arn:aws:scheduler:eu-west-1:123456789012:schedule/default/myapp"],
    "detail": "{}",
}


def request(path: str, method: str = "GET") -> dict[str, Any]:
    return {
        "version": "2.0",
        "routeKey": f"{method} {path}",
        "rawPath": path,
        "rawQueryString": "show=api/timeout",
        "headers": {"host": "id.execute-api.eu-west-1.amazonaws.com"},
        "queryStringParameters": {"show": "api/timeout"},
        "requestContext": {
            "apiId": "id",
            "http": {"method": method, "path": path, "protocol": "HTTP/1.1", "sourceIp": "192.0.2.1"},
            "requestId": "id",
            "routeKey": f"{method} {path}",
            "stage": "$default",
        },
        "isBase64Encoded": False,
        "show": ["api/timeout"],
    }


def change(name: str, operation: str = "Update") -> dict[str, Any]:
    return {
        "version": "0",
        "id": "9547ef2d-3b7e-4057-b6cb-5fdf09ee7c8f",
        "detail-type": "Parameter Store Change",
        "source": "aws.ssm",
        "account": "123456789012",
        "time": "2026-11-23T10:00:00Z",
        "region": "eu-west-1",
        "resources": [f"arn:aws:ssm:eu-west-1:123456789012:parameter{name}"],
        "detail": {"operation": operation, "name": name, "type": "String"},
    }


PUBLIC = {name: value for name, (kind, value) in RECIPE.items() if kind != "SecureString"}
OF_SERVICES = [
    [],
    "text",
    {"source": "aws.s3"},
    {"version": "2.0"},
    {"detail": 1},
    {"source": "aws.s3", "show": ["api/timeout"]},
    {"Records": [{"eventSource": "aws:sqs"}], "show": ["api/timeout"]},
    {"httpMethod": "GET", "requestContext": {"identity": {}}, "show": ["api/timeout"]},
    {"requestContext": {"elb": {}}, "httpMethod": "GET"},
    {"requestPayload": {}, "responsePayload": {}},
    {"alarmArn": "arn", "source": "aws.cloudwatch"},
]


@pytest.mark.parametrize("event", [None, {}])
def test_invocation_without_event_returns_all_values_except_secrets(harness: FunctionHarness, event: object) -> None:
    answer = harness.invoke(event)
    assert answer["values"] == PUBLIC
    assert PASSWORD not in json.dumps(answer)


@pytest.mark.parametrize("event", OF_SERVICES)
def test_possible_service_events_get_no_values(harness: FunctionHarness, event: object) -> None:
    harness.library.load()
    harness.clock.pass_by(12.5)
    answer = harness.invoke(event)
    assert answer["revision"] == "7"
    assert answer["prefix"] == PREFIX
    assert answer["parameters"] == {
        name: {"type": kind, "version": 1, "age_seconds": 12} for name, (kind, _value) in RECIPE.items()
    }
    assert set(answer) == {"revision", "prefix", "parameters"}


def test_direct_invocation_returns_the_requested_values(harness: FunctionHarness) -> None:
    assert harness.invoke({"show": ["api/timeout", "database/host"]})["values"] == {
        "api/timeout": "30",
        "database/host": "db.shop.internal",
    }


@pytest.mark.parametrize("declared", [{"s": True}, {}])
def test_secure_string_is_never_returned(harness: FunctionHarness, declared: dict[str, object]) -> None:
    """Faults 7 and 13 of the recipe: it is read like any parameter, but never returned."""
    harness.restart({"database/password": declared, "api/timeout": {}})
    answer = harness.invoke({"show": ["database/password", "api/timeout", "nobody/knows"]})
    assert answer["values"] == {"api/timeout": "30"}
    assert answer["errors"] == {
        "database/password": "is a SecureString, which is never shown",
        "nobody/knows": "is not declared",
    }
    assert PASSWORD not in json.dumps(answer)


def test_show_must_be_a_list(harness: FunctionHarness) -> None:
    assert harness.invoke({"show": "api/timeout"})["errors"] == {"show": "must be a list of names"}


def test_http_response_contains_no_value(harness: FunctionHarness) -> None:
    """Fault 7 of the recipe: the whole configuration is returned to any HTTP caller."""
    answer = harness.invoke(request("/config"))
    assert answer["statusCode"] == 200
    assert answer["headers"]["content-type"] == "application/json"
    body = json.loads(answer["body"])
    assert set(body) == {"revision", "prefix", "parameters"}
    assert body["parameters"]["api/timeout"] == {"type": "String", "version": 1, "age_seconds": 0}
    assert not any(value in answer["body"] for _kind, value in RECIPE.values() if not value.isdigit())


def signed(**authorizer: Any) -> dict[str, Any]:
    event = request("/config")
    return {**event, "requestContext": {**event["requestContext"], "authorizer": authorizer}}


def test_signed_http_request_gets_all_values_except_secrets(harness: FunctionHarness) -> None:
    answer = harness.invoke(signed(iam={"accountId": "123456789012"}))
    assert json.loads(answer["body"])["values"] == PUBLIC
    assert PASSWORD not in answer["body"]


@pytest.mark.parametrize("authorizer", [{}, {"jwt": {"claims": {}}}, {"lambda": {"iam": {}}}, {"iam": None}])
def test_other_authorizers_than_iam_get_no_values(harness: FunctionHarness, authorizer: dict[str, Any]) -> None:
    assert "values" not in json.loads(harness.invoke(signed(**authorizer))["body"])


@pytest.mark.parametrize("path", ["/health", "/health/", "/prod/health"])
def test_health_request_reads_nothing(harness: FunctionHarness, path: str) -> None:
    answer = harness.invoke(request(path))
    assert (answer["statusCode"], answer["body"]) == (200, '{"status": "ok"}')
    assert harness.reads == []


@pytest.mark.parametrize("event", [{}, request("/config"), SCHEDULED])
def test_unavailable_configuration_raises_for_every_event(harness: FunctionHarness, event: object) -> None:
    """Fault 5 of the recipe: a 500 as a value never moves Lambda's Errors metric."""
    harness.delete("api/timeout")
    with pytest.raises(ConfigurationError, match=r"/myapp/config/api/timeout does not exist"):
        harness.invoke(event)


@pytest.mark.parametrize("source", ["aws.scheduler", "aws.events"])
def test_schedule_warms_the_cache(harness: FunctionHarness, source: str) -> None:
    assert harness.invoke({**SCHEDULED, "source": source}) == {"revision": "7", "parameters": 5}
    harness.invoke()
    assert len(harness.reads) == 5


def test_change_event_refreshes_from_parameter_store(harness: FunctionHarness) -> None:
    """Fault 3 of the recipe: the extension cannot be invalidated, and returns the old value until its TTL."""
    harness.extension.ttl = 300
    harness.library.load()
    harness.put("api/timeout", "45")
    assert harness.invoke(change(f"{PREFIX}/api/timeout")) == {"revision": "7", "refreshed": "api/timeout"}
    assert harness.invoke({"show": ["api/timeout"]})["values"] == {"api/timeout": "45"}
    assert harness.direct == [["api/timeout"]]
    assert len(harness.reads) == 5


def test_change_event_does_not_count_as_extension_failure(
    harness: FunctionHarness, capsys: pytest.CaptureFixture[str]
) -> None:
    harness.invoke()
    output(capsys)
    harness.invoke(change(f"{PREFIX}/api/timeout"))
    assert output(capsys).counts() == {"CacheHits": 0, "CacheMisses": 0, "SuccessfulParameterRetrievals": 1}


@pytest.mark.parametrize(
    "name", ["/myapp/config-other/api/timeout", "/myapp/config", "/myapp/config/not/declared", "api/timeout", ""]
)
def test_change_of_an_undeclared_name_is_ignored(harness: FunctionHarness, name: str) -> None:
    """Fault 10 of the recipe: the prefix without a slash matches sibling paths."""
    assert harness.invoke(change(name)) == {"ignored": name}
    assert (harness.reads, harness.direct) == ([], [])


def test_change_event_without_a_name_is_ignored(harness: FunctionHarness) -> None:
    assert harness.invoke({**change(""), "detail": None}) == {"ignored": ""}


def test_deletion_event_raises_and_drops_the_value(harness: FunctionHarness) -> None:
    harness.library.load()
    harness.delete("api/timeout")
    for event in (change(f"{PREFIX}/api/timeout", "Delete"), {}):
        with pytest.raises(ConfigurationError, match="does not exist"):
            harness.invoke(event)


def test_change_that_cannot_be_read_keeps_the_value_and_raises_for_a_retry(
    harness: FunctionHarness,
) -> None:
    harness.library.load()
    harness.put("api/timeout", "45")
    with harness.aws_fails(refusal("ThrottlingException")):
        with pytest.raises(NotRefreshed, match=f"{PREFIX}/api/timeout could not be read: ThrottlingException"):
            harness.invoke(change(f"{PREFIX}/api/timeout"))
        assert harness.invoke({"show": ["api/timeout"]})["values"] == {"api/timeout": "30"}
    assert harness.invoke(change(f"{PREFIX}/api/timeout"))["refreshed"] == "api/timeout"
    assert harness.invoke({"show": ["api/timeout"]})["values"] == {"api/timeout": "45"}


def test_extension_is_bypassed_after_a_change_that_could_not_be_read(harness: FunctionHarness) -> None:
    """Its cache may be older than the event; caching its response would serve the old value for another TTL."""
    harness.extension.ttl = 60
    harness.library.load()
    harness.clock.pass_by(40)
    harness.put("api/timeout", "45")
    with harness.aws_fails(refusal("ThrottlingException")), pytest.raises(NotRefreshed):
        harness.invoke(change(f"{PREFIX}/api/timeout"))
    harness.clock.pass_by(10)
    assert harness.invoke({"show": ["api/timeout"]})["values"] == {"api/timeout": "45"}
    harness.clock.pass_by(60)
    harness.invoke()
    assert harness.reads[5:] == ["api/timeout"]


def test_change_that_cannot_be_read_is_no_configuration_error(
    harness: FunctionHarness, capsys: pytest.CaptureFixture[str]
) -> None:
    """Neither with a cached value nor in a new environment: the alarm on such errors may roll back a change."""
    for _environment in ("new", "warm"):
        output(capsys)
        with harness.aws_fails(refusal("ThrottlingException")), pytest.raises(NotRefreshed):
            harness.invoke(change(f"{PREFIX}/api/timeout"))
        counts = output(capsys).counts()
        assert counts["FailedParameterRetrievals"] == 1
        assert "ConfigurationErrors" not in counts
        harness.library.load()


def test_change_that_violates_the_schema_is_not_served(
    harness: FunctionHarness, capsys: pytest.CaptureFixture[str]
) -> None:
    """As if a value changes together with its schema: the value is written before the new environment."""
    harness.library.load()
    harness.put("database/port", "a-new-form")
    output(capsys)
    assert harness.invoke(change(f"{PREFIX}/database/port")) == {"revision": "7", "kept": "database/port"}
    assert harness.invoke({"show": ["database/port"]})["values"] == {"database/port": "5432"}
    printed = output(capsys)
    assert printed.metrics[1]["StaleParameters"] == 1
    assert "ConfigurationErrors" not in printed.text
    assert [line["message"] for line in printed.logs] == [
        "serving the last valid value: the parameter is not of type integer"
    ]
    assert "a-new-form" not in printed.text
