"""How the tests are divided between workers."""

from pathlib import Path

import pytest
from tests.schedule import APART, LONGEST, TOGETHER, rank, unit_of

ROOT = Path(__file__).parents[2]


@pytest.mark.parametrize("unit", dict.fromkeys([*APART, *LONGEST, *TOGETHER]))
def test_listed_files_exist(unit: str) -> None:
    assert (ROOT / unit).exists()


def test_file_stays_on_one_worker_and_so_does_a_folder_with_a_shared_control_plane() -> None:
    assert unit_of("tests/api/test_tags.py::test_a[1::2]") == unit_of("tests/api/test_tags.py::test_b")
    assert unit_of("tests/api/test_tags.py::test_a") != unit_of("tests/api/test_crd.py::test_a")
    assert unit_of("tests/upgrade/test_stored.py::test_a") == unit_of("tests/upgrade/test_operator.py::test_a")


def test_long_tests_of_a_file_are_divided() -> None:
    assert unit_of(f"{APART[0]}::test_a[1]") != unit_of(f"{APART[0]}::test_a[2]")


def test_longest_files_come_first() -> None:
    ranks = [rank(f"{unit}test_a.py::test_a" if unit.endswith("/") else f"{unit}::test_a") for unit in LONGEST]
    assert ranks == sorted(set(ranks))
    assert rank("tests/api/test_tags.py::test_a") > max(ranks)
