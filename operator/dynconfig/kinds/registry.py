"""All kinds, by their facts."""

from dynconfig.kinds import (
    alarm,
    composite_alarm,
    failure_destination,
    http_api,
    log_group,
    permission,
    role,
    rule,
    schedule,
    topic,
)
from dynconfig.kinds.attachment import facts as attachment
from dynconfig.kinds.dashboard import facts as dashboard
from dynconfig.kinds.function import facts as function
from dynconfig.kinds.parameter import facts as parameter
from dynconfig.model.facts import Facts

ALL: tuple[Facts, ...] = (
    parameter.FACTS,
    http_api.FACTS,
    function.FACTS,
    failure_destination.FACTS,
    permission.FACTS,
    log_group.FACTS,
    rule.FACTS,
    schedule.FACTS,
    role.FACTS,
    attachment.FACTS,
    alarm.FACTS,
    composite_alarm.FACTS,
    dashboard.FACTS,
    topic.FACTS,
)
"""In the order in which the IAM policy lists their resources. wiring.kinds has the order in which they are created."""
