"""The steps of `make demo`: each performs one user action and shows its result."""

import json
import signal
from typing import Any

from rich.table import Table

from dynconfig_lab.aws.accounts import ACCOUNT
from dynconfig_lab.console import EXAMPLE, FUNCTION, PATH, DemoConsole, Step
from dynconfig_lab.errors import LabError
from dynconfig_lab.stack import CommandFailed

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
ACCOUNTS = EXAMPLE.with_name("accounts.yaml")
SECOND = "222222222222"
READS = ("Get", "List", "Describe")


def _apply(demo: DemoConsole) -> None:
    example = demo.stack.folder / "myapp.yaml"
    # The example's minute would make the demo slow.
    example.write_text(EXAMPLE.read_text().replace("ttlSeconds: 60", f"ttlSeconds: {TTL}"))
    demo.kubectl("apply", "-f", str(example))
    demo.wait("the object is Ready", demo.is_ready)
    demo.kubectl("get", "dcfg", "-o", "wide")


def _aws(demo: DemoConsole) -> None:
    demo.command("aws", "ssm", "get-parameters-by-path", "--path", PATH, "--recursive")
    answer = demo.stack.aws("ssm").get_parameters_by_path(Path=PATH, Recursive=True)
    table = Table("  parameter", "type", "version", "value, not decrypted", box=None, padding=(0, 2))
    for column in table.columns:
        column.overflow = "fold"
    table.columns[0].no_wrap = True
    for item in sorted(answer["Parameters"], key=lambda found: str(found["Name"])):
        text = item["Value"] if item["Type"] != "SecureString" else f"{item['Value'][:24]}… (encrypted)"
        table.add_row(f"  {item['Name']}", item["Type"], str(item["Version"]), text)
    demo.console.print(table)


def _drift(demo: DemoConsole) -> None:
    demo.command("aws", "ssm", "put-parameter", "--name", f"{PATH}/api/timeout", "--value", "999", "--overwrite")
    demo.stack.aws("ssm").put_parameter(Name=f"{PATH}/api/timeout", Value="999", Overwrite=True)
    demo.wait("the value is 30 again", lambda: demo.value("api/timeout") == "30")
    demo.wait("the object is Ready", demo.is_ready)
    _events(demo, "DriftFound", "DriftCorrected")


def _edit(demo: DemoConsole) -> None:
    demo.patch('{"spec": {"function": {"triggers": {"parameterChange": false}}}}')
    demo.wait("the object is Ready", demo.is_ready)
    demo.echo(f"the function serves api/timeout = {_served(demo)}, and keeps it for {TTL} s")
    demo.replace(3, "45")
    demo.wait("SSM has 45", lambda: demo.value("api/timeout") == "45")
    demo.echo(f"the function still serves {_served(demo)}", "yellow")
    demo.wait("the function serves 45", lambda: _served(demo) == "45")


def _secret(demo: DemoConsole) -> None:
    changed = '{"stringData": {"password": "another-battery"}}'
    demo.kubectl("patch", "secret", "myapp-db", "-p", changed)
    demo.wait("SSM has the new password", lambda: demo.value("database/password") == "another-battery")


def _refused(demo: DemoConsole) -> None:
    demo.replace(1, "99999")

    def message() -> str:
        conditions = demo.stack.document("dcfg", "myapp")["status"]["conditions"]
        return next((item["message"] for item in conditions if item["type"] == "Stalled"), "")

    demo.wait("the object reports what is wrong", lambda: bool(message()))
    demo.echo(message(), "yellow")
    demo.echo(f"and SSM still has {demo.value('database/port')}")
    demo.replace(1, "5432")
    demo.wait("the object is Ready", demo.is_ready)


def _plan(demo: DemoConsole) -> None:
    changed = demo.stack.folder / "changed.yaml"
    text = (
        EXAMPLE.read_text().replace('value: "true"', 'value: "false"').replace("correct-horse-battery-staple", "s3cret")
    )
    changed.write_text(text)
    demo.command("dynconfig", "plan", "-f", "changed.yaml")
    demo.echo(demo.stack.dynconfig("plan", "-f", str(changed)))


