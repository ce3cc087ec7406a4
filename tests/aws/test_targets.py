"""Sessions in the accounts of targets: the role is assumed once, its account is verified, and no client is created twice."""

import itertools
import json
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest
from botocore.exceptions import ClientError
from tests.lab.aws.clients import connect

from dynconfig.aws import trust
from dynconfig.aws.quota import Quota
from dynconfig.aws.session import Session
from dynconfig.aws.targets import TargetSessions, VerifiedClient
from dynconfig.model.errors import AccessDenied, DynConfigError, TargetNotVerified, WrongAccount
from dynconfig.model.target import Target
from dynconfig_lab.aws import AwsLab, Faults
from dynconfig_lab.aws.accounts import ACCOUNT
from dynconfig_lab.aws.faults import Injected

OTHER = "210987654321"
REGION = "eu-west-1"
BOTH = ["sts:AssumeRole", "sts:TagSession"]
_numbers = itertools.count(1)


class Clock:
    """AWS's clock and that of the operator, which the test advances."""

    def __init__(self) -> None:
        self.now = datetime.now(UTC).timestamp()

    def __call__(self) -> float:
        return self.now


@pytest.fixture(scope="module")
def clock() -> Clock:
    return Clock()


@pytest.fixture(autouse=True)
def own_identity(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "lab")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "lab")


@pytest.fixture(scope="module")
def aws(clock: Clock) -> Iterator[AwsLab]:
    with AwsLab.start(now=clock, clock=clock, evaluates=False) as lab:
        yield lab


@pytest.fixture
def session(aws: AwsLab) -> Session:
    quota = Quota(lambda: 0.0, lambda _seconds: None, is_limited=False)
    return Session(quota, lambda *_: None, endpoint=aws.endpoint, pool=4)


@pytest.fixture
def sessions(session: Session, clock: Clock) -> TargetSessions:
    return TargetSessions(session, "blue cluster", clock)


def role(
    aws: AwsLab, clock: Clock, account: str = OTHER, *, document: dict[str, Any] | None = None, **statement: Any
) -> str:
    """A role that AWS already knows; return its ARN."""
    allow = {"Effect": "Allow", "Principal": {"AWS": ACCOUNT}, "Action": "sts:AssumeRole", **statement}
    keys = {"aws_access_key_id": account, "aws_secret_access_key": "lab"}
    created = connect(aws.endpoint, "iam", keys).create_role(
        RoleName=f"target-{next(_numbers)}",
        AssumeRolePolicyDocument=json.dumps(document or {"Version": "2012-10-17", "Statement": [allow]}),
    )
    clock.now += 1
    return str(created["Role"]["Arn"])


def target(role_arn: str = "", account: str = OTHER, **more: Any) -> Target:
    return Target("prod", REGION, account, role_arn, **more)


def test_clients_write_in_the_account_of_their_target(
    aws: AwsLab, clock: Clock, session: Session, sessions: TargetSessions
) -> None:
    ssm = sessions.session(target(role(aws, clock))).client("ssm", REGION)
    for client in (ssm, session.client("ssm", REGION)):
        client.put_parameter(Name="/targets", Value="1", Type="String")
    assert ssm.get_parameter(Name="/targets")["Parameter"]["ARN"].split(":")[4] == OTHER
    own = session.client("ssm", REGION).get_parameter(Name="/targets")["Parameter"]["ARN"]
    assert own.split(":")[4] == ACCOUNT


def test_session_is_named_after_the_cluster(aws: AwsLab, clock: Clock, sessions: TargetSessions) -> None:
    sts = sessions.session(target(role(aws, clock))).client("sts", REGION)
    assert sts.get_caller_identity()["Arn"].endswith("/dynconfig-blue-cluster")


def test_external_id_and_session_tags_are_sent(aws: AwsLab, clock: Clock, sessions: TargetSessions) -> None:
    conditions = {
        "sts:ExternalId": "4711",
        "aws:RequestTag/dynconfig.dev/cluster": "blue cluster",
        "aws:RequestTag/dynconfig.dev/target": "prod",
    }
    arn = role(aws, clock, Action=BOTH, Condition={"StringEquals": conditions})
    sessions.verify(target(arn, external_id="4711", has_session_tags=True))
    for wrong in (target(arn, has_session_tags=True), target(arn, external_id="4711"), target(arn, external_id="471")):
        with pytest.raises(AccessDenied, match=f"trust policy of role {arn}: principal, sts:ExternalId"):
            sessions.verify(wrong)


def test_printed_trust_policy_lets_only_this_cluster_assume_the_role(
    aws: AwsLab, clock: Clock, sessions: TargetSessions
) -> None:
    asked = Target("prod", REGION, OTHER, external_id="4711", has_session_tags=True)
    own = f"arn:aws:iam::{ACCOUNT}:root"
    found = trust.target_role(asked, own, "blue cluster", trust.ServiceAccount("", "dynconfig-system", "operator"))
    arn = role(aws, clock, document=found)
    sessions.verify(replace(asked, role_arn=arn))
    for wrong in (replace(asked, external_id=""), replace(asked, has_session_tags=False), replace(asked, name="other")):
        with pytest.raises(AccessDenied, match="sts:TagSession for session tags, which EKS Pod Identity always passes"):
            sessions.verify(replace(wrong, role_arn=arn))


