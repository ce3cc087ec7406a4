"""The part of the sweep that runs in `make test`: one object of parameters under each kind of fault."""

from collections.abc import Callable

import pytest
from tests.faults.site import Site
from tests.faults.test_api_server import restart

from dynconfig_lab.aws.faults import EVERY_WRITE, Hold

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(1800)]

NewSite = Callable[[], Site]
NAMES = "abc"


def declare(site: Site, value: str, **more: object) -> None:
    """Create the object, or change all of its values."""
    spec = site.spec(*({"name": name, "value": value} for name in NAMES), **more)
    if site.objects():
        site.edit("app", {"spec": spec}).raise_for_status()
    else:
        site.declare("app", spec)


def done(site: Site) -> None:
    """Wait until it is in sync, and check all that has to hold; each parameter has been written once for each value."""
    site.wait("it is Ready", lambda: site.is_ready("app"))


@pytest.mark.parametrize("is_before", [True, False], ids=["before", "after"])
def test_operator_killed_at_each_write_of_parameters(new_site: NewSite, points: list[str], is_before: bool) -> None:
    site = new_site()
    killer = site.kill_at(Hold(1, is_before), 1)
    declare(site, "1")
    done(site)
    killer.disarm()
    assert killer.operations == ["ssm.PutParameter"] * len(NAMES)
    assert [site.version(name) for name in NAMES] == [1] * len(NAMES)
    points += killer.operations
    site.check()
    site.check_clean()


def test_answers_of_aws_are_lost_halved_and_stale(new_site: NewSite, points: list[str]) -> None:
    site = new_site()
    for fault in ({"lost_answers": {EVERY_WRITE: 2}}, {"half_answers": {EVERY_WRITE: 2}}, {"stale_read_seconds": 2}):
        site.faults(**fault)
        declare(site, f"during {next(iter(fault))}")
        done(site)
        points += fault
        site.faults()
    site.check("ssm.PutParameter")
    site.check_steady()
    site.check_clean()


def test_credentials_expire_and_the_api_server_is_restarted(new_site: NewSite, points: list[str]) -> None:
    site = new_site()
    declare(site, "1")
    done(site)
    site.faults(credentials_expired=True)
    declare(site, "2")
    site.wait("status names the reason", lambda: site.condition("app")[1] == "CredentialsMissing")
    restart(site)
    site.wait("the API server responds", lambda: site.http.get("/readyz").is_success)
    site.faults()
    done(site)
    points += ["expired credentials", "API server restarted"]
    site.check()
    site.check_steady()
    site.check_clean()
