"""The extension's environment variables: defaults, ranges, and a function that does not start with invalid values."""

import pytest

from dynconfig_lab.functions.extension_settings import BadSettings, Settings


def test_defaults_apply_without_variables() -> None:
    assert Settings.of({}) == Settings(ttl=300, size=1000, timeout=None, connections=3, level="INFO")


@pytest.mark.parametrize(
    ("name", "text", "expected"),
    [
        ("SSM_PARAMETER_STORE_TTL", "0", Settings(ttl=0)),
        ("SSM_PARAMETER_STORE_TTL", "300", Settings(ttl=300)),
        ("PARAMETERS_SECRETS_EXTENSION_CACHE_SIZE", "1000", Settings(size=1000)),
        ("PARAMETERS_SECRETS_EXTENSION_CACHE_ENABLED", "false", Settings(ttl=0)),
        ("SSM_PARAMETER_STORE_TIMEOUT_MILLIS", "1500", Settings(timeout=1.5)),
        ("SSM_PARAMETER_STORE_TIMEOUT_MILLIS", "0", Settings(timeout=None)),
        ("PARAMETERS_SECRETS_EXTENSION_MAX_CONNECTIONS", "50", Settings(connections=50)),
        ("PARAMETERS_SECRETS_EXTENSION_LOG_LEVEL", "debug", Settings(level="DEBUG")),
    ],
)
def test_each_variable_is_applied(name: str, text: str, expected: Settings) -> None:
    assert Settings.of({name: text}) == expected


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("SSM_PARAMETER_STORE_TTL", "301"),
        ("SSM_PARAMETER_STORE_TTL", "-1"),
        ("SSM_PARAMETER_STORE_TTL", "five"),
        ("SSM_PARAMETER_STORE_TTL", ""),
        ("PARAMETERS_SECRETS_EXTENSION_CACHE_SIZE", "1001"),
        ("PARAMETERS_SECRETS_EXTENSION_CACHE_ENABLED", "yes"),
        ("PARAMETERS_SECRETS_EXTENSION_HTTP_PORT", "0"),
        ("PARAMETERS_SECRETS_EXTENSION_HTTP_PORT", "65536"),
        ("PARAMETERS_SECRETS_EXTENSION_MAX_CONNECTIONS", "0"),
        ("PARAMETERS_SECRETS_EXTENSION_LOG_LEVEL", "loud"),
    ],
)
def test_value_out_of_range_is_rejected_by_name(name: str, text: str) -> None:
    with pytest.raises(BadSettings, match=name):
        Settings.of({name: text})
