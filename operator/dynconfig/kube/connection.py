"""The sections of a kubeconfig that connect to a cluster, with their types checked."""

from dataclasses import dataclass
from typing import Any, TypeGuard

from pydantic import BaseModel, ConfigDict, Field

_URL = r"^https?://[^/\s]+"


def _kebab_case(name: str) -> str:
    return name.replace("_", "-")


class _Section(BaseModel):
    """https://kubernetes.io/docs/reference/config-api/kubeconfig.v1/; fields not listed here are ignored."""

    model_config = ConfigDict(alias_generator=_kebab_case, populate_by_name=True, strict=True, frozen=True)


class Context(_Section):
    """A context: the names of its cluster and user, and the default namespace."""

    cluster: str
    user: str | None = None
    namespace: str | None = None


class Cluster(_Section):
    """A cluster."""

    server: str = Field(pattern=_URL)
    certificate_authority: str | None = None
    certificate_authority_data: str | None = None
    insecure_skip_tls_verify: bool | None = None
    tls_server_name: str | None = None
    proxy_url: str | None = Field(None, pattern=_URL)


class Variable(_Section):
    """An environment variable of a credential plugin."""

    name: str
    value: str


class Plugin(_Section):
    """A credential plugin (`exec`)."""

    api_version: str | None = Field(None, alias="apiVersion")
    command: str
    args: list[str] | None = None
    env: list[Variable] | None = None
    install_hint: str | None = Field(None, alias="installHint")
    provide_cluster_info: bool | None = Field(None, alias="provideClusterInfo")


class User(_Section):
    """A user; `impersonated`, `as_uid`, `as_groups` and `as_user_extra` are the user it acts as."""

    token: str | None = Field(None, repr=False)
    token_file: str | None = Field(None, alias="tokenFile")
    plugin: Plugin | None = Field(None, alias="exec")
    username: str | None = None
    password: str | None = Field(None, repr=False)
    client_certificate: str | None = None
    client_certificate_data: str | None = None
    client_key: str | None = None
    client_key_data: str | None = Field(None, repr=False)
    auth_provider: dict[str, Any] | None = Field(None, repr=False)
    impersonated: str | None = Field(None, alias="as")
    as_uid: str | None = None
    as_groups: list[str] | None = None
    as_user_extra: dict[str, list[str] | None] | None = None


@dataclass(frozen=True, slots=True)
class Connection:
    """How to reach a cluster and as whom; `cluster` is None for the service account of this pod."""

    user: User
    cluster: Cluster | None = None
    namespace: str = "default"
    context: str = ""


def is_token(text: object) -> TypeGuard[str]:
    """Whether a text can be sent as a bearer token."""
    return isinstance(text, str) and bool(text) and text.isascii() and text.isprintable()
