"""Write an imported object as YAML, with explanations in comments."""

from collections.abc import Iterator

from dynconfig.cli import yaml_text
from dynconfig.cli.importing import Imported


def written(found: Imported, *, are_secrets_written: bool, is_unicode: bool = True) -> str:
    """Return the object as YAML, with a comment on how to create the Secret that it refers to."""
    notes = [*_about(found), *(() if are_secrets_written else _secret_command(found))]
    head = "".join(f"# {note}".rstrip() + "\n" for note in notes)
    return head + yaml_text.readable(found.config, is_unicode=is_unicode)


def secret(found: Imported) -> str:
    """Return the Secret with its values as YAML."""
    return (
        "# Contains secret values: keep this file out of Git, and delete it after applying it.\n"
        + yaml_text.readable(found.secret)
    )


def _about(found: Imported) -> Iterator[str]:
    yield f"The parameters under {found.about.path} as they are in AWS. Applying this adopts them and changes no value."
    yield "deletionPolicy: Retain keeps them in AWS when the object is deleted; remove this field for Delete."
    for title, why in found.left_out:
        yield f"Left out: {title} {why}."


def _secret_command(found: Imported) -> Iterator[str]:
    if not found.keys:
        return
    region = f" --region {found.about.region}" if found.about.region else ""
    if found.about.target:
        yield f"With AWS credentials of account {found.about.target.account}:"
    read = f"aws ssm get-parameter{region} --with-decryption --query Parameter.Value --output text --name"
    yield "The values of its SecureStrings were not read. Before you apply it, create the Secret that it refers to, in bash or"
    yield "zsh (perl removes the newline that aws appends, and keeps those that are part of a value):"
    yield f"  kubectl -n {found.about.namespace} create secret generic {found.secret_name} \\"
    for number, (key, parameter) in enumerate(found.keys.items(), start=1):
        more = " \\" if number < len(found.keys) else ""
        yield f"    --from-file={key}=<({read} {parameter.name} | perl -pe 'chomp if eof'){more}"