def test_printed_trust_policy_takes_the_transitive_tags_of_pod_identity(aws: AwsLab, clock: Clock) -> None:
    account = trust.ServiceAccount(f"arn:aws:eks:{REGION}:{ACCOUNT}:cluster/prod", "dynconfig-system", "operator")
    own = role(aws, clock, ACCOUNT, Action=BOTH)
    keys = {"aws_access_key_id": ACCOUNT, "aws_secret_access_key": "lab"}
    tags = {key.partition("/")[2]: value for key, value in account.tags("Request").items()}
    session = connect(aws.endpoint, "sts", keys).assume_role(
        RoleArn=own,
        RoleSessionName="pod",
        Tags=[{"Key": key, "Value": value} for key, value in tags.items()],
        TransitiveTagKeys=list(tags),
    )["Credentials"]
    in_pod = {
        "aws_access_key_id": session["AccessKeyId"],
        "aws_secret_access_key": session["SecretAccessKey"],
        "aws_session_token": session["SessionToken"],
    }

    def assume(account: trust.ServiceAccount) -> None:
        arn = role(aws, clock, document=trust.target_role(target(), own, "", account))
        connect(aws.endpoint, "sts", in_pod).assume_role(RoleArn=arn, RoleSessionName="target")

    assume(account)
    for other in (replace(account, cluster=""), replace(account, name="other")):
        with pytest.raises(ClientError, match="is not authorized to perform"):
            assume(other)


def test_role_of_another_account_is_not_used(aws: AwsLab, clock: Clock, sessions: TargetSessions) -> None:
    arn = role(aws, clock)
    with pytest.raises(WrongAccount, match=f"role {arn} belong to account {OTHER}, not to spec.account 333333333333"):
        sessions.verify(target(arn, account="333333333333"))


def test_target_without_a_role_uses_the_identity_of_the_operator(sessions: TargetSessions) -> None:
    sessions.verify(target(account=ACCOUNT))
    with pytest.raises(WrongAccount, match=f"the operator's own identity belong to account {ACCOUNT}"):
        sessions.verify(target())


def test_role_is_assumed_once_for_all_clients_and_again_before_it_expires(
    aws: AwsLab, clock: Clock, sessions: TargetSessions
) -> None:
    found = target(role(aws, clock))
    aws.reset_calls()
    for _ in range(2):
        sessions.verify(found)
        sessions.session(found).client("ssm", REGION).describe_parameters()
    assert aws.calls()["sts.AssumeRole"] == 1
    began = clock.now
    while clock.now < began + 6 * 3600:
        clock.now += 60
        sessions.session(found).client("ssm", REGION).describe_parameters()
    assert aws.calls()["sts.AssumeRole"] <= 2 * 6
    # No call was made with expired credentials.
    assert {call.outcome for call in aws.call_log()} == {"OK"}


def test_targets_share_the_connections(aws: AwsLab, clock: Clock, session: Session, sessions: TargetSessions) -> None:
    first, second = (
        sessions.session(Target(name, REGION, OTHER, role(aws, clock))).client("ssm", REGION) for name in ("a", "b")
    )
    assert first._client is second._client is session.client("ssm", REGION)._client


def test_changed_target_gets_new_credentials(aws: AwsLab, clock: Clock, sessions: TargetSessions) -> None:
    first, second = role(aws, clock), role(aws, clock, account=ACCOUNT)
    sessions.verify(target(first))
    assert sessions.session(target(first)) is sessions.session(target(first))
    sessions.verify(target(second, account=ACCOUNT))
    sessions.forget("prod")
    aws.reset_calls()
    sessions.verify(target(second, account=ACCOUNT))
    assert aws.calls()["sts.AssumeRole"] == 1


def test_credentials_are_not_in_messages(
    aws: AwsLab, clock: Clock, sessions: TargetSessions, caplog: pytest.LogCaptureFixture
) -> None:
    made = sessions.session(target(role(aws, clock)))
    made.verify()
    frozen = made._principal.credentials.get_frozen_credentials()  # type: ignore[union-attr]
    shown = f"{made!r} {made.__dict__!r} {caplog.text}"
    assert not any(secret in shown for secret in (frozen.secret_key, frozen.token))


def test_each_account_and_region_has_its_own_quota(
    aws: AwsLab, clock: Clock, session: Session, sessions: TargetSessions
) -> None:
    other, own = target(role(aws, clock), quota=(("ssm.Put", 10.0),)), Target("own", REGION, ACCOUNT)
    for found in (other, own):
        sessions.session(found).client("ssm", REGION).describe_parameters()
    # A target in the operator's own account shares the quota of objects without a target.
    assert {place for place, _group in session.quota._queues} == {REGION, f"{OTHER}/{REGION}"}
    assert session.quota.rate(f"{OTHER}/{REGION}", "ssm.PutParameter") == 10.0
    sessions.forget("prod")
    assert session.quota.rate(f"{OTHER}/{REGION}", "ssm.PutParameter") is None


