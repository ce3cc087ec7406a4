"""The content of the emulated AWS, read without a call, for the comparison with the model."""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from moto.cloudwatch.models import cloudwatch_backends
from moto.ssm.models import ssm_backends

from dynconfig.api.names import OWNER_TAG
from dynconfig_lab.aws import cloudwatch_history, cloudwatch_tags
from dynconfig_lab.aws.accounts import ACCOUNT
from dynconfig_lab.aws.cloudwatch_alarm import Alarm

REGION = "eu-west-1"


@dataclass(frozen=True)
class Stored:
    """One parameter as AWS has it."""

    name: str
    type: str
    value: str
    version: int
    description: str
    tags: Mapping[str, str]
    labels: Mapping[str, int]
    """The version that each label is on."""

    @property
    def owner(self) -> str:
        """The owner tag, or an empty string."""
        return self.tags.get(OWNER_TAG, "")

    @property
    def uid(self) -> str:
        """The uid of the owner."""
        return self.owner.rpartition("/")[2]


def parameters() -> dict[str, Stored]:
    """All parameters by name."""
    backend: Any = ssm_backends[ACCOUNT][REGION]
    tags = backend._resource_tags.get("Parameter", {})
    found = {name: versions for name, versions in list(dict.items(backend._parameters)) if versions}
    return {name: _stored(name, versions, tags.get(name, {})) for name, versions in found.items()}


def parameter(name: str) -> Stored | None:
    """One of them."""
    backend: Any = ssm_backends[ACCOUNT][REGION]
    versions = dict.get(backend._parameters, name)
    return _stored(name, versions, backend._resource_tags.get("Parameter", {}).get(name, {})) if versions else None


def alarms() -> dict[str, Alarm]:
    """All alarms by name."""
    backend: Any = cloudwatch_backends[ACCOUNT][REGION]
    return dict(backend.alarms)


def firings(name: str) -> Iterator[float]:
    """When an alarm started to fire, as far as its history says."""
    asked = {"AlarmName": name, "HistoryItemType": "StateUpdate", "AlarmTypes": ["MetricAlarm", "CompositeAlarm"]}
    for item in cloudwatch_history.describe(REGION, asked)["AlarmHistoryItems"]:
        if json.loads(item["HistoryData"])["newState"]["stateValue"] == "ALARM":
            yield item["Timestamp"].timestamp()


def owner_of(alarm: Alarm) -> str:
    """The owner tag of an alarm, or an empty string."""
    tags = cloudwatch_tags.listed({"ResourceARN": alarm.alarm_arn}, REGION)["Tags"]
    return next((str(tag["Value"]) for tag in tags if tag["Key"] == OWNER_TAG), "")


def _stored(name: str, versions: list[Any], tags: Mapping[str, str]) -> Stored:
    newest = versions[-1]
    return Stored(
        name=name,
        type=newest.parameter_type,
        value=newest.decrypt(newest.value) or "",
        version=newest.version,
        description=newest.description or "",
        tags=dict(tags),
        labels={label: item.version for item in versions for label in item.labels},
    )
