"""`python -m tests.upgrade.record` regenerates tests/upgrade/previous from this tree: the state that a release leaves
in a cluster.

Run it when a release is made, before the next change of the API. It starts the lab, applies the examples and
previous/objects.yaml, brings some objects into another state than Ready, and stores the CRD and all objects as the
API server stores them, with the status that the operator of this tree wrote.
"""

from pathlib import Path
from typing import Any

import yaml
from rich.console import Console

from dynconfig_lab.processes import wait_until
from dynconfig_lab.stack import Stack, stack

HERE = Path(__file__).parent / "previous"
EXAMPLES = Path(__file__).parents[2] / "manifests" / "examples"
REASONS = {
    "default/attached": "SourceMissing",
    "default/dots": "Suspended",
    "default/everything": "SourceMissing",
    "default/limits": "Suspended",
    "default/invalid": "InvalidSpec",
    "default/waiting": "SourceMissing",
    "default/undone": "RolledBack",
}
"""Reason of Ready for each that does not end as InSync or as drift that is only reported."""
KEPT = ("name", "namespace", "uid", "generation", "finalizers")


def main() -> None:
    """Record, and print what was recorded."""
    with stack(Console(stderr=True)) as found:
        _prepare(found)
        _wait(found, {**REASONS, "default/undone": "InSync"})
        found.aws("ssm").put_parameter(Name="/reported/a", Value="2", Overwrite=True)
        _roll_back(found)
        _wait(found, {**REASONS, "default/reported": "DriftReported"})
        objects = found.document("dynamicconfigs", "-A")["items"]
        (HERE / "crd.yaml").write_text(found.dynconfig("crd"))
    (HERE / "stored.yaml").write_text(yaml.safe_dump_all([_kept(item) for item in objects], sort_keys=False))
    for item in objects:
        print(_title(item), _ready(item))


def _prepare(found: Stack) -> None:
    found.kubectl("create", "namespace", "shop")
    found.aws("sns").create_topic(Name="shop-on-call")
    for file in (*sorted(EXAMPLES.glob("*.yaml")), HERE / "objects.yaml"):
        found.kubectl("apply", "-f", str(file))


def _roll_back(found: Stack) -> None:
    """A change, and an alarm that fires while it bakes."""
    patch = '{"spec": {"parameters": [{"name": "a", "value": "2"}], "rollout": {"bakeTime": "10m"}}}'
    found.kubectl("patch", "dcfg", "undone", "--type=merge", "-p", patch)
    _wait(found, {"default/undone": "Baking"}, only="default/undone")
    found.aws("cloudwatch").set_alarm_state(
        AlarmName="dynconfig-default-undone/Failures", StateValue="ALARM", StateReason="recorded"
    )


def _wait(found: Stack, reasons: dict[str, str], only: str = "") -> None:
    seen: dict[str, str] = {}

    def are_there() -> bool:
        items = found.document("dynamicconfigs", "-A")["items"]
        seen.update({_title(item): _ready(item) for item in items})
        chosen = {only} if only else seen.keys()
        return all(seen[name] == reasons.get(name, "InSync") for name in chosen)

    if not wait_until(are_there, 180):
        raise SystemExit(f"not as expected after 90 s: {seen}\n{found.operator_log.read_text()[-3000:]}")


def _ready(item: dict[str, Any]) -> str:
    status = item.get("status") or {}
    if status.get("observedGeneration") != item["metadata"]["generation"]:
        return ""
    found = {condition["type"]: condition["reason"] for condition in status.get("conditions", [])}
    return str(found.get("Ready", ""))


def _title(item: dict[str, Any]) -> str:
    return f"{item['metadata']['namespace']}/{item['metadata']['name']}"


def _kept(item: dict[str, Any]) -> dict[str, Any]:
    metadata = {key: item["metadata"][key] for key in KEPT if key in item["metadata"]}
    return {
        **{key: item[key] for key in ("apiVersion", "kind")},
        "metadata": metadata,
        **{key: item[key] for key in ("spec", "status")},
    }


if __name__ == "__main__":
    main()