# --- clients for the events of a target


def names(aws: AwsLab, account: str) -> list[str]:
    """The names of the queues in an account."""
    keys = {"aws_access_key_id": account, "aws_secret_access_key": "lab"}
    found = connect(aws.endpoint, "sqs", keys).list_queues().get("QueueUrls", [])
    return [url.rpartition("/")[2] for url in found]


def test_polling_a_target_all_the_time_assumes_its_role_twice_an_hour_at_most(
    aws: AwsLab, clock: Clock, sessions: TargetSessions
) -> None:
    sqs = VerifiedClient(sessions, target(role(aws, clock)), "sqs")
    url = sqs.create_queue(QueueName="polled")["QueueUrl"]
    aws.reset_calls()
    began = clock.now
    while clock.now < began + 6 * 3600:
        clock.now += 120
        sqs.receive_message(QueueUrl=url)
    assert 0 < aws.calls()["sts.AssumeRole"] <= 2 * 6


def test_nothing_is_called_in_another_account_than_that_of_the_target(
    aws: AwsLab, clock: Clock, sessions: TargetSessions
) -> None:
    sqs = VerifiedClient(sessions, target(role(aws, clock), account="333333333333"), "sqs")
    for error in (WrongAccount, TargetNotVerified):
        with pytest.raises(error):
            sqs.create_queue(QueueName="in-the-wrong-account")
    assert all("in-the-wrong-account" not in names(aws, account) for account in (OTHER, ACCOUNT, "333333333333"))


def test_denied_role_is_tried_once_until_the_target_is_verified(
    aws: AwsLab, clock: Clock, sessions: TargetSessions
) -> None:
    arn = role(aws, clock, Effect="Deny")
    denied, other = (target(arn), Target("other", REGION, OTHER, role(aws, clock)))
    sqs = VerifiedClient(sessions, denied, "sqs")
    aws.reset_calls()
    with pytest.raises(AccessDenied):
        sqs.list_queues()
    for _ in range(20):
        with pytest.raises(TargetNotVerified, match="AWSTarget prod is not ready"):
            sqs.list_queues()
    assert aws.calls()["sts.AssumeRole"] == 1
    VerifiedClient(sessions, other, "sqs").list_queues()
    trust = {"Effect": "Allow", "Principal": {"AWS": ACCOUNT}, "Action": "sts:AssumeRole"}
    connect(
        aws.endpoint, "iam", {"aws_access_key_id": OTHER, "aws_secret_access_key": "lab"}
    ).update_assume_role_policy(
        RoleName=arn.rpartition("/")[2], PolicyDocument=json.dumps({"Version": "2012-10-17", "Statement": [trust]})
    )
    clock.now += 1
    sessions.verify(denied)
    sqs.list_queues()


def test_failed_check_of_a_verified_target_ends_its_calls_only_if_its_role_is_denied(
    aws: AwsLab, clock: Clock, sessions: TargetSessions
) -> None:
    found = target(role(aws, clock))
    sqs = VerifiedClient(sessions, found, "sqs")
    sqs.list_queues()
    for code, is_usable in (("ServiceUnavailable", True), ("AccessDenied", False)):
        aws.faults(Faults(errors={"sts.GetCallerIdentity": Injected(code, "injected")}))
        with pytest.raises(DynConfigError):
            sessions.verify(found)
        aws.faults(Faults())
        if is_usable:
            sqs.list_queues()
        else:
            with pytest.raises(TargetNotVerified):
                sqs.list_queues()


def test_queue_of_a_deleted_or_changed_target_can_still_be_used(
    aws: AwsLab, clock: Clock, sessions: TargetSessions
) -> None:
    found = target(role(aws, clock))
    sqs = VerifiedClient(sessions, found, "sqs")
    sqs.create_queue(QueueName="left")
    changed = target(role(aws, clock))
    sessions.verify(changed)
    aws.reset_calls()
    sqs.list_queues()
    # A target of the same name in another account is another one.
    sessions.verify(target(role(aws, clock, account=ACCOUNT), account=ACCOUNT))
    sqs.list_queues()
    sessions.forget("prod")
    url = sqs.get_queue_url(QueueName="left")["QueueUrl"]
    sqs.delete_queue(QueueUrl=url)
    assert "left" not in names(aws, OTHER)
    assert aws.calls()["sts.AssumeRole"] == 1


def test_queue_of_a_former_account_does_not_replace_the_session_of_the_target(
    aws: AwsLab, clock: Clock, sessions: TargetSessions
) -> None:
    former, now = target(role(aws, clock)), target(role(aws, clock, account=ACCOUNT), account=ACCOUNT)
    sessions.verify(now)
    used = sessions.current(now)
    VerifiedClient(sessions, former, "sqs").list_queues()
    assert sessions.current(now) is used
