"""The extension's contract: requests of a function, and their responses."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

import pytest

from dynconfig_lab.functions.extension import FAILED, NOT_READY, Extension, Settings

TOKEN = "token"
GET = "/systemsmanager/parameters/get"


@dataclass
class Store:
    """A Parameter Store that records its requests."""

    asked: list[tuple[str, bool]] = field(default_factory=list)
    failures: list[Exception] = field(default_factory=list)
    timeouts: list[float | None] = field(default_factory=list)
    now: float = 1000.0
    said: list[str] = field(default_factory=list)

    def get(self, name: str, decrypt: bool, timeout: float | None) -> Mapping[str, Any]:
        self.asked.append((name, decrypt))
        self.timeouts.append(timeout)
        if self.failures:
            raise self.failures.pop(0)
        return {"Name": name.partition(":")[0], "Value": f"value {len(self.asked)}", "Version": 1, "Type": "String"}

    def extension(self, *, serves: bool = True, **settings: Any) -> Extension:
        found = Extension(Settings(**settings), TOKEN, self.get, lambda: self.now, self.said.append)
        found.serves = serves
        return found


@pytest.fixture
def store() -> Store:
    return Store()


def value(answer: tuple[int, bytes]) -> str:
    assert answer[0] == 200, answer
    return str(json.loads(answer[1])["Parameter"]["Value"])


def test_response_has_the_recorded_format_and_absent_fields_are_null() -> None:
    at = datetime(2022, 11, 16, 8, 22, 40, 362_000, tzinfo=UTC)
    parameter = {
        "ARN": "arn",
        "DataType": "text",
        "LastModifiedDate": at,
        "Name": "/x/y",
        "Type": "String",
        "Value": "v",
    }
    extension = Extension(Settings(), TOKEN, lambda *_: {**parameter, "Version": 1}, lambda: 0.0)
    extension.serves = True
    status, body = extension.answer(f"{GET}?name=%2Fx%2Fy", TOKEN)
    assert status == 200
    assert json.loads(body) == {
        "Parameter": {
            "ARN": "arn",
            "DataType": "text",
            "LastModifiedDate": "2022-11-16T08:22:40.362Z",
            "Name": "/x/y",
            "Selector": None,
            "SourceResult": None,
            "Type": "String",
            "Value": "v",
            "Version": 1,
        },
        "ResultMetadata": {},
    }


@pytest.mark.parametrize("token", [None, "", "wrong"])
def test_token_has_to_match(store: Store, token: str | None) -> None:
    assert store.extension().answer(f"{GET}?name=/a", token)[0] == 401
    assert store.asked == []


def test_extension_does_not_serve_during_init(store: Store) -> None:
    extension = store.extension(serves=False)
    assert extension.answer(f"{GET}?name=/a", TOKEN) == (400, NOT_READY.encode())
    assert store.asked == []


@pytest.mark.parametrize("query", ["", "name=", "label=x"])
def test_request_without_a_name_fails(store: Store, query: str) -> None:
    assert store.extension().answer(f"{GET}?{query}", TOKEN) == (400, FAILED.encode())


def test_other_paths_are_not_found(store: Store) -> None:
    assert store.extension().answer("/secretsmanager/get?secretId=a", TOKEN)[0] == 400


def test_trailing_slash_of_the_path_is_ignored(store: Store) -> None:
    assert value(store.extension().answer(f"{GET}/?name=/a", TOKEN)) == "value 1"


@pytest.mark.parametrize(
    ("query", "asked"),
    [
        ("name=%2Fa%2Fb", "/a/b"),
        ("name=/a/b", "/a/b"),
        (
            "name=arn%3Aaws%3Assm%3Aeu-west-1%3A123456789012%3Aparameter%2Fa",
            "arn:aws:ssm:eu-west-1:123456789012:parameter/a",
        ),
        ("name=/a&version=3", "/a:3"),
        ("label=stable&name=/a", "/a:stable"),
        ("name=/a&version=3&label=stable", "/a:3"),
        ("name=/a&label=stable&version=3", "/a:stable"),
    ],
)
def test_first_of_version_and_label_in_the_url_applies(store: Store, query: str, asked: str) -> None:
    assert value(store.extension().answer(f"{GET}?{query}", TOKEN)) == "value 1"
    assert store.asked == [(asked, False)]


@pytest.mark.parametrize(
    ("query", "decrypted"), [("", False), ("&withDecryption=false", False), ("&withDecryption=true", True)]
)
def test_secrets_are_decrypted_on_request_only(store: Store, query: str, decrypted: bool) -> None:
    store.extension().answer(f"{GET}?name=/a{query}", TOKEN)
    assert store.asked == [("/a", decrypted)]


def test_value_is_cached_for_the_ttl_and_then_read_again(store: Store) -> None:
    extension = store.extension(ttl=60)
    for now, expected in ((1000.0, "value 1"), (1059.9, "value 1"), (1060.0, "value 2"), (1119.0, "value 2")):
        store.now = now
        assert value(extension.answer(f"{GET}?name=/a", TOKEN)) == expected


def test_each_selector_and_decryption_is_cached_separately(store: Store) -> None:
    extension = store.extension()
    queries = ("name=/a", "name=/a&version=1", "name=/a&label=x", "name=/a&withDecryption=true")
    for _ in range(2):
        for query in queries:
            extension.answer(f"{GET}?{query}", TOKEN)
    assert len(store.asked) == len(queries)


@pytest.mark.parametrize("settings", [{"ttl": 0}, {"size": 0}])
def test_nothing_is_cached_with_a_ttl_or_size_of_zero(store: Store, settings: dict[str, Any]) -> None:
    extension = store.extension(**settings)
    assert [value(extension.answer(f"{GET}?name=/a", TOKEN)) for _ in range(2)] == ["value 1", "value 2"]


def test_no_more_is_cached_than_the_size(store: Store) -> None:
    extension = store.extension(size=2)
    for name in ("/a", "/b", "/c", "/b", "/c", "/a"):
        extension.answer(f"{GET}?name={name}", TOKEN)
    assert [name for name, _decrypt in store.asked] == ["/a", "/b", "/c", "/a"]


@pytest.mark.parametrize("failure", [LookupError("ParameterNotFound"), OSError("down")])
def test_every_failure_has_one_response_and_its_cause_in_the_log(store: Store, failure: Exception) -> None:
    store.failures = [failure] * 3
    assert store.extension().answer(f"{GET}?name=/a", TOKEN) == (400, FAILED.encode())
    assert any("ERROR" in line and "/a" in line and str(failure) in line for line in store.said)


def test_failure_is_not_cached(store: Store) -> None:
    store.failures = [LookupError("ParameterNotFound")]
    extension = store.extension()
    assert extension.answer(f"{GET}?name=/a", TOKEN)[0] == 400
    assert value(extension.answer(f"{GET}?name=/a", TOKEN)) == "value 2"


def test_retryable_failure_is_tried_three_times(store: Store) -> None:
    store.failures = [OSError("reset"), OSError("reset")]
    assert value(store.extension().answer(f"{GET}?name=/a", TOKEN)) == "value 3"
    assert sum("WARN" in line for line in store.said) == 2


def test_terminal_failure_is_tried_once(store: Store) -> None:
    store.failures = [LookupError("AccessDenied")]
    store.extension().answer(f"{GET}?name=/a", TOKEN)
    assert len(store.asked) == 1


def test_timeout_is_passed_to_each_call(store: Store) -> None:
    store.extension(timeout=1.5).answer(f"{GET}?name=/a", TOKEN)
    assert store.timeouts == [1.5]


def test_log_level_none_logs_nothing(store: Store) -> None:
    store.failures = [LookupError("deleted")]
    store.extension(level="NONE").answer(f"{GET}?name=/a", TOKEN)
    assert store.said == []


def test_log_level_debug_logs_cache_hits(store: Store) -> None:
    extension = store.extension(level="DEBUG")
    for _ in range(2):
        extension.answer(f"{GET}?name=/a", TOKEN)
    assert any("DEBUG" in line and "cache" in line for line in store.said)
