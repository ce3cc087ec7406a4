"""`dynconfig can`."""

import os
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Annotated, Any

import typer

from dynconfig import wiring
from dynconfig.api.spec import DynamicConfigSpec
from dynconfig.cli import files, options, target_file
from dynconfig.cli.failures import FAILED, Failed
from dynconfig.cli.files import Document
from dynconfig.cli.options import Output
from dynconfig.cli.planning import title
from dynconfig.cli.terminal import Terminal
from dynconfig.kinds.registry import ALL
from dynconfig.model.errors import InvalidSpec
from dynconfig.model.naming import Names
from dynconfig.model.resource import Owner
from dynconfig.settings import Settings, Tenancy
from dynconfig.tenants import Tenants
from dynconfig.validation.declare import parse_spec
from dynconfig.validation.tenancy import Decision, Tenant, TenantOf, decisions, own_names, tenant_in

ANY_REGION = "region"
"""Placeholder in names that contain a region, if no region is set."""
HEADINGS = ("OBJECT", "FIELD", "VALUE", "ALLOWED", "WHY")

Policy = Annotated[
    Path | None,
    typer.Option(help="Policy file of the operator. Default: DYNCONFIG_POLICY."),
]
TargetFile = Annotated[
    Path | None,
    typer.Option(help="File with an AWSTarget, whose rules are used instead of a policy."),
]
Labels = Annotated[
    list[str] | None,
    typer.Option(
        "--label",
        "-l",
        help="Label of the namespace, as KEY=VALUE, for rules with a namespaceSelector. May be repeated.",
    ),
]


def command(
    *,
    file: Annotated[
        list[Path], typer.Option("--file", "-f", help="File or folder with manifests; - for standard input.")
    ],
    namespace: Annotated[
        str | None,
        typer.Option("--namespace", "-n", help="Namespace of the objects. Default: that of each manifest, or default."),
    ] = None,
    policy: Policy = None,
    target: TargetFile = None,
    label: Labels = None,
    output: options.Format = Output.TEXT,
) -> None:
    """Explain which AWS resources a namespace of a shared cluster may use; contacts neither the cluster nor AWS.

    Paths and regions come from DYNCONFIG_ALLOWED_PATHS and DYNCONFIG_REGIONS, as for the operator; with --target, from its rules.

    Exit code 0: everything is allowed; 1: something is denied, or error.

    Example: dynconfig can -f manifests/examples/myapp.yaml --policy policy.yaml
    """
    settings = Settings.from_environment(os.environ)
    if policy is not None:
        settings = settings.model_copy(update={"policy_file": str(policy), "tenancy": Tenancy.SHARED})
    labels, found = _labels(label or ()), list[tuple[Document, Decision]]()
    tenant_of, region = _in_target(target, labels) if target else _by_policy(settings, labels)
    manifests = files.read(file, namespace or "default")
    for document, origin in zip(manifests.configs, manifests.origins, strict=True):
        own = document["metadata"]["namespace"]
        if namespace not in (None, own):
            raise Failed(
                f'{origin.place(("metadata", "namespace"))}: the namespace from the provided object "{own}" does not match '
                f'the namespace "{namespace}": omit --namespace, or pass --namespace={own}'
            )
        try:
            spec = parse_spec(document)
        except InvalidSpec as error:
            raise Failed(f"{title(document)}: {error}") from None
        owner = Owner("", own, document["metadata"]["name"], "")
        decided = decisions(spec, tenant_of(own), region, wiring.is_own_layer, owner)
        names = _names(spec, owner, spec.region or region or ANY_REGION)
        generated = (pair for facts in ALL for pair in facts.default_names(spec, names))
        found += [(document, each) for each in (*decided, *own_names(generated, own))]
    if output is Output.JSON:
        options.print_json([_document(*pair) for pair in found])
    else:
        _show(found)
    raise typer.Exit(0 if all(decision.is_allowed for _, decision in found) else FAILED)


def _by_policy(settings: Settings, labels: Mapping[str, str]) -> tuple[TenantOf, str]:
    """Return what the policy and the settings grant to a namespace, and the default region."""
    tenants = Tenants(settings, Tenancy.SHARED)
    if not settings.policy_file and settings.tenancy is not Tenancy.SINGLE:
        Terminal.err().line("No policy file given; set --policy FILE or DYNCONFIG_POLICY to that of the operator.")

    def tenant_of(namespace: str) -> Tenant:
        tenants.set_labels({namespace: labels})
        return tenants(namespace)

    return tenant_of, settings.region or ""


def _in_target(file: Path, labels: Mapping[str, str]) -> tuple[TenantOf, str]:
    """Return what an AWSTarget grants to a namespace, and its region."""
    name, spec = target_file.read(file)
    return lambda namespace: tenant_in(name, spec, namespace, labels), spec.region


def _names(spec: DynamicConfigSpec, owner: Owner, region: str) -> Names:
    """Return the names of the AWS resources of an object."""
    function = spec.function
    return Names.of(owner, region, function.name if function else None, function.role_name if function else None)


def _labels(given: Iterable[str]) -> dict[str, str]:
    found = {}
    for text in given:
        key, separator, value = text.partition("=")
        if not separator or not key:
            raise typer.BadParameter(f"invalid value {text!r}, expected KEY=VALUE", param_hint="--label")
        found[key] = value
    return found


def _show(found: list[tuple[Document, Decision]]) -> None:
    rows = [
        (title(document), each.use.field, each.use.value, "yes" if each.is_allowed else "no", each.why)
        for document, each in found
    ]
    Terminal.out().table(HEADINGS, rows, ["green" if each.is_allowed else "red" for _, each in found])


def _document(document: Document, decision: Decision) -> dict[str, Any]:
    return {
        **options.about(document),
        "field": decision.use.field,
        "value": decision.use.value,
        "allowed": decision.is_allowed,
        "why": decision.why,
    }
