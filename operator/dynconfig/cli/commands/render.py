"""`dynconfig render`."""

import sys
from enum import StrEnum
from typing import Annotated

import typer

from dynconfig.cli import options, planning
from dynconfig.cli.failures import Failed
from dynconfig.cli.files import Document
from dynconfig.cli.planning import ClusterState, Planner
from dynconfig.cli.rendered import rendered
from dynconfig.cli.targets import Targets, select_targets
from dynconfig.cli.terminal import writes_unicode
from dynconfig.model.errors import DynConfigError


class RenderFormat(StrEnum):
    """An output format."""

    YAML = "yaml"
    JSON = "json"


def command(
    *,
    name: options.Names = None,
    file: options.Files = None,
    namespace: options.Namespace = None,
    output: Annotated[RenderFormat, typer.Option("--output", "-o", help="Output format.")] = RenderFormat.YAML,
    offline: options.Offline = False,
    account: Annotated[
        str | None, typer.Option("--account", help="AWS account ID; if set, AWS is not contacted at all.")
    ] = None,
) -> None:
    """Print every AWS resource that an object declares, with secrets masked; does not read their state in AWS.

    The extension layer shown is the oldest version in use, from the operator's table; a new function gets the newest.

    Example: dynconfig render -f manifests/examples/myapp.yaml --offline --account 123456789012
    """
    targets = select_targets(file, name, namespace, offline=offline)
    with targets.cluster() as cluster:
        planner = Planner.of(targets.settings, targets.accounts(cluster, account or ""))
        found = [
            _document(document, planner, targets, cluster.state_of(document)) for document in targets.manifests.configs
        ]
    if output is RenderFormat.JSON:
        options.print_json(found)
        return
    from dynconfig.cli import yaml_text

    is_unicode = writes_unicode(sys.stdout)
    sys.stdout.write("---\n".join(yaml_text.readable(document, is_unicode=is_unicode) for document in found))


def _document(document: Document, planner: Planner, targets: Targets, state: ClusterState) -> dict[str, object]:
    try:
        wanted = planner.wanted(document, targets.manifests, state)
    except DynConfigError as error:
        raise Failed(f"{planning.title(document)}: {error}") from None
    return {**options.about(document), "resources": [rendered(resource) for resource in wanted]}
