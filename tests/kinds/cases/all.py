"""Every kind that is wired has its case here."""

from tests.kinds.cases.alarm import ALARM, COMPOSITE_ALARM
from tests.kinds.cases.attachment import ATTACHMENT
from tests.kinds.cases.case import Case
from tests.kinds.cases.dashboard import DASHBOARD
from tests.kinds.cases.failure_destination import FAILURE_DESTINATION
from tests.kinds.cases.function import FUNCTION
from tests.kinds.cases.http_api import HTTP_API
from tests.kinds.cases.log_group import LOG_GROUP
from tests.kinds.cases.parameter import PARAMETER
from tests.kinds.cases.permission import PERMISSION
from tests.kinds.cases.role import ROLE
from tests.kinds.cases.rule import RULE
from tests.kinds.cases.schedule import SCHEDULE

CASES: dict[str, Case] = {
    "parameter": PARAMETER,
    "role": ROLE,
    "log_group": LOG_GROUP,
    "function": FUNCTION,
    "failure_destination": FAILURE_DESTINATION,
    "rule": RULE,
    "schedule": SCHEDULE,
    "http_api": HTTP_API,
    "permission": PERMISSION,
    "attachment": ATTACHMENT,
    "alarm": ALARM,
    "composite_alarm": COMPOSITE_ALARM,
    "dashboard": DASHBOARD,
}
