"""The patterns of the rules: within AWS's limits, and matching what is documented."""

import json

import pytest

from dynconfig.events.patterns import PATTERN_LENGTH, event_rules

CLUSTER = "0f3b8a6e-7d54-4c0e-9d7e-3f1f0b6f2c11"


def pattern(paths: tuple[str, ...]) -> dict[str, object]:
    found: dict[str, object] = json.loads(event_rules(CLUSTER, paths)[0].pattern)
    return found


def test_names_and_patterns_are_within_the_limits_of_aws() -> None:
    for rule in event_rules(CLUSTER, [f"/team-{number}" for number in range(20)]):
        assert len(rule.name) <= 64
        assert rule.name.startswith(f"dynconfig-{CLUSTER}-")
        assert len(rule.pattern) <= PATTERN_LENGTH


def test_names_of_two_long_cluster_ids_differ() -> None:
    one, other = event_rules("x" * 80 + "1"), event_rules("x" * 80 + "2")
    assert len({rule.name for rule in (*one, *other)}) == 6


def test_every_parameter_matches_without_paths() -> None:
    assert pattern(()) == {"source": ["aws.ssm"], "detail-type": ["Parameter Store Change"]}


def test_patterns_end_with_a_slash_and_exclude_sibling_paths() -> None:
    assert pattern(("/shop", "/common/"))["detail"] == {"name": [{"prefix": "/common/"}, {"prefix": "/shop/"}]}


@pytest.mark.parametrize("count", [200, 2000])
def test_more_paths_than_fit_are_all_matched(count: int) -> None:
    assert "detail" not in pattern(tuple(f"/team-{number}" for number in range(count)))


def test_only_alarms_of_the_operator_match() -> None:
    assert json.loads(event_rules(CLUSTER)[1].pattern)["detail"] == {"alarmName": [{"prefix": "dynconfig-"}]}


def test_calls_are_those_on_managed_resources() -> None:
    services, *limited = json.loads(event_rules(CLUSTER)[2].pattern)["detail"]["$or"]
    assert {"lambda.amazonaws.com", "iam.amazonaws.com", "events.amazonaws.com", "monitoring.amazonaws.com"} <= set(
        services["eventSource"]
    )
    calls = {source: item["eventName"] for item in limited for source in item["eventSource"]}
    assert calls["ssm.amazonaws.com"] == ["AddTagsToResource", "RemoveTagsFromResource"]
    assert not [name for names in calls.values() for name in names if name.startswith(("Get", "List", "Publish"))]
