"""The steps of `make demo`: each does one thing as its user would, and shows what came of it."""

import json
from typing import Any

from rich.table import Table

from dynconfig_lab.errors import LabError
from dynconfig_lab.show import EXAMPLE, FUNCTION, PATH, Show, Step

TTL = 5
CALLS = 50
ALARMS = {
    "defaults": False,
    "custom": [
        {
            "name": "Checkout",
            "metric": "Failures",
            "namespace": "Shop",
            "statistic": "Sum",
            "periodSeconds": 60,
            "threshold": 5,
            "comparison": "GreaterThanThreshold",
            "treatMissingData": "notBreaching",
        }
    ],
}
READS = ("Get", "List", "Describe")


def _apply(show: Show) -> None:
    example = show.stage.folder / "myapp.yaml"
    # A minute is long when one waits for it.
    example.write_text(EXAMPLE.read_text().replace("ttlSeconds: 60", f"ttlSeconds: {TTL}"))
    show.kubectl("apply", "-f", str(example))
    show.wait("the object is Ready", show.is_ready)
    show.kubectl("get", "dcfg", "-o", "wide")


def _aws(show: Show) -> None:
    show.command("aws", "ssm", "get-parameters-by-path", "--path", PATH, "--recursive")
    answer = show.stage.aws("ssm").get_parameters_by_path(Path=PATH, Recursive=True)
    table = Table("  parameter", "type", "version", "value, not decrypted", box=None, padding=(0, 2))
    for column in table.columns:
        column.overflow = "fold"
    table.columns[0].no_wrap = True
    for item in sorted(answer["Parameters"], key=lambda found: str(found["Name"])):
        text = item["Value"] if item["Type"] != "SecureString" else f"{item['Value'][:24]}… (encrypted)"
        table.add_row(f"  {item['Name']}", item["Type"], str(item["Version"]), text)
    show.console.print(table)


def _drift(show: Show) -> None:
    show.command("aws", "ssm", "put-parameter", "--name", f"{PATH}/api/timeout", "--value", "999", "--overwrite")
    show.stage.aws("ssm").put_parameter(Name=f"{PATH}/api/timeout", Value="999", Overwrite=True)
    show.wait("the value is 30 again", lambda: show.value("api/timeout") == "30")
    show.wait("the object is Ready", show.is_ready)
    _events(show, "DriftFound", "DriftCorrected")


def _edit(show: Show) -> None:
    show.patch('{"spec": {"function": {"triggers": {"parameterChange": false}}}}')
    show.wait("the object is Ready", show.is_ready)
    show.say(f"the function serves api/timeout = {_served(show)}, and keeps it for {TTL} s")
    show.replace(3, "45")
    show.wait("SSM has 45", lambda: show.value("api/timeout") == "45")
    show.say(f"the function still serves {_served(show)}", "yellow")
    show.wait("the function serves 45", lambda: _served(show) == "45")


def _secret(show: Show) -> None:
    changed = '{"stringData": {"password": "another-battery"}}'
    show.kubectl("patch", "secret", "myapp-db", "-p", changed)
    show.wait("SSM has the new password", lambda: show.value("database/password") == "another-battery")


def _refused(show: Show) -> None:
    show.replace(1, "99999")

    def message() -> str:
        conditions = show.stage.document("dcfg", "myapp")["status"]["conditions"]
        return next((item["message"] for item in conditions if item["type"] == "Stalled"), "")

    show.wait("the object says what is wrong", lambda: bool(message()))
    show.say(message(), "yellow")
    show.say(f"and SSM still has {show.value('database/port')}")
    show.replace(1, "5432")
    show.wait("the object is Ready", show.is_ready)


def _plan(show: Show) -> None:
    changed = show.stage.folder / "changed.yaml"
    text = (
        EXAMPLE.read_text().replace('value: "true"', 'value: "false"').replace("correct-horse-battery-staple", "s3cret")
    )
    changed.write_text(text)
    show.command("dynconfig", "plan", "-f", "changed.yaml")
    show.say(show.stage.dynconfig("plan", "-f", str(changed)))


