"""The lab's API server for kubectl and Helm."""

import json
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from dynconfig_lab.processes import wait_until

Document = dict[str, Any]

ROOT = Path(__file__).parents[2]
CRD = ROOT / "crds" / "dynamicconfigs.dynconfig.dev.yaml"
PREVIOUS = Path(__file__).parent / "previous"
NAME = "dynamicconfigs.dynconfig.dev"
TARGETS = "awstargets.dynconfig.dev"
# `kubectl replace` reads the object, and writes it only if no one else did.
# https://kubernetes.io/docs/reference/using-api/api-concepts/#resource-versions
OUTDATED = "Operation cannot be fulfilled on"
CONCURRENT_WRITES = 5


@dataclass(frozen=True)
class Cluster:
    """Programs that use one API server."""

    kubectl_binary: Path
    kubeconfig: Path
    environment: Mapping[str, str] = field(default_factory=dict)

    def kubectl(self, *arguments: str, stdin: str = "") -> str:
        """The output of kubectl; fails with kubectl's message.

        If the API server wrote the object meanwhile, such as the conditions of a new CRD, it is tried again, as kubectl advises.
        """
        for _ in range(CONCURRENT_WRITES):
            result = self.tried(*arguments, stdin=stdin)
            if OUTDATED not in result.stderr:
                break
        assert result.returncode == 0, f"kubectl {' '.join(arguments)}: {result.stderr}"
        return result.stdout

    def refused(self, *arguments: str, stdin: str = "") -> str:
        """The API server's error for a kubectl command."""
        result = self.tried(*arguments, stdin=stdin)
        assert result.returncode != 0, result.stdout
        return result.stderr

    def tried(self, *arguments: str, stdin: str = "") -> "subprocess.CompletedProcess[str]":
        """The result of a kubectl command."""
        return self.run(str(self.kubectl_binary), *arguments, stdin=stdin)

    def run(self, *command: str, stdin: str = "") -> "subprocess.CompletedProcess[str]":
        """The result of a command in this cluster's environment."""
        environment = {**self.environment, "KUBECONFIG": str(self.kubeconfig)}
        return subprocess.run(command, env=environment, input=stdin, capture_output=True, text=True, check=False)

    def document(self, *arguments: str) -> Document:
        """What `kubectl get … -o json` answers."""
        found: Document = json.loads(self.kubectl("get", *arguments, "-o", "json"))
        return found

    def has(self, *arguments: str) -> bool:
        """Whether `kubectl get` finds it."""
        return self.tried("get", *arguments).returncode == 0

    def wait_served(self) -> None:
        """Wait until the API server serves DynamicConfigs by the last applied CRD."""
        # A new CRD has no conditions for a short time, which kubectl treats as an error.
        established = ("wait", "--for=condition=Established", f"crd/{NAME}", "--timeout=30s")
        assert wait_until(lambda: self.tried(*established).returncode == 0, 60), "the definition is not established"
        assert wait_until(lambda: self.has("dynamicconfigs", "-A"), 30), "DynamicConfigs are not served after 30 s"

    def remove_crd(self) -> None:
        """Delete the CRD with all objects, whose finalizers no operator removes here."""
        if not self.has("crd", NAME):
            return
        for item in self.document("dynamicconfigs", "-A")["items"]:
            place = ("-n", item["metadata"]["namespace"], item["metadata"]["name"])
            self.kubectl("patch", "dcfg", *place, "--type=merge", "-p", '{"metadata": {"finalizers": null}}')
        self.kubectl("delete", "crd", NAME)