def _undone(demo: DemoConsole) -> None:
    demo.patch(json.dumps({"spec": {"alarms": ALARMS, "rollout": {"bakeTime": "5s"}}}))
    demo.wait("what is served now counts as stable", lambda: "stableRevision" in _status(demo))
    demo.wait("the object is Ready", demo.is_ready)
    demo.patch('{"spec": {"rollout": {"bakeTime": "10m"}}}')
    demo.wait("the object is Ready", demo.is_ready)
    demo.replace(3, "1")
    demo.wait("SSM has 1, and the change bakes", lambda: demo.value("api/timeout") == "1" and "bake" in _status(demo))
    # In the lab a minute of an alarm lasts two seconds.
    demo.stack.lab.alarms(2)
    demo.command(
        "aws", "cloudwatch", "put-metric-data", "--namespace", "Shop", "--metric-name", "Failures", "--value", "20"
    )
    demo.stack.aws("cloudwatch").put_metric_data(
        Namespace="Shop", MetricData=[{"MetricName": "Failures", "Value": 20.0}]
    )
    demo.wait("the alarm fires, and SSM has 60 again", lambda: demo.value("api/timeout") == "60")
    demo.wait("the object reports it", lambda: "rollback" in _status(demo) and demo.reason() == "RolledBack")
    demo.echo(next(item["message"] for item in _status(demo)["conditions"] if item["type"] == "Ready"), "yellow")
    demo.command("dynconfig", "history", "myapp")
    demo.echo(demo.stack.dynconfig("history", "myapp"))


def _killed(demo: DemoConsole) -> None:
    demo.command("dynconfig", "run")
    with demo.stack.second_operator("dynconfig-operator-standby"):
        demo.kubectl("get", "leases", "-n", "dynconfig-system")
        demo.command("kill", "-9", "OPERATOR")
        demo.stack.operator.signal("operator", signal.SIGKILL)
        demo.replace(3, "45")
        demo.wait("the standby has taken over, and the change is in AWS", lambda: demo.value("api/timeout") == "45")
        demo.wait("the object is Ready", demo.is_ready)
        demo.kubectl("get", "leases", "-n", "dynconfig-system")
        demo.stack.operator.restart("operator")


def _accounts(demo: DemoConsole) -> None:
    trusts = {"Effect": "Allow", "Principal": {"AWS": ACCOUNT}, "Action": "sts:AssumeRole"}
    policy = json.dumps({"Version": "2012-10-17", "Statement": [trusts]})
    role = ("--role-name", "dynconfig", "--assume-role-policy-document", policy)
    demo.command("aws", "iam", "create-role", "--profile", "second", *role)
    demo.stack.aws("iam", account=SECOND).create_role(RoleName="dynconfig", AssumeRolePolicyDocument=policy)
    demo.kubectl("apply", "-f", str(ACCOUNTS))
    demo.wait("the role is assumed, and the object is Ready", lambda: demo.is_ready(name="partner"))
    demo.kubectl("get", "awst")
    for account in (SECOND, ACCOUNT):
        found = demo.stack.aws("ssm", account=account).get_parameters_by_path(Path="/default", Recursive=True)
        demo.echo(f"account {account} has {len(found['Parameters'])} parameters below /default")
    other = ACCOUNTS.read_text().replace("/default/partner", "/other/partner").replace("name: partner", "name: other")
    refused = demo.stack.folder / "other.yaml"
    refused.write_text(other)
    demo.command("kubectl", "apply", "-f", "other.yaml")
    try:
        demo.stack.kubectl("apply", "-f", str(refused))
    except CommandFailed as error:
        demo.echo(str(error).rpartition("denied request: ")[2], "yellow")
    else:
        raise LabError("a path that the target does not allow was not refused")
    demo.kubectl("delete", "-f", str(ACCOUNTS))


def _search(demo: DemoConsole) -> None:
    places = {
        "the object": demo.stack.kubectl("get", "dcfg", "myapp", "-o", "yaml"),
        "Events": demo.stack.kubectl("get", "events", "-o", "yaml"),
        "the operator's log": demo.log(),
    }
    for place, text in places.items():
        count = text.count(demo.password) + text.count("another-battery")
        demo.echo(f"{'✗' if count else '✓'} {place}: found {count} times", "red" if count else "green")
        if count:
            raise LabError(f"the password appears in {place}")


