"""The CEL rules of the models, evaluated locally: each is true or false for every document, and errors count as false."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from dynconfig.api import cel
from dynconfig.api.alarms import AlarmSpec
from dynconfig.api.function import FunctionSpec
from dynconfig.api.model import FIELDS_ALONE, Model, broken_rules
from dynconfig.api.model import document as document_of
from dynconfig.api.parameter import ParameterSpec
from dynconfig.api.spec import DynamicConfigSpec

TOPIC = st.sampled_from([f"arn:aws:sns:{region}:123456789012:t" for region in ("eu-west-1", "us-east-1")])
DURATIONS = st.sampled_from(["1s", "5s", "10s", "1h30m", "24h", "24h1s", "99999h"])


def some(**fields: st.SearchStrategy[Any]) -> st.SearchStrategy[dict[str, Any]]:
    return st.fixed_dictionaries({}, optional=fields)


TAGS = st.dictionaries(st.sampled_from(["a", "B", "aws:x", "DYNCONFIG.dev/y", "é"]), st.just("1"), max_size=3)
SOURCE = some(
    secretKeyRef=st.sampled_from([{"name": "s", "key": "k"}, {"name": "s", "key": "k", "allowPlaintext": True}]),
    configMapKeyRef=st.just({"name": "c", "key": "k"}),
)
SCHEMA = some(
    type=st.sampled_from(["string", "integer", "json"]),
    minimum=st.sampled_from([0.0, 2.5]),
    maximum=st.sampled_from([1.0, 1e300]),
    jsonSchema=st.sampled_from([{}, {"const": 2**70}]),
)
PARAMETER = some(
    value=st.sampled_from(["1", "{{x}}", "a\0{{"]),
    valueFrom=SOURCE,
    type=st.sampled_from(["String", "StringList", "SecureString"]),
    kmsKeyId=st.just("k"),
    tier=st.sampled_from(["Standard", "Advanced", "Intelligent-Tiering"]),
    tags=TAGS,
    schema=SCHEMA,
).map(lambda found: {"name": "a/b/c", **found})
ALARM = some(
    metric=st.just("M"),
    namespace=st.just("N"),
    threshold=st.sampled_from([0.0, 1.5]),
    comparison=st.just("GreaterThanThreshold"),
    statistic=st.just("Sum"),
    extendedStatistic=st.just("p99"),
    periodSeconds=st.sampled_from([10, 25, 60, 3600, 86400]),
    evaluationPeriods=st.sampled_from([1, 7, 8, 24]),
    datapointsToAlarm=st.sampled_from([1, 8]),
    unit=st.just("Count"),
    dimensions=st.dictionaries(st.sampled_from(["a", ":a", ""]), st.just("1"), max_size=2),
)
FUNCTION = some(
    name=st.just("f"),
    mode=st.sampled_from(["Managed", "Attach"]),
    triggers=some(parameterChange=st.booleans(), schedule=st.just("rate(5 minutes)"), httpApi=st.just({})),
    onFailure=st.sampled_from(["", "arn:aws:sqs:eu-west-1:123456789012:q", "arn:aws:s3:::b"]),
    roleName=st.just("r"),
    environment=st.sampled_from([{}, {"LEVEL": "1"}]),
)
SPEC = some(
    region=st.sampled_from(["eu-west-1", "us-east-1"]),
    parameters=st.lists(PARAMETER, max_size=1),
    function=FUNCTION,
    alarms=some(defaults=st.booleans(), custom=st.lists(ALARM.map(lambda a: {"name": "x", **a}), max_size=1)),
    resyncInterval=DURATIONS,
    tags=TAGS,
    rollout=some(bakeTime=DURATIONS),
    path=st.sampled_from(["/a", "/AWS/x", "/ssm", "/a" * 14]),
).map(lambda found: {"path": "/a", **found})


def evaluated(kind: type[Model], document: dict[str, Any]) -> None:
    try:
        model = kind.model_validate(document, context=FIELDS_ALONE)
    except ValidationError:
        return
    plain = document_of(model)
    rules = [rule for rule in kind.rules if rule.cel and not rule.is_transition and not rule.holds]
    assert {type(cel.value(rule.cel, {"self": plain, "oldSelf": None})) for rule in rules} <= {bool}
    expected = {rule.message for rule in rules if cel.value(rule.cel, {"self": plain, "oldSelf": None}) is False}
    reported = set(broken_rules(model))
    assert expected <= reported
    assert reported - expected <= {rule.message for rule in kind.rules if rule.holds}


@given(SPEC)
def test_each_rule_of_the_spec_is_true_or_false(document: dict[str, Any]) -> None:
    evaluated(DynamicConfigSpec, document)


@given(PARAMETER)
def test_each_rule_of_a_parameter_is_true_or_false(document: dict[str, Any]) -> None:
    evaluated(ParameterSpec, document)


@given(ALARM, st.sampled_from(["x", "Errors", "Unhealthy", "Drift"]))
def test_each_rule_of_an_alarm_is_true_or_false(document: dict[str, Any], name: str) -> None:
    evaluated(AlarmSpec, {"name": name, **document})


@given(FUNCTION)
def test_each_rule_of_a_function_is_true_or_false(document: dict[str, Any]) -> None:
    evaluated(FunctionSpec, document)


@pytest.mark.parametrize("rule", ["self.absent == 1", "self.a / 0 == 1", "self.a"])
def test_error_counts_as_false(rule: str) -> None:
    assert cel.broken([rule, "self.a == 1"], {"a": 1}) == {rule}
