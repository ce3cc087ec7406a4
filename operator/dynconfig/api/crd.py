"""The CustomResourceDefinition, generated from the models: structural schema, CEL rules, columns, descriptions."""

import types
from dataclasses import dataclass
from typing import Any, Union, get_args, get_origin

from pydantic import BaseModel

from dynconfig.api import names
from dynconfig.api.descriptions import Described
from dynconfig.api.model import Model, Rule
from dynconfig.api.spec import DynamicConfigSpec
from dynconfig.api.status import DynamicConfigStatus
from dynconfig.api.target import AWSTargetSpec, AWSTargetStatus

Schema = dict[str, Any]

KEEP = {
    # https://argo-cd.readthedocs.io/en/stable/user-guide/sync-options/
    "argocd.argoproj.io/sync-options": "Delete=false,Prune=false",
    # https://helm.sh/docs/howto/charts_tips_and_tricks/#tell-helm-not-to-uninstall-a-resource
    "helm.sh/resource-policy": "keep",
    # https://fluxcd.io/flux/components/kustomize/kustomizations/#prune
    "kustomize.toolkit.fluxcd.io/prune": "disabled",
}
"""Annotations that keep GitOps tools and Helm from deleting the CRD, which would delete all objects."""


@dataclass(frozen=True)
class _Kind:
    """One kind of the API group."""

    kind: str
    plural: str
    short: str
    scope: str
    description: str
    spec: type[Model]
    status: Schema
    columns: tuple[tuple[str, str, str, int, str], ...]
    name_rule: Schema


_READY = '.status.conditions[?(@.type=="Ready")]'
_COLUMNS = (
    ("Ready", f"{_READY}.status", "string", 0, "Whether AWS is in sync with spec"),
    ("In-sync", ".status.counts.summary", "string", 0, "Parameters in sync, of those declared"),
    ("Drifted", '.status.conditions[?(@.type=="Drifted")].status', "string", 0, "Whether AWS has drifted"),
    ("Revision", ".status.revision", "string", 0, "Revision of the configuration in AWS"),
    ("Age", ".metadata.creationTimestamp", "date", 0, "Age of the object"),
    ("Region", ".status.region", "string", 1, "AWS region"),
    ("Path", ".spec.path", "string", 1, "Path of the parameters"),
    ("Function", ".status.function", "string", 1, "Function that reads the configuration"),
    ("Observed", ".status.lastObservedTime", "date", 1, "When AWS was last observed, renewed every hour"),
    ("Reason", f"{_READY}.reason", "string", 1, "Reason of the Ready condition"),
)
_TARGET_COLUMNS = (
    ("Ready", f"{_READY}.status", "string", 0, "Whether the operator has credentials of the account"),
    ("Account", ".spec.account", "string", 0, "AWS account"),
    ("Region", ".spec.region", "string", 0, "AWS region"),
    ("Age", ".metadata.creationTimestamp", "date", 0, "Age of the target"),
    ("Role", ".spec.assumeRole.roleArn", "string", 1, "Role that the operator assumes"),
    ("Checked", ".status.lastCheckedTime", "date", 1, "When the account was last checked, renewed every hour"),
    ("Reason", f"{_READY}.reason", "string", 1, "Reason of the Ready condition"),
)


def definition() -> Schema:
    """Return the CustomResourceDefinition of DynamicConfigs as a plain document."""
    return _definition(
        _Kind(
            kind=names.KIND,
            plural=names.PLURAL,
            short=names.SHORT,
            scope="Namespaced",
            description="Dynamic configuration of one application in AWS Systems Manager Parameter Store.",
            spec=DynamicConfigSpec,
            # kstatus reports an object without status as Current; with this default, a new object is InProgress.
            status={**_structural(DynamicConfigStatus), "default": {"observedGeneration": names.UNSEEN}},
            columns=_COLUMNS,
            name_rule={
                "rule": f"size(self.metadata.name) <= {names.MAX_NAME}",
                "message": f"metadata.name must not be longer than {names.MAX_NAME} characters, to fit into the owner tag in AWS",
            },
        )
    )


def target_definition() -> Schema:
    """Return the CustomResourceDefinition of AWSTargets as a plain document."""
    return _definition(
        _Kind(
            kind=names.TARGET_KIND,
            plural=names.TARGET_PLURAL,
            short=names.TARGET_SHORT,
            scope="Cluster",
            description="A place in AWS, the role that writes there, and which namespaces may use it.",
            spec=AWSTargetSpec,
            status={**_structural(AWSTargetStatus), "default": {"observedGeneration": names.UNSEEN}},
            columns=_TARGET_COLUMNS,
            name_rule={
                "rule": f"size(self.metadata.name) <= {names.MAX_NAME}",
                "message": f"metadata.name must not be longer than {names.MAX_NAME} characters",
            },
        )
    )