def _delete(demo: DemoConsole) -> None:
    demo.kubectl("delete", "dcfg", "myapp")
    left = demo.stack.aws("ssm").get_parameters_by_path(Path=PATH, Recursive=True)["Parameters"]
    demo.echo(f"parameters left in AWS: {len(left)}", "green")
    calls = demo.stack.calls()
    reads = sum(count for name, count in calls.items() if name.partition(".")[2].startswith(READS))
    demo.echo(f"AWS calls since the function was invoked: {reads} reads, {sum(calls.values()) - reads} others", "dim")


def _events(demo: DemoConsole, *reasons: str) -> None:
    def notes() -> list[str]:
        items = demo.stack.document("events")["items"]
        return [f"{item['reason']}: {item['message']}" for item in items if item["reason"] in reasons]

    demo.wait("Events report it", lambda: len(notes()) >= len(reasons))
    for note in notes():
        demo.echo(note, "yellow")


def _function(demo: DemoConsole) -> None:
    names = ("database/host", "api/timeout", "database/password")
    demo.command("aws", "lambda", "invoke", "--function-name", FUNCTION, "--payload", json.dumps({"show": names}))
    answer = demo.call(*names)
    for name in names:
        outcome = answer["values"].get(name) or answer["errors"][name]
        demo.echo(f"{name:<20} {outcome}", "" if name in answer["values"] else "dim")
    demo.stack.lab.reset_calls()
    for _ in range(CALLS):
        demo.call()
    reads = sum(count for name, count in demo.stack.calls().items() if name.startswith("ssm.GetParameter"))
    demo.echo(
        f"{CALLS} more calls of the function made {reads} calls to Parameter Store: the extension caches the values",
        "green",
    )


def _refresh(demo: DemoConsole) -> None:
    demo.patch('{"spec": {"cache": {"onChange": "Refresh"}}}')
    demo.wait("the object is Ready", demo.is_ready)
    demo.replace(3, "60")
    demo.wait("the object is Ready", demo.is_ready)
    status = demo.stack.document("dcfg", "myapp")["status"]
    demo.echo(f"the function serves {_served(demo)}, revision {status['servedRevision']}", "green")


def _status(demo: DemoConsole) -> dict[str, Any]:
    return dict(demo.stack.document("dcfg", "myapp").get("status", {}))


def _served(demo: DemoConsole) -> str:
    return str(demo.call("api/timeout")["values"]["api/timeout"])


STEPS = (
    Step("Declare", "Five parameters of one application; the password comes from a Secret.", _apply),
    Step("Inspect AWS", "Parameter Store has them, each tagged with its owner; the password is a SecureString.", _aws),
    Step("Call the function", "It reads through the AWS extension; a SecureString is used and never shown.", _function),
    Step("A change is made in AWS by hand", "The operator detects the drift, reports it and corrects it.", _drift),
    Step(
        "Change a value",
        "AWS has the new value at once; a function without event notifications serves it when its TTL expires.",
        _edit,
    ),
    Step(
        "Change it for all readers at once", "cache.onChange: Refresh replaces every execution environment.", _refresh
    ),
    Step("Rotate the Secret", "A changed Secret reaches SSM without an edit of the object.", _secret),
    Step("A wrong value", "The schema requires a port; nothing is written, and the object reports why.", _refused),
    Step("Preview before applying", "`dynconfig plan` shows what would change, with secrets masked.", _plan),
    Step(
        "A change that undoes itself", "It bakes; an alarm of the object fires; the last good value is back.", _undone
    ),
    Step(
        "The operator is killed", "A second replica is on standby; it takes over when the lease has expired.", _killed
    ),
    Step(
        "Two accounts",
        "An AWSTarget is an account with a role, and says who may use which paths; anything else is refused.",
        _accounts,
    ),
    Step("Where is the password?", "Search everything that the operator wrote for its value.", _search),
    Step("Delete", "Resources that the object owns are deleted with it; others are kept.", _delete),
)
