"""Random sequences of edits, failures and deaths end as a reference model predicts; `python -m benchmarks sequences`
runs more."""

from collections.abc import Iterator

import pytest
from tests.sequences.story import play
from tests.sequences.world import Ground, ground

# A dozen sequences take a quarter of a minute; the benchmark runs a thousand.
SEEDS = range(12)


@pytest.fixture(scope="module")
def shared() -> Iterator[Ground]:
    with ground() as found:
        yield found


@pytest.mark.parametrize("seed", SEEDS)
def test_aws_equals_the_model_after_a_random_sequence(shared: Ground, seed: int) -> None:
    result = play(shared, seed)
    assert result.faults == [], result.described()


def test_sequence_is_replayed_by_its_seed(shared: Ground) -> None:
    first, second = play(shared, 3), play(shared, 3)
    assert (first.steps, first.writes, first.lives) == (second.steps, second.writes, second.lives)
    assert first.writes > 0
