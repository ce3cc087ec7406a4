"""From an object and its Secrets to a declaration, validated as a whole."""

import json
from typing import Any

import pytest
from tests.engine.fake_kind import OWNER, document

from dynconfig.model.declaration import Declaration, Source
from dynconfig.model.errors import InvalidSpec, NoSource, PathNotAllowed, SourceMissing
from dynconfig.model.previous_status import PreviousStatus
from dynconfig.model.secret import Secret
from dynconfig.model.window import Brief
from dynconfig.validation import checking, json_schema
from dynconfig.validation.declare import declare, declare_deletion, faults, parse_spec, sources
from dynconfig.validation.tenancy import Tenant

PASSWORD = Source("Secret", "db", "password")
HOST = Source("ConfigMap", "db", "host")
TEXTS = {PASSWORD: "canary-4711", HOST: "db.internal"}

REFERRING: list[dict[str, Any]] = [
    {"name": "password", "valueFrom": {"secretKeyRef": {"name": "db", "key": "password"}}},
    {"name": "host", "valueFrom": {"configMapKeyRef": {"name": "db", "key": "host"}}},
]


def resolved(parameters: list[dict[str, Any]], texts: dict[Source, str] = TEXTS, **about: Any) -> Declaration:
    rules = {name: about.pop(name) for name in ("tenant", "is_region", "allowed_regions") if name in about}
    written = document({}, parameters=parameters, **about)
    rules.setdefault("tenant", Tenant(OWNER.namespace))
    return declare(written, owner=OWNER, default_region="eu-west-1", read=texts.get, **rules)


def test_values_come_from_their_declared_sources() -> None:
    password, host = resolved(REFERRING).parameters
    assert password.value == Secret("canary-4711")
    assert host.value == "db.internal"


def test_text_of_a_secret_is_masked_in_every_parameter_type() -> None:
    reference = {"secretKeyRef": {"name": "db", "key": "password", "allowPlaintext": True}}
    declaration = resolved([{**REFERRING[0], "type": "String", "valueFrom": reference}])
    assert isinstance(declaration.parameters[0].value, Secret)
    assert "canary" not in repr(declaration)


def test_all_sources_are_known_before_any_is_read() -> None:
    assert sources(parse_spec(document({}, parameters=REFERRING))) == (PASSWORD, HOST)


def test_missing_source_is_named_and_retryable() -> None:
    with pytest.raises(SourceMissing, match=r"parameter password: key password of Secret db does not exist"):
        resolved(REFERRING, {HOST: "x"})


def test_missing_source_object_is_named_without_its_key() -> None:
    def read(source: Source) -> str | None:
        if source == PASSWORD:
            raise NoSource("Secret db does not exist")
        return None

    written = document({}, parameters=REFERRING)
    with pytest.raises(SourceMissing) as missing:
        declare(written, owner=OWNER, default_region="eu-west-1", read=read, tenant=Tenant(OWNER.namespace))
    assert missing.value.reason == "SourceMissing"
    assert str(missing.value).startswith(
        f"parameter password: Secret db does not exist; parameter host: {HOST} does not exist; create it"
    )


def test_invalid_value_precedes_a_missing_one_and_every_error_is_reported() -> None:
    number = {"schema": {"type": "integer"}}
    wrong = [REFERRING[0], {"name": "a", "value": "x", **number}, {"name": "b", "value": "y", **number}]
    with pytest.raises(InvalidSpec, match=r"parameter a: .*not of type integer; parameter b: .*not of type integer"):
        resolved(wrong, {})


def test_invalid_secret_is_reported_without_its_text() -> None:
    with pytest.raises(InvalidSpec) as refused:
        resolved([{**REFERRING[0], "schema": {"type": "integer"}}])
    assert "parameter password: the value is not of type integer" in str(refused.value)
    assert "canary" not in str(refused.value)


def test_ten_errors_are_reported_and_the_rest_counted() -> None:
    wrong = [{"name": f"p{n}", "value": "x", "schema": {"type": "integer"}} for n in range(13)]
    with pytest.raises(InvalidSpec, match=r"; and 3 more$"):
        resolved(wrong)


def test_field_is_reported_with_its_parameter() -> None:
    with pytest.raises(InvalidSpec, match=r"spec\.parameters\[port\]\.tier: "):
        resolved([{"name": "port", "value": "1", "tier": "Golden"}])


def test_invalid_pattern_is_reported_with_its_field() -> None:
    with pytest.raises(InvalidSpec, match=r"parameter p: schema\.pattern is not a valid regular expression"):
        resolved([{"name": "p", "value": "1", "schema": {"pattern": "("}}])


def test_invalid_json_schema_is_reported_even_if_its_value_is_missing() -> None:
    with pytest.raises(InvalidSpec, match=r"parameter password: schema\.jsonSchema: type: 'no' is not valid"):
        resolved([{**REFERRING[0], "schema": {"type": "json", "jsonSchema": {"type": "no"}}}], {})


