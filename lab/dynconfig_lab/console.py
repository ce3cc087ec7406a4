"""Output of `make demo`: the command, what it prints, and how long it took."""

import json
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml
from rich.console import Console
from rich.text import Text

from dynconfig_lab.errors import LabError
from dynconfig_lab.processes import wait_until
from dynconfig_lab.stack import Stack

EXAMPLE = Path(__file__).parents[2] / "manifests" / "examples" / "myapp.yaml"
PATH = "/myapp/config"
FUNCTION = "myapp-config"
PATIENCE = 60


@dataclass(frozen=True)
class Step:
    """One step: a title, its reason and its action."""

    title: str
    why: str
    show: Callable[["DemoConsole"], None]


class DemoConsole:
    """Prints each action and its result."""

    def __init__(self, console: Console, found: Stack) -> None:
        self.console = console
        self.stack = found
        documents = list(yaml.safe_load_all(EXAMPLE.read_text()))
        self.password = next(item["stringData"]["password"] for item in documents if item["kind"] == "Secret")

    def kubectl(self, *arguments: str, quiet: bool = False) -> str:
        """Run kubectl and show it."""
        self.command("kubectl", *arguments)
        output = self.stack.kubectl(*arguments)
        if output and not quiet:
            self.echo(output)
        return output

    def command(self, *words: str) -> None:
        """The command line as a user would type it."""
        shown = " ".join(f"'{word}'" if " " in word or "{" in word else word for word in words)
        for folder in (EXAMPLE.parents[2], self.stack.folder):
            shown = shown.replace(f"{folder}/", "")
        self.console.print(Text(f"  $ {shown}", style="bold cyan"), soft_wrap=True)

    def echo(self, text: str, style: str = "") -> None:
        """Output, indented."""
        for line in text.splitlines():
            self.console.print(Text(f"    {line}", style=style), soft_wrap=True)

    def wait(self, what: str, condition: Callable[[], bool]) -> None:
        """Wait for a condition and print how long it took. Raises LabError on a timeout."""
        started = time.monotonic()
        with self.console.status(f"  waiting: {what}"):
            if not wait_until(condition, PATIENCE):
                raise LabError(f"{what} did not happen in {PATIENCE} s; the operator's log:\n{self.log()[-3000:]}")
        self.console.print(Text(f"    ✓ {what} after {time.monotonic() - started:.1f} s", style="green"))

    def log(self) -> str:
        """The operator's log."""
        return self.stack.operator_log.read_text()

    def is_ready(self, generation: int | None = None, name: str = "myapp") -> bool:
        """Whether the object is Ready for its newest generation."""
        document = self.stack.document("dcfg", name)
        status = document.get("status", {})
        conditions = {item["type"]: item["status"] for item in status.get("conditions", [])}
        current = status.get("appliedGeneration") == (generation or document["metadata"]["generation"])
        return current and conditions.get("Ready") == "True"

    def reason(self) -> str:
        """The reason of the condition Ready."""
        conditions = self.stack.document("dcfg", "myapp").get("status", {}).get("conditions", [])
        return next((str(item["reason"]) for item in conditions if item["type"] == "Ready"), "")

    def patch(self, patch: str) -> None:
        """Patch the object and show the command."""
        self.kubectl("patch", "dcfg", "myapp", "--type", "merge", "-p", patch)

    def replace(self, parameter: int, value: str) -> None:
        """Change a parameter value of the example and show the command."""
        patch = json.dumps([{"op": "replace", "path": f"/spec/parameters/{parameter}/value", "value": value}])
        self.kubectl("patch", "dcfg", "myapp", "--type", "json", "-p", patch)

    def call(self, *names: str) -> dict[str, Any]:
        """The response of the function to a request for these values. Raises LabError when it fails."""
        payload = json.dumps({"show": list(names)})
        answer = self.stack.aws("lambda").invoke(FunctionName=FUNCTION, Payload=payload.encode())
        document: dict[str, Any] = json.loads(answer["Payload"].read())
        if "FunctionError" in answer:
            raise LabError(f"the function failed: {document.get('errorMessage')}")
        return document

    def value(self, name: str) -> str:
        """A parameter in SSM, decrypted."""
        answer = self.stack.aws("ssm").get_parameter(Name=f"{PATH}/{name}", WithDecryption=True)
        return str(answer["Parameter"]["Value"])
