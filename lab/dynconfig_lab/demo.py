"""`make demo`: the main job of the operator, on this machine, step by step."""

import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import yaml
from rich.console import Console
from rich.panel import Panel
from rich.rule import Rule
from rich.table import Table
from rich.text import Text

from dynconfig_lab.errors import LabError
from dynconfig_lab.processes import wait_until
from dynconfig_lab.stage import Stage, stage

EXAMPLE = Path(__file__).parents[2] / "manifests" / "examples" / "myapp.yaml"
PATH = "/myapp/config"
PATIENCE = 60


@dataclass(frozen=True)
class Step:
    """One thing to see: a title, why it matters, and what is done."""

    title: str
    why: str
    show: Callable[["Show"], None]


class Show:
    """Prints what is done and what came of it."""

    def __init__(self, console: Console, found: Stage) -> None:
        self.console = console
        self.stage = found
        documents = list(yaml.safe_load_all(EXAMPLE.read_text()))
        self.password = next(item["stringData"]["password"] for item in documents if item["kind"] == "Secret")

    def kubectl(self, *arguments: str, quiet: bool = False) -> str:
        """Run kubectl in view."""
        self.command("kubectl", *arguments)
        output = self.stage.kubectl(*arguments)
        if output and not quiet:
            self.say(output)
        return output

    def command(self, *words: str) -> None:
        """A command as one would type it."""
        shown = " ".join(f"'{word}'" if " " in word or "{" in word else word for word in words)
        self.console.print(
            Text(f"  $ {shown.replace(f'{EXAMPLE.parents[2]}/', '')}", style="bold cyan"), soft_wrap=True
        )

    def say(self, text: str, style: str = "") -> None:
        """Output, indented."""
        for line in text.splitlines():
            self.console.print(Text(f"    {line}", style=style), soft_wrap=True)

    def wait(self, what: str, condition: Callable[[], bool]) -> None:
        """Wait for something and tell how long it took. Raises LabError when it does not come."""
        started = time.monotonic()
        with self.console.status(f"  waiting: {what}"):
            if not wait_until(condition, PATIENCE):
                raise LabError(f"{what} did not happen in {PATIENCE} s; the operator's log:\n{self.log()[-3000:]}")
        self.console.print(Text(f"    ✓ {what} after {time.monotonic() - started:.1f} s", style="green"))

    def log(self) -> str:
        """The operator's log."""
        return self.stage.operator_log.read_text()

    def is_ready(self, generation: int | None = None) -> bool:
        """Whether the object is Ready, at its newest generation."""
        document = self.stage.document("dcfg", "myapp")
        status = document.get("status", {})
        conditions = {item["type"]: item["status"] for item in status.get("conditions", [])}
        current = status.get("appliedGeneration") == (generation or document["metadata"]["generation"])
        return current and conditions.get("Ready") == "True"

    def value(self, name: str) -> str:
        """A parameter in SSM, decrypted."""
        answer = self.stage.aws("ssm").get_parameter(Name=f"{PATH}/{name}", WithDecryption=True)
        return str(answer["Parameter"]["Value"])


def main() -> None:
    """Play all steps; a failure is told in a sentence and ends with exit code 1."""
    console = Console(highlight=False)
    console.print(
        Panel(
            "[bold]DynamicConfig[/]: configuration declared in Kubernetes, kept in AWS Parameter Store.\n"
            "What follows is real: a kube-apiserver, the operator, and an emulated AWS, all on this machine.\n"
            "No cloud account is used, and nothing is left behind.",
            border_style="cyan",
        )
    )
    try:
        with stage(console) as found:
            console.print(Text("  ✓ kube-apiserver, emulated AWS and the operator are running", style="green"))
            show = Show(console, found)
            for number, step in enumerate(STEPS, 1):
                console.print()
                console.print(Rule(f"[bold]{number}. {step.title}[/]", align="left", style="cyan"))
                console.print(f"  [dim]{step.why}[/]")
                step.show(show)
    except LabError as error:
        console.print(Text(f"error: {error}", style="red"), soft_wrap=True)
        raise SystemExit(1) from None
    except KeyboardInterrupt:
        console.print("\n  Interrupted; everything that was started has ended.")
        raise SystemExit(130) from None
    console.print()
    console.print(
        Panel(
            "All of it has ended and is cleaned up. Next: [bold]make lab[/] keeps it running for you.",
            border_style="green",
        )
    )


