"""The API server is restarted, lost, slow or has forgotten what was watched: the operator converges without help."""

import itertools
import signal
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import httpx2
import pytest
from tests.faults.flows import APP, FLOWS, full, ready, sources
from tests.faults.site import Site

from dynconfig_lab.processes import INTERVAL
from dynconfig_lab.repeated import repeated

pytestmark = [pytest.mark.e2e, pytest.mark.faults, pytest.mark.timeout(3600)]

NewSite = Callable[[], Site]
# The operator waits 15 s for a response.
PAUSE_SECONDS = 20.0


def restart(site: Site) -> None:
    """The API server is killed and started again; watches are cut."""
    site.stack.plane.restart_api()


def lose(site: Site) -> None:
    """Connections are refused until the operator has noticed it."""
    noticed = reported(site, "Watch of")
    site.stack.plane.stop_api()
    site.wait("the operator notices it", noticed)
    site.stack.plane.start_api()


def pause(site: Site) -> None:
    """Connections hang for longer than the operator waits."""
    site.stack.plane.pause_api()
    time.sleep(PAUSE_SECONDS)  # the duration of the fault
    site.stack.plane.resume_api()


def reported(site: Site, text: str) -> Callable[[], bool]:
    """Whether the operator logs a text from now on."""
    log = site.stack.operator_log
    before = log.stat().st_size
    return lambda: text in log.read_bytes()[before:].decode(errors="replace")


@pytest.mark.parametrize("flow", ["create", "edit", "hand-over", "deletion"])
@pytest.mark.parametrize("fault", [restart, lose, pause])
def test_lost_api_server_during_a_flow_does_not_change_its_result(
    new_site: NewSite, points: list[str], fault: Callable[[Site], None], flow: str
) -> None:
    site, steps = new_site(), FLOWS[flow]
    steps.prepare(site)
    writes = len(site.log())
    site.faults(latency_ms=50)
    steps.act(site)
    site.wait("some is written", lambda: len(site.log()) > writes + 2)
    fault(site)
    site.faults()
    steps.finish(site)
    points.append(f"{fault.__name__} the API server during {flow}")
    # The status that names what was written may be lost.
    site.check("cloudwatch.PutDashboard")
    site.check_steady()
    site.check_clean()


def test_watch_that_expired_meanwhile_is_replaced_by_a_list(new_site: NewSite, points: list[str]) -> None:
    """410 Gone: the operator is stopped while objects change, the API server restarts and etcd is compacted.

    https://kubernetes.io/docs/reference/using-api/api-concepts/#efficient-detection-of-changes
    """
    site = new_site()
    sources(site)
    site.declare(APP, full(site, "ab"))
    site.declare("gone", site.spec({"name": "gone/a", "value": "1"}))
    ready(APP, "gone")(site)
    site.stack.operator.signal("operator", signal.SIGSTOP)
    site.edit(APP, {"spec": full(site, "bc", "2")}).raise_for_status()
    site.delete("gone")
    site.declare("new", site.spec({"name": "new/a", "value": "1"}))
    for number in range(50):
        site.config_map("noise", number=str(number))
    site.stack.plane.restart_api()
    site.stack.plane.compact()
    requests = len(site.stack.plane.operator_requests())
    site.stack.operator.signal("operator", signal.SIGCONT)
    ready(APP, "new")(site)
    site.wait("the deleted object is gone", lambda: site.is_gone("gone"))
    points.append("410 Gone")
    site.check("cloudwatch.PutDashboard")
    listed = [item for item in site.stack.plane.operator_requests()[requests:] if item["verb"] == "list"]
    assert listed, "the operator watched on"
    site.check_clean()


@contextmanager
def edited_all_the_time(site: Site, name: str) -> Iterator[None]:
    """Someone else edits the object's annotations, so that most of the operator's writes meet a newer version."""
    numbers = itertools.count()
    with site.stack.http() as http:
        other = Site(site.stack, http, site.namespace, site.path, site.account, site.before, site.mark)

        def edit() -> None:
            with_number = {"metadata": {"annotations": {"example.com/number": str(next(numbers))}}}
            answer = other.edit(name, with_number)
            if answer.status_code != httpx2.codes.NOT_FOUND:
                answer.raise_for_status()

        with repeated(edit, INTERVAL):
            yield


@pytest.mark.parametrize("flow", ["create", "edit", "rollback", "deletion"])
def test_object_that_others_edit_all_the_time_converges(new_site: NewSite, points: list[str], flow: str) -> None:
    site, steps = new_site(), FLOWS[flow]
    steps.prepare(site)
    with edited_all_the_time(site, APP):
        steps.act(site)
        steps.finish(site)
    points.append(f"concurrent edits during {flow}")
    site.check()
    site.check_clean()
