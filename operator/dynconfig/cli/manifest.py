"""What was imported as YAML, with what its reader has to know in comments."""

from collections.abc import Iterator

from dynconfig.cli import yaml_text
from dynconfig.importing import Imported


def written(found: Imported, *, are_secrets_written: bool, is_unicode: bool = True) -> str:
    """The object, and how to make the Secret that it refers to."""
    notes = [*_about(found), *(() if are_secrets_written else _secret_command(found))]
    head = "".join(f"# {note}".rstrip() + "\n" for note in notes)
    return head + yaml_text.readable(found.config, is_unicode=is_unicode)


def secret(found: Imported) -> str:
    """The Secret with all its texts."""
    return (
        "# The texts of secrets: keep this file out of Git, and delete it when it is applied.\n"
        + yaml_text.readable(found.secret)
    )


def _about(found: Imported) -> Iterator[str]:
    yield f"The parameters below {found.about.path} as they are in AWS. Applied, this takes them over and changes no value."
    yield "deletionPolicy: Retain leaves them in AWS when the object is deleted; take it out for Delete."
    for title, why in found.left_out:
        yield f"Left out: {title} {why}."


def _secret_command(found: Imported) -> Iterator[str]:
    if not found.keys:
        return
    region = f" --region {found.about.region}" if found.about.region else ""
    read = f"aws ssm get-parameter{region} --with-decryption --query Parameter.Value --output text --name"
    yield "The texts of its SecureStrings were not read. Before it is applied, make the Secret that it refers to, in bash or"
    yield "zsh (perl takes away the end of line that aws adds, and leaves those that are part of a text):"
    yield f"  kubectl -n {found.about.namespace} create secret generic {found.secret_name} \\"
    for number, (key, parameter) in enumerate(found.keys.items(), start=1):
        more = " \\" if number < len(found.keys) else ""
        yield f"    --from-file={key}=<({read} {parameter.name} | perl -pe 'chomp if eof'){more}"
