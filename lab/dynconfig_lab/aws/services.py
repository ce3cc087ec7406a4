"""The services with rules of the lab, composed."""

import time
from collections.abc import Callable, Mapping

from dynconfig_lab.aws import accounts, sns_control
from dynconfig_lab.aws.answers import Answer, AwsError
from dynconfig_lab.aws.apis_control import ApisControl
from dynconfig_lab.aws.events import Bus
from dynconfig_lab.aws.events_control import EventsControl
from dynconfig_lab.aws.functions_control import FunctionsControl
from dynconfig_lab.aws.iam_control import IamControl
from dynconfig_lab.aws.logs_control import LogsControl
from dynconfig_lab.aws.requests import Request, Service
from dynconfig_lab.aws.roles import Roles
from dynconfig_lab.aws.schedules_control import SchedulesControl
from dynconfig_lab.aws.sessions import Sessions
from dynconfig_lab.aws.sts_control import StsControl
from dynconfig_lab.functions import telemetry
from dynconfig_lab.functions.service import Functions


class Services:
    """The handlers in front of moto, by service name."""

    def __init__(
        self,
        roles: Roles,
        functions: Functions,
        bus: Bus,
        settle_seconds: Callable[[], float],
        clock: Callable[[], float] = time.monotonic,
        *,
        sessions: Sessions,
    ) -> None:
        self._roles = roles
        self._sessions = sessions
        self._runner = functions
        self._functions = FunctionsControl(clock, settle_seconds, roles, functions.retire)
        self._schedules = SchedulesControl(roles)
        self._by_name: dict[str, Service] = {
            "apigatewayv2": _only_at_home(ApisControl().handle),
            # Only one caller at a time: moto is not thread-safe.
            "cloudwatch": Request.forward,
            "events": EventsControl(bus.put).handle,
            "iam": IamControl(roles).handle,
            "lambda": _only_at_home(self._functions.handle),
            "logs": LogsControl(telemetry.extract).handle,
            "scheduler": _only_at_home(self._schedules.handle),
            "sns": sns_control.handle,
            "sts": StsControl(roles, sessions).handle,
        }
        functions.serve(self._functions)

    def by_name(self) -> Mapping[str, Service]:
        """The handler of each service, by its boto3 name."""
        return self._by_name

    def clear(self) -> None:
        """Clear all state outside moto, and stop what runs."""
        self._roles.clear()
        self._sessions.clear()
        self._functions.clear()
        self._schedules.clear()
        self._runner.retire()


def _only_at_home(handle: Service) -> Service:
    """A service that the lab emulates in one account: what runs its functions does not know others.

    Elsewhere nothing can be created, so that moto answers reads as AWS does if there is nothing.
    """

    def handled(request: Request) -> Answer:
        if accounts.current() != accounts.ACCOUNT:
            if request.call.operation.startswith(("Get", "List")):
                return request.forward()
            raise AwsError(
                "NotEmulated", f"The lab emulates {request.call.service} in account {accounts.ACCOUNT} only."
            )
        return handle(request)

    return handled
