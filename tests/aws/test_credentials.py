"""Missing credentials from all sources: reported in one line, and read again later."""

from collections.abc import Callable
from pathlib import Path

import pytest

from dynconfig.aws.credentials import FAILURE_TTL_SECONDS
from dynconfig.aws.quota import Quota
from dynconfig.aws.session import Session
from dynconfig.model.errors import CredentialsMissing, Refused

KEYS = {"AWS_ACCESS_KEY_ID": "lab", "AWS_SECRET_ACCESS_KEY": "canary-secret"}
ROLE = "arn:aws:iam::123456789012:role/operator"
SSO = """[default]
sso_session = company
sso_account_id = 123456789012
sso_role_name = reader
[sso-session company]
sso_region = eu-west-1
sso_start_url = https://company.awsapps.com/start
"""

Environment = Callable[..., None]


class Clock:
    """Advances only on request."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def environment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Environment:
    """Only the AWS variables that a test sets."""

    def change(config: str = "", **variables: str) -> None:
        (tmp_path / "config").write_text(config)
        for name, text in variables.items():
            monkeypatch.setenv(name, text)

    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN", "AWS_PROFILE", "AWS_ENDPOINT_URL"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "config"))
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(tmp_path / "credentials"))
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    return change


def call(session: Session, region: str = "eu-west-1") -> object:
    """Any call; its endpoint has no listener."""
    return session.client("ssm", region).get_parameters(Names=["/a"])


def made(endpoint: str = "http://127.0.0.1:9", clock: Callable[[], float] = lambda: 0.0) -> Session:
    """A session without rate limits."""
    quota = Quota(lambda: 0.0, lambda _: None, is_limited=False)
    return Session(quota, lambda *_: None, endpoint=endpoint, pool=1, clock=clock)


@pytest.mark.parametrize(
    ("config", "variables", "message"),
    [
        ("", {}, "neither environment nor profile nor instance"),
        ("", {"AWS_PROFILE": "missing"}, r"profile \(missing\) could not be found"),
        ("", {"AWS_ACCESS_KEY_ID": "x"}, "missing: AWS_SECRET_ACCESS_KEY"),
        ("[default\n", {}, "Unable to parse config file"),
        ("[default]\ncredential_process = /nowhere/tool\n", {}, "/nowhere/tool"),
        ("[default]\ncredential_process = /bin/echo canary-secret\n", {}, "returned invalid JSON"),
        ("[default]\ncredential_process = /bin/false\n", {}, "custom-process"),
        (SSO, {}, "log in with `aws sso login`"),
        (f"[default]\nrole_arn = {ROLE}\nsource_profile = gone\n", {}, '"gone"'),
        (f"[default]\nrole_arn = {ROLE}\nsource_profile = default\n", {}, "Infinite loop"),
        ("", {"AWS_ROLE_ARN": ROLE, "AWS_WEB_IDENTITY_TOKEN_FILE": "/nowhere/token"}, "/nowhere/token"),
        (
            "",
            {
                "AWS_CONTAINER_CREDENTIALS_FULL_URI": "http://127.0.0.1:9/v1/credentials",
                "AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE": "/nowhere/pod-token",
            },
            "/nowhere/pod-token",
        ),
        ("", {"AWS_CONTAINER_CREDENTIALS_FULL_URI": "http://example.com/v1/credentials"}, "Unsupported host"),
    ],
)
def test_missing_credentials_are_reported(
    environment: Environment, config: str, variables: dict[str, str], message: str
) -> None:
    environment(config, **variables)
    with pytest.raises(CredentialsMissing, match=message) as missing:
        call(made())
    assert "canary-secret" not in str(missing.value)


def test_paginated_calls_fail_like_single_calls(environment: Environment) -> None:
    with pytest.raises(CredentialsMissing):
        list(made().client("ssm", "eu-west-1").get_paginator("describe_parameters").paginate())


def test_concurrent_reads_share_one_call(environment: Environment, tmp_path: Path) -> None:
    calls = tmp_path / "calls_made"
    tool = tmp_path / "tool"
    tool.write_text(f"#!/bin/sh\necho once >> {calls}\nexit 1\n")
    tool.chmod(0o755)
    environment(f"[default]\ncredential_process = {tool}\n")
    session = made()
    for region in ("eu-west-1", "eu-west-2", "eu-west-3"):
        with pytest.raises(CredentialsMissing, match="custom-process"):
            call(session, region)
    assert calls.read_text() == "once\n"


def test_unknown_region_is_rejected_with_its_field(environment: Environment) -> None:
    environment(**KEYS)
    with pytest.raises(
        Refused, match=r"AWS_REGION or .*: eu west is not an AWS region known to this version; correct it"
    ):
        call(made(), "eu west")


def test_invalid_endpoint_url_is_rejected_with_its_setting(environment: Environment) -> None:
    environment(**KEYS)
    with pytest.raises(Refused, match=r"not a url; correct AWS_ENDPOINT_URL") as refused:
        call(made("not a url"))
    assert "canary-secret" not in str(refused.value)


def test_later_credentials_are_found(environment: Environment, tmp_path: Path) -> None:
    clock = Clock()
    session = made(clock=clock)
    client = session.client("ssm", "eu-west-1")
    with pytest.raises(CredentialsMissing):
        client.get_parameters(Names=["/a"])
    (tmp_path / "credentials").write_text("[default]\naws_access_key_id = a\naws_secret_access_key = b\n")
    clock.now += FAILURE_TTL_SECONDS
    assert client._client.meta.region_name == "eu-west-1"
