"""`dynconfig iam`."""

import json
import os
import re
import sys
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from enum import StrEnum
from typing import Annotated, Any

import typer

from dynconfig.api.spec import REGION
from dynconfig.aws import permissions
from dynconfig.aws import trust as trusts
from dynconfig.cli import target_file
from dynconfig.cli.failures import Failed
from dynconfig.cli.options import check_region, tidy_path
from dynconfig.cli.terminal import Terminal
from dynconfig.model.allowed import Allowed, Part
from dynconfig.model.naming import PREFIX
from dynconfig.model.target import Target
from dynconfig.settings import POLICY_ARN, BadSetting, Settings
from dynconfig.validation.target_access import allowed_in

# IAM accepts ARNs of resources that cannot exist.
_FORMS = {
    "--account": (r"[0-9]{12}", "123456789012"),
    "--region": (REGION, "eu-west-1"),
    "--key": (
        r"arn:aws[a-z-]*:kms:[^:]+:[^:]+:(key/\S+|alias/[^\s*?]+)",
        "arn:aws:kms:eu-west-1:123456789012:key/…",
    ),
    "--layer": (r"arn:aws[a-z-]*:lambda:[^:]+:[^:]+:layer:\S+", "arn:aws:lambda:eu-west-1:123456789012:layer:own:3"),
    "--operator-role": (r"arn:aws[a-z-]*:iam::[0-9]{12}:role/\S+", "arn:aws:iam::123456789012:role/dynconfig-operator"),
    "--boundary": (POLICY_ARN, "arn:aws:iam::123456789012:policy/boundary"),
    # https://docs.aws.amazon.com/lambda/latest/api/API_CreateFunction.html
    "--function": (r"[A-Za-z0-9_*?-]{1,64}", "shop-*"),
    # https://docs.aws.amazon.com/IAM/latest/APIReference/API_CreateRole.html
    "--attached-role": (r"[A-Za-z0-9_+=,.@*?-]{1,64}", "shop-*"),
    # https://docs.aws.amazon.com/service-authorization/latest/reference/list_amazonelastickubernetesservice.html
    "--eks-cluster": (
        r"arn:aws[a-z-]*:eks:[^:]+:[0-9]{12}:cluster/[A-Za-z0-9_-]+",
        "arn:aws:eks:eu-west-1:123456789012:cluster/prod",
    ),
    "--oidc-provider": (
        r"arn:aws[a-z-]*:iam::[0-9]{12}:oidc-provider/[^\s*?]+",
        "arn:aws:iam::123456789012:oidc-provider/oidc.eks.eu-west-1.amazonaws.com/id/ABCDEF",
    ),
    "--service-account": (r"[a-z0-9-]{1,63}/[a-z0-9.-]{1,253}", "dynconfig-system/dynconfig-operator"),
}


class Trust(StrEnum):
    """Whose trust policy is printed."""

    IRSA = "irsa"
    POD_IDENTITY = "pod-identity"
    TARGET = "target"


_OWN = (
    *(
        "--path",
        "--account",
        "--region",
        "--key",
        "--function",
        "--attached-role",
        "--layer",
        "--boundary",
        "--operator-role",
    ),
    *(
        "--earlier-roles",
        "--parameters-only",
        "--alarms",
        "--part",
        "--untagged-api-parts",
        "--assume",
        "--eks-cluster",
    ),
)
# What decides the output, and the options that it uses.
_USED = {
    "--path": _OWN,
    "--assume": ("--assume", "--eks-cluster"),
    "--target": ("--target", "--key", "--attached-role", "--part", "--untagged-api-parts"),
    "--trust irsa": ("--trust", "--oidc-provider", "--service-account"),
    "--trust pod-identity": ("--trust", "--eks-cluster", "--service-account"),
    "--trust target": ("--trust", "--target", "--operator-role", "--eks-cluster", "--service-account"),
}
_REQUIRED = {
    "--trust irsa": ("--oidc-provider",),
    "--trust pod-identity": ("--eks-cluster",),
    "--trust target": ("--target", "--operator-role"),
}


