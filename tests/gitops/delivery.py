"""The sample pipelines as files: the workflow, the template, and every shell script in them."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import yaml

FOLDER = Path(__file__).parents[2] / "manifests" / "examples" / "environments"
DELIVERY = FOLDER / "delivery"
WORKFLOW = DELIVERY / "github" / "configuration.yaml"
PIPELINE = DELIVERY / "aws" / "pipeline.yaml"
SCRIPTS = sorted(DELIVERY.glob("*.sh"))


def workflow() -> dict[str, Any]:
    """The GitHub workflow; YAML 1.1 parses the key `on` as true."""
    return {"on" if key is True else str(key): value for key, value in yaml.safe_load(WORKFLOW.read_text()).items()}


def step(job: str, name: str) -> str:
    """The commands of a step of the workflow."""
    (found,) = (item["run"] for item in workflow()["jobs"][job]["steps"] if item.get("name") == name)
    return str(found)


def resources() -> dict[str, Any]:
    """The resources of the template."""
    return dict(yaml.load(PIPELINE.read_text(), _Template)["Resources"])  # noqa: S506 - a SafeLoader


def inline_buildspec() -> dict[str, Any]:
    """The build commands for a pull request, from the template."""
    return dict(yaml.safe_load(resources()["PullRequests"]["Properties"]["Source"]["BuildSpec"]))


def commands() -> Iterator[tuple[str, str]]:
    """Every shell script, with its file."""
    for script in SCRIPTS:
        yield script.name, script.read_text()
    for name, job in workflow()["jobs"].items():
        for item in job["steps"]:
            if "run" in item:
                yield f"{WORKFLOW.name} {name}", item["run"]
    for buildspec in sorted((DELIVERY / "aws").glob("buildspec-*.yaml")):
        yield from _of_buildspec(buildspec.name, yaml.safe_load(buildspec.read_text()))
    yield from _of_buildspec(PIPELINE.name, inline_buildspec())


def _of_buildspec(name: str, document: dict[str, Any]) -> Iterator[tuple[str, str]]:
    for phase in document["phases"].values():
        yield name, "\n".join(phase["commands"])


class _Template(yaml.SafeLoader):
    """YAML with the short forms of CloudFormation, kept unresolved."""


_Template.add_multi_constructor("!", lambda loader, _tag, node: str(node.value))
