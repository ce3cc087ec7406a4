"""`make demo`: the main use case of the operator on this machine, step by step."""

from rich.console import Console
from rich.panel import Panel
from rich.rule import Rule
from rich.text import Text

from dynconfig_lab.console import DemoConsole
from dynconfig_lab.demo_steps import STEPS
from dynconfig_lab.errors import LabError
from dynconfig_lab.processes import end_as_interrupted
from dynconfig_lab.stack import stack


def main() -> None:
    """Run all steps; a failure prints one sentence and exits with code 1."""
    end_as_interrupted()
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
        with stack(console) as found:
            console.print(Text("  ✓ kube-apiserver, emulated AWS and the operator are running", style="green"))
            show = DemoConsole(console, found)
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
            "All processes are stopped, and all files are removed. Next: [bold]make lab[/] keeps a lab running for you.",
            border_style="green",
        )
    )


if __name__ == "__main__":
    main()