def _definition(about: _Kind) -> Schema:
    return {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {"name": f"{about.plural}.{names.GROUP}", "annotations": KEEP},
        "spec": {
            "group": names.GROUP,
            "scope": about.scope,
            "names": {
                "kind": about.kind,
                "listKind": f"{about.kind}List",
                "plural": about.plural,
                "singular": about.kind.lower(),
                "shortNames": [about.short],
                "categories": ["aws"],
            },
            "versions": [_version(about)],
        },
    }


def _version(about: _Kind) -> Schema:
    return {
        "name": names.VERSION,
        "served": True,
        "storage": True,
        "subresources": {"status": {}},
        "additionalPrinterColumns": [
            # The API server drops a priority of 0; writing it would show a diff against the stored CRD every time.
            {
                "name": name,
                "jsonPath": path,
                "type": kind,
                "description": text,
                **({"priority": priority} if priority else {}),
            }
            for name, path, kind, priority, text in about.columns
        ],
        "schema": {"openAPIV3Schema": _object(about)},
    }


def _object(about: _Kind) -> Schema:
    return {
        "type": "object",
        "description": about.description,
        "required": ["spec"],
        "properties": {
            "apiVersion": {"type": "string", "description": f"Always {names.API_VERSION}."},
            "kind": {"type": "string", "description": f"Always {about.kind}."},
            "metadata": {"type": "object"},
            "spec": _structural(about.spec),
            "status": about.status,
        },
        "x-kubernetes-validations": [about.name_rule],
    }


def _structural(model: type[Model]) -> Schema:
    schema = model.model_json_schema(by_alias=True, schema_generator=Described)
    definitions = schema.pop("$defs", {})
    return _with_rules(_plain(schema, definitions), model)


def _plain(schema: Schema, definitions: Schema) -> Schema:
    """Return a structural schema: without references, titles and nulls."""
    if "$ref" in schema:
        target = definitions[schema["$ref"].rsplit("/", 1)[-1]]
        schema = {**target, **{key: value for key, value in schema.items() if key != "$ref"}}
    if "anyOf" in schema:
        (only,) = (option for option in schema["anyOf"] if option != {"type": "null"})
        rest = {key: value for key, value in schema.items() if key != "anyOf"}
        return _plain({**only, **rest}, definitions)
    default = _without_nulls(schema.get("default", 0))
    # An empty default would only add empty fields to every object.
    dropped = {"title", "default"} if default in (None, "", [], {}) else {"title"}
    result = {key: default if key == "default" else value for key, value in schema.items() if key not in dropped}
    # A structural schema must not set additionalProperties: false. Unknown fields are pruned, or rejected by
    # `kubectl --validate=strict`.
    if result.get("additionalProperties") is False:
        del result["additionalProperties"]
    result.pop("propertyNames", None)
    if "const" in result:
        result["enum"] = [result.pop("const")]
    return _nested(result, definitions)


def _without_nulls(default: Any) -> Any:
    """Return the default without null fields, since a field that is not nullable cannot default to null.

    https://kubernetes.io/docs/tasks/extend-kubernetes/custom-resources/custom-resource-definitions/#defaulting-and-nullable
    """
    if isinstance(default, dict):
        return {key: _without_nulls(inner) for key, inner in default.items() if inner is not None}
    if isinstance(default, list):
        return [_without_nulls(inner) for inner in default if inner is not None]
    return default


def _nested(schema: Schema, definitions: Schema) -> Schema:
    if "properties" in schema:
        schema["properties"] = {name: _plain(inner, definitions) for name, inner in schema["properties"].items()}
    for key in ("items", "additionalProperties"):
        if isinstance(schema.get(key), dict):
            schema[key] = _plain(schema[key], definitions)
    if "maxProperties" not in schema and "maxLength" in schema and "additionalProperties" in schema:
        schema["maxProperties"] = schema.pop("maxLength")
    return schema


def _with_rules(schema: Schema, model: type[Model]) -> Schema:
    """Return the schema with the CEL rules of the model and of every model nested in it."""
    rules = [_validation(rule) for rule in model.rules if rule.cel]
    if rules:
        schema["x-kubernetes-validations"] = rules
    for name, field in model.model_fields.items():
        inner = _model_in(field.annotation)
        if inner is not None:
            _with_rules(_innermost(schema["properties"][field.alias or name]), inner)
    return schema


def _validation(rule: Rule) -> Schema:
    validation: Schema = {"rule": rule.cel, "message": "; ".join(text for text in (rule.message, rule.advice) if text)}
    if rule.field:
        validation["fieldPath"] = f".{rule.field}"
    return validation


def _innermost(schema: Schema) -> Schema:
    return _innermost(schema["items"]) if "items" in schema else schema


def _model_in(annotation: object) -> type[Model] | None:
    """Return the model in an annotation such as X, X | None or list[X]."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return annotation if issubclass(annotation, Model) else None
    if get_origin(annotation) in (Union, types.UnionType, list) or hasattr(annotation, "__metadata__"):
        found = (_model_in(argument) for argument in get_args(annotation))
        return next((model for model in found if model is not None), None)
    return None