def command(
    context: typer.Context,
    *,
    path: Annotated[
        list[str] | None, typer.Option("--path", help="Path that the operator may use. May be repeated.")
    ] = None,
    target: Annotated[
        str | None,
        typer.Option(
            "--target",
            help="AWSTarget, as a file or the name of one in the cluster: print the policy of its role instead.",
        ),
    ] = None,
    assume: Annotated[
        list[str] | None,
        typer.Option(
            "--assume",
            help="AWSTarget, as a file or the name of one in the cluster, whose role the operator's own role may assume. May be "
            "repeated, with or without --path.",
        ),
    ] = None,
    trust: Annotated[
        Trust | None,
        typer.Option(
            "--trust",
            help="Print a trust policy instead: of the operator's own role (irsa, pod-identity), or of the role of --target.",
        ),
    ] = None,
    oidc_provider: Annotated[
        str, typer.Option("--oidc-provider", help="ARN of the IAM OIDC provider of the cluster, for --trust irsa.")
    ] = "",
    eks_cluster: Annotated[
        str,
        typer.Option(
            "--eks-cluster",
            help="ARN of the EKS cluster, if the operator gets its own role by EKS Pod Identity: for --trust pod-identity, "
            "--trust target and --assume.",
        ),
    ] = "",
    service_account: Annotated[
        str,
        typer.Option("--service-account", help="NAMESPACE/NAME of the operator's service account, for --trust."),
    ] = "dynconfig-system/dynconfig-operator",
    account: Annotated[
        str | None, typer.Option("--account", help="AWS account ID. Default: that of the AWS credentials.")
    ] = None,
    region: Annotated[
        str | None, typer.Option("--region", help="AWS region. Default: AWS_REGION or that of the AWS profile.")
    ] = None,
    key: Annotated[
        list[str] | None, typer.Option("--key", help="ARN of a KMS key for SecureStrings. May be repeated.")
    ] = None,
    function: Annotated[
        list[str] | None,
        typer.Option(
            "--function",
            help="Name pattern of functions and of the resources named after them. May be repeated. "
            "Default: dynconfig-*, the default names.",
        ),
    ] = None,
    attached_role: Annotated[
        list[str] | None,
        typer.Option(
            "--attached-role",
            help="Name pattern of the roles of functions that mode: Attach may extend; with --boundary only roles that have it.",
        ),
    ] = None,
    layer: Annotated[
        list[str] | None, typer.Option("--layer", help="ARN of a layer other than the AWS extension. May be repeated.")
    ] = None,
    boundary: Annotated[
        str,
        typer.Option(
            "--boundary",
            help="ARN of the permissions boundary in DYNCONFIG_BOUNDARY; the operator may then not write roles without it.",
        ),
    ] = "",
    operator_role: Annotated[
        str,
        typer.Option(
            "--operator-role",
            help="ARN of the operator's own role: it must never change or pass it, and with --trust target it assumes the other.",
        ),
    ] = "",
    earlier_roles: Annotated[
        bool,
        typer.Option(
            "--earlier-roles",
            help="For an upgrade: also allow deleting roles outside of the IAM path /dynconfig/, as created by version 0.2.0.",
        ),
    ] = False,
    parameters_only: Annotated[
        bool, typer.Option("--parameters-only", help="For an operator that manages parameters but no functions.")
    ] = False,
    alarms: Annotated[
        bool,
        typer.Option(
            "--alarms", help="With --parameters-only: also allow alarms and dashboards that need no function."
        ),
    ] = False,
    part: Annotated[
        Part | None,
        typer.Option(
            "--part", help="Print one of two policies if a single one is too long for IAM; the role needs both."
        ),
    ] = None,
    untagged_api_parts: Annotated[
        bool,
        typer.Option(
            "--untagged-api-parts",
            help="Allow routes, integrations and stages of any HTTP API; only if AWS denies those of the operator's own APIs.",
        ),
    ] = False,
) -> None:
    """Print the IAM policy that the operator needs, that of the role of an AWSTarget, or a trust policy.

    Example: dynconfig iam --path /myapp --function 'dynconfig-*' --account 123456789012 --region eu-west-1
    """
    _check_forms(context.params)
    mode = f"--trust {trust}" if trust else _mode(target, path, assume)
    _check_used(context, mode)
    if trust:
        own = trusts.ServiceAccount(eks_cluster, *service_account.split("/"))
        _print(_trust_policy(trust, target or "", oidc_provider or operator_role, own))
        return
    allowed: Allowed | None = None
    if target:
        allowed = allowed_in(target_file.find(target)[1], key or (), attached_role or ())
        allowed = replace(allowed, untagged_api_parts=untagged_api_parts)
    elif path:
        _check_paths(path)
        check_region("--region", region)
        region = region or _region()
        allowed = Allowed(
            paths=path,
            account=account or _account(region),
            region=region,
            keys=key or (),
            functions=() if parameters_only else function or (f"{PREFIX}*",),
            alarms=alarms or not parameters_only,
            dashboards=alarms or not parameters_only,
            attached_roles=attached_role or (),
            own_layers=layer or (),
            boundary=boundary,
            operator_role=operator_role,
            earlier_roles=earlier_roles,
            untagged_api_parts=untagged_api_parts,
        )
    assumed = [Target.of(*target_file.find(text)) for text in assume or ()]
    _show(allowed, part, assumed, eks_cluster, is_target=bool(target))


def _show(
    allowed: Allowed | None, part: Part | None, assumed: Sequence[Target], eks_cluster: str, *, is_target: bool
) -> None:
    """Print the policy of a role that may also assume the roles of targets, and warn about it."""
    policy = permissions.operator_policy(allowed, part) if allowed else permissions.document()
    if part is not Part.FUNCTIONS:
        policy["Statement"] += trusts.assume(assumed, is_pod_identity=bool(eks_cluster))
    _print(policy)
    for warning in _warnings(allowed, policy, part, is_target=is_target) if allowed else ():
        Terminal.err().line(f"warning: {warning}", "yellow")


