"""`dynconfig import`."""

import os
import sys
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from dynconfig.api.metadata import name_fault, namespace_fault
from dynconfig.cli import manifest
from dynconfig.cli.failures import Failed
from dynconfig.cli.importing import About, Imported, check_count, imported, object_name
from dynconfig.cli.options import check_region, tidy_path
from dynconfig.cli.targets import clients_in
from dynconfig.cli.terminal import Terminal, writes_unicode
from dynconfig.kinds.parameter import tree as parameter_tree
from dynconfig.model.counting import counted
from dynconfig.settings import Settings

if TYPE_CHECKING:
    from dynconfig.kinds.parameter.value import Parameter


def command(
    *,
    path: Annotated[str, typer.Option("--path", help="Path of the parameters to import, for example /myapp.")],
    region: Annotated[str | None, typer.Option("--region", help="AWS region; also written to spec.region.")] = None,
    target: Annotated[
        str | None,
        typer.Option(
            "--target",
            metavar="NAME",
            help="AWSTarget in whose account and region they are; written to spec.target. Default: DYNCONFIG_DEFAULT_TARGET.",
        ),
    ] = None,
    name: Annotated[
        str | None, typer.Option("--name", help="Name of the object. Default: derived from the path.")
    ] = None,
    namespace: Annotated[str, typer.Option("--namespace", "-n", help="Namespace of the object.")] = "default",
    output: Annotated[
        Path | None, typer.Option("--output", "-o", help="File to write. Default: standard output.")
    ] = None,
    with_secrets: Annotated[
        Path | None,
        typer.Option("--with-secrets", help="New file for a Secret with the values of the SecureStrings; protect it."),
    ] = None,
) -> None:
    """Write a DynamicConfig for the existing parameters under a path; changes nothing in AWS.

    Applying it adopts the parameters: their values stay, and they get an owner tag. The values of SecureStrings
    are not read unless --with-secrets is set.

    Example: dynconfig import --path /myapp -n shop -o myapp.yaml

    Example: dynconfig import --path /myapp -n shop -o myapp.yaml --with-secrets secret.yaml

    Example: dynconfig import --path /myapp -n shop --target prod-eu

    Then: kubectl apply -f secret.yaml -f myapp.yaml, and delete secret.yaml, which contains the values in plain text.
    """
    about = _about(path, namespace, name, region)
    settings = Settings.from_environment(os.environ)
    output = None if output == Path("-") else output
    _check_files(output, with_secrets)
    clients, where, chosen = clients_in(settings, target or settings.default_target, region)
    about = replace(about, target=chosen if target else None)
    found = imported(
        _parameters(clients.client("ssm", where), about, settings, decrypt=with_secrets is not None), about
    )
    if not found.config["spec"]["parameters"]:
        reasons = "; ".join(f"{title} {why}" for title, why in found.left_out[:5])
        raise Failed(f"nothing under {about.path} can be imported: {reasons}")
    if with_secrets is not None:
        _write_secret(found, with_secrets)
    is_unicode = output is not None or writes_unicode(sys.stdout)
    text = manifest.written(found, are_secrets_written=with_secrets is not None, is_unicode=is_unicode)
    if output is None:
        sys.stdout.write(text)
    else:
        _write(output, text)
        Terminal.err().line(f"{output}: {counted(len(found.config['spec']['parameters']), 'parameter')}")


def _about(path: str, namespace: str, name: str | None, region: str | None) -> About:
    about = About(_checked(path), namespace, name or object_name(path), region)
    check_region("--region", region)
    for option, fault in (("--name", name_fault(about.name)), ("--namespace", namespace_fault(namespace))):
        if fault:
            raise typer.BadParameter(fault, param_hint=option)
    return about


def _check_files(output: Path | None, with_secrets: Path | None) -> None:
    """Check both files before AWS is called, and before the Secret is written."""
    if with_secrets == Path("-"):
        raise typer.BadParameter(
            "must be a file; secrets are not written to standard output", param_hint="--with-secrets"
        )
    for file in (output, with_secrets):
        if file is not None and file.is_dir():
            raise Failed(f"cannot write {file}: it is a folder")
        if file is not None and not file.parent.is_dir():
            raise Failed(f"cannot write {file}: folder {file.parent} not found")


def _write(file: Path, text: str) -> None:
    try:
        file.write_text(text, encoding="utf-8")
    except OSError as error:
        raise Failed(f"cannot write {file}: {error.strerror}") from None


def _checked(path: str) -> str:
    checked = tidy_path(path)
    if checked is None:
        raise typer.BadParameter("must begin with / and have a name, for example /myapp", param_hint="--path")
    return checked


def _parameters(ssm: Any, about: About, settings: Settings, *, decrypt: bool) -> "list[Parameter]":
    found = list(parameter_tree.parameters(ssm, about.path, decrypt=decrypt, ignored_tags=settings.ignored_tags))
    fault = check_count(found)
    if fault:
        raise Failed(f"{about.path}: {fault}; choose another path, or another region with --region")
    return found


def _write_secret(found: Imported, file: Path) -> None:
    """Write the Secret to a file that only the user can read from the moment it is created."""
    text = manifest.secret(found)
    try:
        descriptor = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except FileExistsError:
        raise Failed(
            f"{file} already exists; secrets are only written to a new file: remove it, or choose another"
        ) from None
    except OSError as error:
        raise Failed(f"cannot write {file}: {error.strerror}") from None
    with os.fdopen(descriptor, "w", encoding="utf-8") as stream:
        stream.write(text)
    Terminal.err().line(
        f"{file}: {counted(len(found.keys), 'secret value')}, readable only by you; delete it after applying it"
    )
