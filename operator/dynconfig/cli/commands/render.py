"""`dynconfig render`."""

import sys
from enum import StrEnum
from typing import Annotated

import typer

from dynconfig import planning, wiring
from dynconfig.cli import options, subjects
from dynconfig.cli.failures import Failed
from dynconfig.cli.subjects import Subjects
from dynconfig.cli.terminal import writes_unicode
from dynconfig.engine.errors import DynConfigError
from dynconfig.engine.rendered import rendered
from dynconfig.files import Document
from dynconfig.planning import Known, Planner


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

    The extension's layer is that of the operator's table, the oldest that is used: a new function gets AWS's newest.

    Example: dynconfig render -f manifests/examples/myapp.yaml --offline --account 123456789012
    """
    asked = subjects.chosen(file, name, namespace, offline=offline)
    engine, region = wiring.engine(asked.settings, account=account), wiring.default_region(asked.settings)
    planner = Planner(asked.settings, engine, region)
    with asked.knowing() as known:
        found = [_document(document, planner, asked, known(document)) for document in asked.manifests.configs]
    if output is Form.JSON:
        options.print_json(found)
        return
    from dynconfig.cli import yaml_text

    is_unicode = writes_unicode(sys.stdout)
    sys.stdout.write("---\n".join(yaml_text.readable(document, is_unicode=is_unicode) for document in found))


def _document(document: Document, planner: Planner, asked: Subjects, known: Known) -> dict[str, object]:
    try:
        wanted = planner.wanted(document, asked.manifests, known)
    except DynConfigError as error:
        raise Failed(f"{planning.title(document)}: {error}") from None
    return {**options.about(document), "resources": [rendered(resource) for resource in wanted]}
