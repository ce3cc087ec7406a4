"""load_config for custom handlers, and how long values are cached."""

import json
import logging

import pytest
from tests.lambda_app.function_harness import HOST, PASSWORD, RECIPE, Context, FunctionHarness, output

from dynconfig_function import Config
from dynconfig_function.config import invocation


def test_config_is_a_mapping_by_relative_name(harness: FunctionHarness) -> None:
    config = harness.library.load()
    assert dict(config) == {name: value for name, (_type, value) in RECIPE.items()}
    assert config["database/port"] == "5432"
    assert len(config) == 5
    assert "port" not in config


def test_two_names_with_the_same_last_part_do_not_collide(harness: FunctionHarness) -> None:
    harness.put("cache/host", "cache.shop.internal")
    config = harness.restart({"database/host": {}, "cache/host": {}}).load()
    assert (config["database/host"], config["cache/host"]) == (HOST, "cache.shop.internal")


def test_password_is_decrypted_and_usable(harness: FunctionHarness) -> None:
    password = harness.library.load()["database/password"]
    assert password == PASSWORD
    assert f"secret:{password}" == f"secret:{PASSWORD}"


def test_no_value_shows_when_the_configuration_is_printed(harness: FunctionHarness) -> None:
    config = harness.library.load()
    for shown in (repr(config), str(config), f"{config}", json.dumps(config, default=str)):
        assert all(value not in shown for _type, value in RECIPE.values() if len(value) > 4)
        assert "database/password" in shown


def test_no_value_shows_when_the_configuration_is_logged(
    harness: FunctionHarness, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.INFO):
        logging.getLogger("user").info("config %s", harness.library.load())
    assert "database/host" in caplog.text
    assert HOST not in caplog.text


def test_password_is_masked_even_in_a_plain_dict(harness: FunctionHarness) -> None:
    assert PASSWORD not in repr(dict(harness.library.load()))


def test_secure_string_in_parameter_store_is_secret_even_if_not_declared(harness: FunctionHarness) -> None:
    config = harness.restart({"database/password": {}}).load()
    assert config.is_secret("database/password")
    assert PASSWORD not in repr(config["database/password"])


def test_value_is_read_once_within_its_ttl(harness: FunctionHarness) -> None:
    first = harness.library.load()
    harness.clock.pass_by(59)
    assert harness.library.load() == first
    assert len(harness.reads) == 5


def test_each_value_is_cached_for_its_own_ttl(harness: FunctionHarness) -> None:
    harness.library.load()
    harness.clock.pass_by(60)
    harness.library.load()
    assert harness.reads[5:] == ["api/timeout"]


def test_ttl_may_exceed_the_300_seconds_of_the_extension(harness: FunctionHarness) -> None:
    harness.library.load()
    harness.clock.pass_by(3599)
    harness.library.load()
    assert "database/port" not in harness.reads[5:]
    harness.clock.pass_by(1)
    harness.library.load()
    assert "database/port" in harness.reads[5:]


def test_ttl_of_zero_reads_at_every_load(harness: FunctionHarness) -> None:
    harness.restart({"features/new-ui": {"t": 0}, "database/host": {}})
    for _time in range(3):
        harness.library.load()
    assert harness.reads.count("features/new-ui") == 3
    assert harness.reads.count("database/host") == 1


def test_default_ttl_is_read_from_the_environment(harness: FunctionHarness) -> None:
    harness.restart({"database/host": {}}, DYNCONFIG_TTL="5")
    harness.library.load()
    harness.clock.pass_by(5)
    harness.library.load()
    assert len(harness.reads) == 2


def test_changed_value_is_read_after_its_ttl_and_old_mappings_are_snapshots(
    harness: FunctionHarness,
) -> None:
    harness.extension.ttl = 60
    before = harness.library.load()
    harness.put("api/timeout", "45")
    assert harness.library.load()["api/timeout"] == "30"
    harness.clock.pass_by(60)
    assert harness.library.load()["api/timeout"] == "45"
    assert before["api/timeout"] == "30"


def test_clock_set_back_never_extends_a_ttl(harness: FunctionHarness) -> None:
    harness.library.load()
    harness.clock.pass_by(-1000)
    harness.library.load()
    assert len(harness.reads) == 10


def test_same_mapping_is_returned_while_nothing_is_due(harness: FunctionHarness) -> None:
    assert harness.library.load() is harness.library.load()


def test_no_declared_parameters_is_an_empty_config(harness: FunctionHarness) -> None:
    assert dict(harness.restart({}).load()) == {}


def test_custom_handler_uses_the_invocation_context(harness: FunctionHarness) -> None:
    with invocation(Context(), harness.library):
        assert isinstance(harness.library.load(), Config)


@pytest.mark.parametrize(("count", "asked", "calls"), [(50, 50, []), (51, 0, [10, 10, 10, 10, 10, 1])])
def test_many_values_are_read_ten_per_call(
    harness: FunctionHarness, count: int, asked: int, calls: list[int], capsys: pytest.CaptureFixture[str]
) -> None:
    names = [f"many/{number:02}" for number in range(count)]
    for name in names:
        harness.put(name, f"value of {name}")
    harness.restart({name: {} for name in names})
    harness.invoke()
    assert dict(harness.library.load()) == {name: f"value of {name}" for name in names}
    assert (len(harness.reads), [len(batch) for batch in harness.direct]) == (asked, calls)
    assert "FallbackReads" not in output(capsys).metrics[0]


def test_few_due_values_are_read_through_the_extension(harness: FunctionHarness) -> None:
    names = [f"many/{number:02}" for number in range(60)]
    for name in names:
        harness.put(name, "x")
    harness.restart({name: {"t": 60 if name == "many/07" else 300} for name in names}).load()
    harness.clock.pass_by(60)
    harness.library.load()
    assert harness.reads == ["many/07"]
