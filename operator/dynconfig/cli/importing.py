"""Generate a DynamicConfig for existing parameters; with adoptionPolicy IfUnowned, applying it changes only their owner."""

import json
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from dynconfig.api import names
from dynconfig.api.parameter import MAX_PARAMETERS, ParameterType, Tier
from dynconfig.kinds.parameter.value import DEFAULT_KEY, Parameter
from dynconfig.model.resource import Owner
from dynconfig.model.secret import Secret
from dynconfig.model.target import Target

Document = dict[str, Any]

_DATA_TYPES = ("text", "aws:ec2:image", "aws:ssm:integration")


@dataclass(frozen=True, slots=True)
class About:
    """Name, namespace, path, region and target of the object to generate."""

    path: str
    namespace: str
    name: str
    region: str | None
    target: Target | None = None


@dataclass(frozen=True, slots=True)
class Imported:
    """The object, the keys of its Secret, and the parameters that were left out, with reasons."""

    about: About
    config: Document
    keys: Mapping[str, Parameter]
    left_out: Sequence[tuple[str, str]]

    @property
    def secret_name(self) -> str:
        """Name of the Secret that the object refers to."""
        return f"{self.about.name}-secrets"

    @property
    def secret(self) -> Document:
        """The Secret with the values that were read; requires that they were decrypted."""
        texts = {key: _revealed(parameter) for key, parameter in self.keys.items()}
        return {
            "apiVersion": "v1",
            "kind": "Secret",
            "metadata": {"name": self.secret_name, "namespace": self.about.namespace},
            "type": "Opaque",
            "stringData": texts,
        }


def imported(found: Iterable[Parameter], about: About) -> Imported:
    """Return the object for the parameters found under a path."""
    reasons = [(parameter, _refusal(parameter)) for parameter in found]
    taken = [parameter for parameter, reason in reasons if reason is None]
    left_out = [(parameter.name, reason) for parameter, reason in reasons if reason is not None]
    keys = _keys([p for p in taken if isinstance(p.value, Secret)], about.path)
    shared = _shared_tags(taken)
    spec: Document = {
        "path": about.path,
        **({"region": about.region} if about.region else {}),
        **({"target": about.target.name} if about.target else {}),
        "adoptionPolicy": "IfUnowned",
        "deletionPolicy": "Retain",
        **({"tags": shared} if shared else {}),
        "parameters": [_declared(p, about, keys.get(p.name), shared) for p in taken],
    }
    metadata = {"name": about.name, "namespace": about.namespace}
    config = {"apiVersion": names.API_VERSION, "kind": names.KIND, "metadata": metadata, "spec": spec}
    return Imported(about, config, {keys[p.name]: p for p in taken if p.name in keys}, left_out)


def object_name(path: str) -> str:
    """Derive the name of an object from a path."""
    legal = re.sub(r"[^a-z0-9]+", "-", path.lower()).strip("-")
    return legal[: names.MAX_NAME].strip("-") or "imported"


def _refusal(parameter: Parameter) -> str | None:
    """Return why a parameter cannot be declared, or None."""
    if parameter.owner:
        owner = Owner.parse(parameter.owner)
        return f"is owned by {owner.title if owner else parameter.owner}"
    if parameter.data_type not in _DATA_TYPES:
        return f"has the data type {parameter.data_type}, which DynamicConfig does not support"
    return None


def _declared(parameter: Parameter, about: About, key: str | None, shared: Mapping[str, str]) -> Document:
    document: Document = {"name": _relative(parameter.name, about.path)}
    if key is None:
        document["value"] = parameter.value
    else:
        is_plaintext = parameter.type != ParameterType.SECURE_STRING
        allowed = {"allowPlaintext": True} if is_plaintext else {}
        document["valueFrom"] = {"secretKeyRef": {"name": f"{about.name}-secrets", "key": key, **allowed}}
    if parameter.type == ParameterType.STRING_LIST or parameter.from_secret.is_set:
        document["type"] = parameter.type
    document.update(_metadata(parameter))
    tags = {name: text for name, text in parameter.tags if name not in shared}
    return {**document, **({"tags": tags} if tags else {})}


def _metadata(parameter: Parameter) -> Document:
    fields = {
        "description": (parameter.description, ""),
        "kmsKeyId": (parameter.kms_key, DEFAULT_KEY),
        "tier": (parameter.tier, Tier.STANDARD.value),
        "allowedPattern": (parameter.allowed_pattern, ""),
        "dataType": (parameter.data_type, "text"),
    }
    found: Document = {name: value for name, (value, usual) in fields.items() if value and value != usual}
    if parameter.policies:
        found["policies"] = [_policy(policy) for policy in json.loads(parameter.policies)]
    return found


def _policy(policy: Mapping[str, Any]) -> Document:
    return {"type": policy["Type"], "version": policy["Version"], "attributes": policy["Attributes"]}


def _keys(secrets: Sequence[Parameter], path: str) -> dict[str, str]:
    """Return the key of each secret parameter in the Secret: its name with dots, numbered if two would be equal."""
    keys: dict[str, str] = {}
    for parameter in secrets:
        wanted = _relative(parameter.name, path).replace("/", ".")
        number = 1
        while (key := wanted if number == 1 else f"{wanted}.{number}") in keys.values():
            number += 1
        keys[parameter.name] = key
    return keys


def _shared_tags(taken: Sequence[Parameter]) -> dict[str, str]:
    """Return the tags that all parameters share; they are declared once, in spec.tags."""
    if not taken:
        return {}
    return dict(sorted(set.intersection(*(set(parameter.tags) for parameter in taken))))


def _relative(name: str, path: str) -> str:
    return name.removeprefix(f"{path}/")


def _revealed(parameter: Parameter) -> str:
    value = parameter.value
    return str(value.reveal() if isinstance(value, Secret) else value)


def check_count(found: Sequence[Parameter]) -> str | None:
    """Return what is wrong with the number of parameters, or None."""
    if not found:
        return "no parameters found under this path"
    if len(found) > MAX_PARAMETERS:
        return f"{len(found)} parameters found under this path, more than the limit of {MAX_PARAMETERS} per object"
    return None
