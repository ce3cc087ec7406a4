"""The health of every state of an object, by the Lua script in argocd-cm, with only the Lua that Argo CD provides."""

import pytest
import yaml
from lupa.lua51 import LuaError
from tests.gitops import customization, lua, objects, refresh

from dynconfig.model import errors

HEALTH = customization.lua("health.lua")
TESTS = customization.load("health_test.yaml")["tests"]


@pytest.mark.parametrize("test", TESTS, ids=lambda test: test["inputPath"])
def test_every_case_of_upstream_format_has_its_health(test: dict[str, dict[str, str]]) -> None:
    assert lua.run(HEALTH, customization.load(str(test["inputPath"]))) == test["healthStatus"]


def test_cases_have_the_required_health() -> None:
    said = {test["inputPath"]: test["healthStatus"]["status"] for test in TESTS}
    assert said == {f"testdata/{name}.yaml": case.argocd for name, case in objects.cases().items()}


def test_all_four_health_states_occur() -> None:
    assert {case.argocd for case in objects.cases().values()} == {"Healthy", "Progressing", "Degraded", "Suspended"}


@pytest.mark.parametrize("case", objects.cases().values(), ids=lambda case: case.name)
def test_order_of_conditions_does_not_matter(case: objects.Case) -> None:
    assert lua.run(HEALTH, objects.reversed_conditions(case.make())) == lua.run(HEALTH, case.make())


@pytest.mark.parametrize("name", refresh.files())
def test_generated_statuses_are_what_the_operator_writes(name: str) -> None:
    assert (customization.FOLDER / name).read_text() == refresh.files()[name], "run `make argocd`"


def test_config_map_is_generated_from_the_scripts() -> None:
    assert customization.CONFIG_MAP.read_text() == customization.config_map(), "run `make argocd`"
    data = yaml.safe_load(customization.CONFIG_MAP.read_text())["data"]
    assert data[f"resource.customizations.health.{customization.KIND}"] == HEALTH
    assert yaml.safe_load(data[f"resource.customizations.actions.{customization.KIND}"]) == customization.actions()


def test_transient_state_is_never_degraded() -> None:
    # For Argo CD, Degraded ends a sync, and it gives up on the commit after five retries.
    kinds = [kind for kind in vars(errors).values() if isinstance(kind, type)]
    passing = [kind for kind in kinds if issubclass(kind, errors.Retryable)]
    final = [kind for kind in kinds if issubclass(kind, errors.Terminal)]
    assert {_health_of(kind) for kind in passing} == {"Progressing"}
    assert {_health_of(kind) for kind in final} == {"Degraded"}


@pytest.mark.parametrize(
    "call", ['("x"):upper()', "string.format('%d', 1)", "math.floor(1)", "io.open('x')", "os.exit()"]
)
def test_lua_of_the_tests_has_only_what_argocd_provides(call: str) -> None:
    with pytest.raises(LuaError):
        lua.run(f"return {call}", {})


def _health_of(kind: type[errors.DynConfigError]) -> str:
    return str(lua.run(HEALTH, objects.failing(kind("message")))["status"])