def _apply(show: Show) -> None:
    show.kubectl("apply", "-f", str(EXAMPLE))
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
    show.kubectl("annotate", "dcfg", "myapp", "--overwrite", "dynconfig.dev/reconcile-requested-at=now", quiet=True)
    show.wait("the value is 30 again", lambda: show.value("api/timeout") == "30")
    show.wait("the object is Ready", show.is_ready)
    _events(show, "DriftFound", "DriftCorrected")


def _edit(show: Show) -> None:
    patch = '[{"op": "replace", "path": "/spec/parameters/3/value", "value": "45"}]'
    show.kubectl("patch", "dcfg", "myapp", "--type", "json", "-p", patch)
    show.wait("SSM has 45", lambda: show.value("api/timeout") == "45")


def _secret(show: Show) -> None:
    changed = '{"stringData": {"password": "another-battery"}}'
    show.kubectl("patch", "secret", "myapp-db", "-p", changed)
    show.wait("SSM has the new password", lambda: show.value("database/password") == "another-battery")


def _refused(show: Show) -> None:
    patch = '[{"op": "replace", "path": "/spec/parameters/1/value", "value": "99999"}]'
    show.kubectl("patch", "dcfg", "myapp", "--type", "json", "-p", patch)

    def message() -> str:
        conditions = show.stage.document("dcfg", "myapp")["status"]["conditions"]
        return next((item["message"] for item in conditions if item["type"] == "Stalled"), "")

    show.wait("the object says what is wrong", lambda: bool(message()))
    show.say(message(), "yellow")
    show.say(f"and SSM still has {show.value('database/port')}")
    back = '[{"op": "replace", "path": "/spec/parameters/1/value", "value": "5432"}]'
    show.kubectl("patch", "dcfg", "myapp", "--type", "json", "-p", back)
    show.wait("the object is Ready", show.is_ready)


def _plan(show: Show) -> None:
    changed = show.stage.folder / "changed.yaml"
    text = (
        EXAMPLE.read_text().replace('value: "true"', 'value: "false"').replace("correct-horse-battery-staple", "s3cret")
    )
    changed.write_text(text)
    show.command("dynconfig", "plan", "-f", "changed.yaml")
    show.say(show.stage.dynconfig("plan", "-f", str(changed)))


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
    calls = ", ".join(f"{name.removeprefix('ssm.')} {count}" for name, count in sorted(show.stage.calls().items()))
    show.say(f"all AWS calls of this demo, its own looks included: {calls}", "dim")


def _events(show: Show, *reasons: str) -> None:
    def notes() -> list[str]:
        items = show.stage.document("events")["items"]
        return [f"{item['reason']}: {item['message']}" for item in items if item["reason"] in reasons]

    show.wait("Events tell of it", lambda: len(notes()) >= len(reasons))
    for note in notes():
        show.say(note, "yellow")


STEPS = (
    Step("Declare", "Five parameters of one application; the password comes from a Secret.", _apply),
    Step("Look at AWS", "Parameter Store has them, each tagged with its owner; the password is a SecureString.", _aws),
    Step("Somebody changes AWS by hand", "The operator finds what differs, says so, and puts it back.", _drift),
    Step("Change a value", "An edit is carried out at once; only what differs is written.", _edit),
    Step("Rotate the Secret", "A changed Secret reaches SSM without an edit of the object.", _secret),
    Step("A wrong value", "The schema says a port; nothing at all is written, and the object says why.", _refused),
    Step("Ask before you apply", "`dynconfig plan` shows what would change, with secrets masked.", _plan),
    Step("Where is the password?", "Its text is searched in all that the operator writes.", _search),
    Step("Delete", "What the object owned goes with it; what it did not own would stay.", _delete),
)


if __name__ == "__main__":
    main()
