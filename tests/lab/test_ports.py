"""Which ports the lab takes."""

import itertools

import pytest

from dynconfig_lab import ports
from dynconfig_lab.errors import LabError


@pytest.mark.parametrize("count", [1, 2, 3, 7])
def test_concurrently_started_labs_share_no_port(count: int) -> None:
    shares = [set(ports.share(number, count)) for number in range(count)]
    assert all(share and share <= set(ports.RANGE) for share in shares)
    assert all(one.isdisjoint(other) for one, other in itertools.combinations(shares, 2))


def test_ports_are_in_the_configured_range(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(ports.VARIABLE, "23000-23099")
    found = ports.free_ports(20)
    assert len(set(found)) == 20
    assert all(23_000 <= port <= 23_099 for port in found)


def test_range_with_too_few_ports_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(ports.VARIABLE, "23000-23002")
    with pytest.raises(LabError, match=r"Of the ports 23000 to 23002 on .*, 4 should be free"):
        ports.free_ports(4)


@pytest.mark.parametrize("text", ["", "23000", "a-b", "23099-23000", "0-5", "65000-65536", "-1-5", "1-²"])
def test_invalid_range_is_rejected(monkeypatch: pytest.MonkeyPatch, text: str) -> None:
    monkeypatch.setenv(ports.VARIABLE, text)
    with pytest.raises(LabError, match=r"DYNCONFIG_LAB_PORTS: invalid value '.*', expected e.g. 20000-21999"):
        ports.free_ports(1)
