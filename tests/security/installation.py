"""The parts of the installation that matter to the API server: the operator's identity and permissions, without its
pod."""

import json
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import yaml

Document = dict[str, Any]

ROOT = Path(__file__).parents[2]
MANIFESTS = ROOT / "manifests"
ACCOUNT = "dynconfig-operator"
NAMESPACE = "dynconfig-system"
ROLES = ("Role", "ClusterRole")
BINDINGS = ("RoleBinding", "ClusterRoleBinding")
Right = tuple[str, str, str, str]
"""API group, resource or resource/subresource, verb, and the one name that it holds for, or an empty text."""


def rights_of(documents: Iterable[Document]) -> list[Document]:
    """The namespace, the account and its restrictions."""
    kinds = ("Namespace", "ServiceAccount", *ROLES, *BINDINGS)
    return [item for item in documents if item["kind"] in kinds or _is_limit(item)]


def _is_limit(item: Document) -> bool:
    return str(item["kind"]).startswith("ValidatingAdmissionPolicy") and item["metadata"]["name"] in (
        ACCOUNT,
        f"{ACCOUNT}-targets",
    )


def read(text: str) -> list[Document]:
    """The documents that kustomize or Helm printed."""
    return [item for item in yaml.safe_load_all(text) if item]


def listed(documents: Iterable[Document]) -> str:
    """All of them as one document for `kubectl apply`."""
    return json.dumps({"apiVersion": "v1", "kind": "List", "items": list(documents)})


def granted(documents: Iterable[Document]) -> set[Right]:
    """All permissions of the operator's account, in all namespaces."""
    found = list(documents)
    bound = {item["roleRef"]["name"] for item in found if item["kind"] in BINDINGS and _is_bound(item)}
    rules = [
        rule for item in found if item["kind"] in ROLES and item["metadata"]["name"] in bound for rule in item["rules"]
    ]
    return {right for rule in rules for right in _rights(rule)}


def denied(requests: Iterable[Document]) -> list[str]:
    """The operator's requests, oldest first, that RBAC or its admission policy denied.

    In a terminating namespace the API server rejects new Events with 403 as well, for all users. A server that has
    just started does not know the roles yet: a request that it allows later counts as allowed.
    """
    found, allowed_later = list(requests), set[tuple[str, str]]()
    refused: list[Document] = []
    for item in reversed(found):
        if not _is_forbidden(item):
            allowed_later.add(_call(item))
        if _is_limited(item) or (_is_forbidden(item) and _call(item) not in allowed_later):
            refused.insert(0, item)
    return [f"{item['verb']} {item['requestURI']}: {item['responseStatus']}" for item in refused]


def _call(request: Document) -> tuple[str, str]:
    return request["verb"], request["requestURI"]


def _is_forbidden(request: Document) -> bool:
    return bool(request["annotations"].get("authorization.k8s.io/decision") == "forbid")


def _is_limited(request: Document) -> bool:
    return f"ValidatingAdmissionPolicy '{ACCOUNT}'" in request.get("responseStatus", {}).get("message", "")


def _is_bound(binding: Document) -> bool:
    return {"kind": "ServiceAccount", "name": ACCOUNT, "namespace": NAMESPACE} in binding["subjects"]


def _rights(rule: Document) -> Iterator[Right]:
    for group in rule["apiGroups"]:
        for resource in rule["resources"]:
            for verb in rule["verbs"]:
                for name in rule.get("resourceNames", [""]):
                    yield group, resource, verb, name
