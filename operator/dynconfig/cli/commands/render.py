"""`dynconfig render`."""

import sys
from enum import StrEnum
from typing import Annotated

import typer

from dynconfig import planning, wiring
from dynconfig.cli import options, subjects
from dynconfig.engine.rendered import rendered


class Form(StrEnum):
    """How the resources are written."""

    YAML = "yaml"
    JSON = "json"


def command(
    *,
    name: options.Names = None,
    file: options.Files = None,
    namespace: options.Namespace = None,
    output: Annotated[Form, typer.Option("--output", "-o", help="The form of the answer.")] = Form.YAML,
    offline: options.Offline = False,
    account: Annotated[
        str | None, typer.Option("--account", help="AWS account id; if it is given, AWS is not asked for anything.")
    ] = None,
) -> None:
    """Show every resource that AWS would hold, with secrets masked; AWS is not looked at.

    Example: dynconfig render -f manifests/examples/myapp.yaml --offline --account 123456789012
    """
    asked = subjects.chosen(file, name, namespace, offline=offline)
    engine, region = wiring.engine(asked.settings, account=account), wiring.default_region(asked.settings)
    planner = planning.Planner(asked.settings, engine, region)
    with asked.knowing() as known:
        found = [
            {
                **options.about(document),
                "resources": [
                    rendered(resource) for resource in planner.wanted(document, asked.manifests, known(document))
                ],
            }
            for document in asked.manifests.configs
        ]
    if output is Form.JSON:
        options.print_json(found)
        return
    from dynconfig.cli import yaml_text

    sys.stdout.write("---\n".join(yaml_text.readable(document) for document in found))