def _undone(show: Show) -> None:
    show.patch(json.dumps({"spec": {"alarms": ALARMS, "rollout": {"bakeTime": "5s"}}}))
    show.wait("what is served now counts as stable", lambda: "stableRevision" in _status(show))
    show.wait("the object is Ready", show.is_ready)
    show.patch('{"spec": {"rollout": {"bakeTime": "10m"}}}')
    show.wait("the object is Ready", show.is_ready)
    show.replace(3, "1")
    show.wait("SSM has 1, and the change bakes", lambda: show.value("api/timeout") == "1" and "bake" in _status(show))
    # In the lab a minute of an alarm lasts two seconds.
    show.stage.lab.alarms(2)
    show.command(
        "aws", "cloudwatch", "put-metric-data", "--namespace", "Shop", "--metric-name", "Failures", "--value", "20"
    )
    show.stage.aws("cloudwatch").put_metric_data(
        Namespace="Shop", MetricData=[{"MetricName": "Failures", "Value": 20.0}]
    )
    show.wait("the alarm fires, and SSM has 60 again", lambda: show.value("api/timeout") == "60")
    show.wait("the object tells of it", lambda: "rollback" in _status(show) and show.reason() == "RolledBack")
    show.say(next(item["message"] for item in _status(show)["conditions"] if item["type"] == "Ready"), "yellow")
    show.command("dynconfig", "history", "myapp")
    show.say(show.stage.dynconfig("history", "myapp"))


def _search(show: Show) -> None:
    places = {
        "the object": show.stage.kubectl("get", "dcfg", "myapp", "-o", "yaml"),
        "Events": show.stage.kubectl("get", "events", "-o", "yaml"),
        "the operator's log": show.log(),
    }
    for place, text in places.items():
        count = text.count(show.password) + text.count("another-battery")
        show.say(f"{'✗' if count else '✓'} {place}: found {count} times", "red" if count else "green")
        if count:
            raise LabError(f"the password stands in {place}")


def _delete(show: Show) -> None:
    show.kubectl("delete", "dcfg", "myapp")
    left = show.stage.aws("ssm").get_parameters_by_path(Path=PATH, Recursive=True)["Parameters"]
    show.say(f"parameters left in AWS: {len(left)}", "green")
    calls = show.stage.calls()
    reads = sum(count for name, count in calls.items() if name.partition(".")[2].startswith(READS))
    show.say(f"AWS calls since the function was called: {reads} looks, {sum(calls.values()) - reads} others", "dim")


def _events(show: Show, *reasons: str) -> None:
    def notes() -> list[str]:
        items = show.stage.document("events")["items"]
        return [f"{item['reason']}: {item['message']}" for item in items if item["reason"] in reasons]

    show.wait("Events tell of it", lambda: len(notes()) >= len(reasons))
    for note in notes():
        show.say(note, "yellow")


def _function(show: Show) -> None:
    names = ("database/host", "api/timeout", "database/password")
    show.command("aws", "lambda", "invoke", "--function-name", FUNCTION, "--payload", json.dumps({"show": names}))
    answer = show.call(*names)
    for name in names:
        told = answer["values"].get(name) or answer["errors"][name]
        show.say(f"{name:<20} {told}", "" if name in answer["values"] else "dim")
    show.stage.lab.reset_calls()
    for _ in range(CALLS):
        show.call()
    reads = sum(count for name, count in show.stage.calls().items() if name.startswith("ssm.GetParameter"))
    show.say(
        f"{CALLS} more calls of the function made {reads} calls to Parameter Store: the extension remembers", "green"
    )


def _refresh(show: Show) -> None:
    show.patch('{"spec": {"cache": {"onChange": "Refresh"}}}')
    show.wait("the object is Ready", show.is_ready)
    show.replace(3, "60")
    show.wait("the object is Ready", show.is_ready)
    status = show.stage.document("dcfg", "myapp")["status"]
    show.say(f"the function serves {_served(show)}, revision {status['servedRevision']}", "green")


def _status(show: Show) -> dict[str, Any]:
    return dict(show.stage.document("dcfg", "myapp").get("status", {}))


def _served(show: Show) -> str:
    return str(show.call("api/timeout")["values"]["api/timeout"])


STEPS = (
    Step("Declare", "Five parameters of one application; the password comes from a Secret.", _apply),
    Step("Look at AWS", "Parameter Store has them, each tagged with its owner; the password is a SecureString.", _aws),
    Step("Call the function", "It reads through the AWS extension; a SecureString is used and never shown.", _function),
    Step("Somebody changes AWS by hand", "The operator finds what differs, says so, and puts it back.", _drift),
    Step(
        "Change a value",
        "It is in AWS at once; a function that hears of no event serves it when its TTL is over.",
        _edit,
    ),
    Step(
        "Change it for all readers at once", "cache.onChange: Refresh replaces every execution environment.", _refresh
    ),
    Step("Rotate the Secret", "A changed Secret reaches SSM without an edit of the object.", _secret),
    Step("A wrong value", "The schema says a port; nothing at all is written, and the object says why.", _refused),
    Step("Ask before you apply", "`dynconfig plan` shows what would change, with secrets masked.", _plan),
    Step(
        "A change that undoes itself", "It bakes; an alarm of the object fires; the last good value is back.", _undone
    ),
    Step("Where is the password?", "Its text is searched in all that the operator writes.", _search),
    Step("Delete", "What the object owned goes with it; what it did not own would stay.", _delete),
)
