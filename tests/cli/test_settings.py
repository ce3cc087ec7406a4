"""The environment of the operator."""

import itertools

import pytest

from dynconfig.api.names import MAX_NAME
from dynconfig.model.resource import Owner
from dynconfig.settings import BadSetting, Settings
from dynconfig.validation.tenancy import NOWHERE


def test_empty_environment_means_defaults() -> None:
    assert Settings.from_environment({}) == Settings()


@pytest.mark.parametrize(
    ("environment", "region"),
    [
        ({"AWS_REGION": "eu-west-1"}, "eu-west-1"),
        ({"AWS_DEFAULT_REGION": "eu-west-2"}, "eu-west-2"),
        ({"AWS_REGION": "eu-west-1", "DYNCONFIG_REGION": "us-east-1"}, "us-east-1"),
        ({"AWS_REGION": ""}, None),
    ],
)
def test_own_region_variable_takes_precedence(environment: dict[str, str], region: str | None) -> None:
    assert Settings.from_environment(environment).region == region


@pytest.mark.parametrize(
    ("endpoint", "is_emulated"),
    [
        ("http://127.0.0.1:5000", True),
        ("http://amazonaws.com.example:5000", True),
        ("https://vpce-1.ssm.eu-west-1.vpce.amazonaws.com", False),
        ("https://ssm.cn-north-1.amazonaws.com.cn", False),
        ("https://ssm.eusc-de-east-1.amazonaws.eu", False),
        ("https://ssm.us-iso-east-1.c2s.ic.gov", False),
        ("https://ssm.us-isob-east-1.sc2s.sgov.gov", False),
        ("https://ssm.eu-isoe-west-1.cloud.adc-e.uk", False),
        ("https://ssm.us-isof-east-1.csp.hci.ic.gov", False),
        ("https://ssm.eu-west-1.api.aws", False),
        ("", False),
    ],
)
def test_endpoint_outside_aws_is_an_emulator(endpoint: str, is_emulated: bool) -> None:
    assert Settings.from_environment({"AWS_ENDPOINT_URL": endpoint}).is_emulated is is_emulated


def test_allowed_paths_by_namespace_with_default() -> None:
    own = Settings.from_environment({"DYNCONFIG_ALLOWED_PATHS": "shop=/shop,/common; *=/apps"})
    assert own.paths_of("shop") == ("/shop", "/common")
    assert own.paths_of("other") == ("/apps",)
    strict = Settings.from_environment({"DYNCONFIG_ALLOWED_PATHS": "shop=/shop"})
    assert strict.paths_of("other") == NOWHERE


@pytest.mark.parametrize(
    ("variable", "text"),
    [
        ("DYNCONFIG_ALLOWED_PATHS", ";"),
        ("DYNCONFIG_ALLOWED_PATHS", " ; ;"),
        *itertools.product(
            (
                *("DYNCONFIG_REGIONS", "DYNCONFIG_NAMESPACES", "DYNCONFIG_ALLOWED_PATHS", "DYNCONFIG_IGNORED_TAGS"),
                *("DYNCONFIG_QUEUE_URL", "DYNCONFIG_QUOTA", "DYNCONFIG_TAGS"),
            ),
            (",", " , ,", "  "),
        ),
    ],
)
def test_list_without_entries_is_not_taken_for_no_restriction(variable: str, text: str) -> None:
    with pytest.raises(BadSetting, match=f"^{variable}: invalid value"):
        Settings.from_environment({variable: text})


@pytest.mark.parametrize(
    "prefix", ["dynconfig.dev/", "dynconfig.dev/owner", "dynconfig", "d", "DynConfig.dev/x", "a,dyn"]
)
def test_tags_of_the_operator_cannot_be_ignored(prefix: str) -> None:
    with pytest.raises(BadSetting, match=r"^DYNCONFIG_IGNORED_TAGS: .*dynconfig\.dev/"):
        Settings.from_environment({"DYNCONFIG_IGNORED_TAGS": prefix})


def test_tags_of_others_can_be_ignored() -> None:
    assert Settings.from_environment({"DYNCONFIG_IGNORED_TAGS": "aws:,team/, dynconfig.example/"}).ignored_tags == (
        *("aws:", "team/", "dynconfig.example/"),
    )


@pytest.mark.parametrize(
    "cluster", ["blue", "prod.eu-west-1", "5f0c2c1e-0000-4000-8000-000000000000", "a:b_c", "x" * 63]
)
def test_longest_owner_tag_can_be_parsed_with_any_cluster_id(cluster: str) -> None:
    named = Settings.from_environment({"DYNCONFIG_CLUSTER_ID": cluster}).cluster_id
    owner = Owner(named or "", "n" * 63, "m" * MAX_NAME, "5f0c2c1e-0000-4000-8000-000000000000")
    assert Owner.parse(owner.tag) == owner
    assert len(owner.tag) <= 256


def test_tags_of_the_operators_own_resources() -> None:
    text = "CostCenter=4711, team=shop floor,url=a=b,empty="
    assert Settings.from_environment({"DYNCONFIG_TAGS": text}).tags == {
        "CostCenter": "4711",
        "team": "shop floor",
        "url": "a=b",
        "empty": "",
    }