def _mode(target: str | None, path: Sequence[str] | None, assume: Sequence[str] | None) -> str:
    """Return the option that decides what is printed. Raises BadParameter if there is none."""
    found = next((name for name, value in (("--target", target), ("--path", path), ("--assume", assume)) if value), "")
    if not found:
        raise typer.BadParameter("missing; or pass --target, --assume or --trust", param_hint="--path")
    return found


def _check_used(context: typer.Context, mode: str) -> None:
    """Raise BadParameter for an option that is missing, or has no effect together with the others."""
    for option in _REQUIRED.get(mode, ()):
        if not _is_given(context, _parameter(option)):
            raise typer.BadParameter(f"missing; required with {mode}", param_hint=option)
    given = [f"--{name.replace('_', '-')}" for name in context.params if _is_given(context, name)]
    unused = [option for option in given if option not in _USED[mode]]
    if unused:
        raise typer.BadParameter(f"not used with {mode}", param_hint=", ".join(unused))


def _parameter(option: str) -> str:
    return option.removeprefix("--").replace("-", "_")


def _is_given(context: typer.Context, name: str) -> bool:
    source = context.get_parameter_source(name)
    return source is not None and source.name == "COMMANDLINE"


def _trust_policy(trust: Trust, target: str, principal: str, account: trusts.ServiceAccount) -> dict[str, Any]:
    """Return a trust policy; `principal` is the OIDC provider or the operator's own role. Raises Failed."""
    if trust is Trust.IRSA:
        return trusts.irsa(principal, account)
    if trust is Trust.POD_IDENTITY:
        return trusts.pod_identity(account)
    found = Target.of(*target_file.find(target))
    if not found.role_arn:
        raise Failed(f"AWSTarget {found.name} has no spec.assumeRole: the operator uses its own identity there")
    return trusts.target_role(found, principal, _cluster_id() if found.has_session_tags else "", account)


def _cluster_id() -> str:
    """Return the ID of the cluster in session tags. Raises Failed."""
    settings = Settings.from_environment(os.environ)
    if settings.cluster_id:
        return settings.cluster_id
    from dynconfig.cli import cluster
    from dynconfig.kube.responses import ApiRefused, ApiUnavailable, NoCluster

    try:
        with cluster.reading() as reader:
            return reader.cluster_id()
    except (ApiRefused, ApiUnavailable, NoCluster) as error:
        raise Failed(
            f"session tags name the cluster: set DYNCONFIG_CLUSTER_ID, or connect to the cluster: {error}"
        ) from None


def _print(policy: dict[str, Any]) -> None:
    sys.stdout.write(json.dumps(policy, indent=2) + "\n")


def _warnings(allowed: Allowed, policy: dict[str, Any], part: Part | None, *, is_target: bool) -> Iterable[str]:
    for pattern in permissions.broad(allowed):
        yield f"the pattern {pattern!r} also matches names that are not meant for the operator; use a longer prefix"
    if allowed.functions and not allowed.boundary:
        set_it = "pass the ARN of a permissions boundary, and set DYNCONFIG_BOUNDARY to it"
        yield (
            "without --boundary, anyone with the operator's credentials can create a role with any permissions; "
            f"{'set spec.permissionsBoundary of the AWSTarget' if is_target else set_it}"
        )
    if allowed.attached_functions and not allowed.attached_roles:
        yield "mode: Attach changes the roles of functions; pass their names with --attached-role"
    advice = permissions.advice(policy, part)
    if advice:
        yield advice


def _region() -> str:
    """Return the region of the environment or the AWS profile. Raises Failed."""
    from dynconfig import wiring

    try:
        return wiring.default_region(Settings.from_environment(os.environ))
    except BadSetting as error:
        raise Failed(f"--region is not set, and there is {error}") from None


def _account(region: str) -> str:
    """Return the account of the AWS credentials. Raises Failed."""
    from dynconfig import wiring
    from dynconfig.model.errors import DynConfigError

    settings = Settings.from_environment(os.environ).model_copy(update={"region": region})
    try:
        return wiring.account(wiring.session(settings), settings)
    except DynConfigError as error:
        raise Failed(f"--account is not set and cannot be determined: {error}") from None


def _check_paths(paths: Iterable[str]) -> None:
    wrong = next((path for path in paths if tidy_path(path) is None), None)
    if wrong is not None:
        raise Failed(f"--path: invalid value {wrong!r}, expected e.g. /myapp")


def _check_forms(given: Mapping[str, Any]) -> None:
    for option, (pattern, example) in _FORMS.items():
        value = given[_parameter(option)] or ()
        texts = (value,) if isinstance(value, str) else value
        wrong = next((text for text in texts if not re.fullmatch(pattern, text)), None)
        if wrong is not None:
            raise Failed(f"{option}: invalid value {wrong!r}, expected e.g. {example}")
