"""The environment of command tests: an in-process emulated AWS, and manifests in a folder."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import boto3
import yaml
from tests.cli.shell import Result, dynconfig

from dynconfig import wiring
from dynconfig.api import names
from dynconfig.cli import files
from dynconfig.model.resource import Owner
from dynconfig.settings import Settings
from dynconfig.validation.declare import declare
from dynconfig.validation.tenancy import Tenant
from dynconfig_lab.aws import AwsLab
from dynconfig_lab.processes import wait_until

REGION = "eu-west-1"
OWNER = Owner("cluster", "shop", "myapp", "uid-1")
PASSWORD = "correct-horse-battery-staple"

PARAMETERS: tuple[Mapping[str, Any], ...] = (
    {"name": "database/host", "value": "db.shop.internal", "description": "Database host"},
    {"name": "database/port", "value": "5432"},
    {"name": "database/password", "valueFrom": {"secretKeyRef": {"name": "myapp-db", "key": "password"}}},
)


@dataclass
class CliHarness:
    """The AWS and the folder of one test."""

    lab: AwsLab
    folder: Path

    @property
    def environment(self) -> dict[str, str]:
        """The environment variables that select this AWS."""
        return {
            "AWS_ENDPOINT_URL": self.lab.endpoint,
            "AWS_REGION": REGION,
            "AWS_ACCESS_KEY_ID": "lab",
            "AWS_SECRET_ACCESS_KEY": "lab",
        }

    @property
    def ssm(self) -> Any:
        """The emulated Parameter Store."""
        return self.aws("ssm")

    def aws(self, service: str) -> Any:
        """boto3 as a user would use it."""
        return boto3.client(  # type: ignore[call-overload]  # any service by name
            service,
            region_name=REGION,
            endpoint_url=self.lab.endpoint,
            aws_access_key_id="lab",
            aws_secret_access_key="lab",
        )

    def make_key(self, alias: str) -> None:
        """Create a KMS key of this name."""
        kms = self.aws("kms")
        kms.create_alias(AliasName=alias, TargetKeyId=kms.create_key()["KeyMetadata"]["KeyId"])

    def dynconfig(self, *arguments: str, stdin: str = "", **environment: str) -> Result:
        """Run a command against this AWS."""
        return dynconfig(*arguments, stdin=stdin, **{**self.environment, **environment})

    def manifest(self, *parameters: Mapping[str, Any], file: str = "myapp.yaml", **spec: Any) -> str:
        """A file with an object and the Secret that it refers to."""
        config = {
            "apiVersion": names.API_VERSION,
            "kind": names.KIND,
            "metadata": {"name": "myapp", "namespace": "shop"},
            "spec": {"path": "/myapp/config", "parameters": list(parameters or PARAMETERS), **spec},
        }
        secret = {
            "apiVersion": "v1",
            "kind": "Secret",
            "metadata": {"name": "myapp-db", "namespace": "shop"},
            "stringData": {"password": PASSWORD},
        }
        path = self.folder / file
        path.write_text(yaml.safe_dump_all([secret, config], sort_keys=False))
        return str(path)

    def applied(self, *parameters: Mapping[str, Any], **spec: Any) -> str:
        """A file with an object that is in sync with AWS."""
        file = self.manifest(*parameters, **spec)
        manifests = files.read([Path(file)], "shop")
        (document,) = manifests.configs
        known = {**document, "metadata": {**document["metadata"], "generation": 1, "finalizers": [names.FINALIZER]}}
        declaration = declare(
            known,
            owner=OWNER,
            default_region=REGION,
            tenant=Tenant("shop"),
            read=lambda source: manifests.text("shop", source),
        )
        engine = wiring.engine(Settings(is_emulated=True))
        assert wait_until(lambda: engine.run(declaration).is_complete, 10)
        return file