@pytest.mark.parametrize(
    "text",
    [
        "team",
        "=x",
        "aws:x=1",
        "AWS:x=1",
        "dynconfig.dev/cluster=1",
        "a=1,a=2",
        "a=!",
        f"{'k' * 129}=1",
        f"k={'v' * 257}",
        ",".join(f"k{number}=1" for number in range(50)),
    ],
)
def test_invalid_tags_are_rejected(text: str) -> None:
    with pytest.raises(BadSetting, match="DYNCONFIG_TAGS: "):
        Settings.from_environment({"DYNCONFIG_TAGS": text})


def test_boundary_is_a_policy_arn() -> None:
    arn = "arn:aws:iam::123456789012:policy/team/boundary"
    assert Settings.from_environment({"DYNCONFIG_BOUNDARY": arn}).boundary == arn
    assert Settings.from_environment({}).boundary == ""


def test_all_paths_are_the_union_of_the_allowed_paths() -> None:
    own = Settings.from_environment({"DYNCONFIG_ALLOWED_PATHS": "shop=/shop,/common; *=/apps,/common"})
    assert own.all_paths == ("/apps", "/common", "/shop")
    assert Settings().all_paths == ()


def test_events_can_be_disabled_or_read_from_given_queues() -> None:
    assert Settings().events_enabled
    assert not Settings.from_environment({"DYNCONFIG_EVENTS": "off"}).events_enabled
    url = "https://sqs.eu-west-1.amazonaws.com/123456789012/ours"
    assert Settings.from_environment({"DYNCONFIG_QUEUE_URL": url}).queue_urls == (url,)


def test_metrics_and_health_need_different_ports() -> None:
    with pytest.raises(BadSetting, match="DYNCONFIG_METRICS_PORT and DYNCONFIG_HEALTH_PORT are both 9090"):
        Settings.from_environment({"DYNCONFIG_METRICS_PORT": "9090", "DYNCONFIG_HEALTH_PORT": "9090"})


def test_quotas_are_calls_per_second() -> None:
    found = Settings.from_environment({"DYNCONFIG_QUOTA": "ssm.Put=10, ssm.Get=100.5"})
    assert found.quota == {"ssm.Put": 10.0, "ssm.Get": 100.5}


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("AWS_REGION", "eu west"),
        ("AWS_DEFAULT_REGION", "eu_west_1"),
        ("DYNCONFIG_REGION", "Ireland"),
        ("AWS_ENDPOINT_URL", "localhost:4566"),
        ("AWS_ENDPOINT_URL", "http://[x"),
        ("AWS_ENDPOINT_URL_SSM", "localhost"),
        ("DYNCONFIG_QUOTA", "ssm.Put=fast"),
        ("DYNCONFIG_QUOTA", "ssm.Put=0"),
        ("DYNCONFIG_ALLOWED_PATHS", "shop"),
        ("DYNCONFIG_ALLOWED_PATHS", "shop=shop"),
        ("DYNCONFIG_EVENTS", "perhaps"),
        ("DYNCONFIG_QUEUE_URL", "ours"),
        ("DYNCONFIG_QUEUE_URL", "https://sqs.eu-west-1.amazonaws.com"),
        ("DYNCONFIG_CLUSTER_ID", "arn:aws:eks:eu-west-1:123456789012:cluster/prod"),
        ("DYNCONFIG_CLUSTER_ID", "x" * 64),
        ("DYNCONFIG_CLUSTER_ID", "blau und grün"),
        ("DYNCONFIG_WORKERS", "many"),
        ("DYNCONFIG_BOUNDARY", "my-boundary"),
        ("DYNCONFIG_BOUNDARY", "arn:aws:iam::123456789012:role/r"),
        ("DYNCONFIG_WORKERS", "0"),
        ("DYNCONFIG_WORKERS", "²"),
        ("DYNCONFIG_WORKERS", "9" * 5000),
        ("DYNCONFIG_TURN_SECONDS", "-1"),
        ("DYNCONFIG_METRICS_PORT", "70000"),
        ("DYNCONFIG_LOG_LEVEL", "loud"),
        ("DYNCONFIG_LOG_FORMAT", "xml"),
    ],
)
def test_invalid_setting_is_named_with_the_expected_value(name: str, text: str) -> None:
    with pytest.raises(BadSetting, match=f"^{name}: .*expected|above 0"):
        Settings.from_environment({name: text})


def test_all_invalid_settings_are_reported_one_a_line() -> None:
    with pytest.raises(BadSetting) as raised:
        Settings.from_environment({"DYNCONFIG_WORKERS": "0", "DYNCONFIG_QUOTA": "x", "DYNCONFIG_EVENTS": "perhaps"})
    assert str(raised.value).splitlines() == [
        "DYNCONFIG_WORKERS: invalid value '0', expected an integer from 1 to 256",
        "DYNCONFIG_QUOTA: invalid value 'x', expected e.g. ssm.Put=10 (calls per second)",
        "DYNCONFIG_EVENTS: invalid value 'perhaps', expected one of on, off",
    ]


def test_other_variables_are_not_read() -> None:
    assert Settings.from_environment({"workers": "1", "region": "eu-west-1", "DYNCONFIG_OTHER": "1"}) == Settings()
