"""An alarm used by a foreign composite alarm cannot be deleted: it is reported, and all others are deleted."""

import pytest
from tests.kinds.aws_harness import AwsHarness
from tests.kinds.cases.alarm import ALARM

from dynconfig.engine.reconcile import Engine

pytestmark = pytest.mark.lab


def test_foreign_composite_alarm_blocks_only_the_alarm_it_names(harness: AwsHarness) -> None:
    kinds = ALARM.kinds(harness)
    harness.settle(harness.declare(ALARM.base), kinds)
    cloudwatch = harness.aws("cloudwatch")
    ours = [alarm["AlarmName"] for alarm in cloudwatch.describe_alarms(AlarmNamePrefix=harness.name)["MetricAlarms"]]
    assert len(ours) > 1
    cloudwatch.put_composite_alarm(AlarmName=f"theirs-{harness.number}", AlarmRule=f'ALARM("{ours[0]}")')
    outcome = Engine(lambda _place: kinds).run(harness.deletion(ALARM.base))
    left = cloudwatch.describe_alarms(AlarmNamePrefix=harness.name)["MetricAlarms"]
    assert [alarm["AlarmName"] for alarm in left] == [ours[0]]
    assert [item.title for item in outcome.refused] == [f"Alarm {ours[0]}"]
    assert f"theirs-{harness.number}" in str(outcome.error)
    cloudwatch.delete_alarms(AlarmNames=[f"theirs-{harness.number}"])
    assert Engine(lambda _place: kinds).run(harness.deletion(ALARM.base)).is_complete
