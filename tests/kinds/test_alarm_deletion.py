"""An alarm that someone else's composite alarm names cannot be deleted: it is named, and all others are deleted."""

import pytest
from tests.kinds.cases.alarm import ALARM
from tests.kinds.workshop import Workshop

from dynconfig.engine.reconcile import Engine

pytestmark = pytest.mark.lab


def test_a_composite_alarm_of_someone_else_blocks_only_the_alarm_that_it_names(workshop: Workshop) -> None:
    kinds = ALARM.kinds(workshop)
    workshop.settle(workshop.declare(ALARM.base), kinds)
    cloudwatch = workshop.aws("cloudwatch")
    ours = [alarm["AlarmName"] for alarm in cloudwatch.describe_alarms(AlarmNamePrefix=workshop.name)["MetricAlarms"]]
    assert len(ours) > 1
    cloudwatch.put_composite_alarm(AlarmName=f"theirs-{workshop.number}", AlarmRule=f'ALARM("{ours[0]}")')
    outcome = Engine(lambda _place: kinds).run(workshop.goodbye(ALARM.base))
    left = cloudwatch.describe_alarms(AlarmNamePrefix=workshop.name)["MetricAlarms"]
    assert [alarm["AlarmName"] for alarm in left] == [ours[0]]
    assert [item.title for item in outcome.refused] == [f"Alarm {ours[0]}"]
    assert f"theirs-{workshop.number}" in str(outcome.error)
    cloudwatch.delete_alarms(AlarmNames=[f"theirs-{workshop.number}"])
    assert Engine(lambda _place: kinds).run(workshop.goodbye(ALARM.base)).is_complete
