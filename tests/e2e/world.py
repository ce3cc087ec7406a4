"""What the end-to-end tests use: a namespace of the real API server, and a path of the emulated AWS."""

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import httpx2

from dynconfig_lab.processes import wait_until
from dynconfig_lab.stack import Stack

PATIENCE = 30.0
GROUP = "/apis/dynconfig.dev/v1alpha1"

Document = dict[str, Any]


@dataclass(frozen=True)
class World:
    """The namespace and path of one test."""

    stack: Stack
    http: httpx2.Client
    namespace: str
    path: str

    @property
    def ssm(self) -> Any:
        """The emulated Parameter Store."""
        return self.stack.aws("ssm")

    def spec(self, *parameters: Mapping[str, Any], **more: Any) -> Document:
        """A spec with these parameters."""
        return {"path": self.path, "parameters": list(parameters), **more}

    def create(self, name: str, spec: Mapping[str, Any]) -> httpx2.Response:
        """Post a DynamicConfig; the response may be a rejection."""
        document = {
            "apiVersion": "dynconfig.dev/v1alpha1",
            "kind": "DynamicConfig",
            "metadata": {"name": name},
            "spec": spec,
        }
        return self.http.post(f"{GROUP}/namespaces/{self.namespace}/dynamicconfigs", json=document)

    def declare(self, name: str, spec: Mapping[str, Any]) -> None:
        """Post a valid DynamicConfig."""
        answer = self.create(name, spec)
        assert answer.status_code == 201, answer.text

    def edit(self, name: str, patch: Mapping[str, Any]) -> httpx2.Response:
        """Patch a DynamicConfig."""
        headers = {"Content-Type": "application/merge-patch+json"}
        return self.http.patch(self._url(name), json=patch, headers=headers)

    def annotate(self, name: str, key: str, value: str) -> None:
        """Set an annotation."""
        assert self.edit(name, {"metadata": {"annotations": {f"dynconfig.dev/{key}": value}}}).is_success

    def reconcile_now(self, name: str) -> None:
        """Request a reconcile, and wait until it has finished."""
        token = str(time.monotonic_ns())
        self.annotate(name, "reconcile-requested-at", token)
        self.wait("the request is echoed", lambda: self.status(name).get("lastHandledReconcileAt") == token)

    def get(self, name: str) -> Document:
        """The object."""
        return dict(self.http.get(self._url(name)).raise_for_status().json())

    def is_gone(self, name: str) -> bool:
        """Whether the object does not exist any more."""
        return self.http.get(self._url(name)).status_code == 404

    def delete(self, name: str) -> None:
        """Delete the object without waiting."""
        assert self.http.delete(self._url(name)).is_success

    def status(self, name: str) -> Document:
        """The status, empty if there is none."""
        return dict(self.get(name).get("status") or {})

    def conditions(self, name: str) -> dict[str, Document]:
        """The conditions by type."""
        return {item["type"]: item for item in self.status(name).get("conditions", [])}

    def condition(self, name: str, kind: str = "Ready") -> tuple[str, str, str]:
        """Status, reason and message of a condition; three empty strings if it is absent."""
        found = self.conditions(name).get(kind, {})
        return found.get("status", ""), found.get("reason", ""), found.get("message", "")

    def is_ready(self, name: str) -> bool:
        """Whether the newest generation is in sync."""
        document = self.get(name)
        status = document.get("status") or {}
        ready = any(item["type"] == "Ready" and item["status"] == "True" for item in status.get("conditions", []))
        return ready and status.get("appliedGeneration") == document["metadata"]["generation"]

    def wait(self, what: str, condition: Callable[[], bool], seconds: float = PATIENCE) -> None:
        """Wait for a condition; fail with the operator's log."""
        if not wait_until(condition, seconds):
            log = self.stack.operator_log.read_text()[-4000:]
            raise AssertionError(f"not in {seconds:.0f} s: {what}\n{log}")

    def wait_ready(self, name: str, seconds: float = PATIENCE) -> None:
        """Wait until the object is Ready at its newest generation."""
        self.wait(f"{name} is Ready", lambda: self.is_ready(name), seconds)

    def wait_reason(self, name: str, reason: str, status: str = "False") -> str:
        """Wait until Ready has the reason; return the message."""
        self.wait(f"{name} reports {reason}", lambda: self.condition(name)[:2] == (status, reason))
        return self.condition(name)[2]

    def wait_listening(self, name: str) -> None:
        """Wait until events are received: drift of a marker object is corrected without a request."""
        self.declare(name, self.spec({"name": name, "value": "1"}))
        self.wait_ready(name)
        self.wait("events come", self.is_listening)
        self.put_by_hand(name, "2")
        self.wait("the marker is put back", lambda: self.value(name) == "1")

    def listening_rule(self) -> str:
        """The operator's rule for changes of parameters; empty if there is none yet."""
        rules = self.stack.aws("events").list_rules(NamePrefix="dynconfig-")["Rules"]
        return next((str(item["Name"]) for item in rules if item["Name"].endswith("-parameters")), "")

    def value(self, name: str) -> str | None:
        """The value of a parameter below the path, decrypted; None if it does not exist."""
        answer = self.ssm.get_parameters(Names=[f"{self.path}/{name}"], WithDecryption=True)
        return next((str(item["Value"]) for item in answer["Parameters"]), None)

    def version(self, name: str) -> int:
        """The version of a parameter below the path."""
        return int(self.ssm.get_parameter(Name=f"{self.path}/{name}")["Parameter"]["Version"])

    def names(self) -> list[str]:
        """The parameters below the path."""
        pages = self.ssm.get_paginator("get_parameters_by_path").paginate(Path=self.path, Recursive=True)
        return sorted(item["Name"].removeprefix(f"{self.path}/") for page in pages for item in page["Parameters"])

    def put_by_hand(self, name: str, value: str) -> None:
        """Change a parameter as in the AWS console."""
        self.ssm.put_parameter(Name=f"{self.path}/{name}", Value=value, Overwrite=True)

    def secret(self, name: str, **data: str) -> None:
        """Create or change a Secret."""
        self._source("secrets", name, {"stringData": data})

    def config_map(self, name: str, **data: str) -> None:
        """Create or change a ConfigMap."""
        self._source("configmaps", name, {"data": data})

    def events(self, name: str) -> list[tuple[str, str]]:
        """Reason and message of the Events about an object."""
        items = self.http.get(f"/api/v1/namespaces/{self.namespace}/events").raise_for_status().json()["items"]
        return [(item["reason"], item["message"]) for item in items if item["involvedObject"]["name"] == name]

    def wait_event(self, name: str, reason: str) -> str:
        """Wait for an Event; return its message."""
        self.wait(f"Event {reason}", lambda: reason in dict(self.events(name)))
        return dict(self.events(name))[reason]

    def kubectl(self, *arguments: str) -> str:
        """The output of kubectl in this namespace."""
        return self.stack.kubectl("-n", self.namespace, *arguments)

    def _source(self, plural: str, name: str, content: Mapping[str, Any]) -> None:
        url = f"/api/v1/namespaces/{self.namespace}/{plural}"
        if self.http.get(f"{url}/{name}").status_code == 404:
            self.http.post(url, json={"metadata": {"name": name}, **content}).raise_for_status()
        else:
            headers = {"Content-Type": "application/merge-patch+json"}
            self.http.patch(f"{url}/{name}", json=content, headers=headers).raise_for_status()

    def is_listening(self) -> bool:
        """Whether the rule targets the queue: the operator creates both for its first object."""
        name = self.listening_rule()
        return bool(name and self.stack.aws("events").list_targets_by_rule(Rule=name)["Targets"])

    def _url(self, name: str) -> str:
        return f"{GROUP}/namespaces/{self.namespace}/dynamicconfigs/{name}"