def test_secret_that_violates_its_json_schema_is_reported_without_its_text() -> None:
    schema = {"type": "json", "jsonSchema": {"additionalProperties": {"type": "integer"}}}
    with pytest.raises(InvalidSpec) as refused:
        resolved([{**REFERRING[0], "schema": schema}], {PASSWORD: '{"canary-key": "canary-4711"}'})
    assert str(refused.value) == "parameter password: the value does not match jsonSchema: $.*: type integer"


def slow(count: int) -> list[dict[str, Any]]:
    """Parameters with a JSON Schema that takes 40,000 steps."""
    schema = {"type": "json", "jsonSchema": {"allOf": [{"items": {"type": "integer"}}] * 20}}
    value = json.dumps([1] * 2000)
    return [{"name": f"p{n}", "value": value, "tier": "Advanced", "schema": schema} for n in range(count)]


def test_many_slow_schemas_take_no_longer_than_the_limit_of_an_object(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(json_schema, "SECONDS", 0.02)
    faults(document({}, parameters=slow(1)), TEXTS.get)  # imports the schema validator
    monkeypatch.setattr(checking, "SECONDS", 0.1)
    with pytest.raises(InvalidSpec) as refused:
        resolved([*slow(99), {"name": "last", "value": "x", "schema": {"type": "integer"}}])
    reached, first, *_rest = str(refused.value).split("; parameter ")
    number = int(reached.removeprefix("parameter p").partition(":")[0])
    assert 1 <= number < 99
    assert (
        f"p{number}: not checked, and neither are the following parameters: patterns and JSON Schemas of this object"
        in reached
    )
    assert first.startswith("p0: the value takes longer than 0.02 s")
    assert "parameter last" not in str(refused.value)


def test_rules_are_not_evaluated_with_unchecked_values(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(json_schema, "SECONDS", 0.02)
    monkeypatch.setattr(checking, "SECONDS", 0.001)
    last = {"name": "last", "value": "x", "schema": {"type": "integer"}}
    error = faults(document({}, parameters=[*slow(1), last], rules=[{"rule": "config.last > 1"}]), TEXTS.get)
    assert [text.partition(":")[0] for text in error] == ["parameter last", "parameter p0"]


def test_rules_are_reported_beside_errors_of_values() -> None:
    wrong: list[dict[str, Any]] = [
        {"name": "a", "value": "x", "schema": {"type": "integer"}},
        {"name": "b", "value": "y"},
    ]
    with pytest.raises(InvalidSpec, match=r"parameter a: .*; spec\.rules\[0\]: failed: b is c"):
        resolved(wrong, rules=[{"rule": "config.b == 'c'", "message": "b is c"}])


def test_rule_over_a_missing_source_is_retryable() -> None:
    with pytest.raises(SourceMissing, match="parameter password"):
        resolved(REFERRING, {HOST: "db"}, rules=[{"rule": "config.password != config.host"}])
    assert resolved(REFERRING, rules=[{"rule": "config.password != config.host"}])


def test_rule_over_a_secret_is_reported_without_its_text() -> None:
    rules = [{"rule": "config.password > 1"}, {"rule": "config.password == ''"}, {"rule": "int(config.password) > 0"}]
    with pytest.raises(InvalidSpec) as refused:
        resolved(REFERRING, rules=rules)
    assert "spec.rules[2]" in str(refused.value)
    assert "canary" not in str(refused.value)


@pytest.mark.parametrize(
    ("allowed", "is_allowed"), [((), True), (("/app",), True), (("/ap",), False), (("/x", "/app/"), True)]
)
def test_namespace_is_limited_to_its_paths(allowed: tuple[str, ...], is_allowed: bool) -> None:
    if is_allowed:
        assert resolved([], tenant=Tenant(OWNER.namespace, paths=allowed)).path == "/app"
    else:
        with pytest.raises(PathNotAllowed, match="may use paths below /ap"):
            resolved([], tenant=Tenant(OWNER.namespace, paths=allowed))


def test_unknown_region_is_rejected() -> None:
    with pytest.raises(InvalidSpec, match=r"spec\.region: zz-nowhere-1 is not an AWS region"):
        resolved([], region="zz-nowhere-1", is_region=lambda _region: False)
    # A configured region of the operator is always accepted.
    assert resolved([], region="eu-west-1", is_region=lambda _region: False).place.region == "eu-west-1"
    assert resolved([], region="us-east-1", is_region=lambda region: region == "us-east-1").place.region == "us-east-1"


def test_tags_of_the_parameter_override_those_of_the_object() -> None:
    parameter = {"name": "p", "value": "1", "tags": {"team": "own"}}
    assert resolved([parameter], tags={"team": "all", "harness": "dev"}).parameters[0].tags == (
        ("harness", "dev"),
        ("team", "own"),
    )


@pytest.mark.parametrize(
    ("annotations", "status", "is_requested"),
    [
        ({}, {}, False),
        ({"dynconfig.dev/reconcile-requested-at": "1"}, {}, True),
        ({"dynconfig.dev/reconcile-requested-at": "1"}, {"lastHandledReconcileAt": "1"}, False),
        ({"dynconfig.dev/reconcile-requested-at": "2"}, {"lastHandledReconcileAt": "1"}, True),
        ({"dynconfig.dev/reconcile-requested-at": "x" * 300}, {"lastHandledReconcileAt": "x" * 256}, False),
    ],
)
def test_manual_request_is_handled_once(
    annotations: dict[str, str], status: dict[str, str], is_requested: bool
) -> None:
    assert resolved([], annotations=annotations, status=status).requested is is_requested


@pytest.mark.parametrize("text", ["", "x", "-1", "1.5", "²", "9" * 5000])
def test_invalid_approval_approves_nothing(text: str) -> None:
    assert resolved([], annotations={"dynconfig.dev/approve-generation": text}).approved_generation is None


def test_object_without_the_finalizer_has_never_been_written() -> None:
    assert resolved([], finalizers=[]).never_written
    assert not resolved([]).never_written


def test_object_that_lost_its_finalizer_counts_as_written() -> None:
    seen = {"observedGeneration": 1, "lastObservedTime": "2027-01-15T08:00:00Z"}
    assert not resolved([], finalizers=[], status=seen).never_written
    refused = {"observedGeneration": 1, "conditions": []}
    assert resolved([], finalizers=[], status=refused).never_written


def test_deleted_object_need_not_be_valid() -> None:
    broken = document({"a": "1"}, region=None, resyncInterval="never", status={"parameters": []})
    declaration = declare_deletion(broken, owner=OWNER, default_region="eu-west-1")
    assert declaration.deleting
    assert declaration.parameters == ()
    assert declaration.known == ("/app/a",)


def test_region_not_listed_by_the_administrator_is_rejected() -> None:
    allowed = ("eu-west-1", "us-east-1")
    with pytest.raises(
        InvalidSpec, match=r"spec\.region: us-west-2 is not allowed here; allowed regions: eu-west-1, us-east-1"
    ):
        resolved([], region="us-west-2", allowed_regions=allowed)
    assert resolved([], region="us-east-1", allowed_regions=allowed).place.region == "us-east-1"
    assert resolved([], allowed_regions=allowed).place.region == "eu-west-1"
    going = document({}, region="us-west-2")
    assert declare_deletion(going, owner=OWNER, default_region="eu-west-1").place.region == "us-west-2"


THERE = {"observedGeneration": 1, "region": "us-east-1", "parameters": [{"name": "/app/a", "version": 1}]}


def test_object_without_a_region_stays_in_its_region() -> None:
    with pytest.raises(
        InvalidSpec,
        match=r"spec\.region is not set .*resources of this object are in us-east-1.*region back to us-east-1",
    ):
        resolved([], status=THERE)
    going = document({}, status=THERE)
    assert declare_deletion(going, owner=OWNER, default_region="eu-west-1").place.region == "us-east-1"


def test_object_that_lists_no_resources_stays_in_its_region() -> None:
    status = {**THERE, "parameters": []}
    with pytest.raises(InvalidSpec, match="resources of this object are in us-east-1"):
        resolved([], status=status)
    going = document({}, status=status)
    assert declare_deletion(going, owner=OWNER, default_region="eu-west-1").place.region == "us-east-1"


def test_object_that_wrote_nothing_may_use_another_region() -> None:
    assert resolved([], status={"observedGeneration": 1}).place.region == "eu-west-1"


def test_known_resources_are_declared_and_reported_ones() -> None:
    status = {"observedGeneration": 1, "parameters": [{"name": "/app/old", "version": 3}]}
    declaration = resolved([{"name": "new", "value": "1"}], status=status)
    assert declaration.known == ("/app/new", "/app/old")


@pytest.mark.parametrize("status", [None, {}, {"conditions": []}, {"observedGeneration": -1}])
def test_nothing_was_applied_without_a_status(status: dict[str, Any] | None) -> None:
    assert PreviousStatus.of(status).or_none is None


def test_status_contains_versions_and_drift() -> None:
    status = {
        "observedGeneration": 2,
        "appliedGeneration": 1,
        "parameters": [{"name": "/app/a", "version": 3}],
        "drift": [{"resource": "Parameter /app/a", "field": "value", "declared": "1", "observed": "2"}],
    }
    applied = PreviousStatus.of(status)
    assert (applied.generation, applied.versions) == (1, {"/app/a": 3})
    assert applied.drift == {("Parameter /app/a", "value"): Brief("1", "2")}


def test_errors_of_a_file_are_found_without_a_cluster() -> None:
    wrong = document({}, parameters=[{"name": "a", "value": "x", "schema": {"type": "integer"}}, REFERRING[0]])
    assert faults(wrong, lambda _source: None) == ("parameter a: the value is not of type integer",)
    assert faults({"spec": {"path": "nope"}}, lambda _source: None)[0].startswith("spec.path: ")


def test_topic_of_another_region_is_rejected_also_for_the_operators_region() -> None:
    topic = "arn:aws:sns:us-east-1:123456789012:ops"
    with pytest.raises(InvalidSpec, match=r"spec\.alarms\.notify: topic arn:aws:sns:us-east-1.* is not in eu-west-1"):
        resolved([], alarms={"defaults": False, "notify": [topic]})
