"""AWS throttles, fails, answers late, by half or not at all, and credentials expire: the operator converges without help."""

from collections.abc import Callable, Mapping
from typing import Any

import pytest
from tests.faults.flows import APP, FLOWS, full, ready, sources
from tests.faults.operator import KEY
from tests.faults.site import ANY, Site

from dynconfig_lab.aws import Faults
from dynconfig_lab.aws.faults import EACH_WRITE, Injected

pytestmark = [pytest.mark.e2e, pytest.mark.faults, pytest.mark.timeout(3600)]

NewSite = Callable[[], Site]

STALE = "reads some seconds old"
_DENIED_FOR_A_WHILE = ("ssm.PutParameter", "iam.CreateRole", "lambda.CreateFunction", "cloudwatch.PutMetricAlarm")
# Faults that last during the whole flow.
LASTING: Mapping[str, dict[str, Any]] = {
    "quotas of AWS": {"aws_quotas": True},
    "HTTP 500 for a fifth of the calls": {"error_rate": 0.2},
    "slow answers": {"latency_ms": 150},
    STALE: {"stale_read_seconds": 3},
}
# Faults that hit some calls.
PASSING: Mapping[str, dict[str, Any]] = {
    # botocore repeats a call whose answer was lost.
    "lost answers": {"lost_answers": {EACH_WRITE: 1}},
    "half answers": {"half_answers": {EACH_WRITE: 1}},
    "half answers of reads": {
        "half_answers": dict.fromkeys(
            (
                "ssm.GetParameters",
                "cloudwatch.DescribeAlarms",
                "lambda.GetFunction",
                "iam.GetRole",
                "apigatewayv2.GetApis",
            ),
            2,
        )
    },
    "HTTP 500": {"errors": {name: Injected("InternalServerError", "an error", 3) for name in _DENIED_FOR_A_WHILE}},
    "throttled": {
        "errors": {name: Injected("ThrottlingException", "Rate exceeded", 3) for name in _DENIED_FOR_A_WHILE}
    },
}


@pytest.mark.parametrize("flow", ["create", "edit", "shrink", "hand-over", "deletion"])
@pytest.mark.parametrize("fault", [*LASTING, *PASSING])
def test_fault_during_a_flow_does_not_change_its_result(
    new_site: NewSite, points: list[str], fault: str, flow: str
) -> None:
    site, steps = new_site(), FLOWS[flow]
    steps.prepare(site)
    site.faults(**{**LASTING, **PASSING}[fault])
    steps.act(site)
    steps.finish(site)
    points.append(f"{fault} during {flow}")
    if fault not in LASTING:
        site.faults()
    # What a read does not show yet is written once more by each reconcile, if AWS takes it as what is there already.
    site.check(*(ANY,) * (10 if fault == STALE else 1))
    site.faults()
    site.check_steady()
    site.check_clean()


@pytest.mark.parametrize("flow", ["create", "edit", "deletion"])
def test_expired_credentials_that_return_are_used_again(new_site: NewSite, points: list[str], flow: str) -> None:
    site, steps = new_site(), FLOWS[flow]
    steps.prepare(site)
    writes = len(site.log())
    site.faults(latency_ms=50)
    steps.act(site)
    site.wait("some is written", lambda: len(site.log()) > writes + 2)
    site.faults(credentials_expired=True)
    site.wait("status names the reason", lambda: _reason(site) == "CredentialsMissing")
    site.faults()
    steps.finish(site)
    points.append(f"credentials expired during {flow}")
    site.check()
    site.check_steady()
    site.check_clean()


def test_aws_is_down_for_a_while(new_site: NewSite, points: list[str]) -> None:
    site = new_site()
    sources(site)
    site.faults(latency_ms=50)
    site.declare(APP, full(site, "ab"))
    site.wait("some is written", lambda: len(site.log()) > 5)
    site.faults(down=True)
    site.wait("status names the reason", lambda: _reason(site) == "Unavailable")
    site.faults()
    ready(APP)(site)
    points.append("AWS is down")
    site.check()
    site.check_steady()
    site.check_clean()


def test_answers_that_come_too_late_are_not_answers(new_site: NewSite, points: list[str]) -> None:
    site = new_site()
    sources(site)
    site.declare(APP, full(site, "ab"))
    ready(APP)(site)
    # The read timeout of the operator is 15 s.
    site.stack.lab.faults(Faults(latency_ms=16_000, access_keys=(KEY,)))
    site.edit(APP, {"spec": full(site, "ab", "2")}).raise_for_status()
    site.wait("status names the reason", lambda: _reason(site) == "Unavailable")
    site.faults()
    ready(APP)(site)
    points.append("answers come after the timeout")
    site.check(ANY)
    site.check_steady()
    site.check_clean()


def _reason(site: Site) -> str:
    """The reason of Ready, if it is not True."""
    status, reason, _message = site.condition(APP)
    return reason if status != "True" else ""
