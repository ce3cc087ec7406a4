"""Concurrent loads in several threads of a custom handler."""

from concurrent.futures import ThreadPoolExecutor

from tests.lambda_app.function_harness import PREFIX, FunctionHarness

NAMES = [f"many/{number}" for number in range(8)]
THREADS = 6


def test_concurrent_loads_get_correct_values(harness: FunctionHarness) -> None:
    for name in NAMES:
        harness.put(name, f"value of {name}")
    library = harness.restart({name: {"t": 0} for name in NAMES})

    def load(_round: int) -> dict[str, str]:
        return dict(library.load())

    with ThreadPoolExecutor(THREADS) as pool:
        found = list(pool.map(load, range(10 * THREADS)))
    assert all(config == {name: f"value of {name}" for name in NAMES} for config in found)
    assert harness.direct == []


def test_concurrent_refresh_does_not_mix_up_values(harness: FunctionHarness) -> None:
    library = harness.restart({"api/timeout": {"t": 0}, "database/host": {"t": 0}})

    def load(_round: int) -> str:
        library.refresh(library.declared(f"{PREFIX}/api/timeout") or "")
        return library.load()["database/host"]

    with ThreadPoolExecutor(THREADS) as pool:
        assert set(pool.map(load, range(3 * THREADS))) == {"db.shop.internal"}
