"""AssumeRole in the lab: the trust policy decides, sessions live in the account of the role, and they expire."""

import itertools
import json
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from botocore.exceptions import ClientError
from tests.lab.aws.clients import connect

from dynconfig_lab.aws import AwsLab, Faults
from dynconfig_lab.aws.accounts import ACCOUNT, acting_in
from dynconfig_lab.aws.answers import AwsError
from dynconfig_lab.aws.calls import Call
from dynconfig_lab.aws.faults import FaultInjector
from dynconfig_lab.aws.server import RemoteLab

pytestmark = pytest.mark.lab

OTHER = "210987654321"
LAB = f"arn:aws:iam::{ACCOUNT}:user/lab"
_numbers = itertools.count(1)
_clients: dict[tuple[str, str, str], Any] = {}


class Clock:
    """AWS's clock, which the test advances."""

    def __init__(self) -> None:
        self.now = 1_700_000_000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture(scope="module")
def clock() -> Clock:
    return Clock()


@pytest.fixture(scope="module")
def sts_lab(clock: Clock) -> Iterator[AwsLab]:
    """A lab whose clock the tests advance."""
    with AwsLab.start(now=clock, clock=clock, evaluates=False) as lab:
        yield lab
    _clients.clear()


@pytest.fixture(autouse=True)
def counted_from_zero(sts_lab: AwsLab) -> Iterator[None]:
    sts_lab.reset_calls()
    yield
    sts_lab.faults(Faults())


def keys(access_key: str) -> dict[str, str]:
    """The credentials of an administrator: an account's number is an access key of the lab."""
    return {"aws_access_key_id": access_key, "aws_secret_access_key": "lab"}


class Harness:
    """Roles in two accounts, and sessions of them."""

    def __init__(self, lab: AwsLab, clock: Clock) -> None:
        self.lab = lab
        self.clock = clock

    def client(self, service: str, credentials: dict[str, str] | None = None) -> Any:
        key = (service, (credentials or {}).get("aws_access_key_id", ""), self.lab.endpoint)
        if key not in _clients:
            _clients[key] = connect(self.lab.endpoint, service, credentials)
        return _clients[key]

    def role(self, *statements: dict[str, Any], account: str = OTHER, seconds: int = 3600, path: str = "/") -> str:
        """A role that others see already; return its ARN."""
        name = f"sts-{next(_numbers)}"
        document = json.dumps({"Version": "2012-10-17", "Statement": list(statements)})
        iam = self.client("iam", keys(account))
        created = iam.create_role(
            RoleName=name, Path=path, AssumeRolePolicyDocument=document, MaxSessionDuration=seconds
        )
        self.clock.now += 1
        return str(created["Role"]["Arn"])

    def assume(self, role: str, credentials: dict[str, str] | None = None, **more: Any) -> dict[str, Any]:
        found: dict[str, Any] = self.client("sts", credentials).assume_role(
            **{"RoleArn": role, "RoleSessionName": "session", **more}
        )
        return found

    def session(self, role: str, credentials: dict[str, str] | None = None, **more: Any) -> dict[str, str]:
        """The credentials of a new session."""
        found = self.assume(role, credentials, **more)["Credentials"]
        return {
            "aws_access_key_id": found["AccessKeyId"],
            "aws_secret_access_key": found["SecretAccessKey"],
            "aws_session_token": found["SessionToken"],
        }

    def refusal(self, role: str, credentials: dict[str, str] | None = None, **more: Any) -> tuple[str, str]:
        with pytest.raises(ClientError) as caught:
            self.assume(role, credentials, **more)
        return caught.value.response["Error"]["Code"], caught.value.response["Error"]["Message"]


@pytest.fixture
def sts(sts_lab: AwsLab, clock: Clock) -> Harness:
    return Harness(sts_lab, clock)


def trust(**more: Any) -> dict[str, Any]:
    return {"Effect": "Allow", "Principal": {"AWS": ACCOUNT}, "Action": "sts:AssumeRole", **more}


def external(value: str) -> dict[str, Any]:
    return {"StringEquals": {"sts:ExternalId": value}}


def denied(role: str, action: str = "sts:AssumeRole", who: str = LAB) -> tuple[str, str]:
    return "AccessDenied", f"User: {who} is not authorized to perform: {action} on resource: {role}"


# --- who may assume a role


@pytest.mark.parametrize(
    "principal",
    ["*", {"AWS": "*"}, {"AWS": ACCOUNT}, {"AWS": f"arn:aws:iam::{ACCOUNT}:root"}, {"AWS": [OTHER, LAB]}],
)
def test_named_principal_may_assume_the_role(sts: Harness, principal: Any) -> None:
    role = sts.role(trust(Principal=principal))
    assert sts.assume(role)["AssumedRoleUser"]["Arn"] == (
        f"arn:aws:sts::{OTHER}:assumed-role/{role.rpartition('/')[2]}/session"
    )


@pytest.mark.parametrize(
    "statement",
    [
        trust(Principal={"AWS": OTHER}),
        trust(Principal={"AWS": f"arn:aws:iam::{ACCOUNT}:user/other"}),
        trust(Principal={"Service": "lambda.amazonaws.com"}),
        trust(Action="sts:TagSession"),
        trust(Effect="Deny"),
    ],
)
def test_others_are_denied(sts: Harness, statement: dict[str, Any]) -> None:
    role = sts.role(statement)
    assert sts.refusal(role) == denied(role)


def test_role_that_does_not_exist_is_denied_in_the_same_words(sts: Harness) -> None:
    for account in (OTHER, "333333333333"):
        role = f"arn:aws:iam::{account}:role/missing"
        assert sts.refusal(role) == denied(role)


def test_new_role_is_denied_until_it_is_visible(sts: Harness) -> None:
    role = sts.role(trust())
    sts.clock.now -= 1
    assert sts.refusal(role) == denied(role)
    sts.clock.now += 1
    assert sts.assume(role)


def test_explicit_deny_wins(sts: Harness) -> None:
    role = sts.role(trust(), trust(Effect="Deny", Condition={"StringNotEquals": {"sts:ExternalId": "right"}}))
    assert sts.refusal(role) == denied(role)
    assert sts.refusal(role, ExternalId="wrong") == denied(role)
    assert sts.assume(role, ExternalId="right")


def test_external_id_has_to_be_that_of_the_trust_policy(sts: Harness) -> None:
    role = sts.role(trust(Condition=external("shop-4711")))
    assert sts.refusal(role) == denied(role)
    assert sts.refusal(role, ExternalId="shop-471") == denied(role)
    assert sts.refusal(role, ExternalId="SHOP-4711") == denied(role)
    assert sts.assume(role, ExternalId="shop-4711")
    assert sts.assume(sts.role(trust()), ExternalId="not-asked-for")


# --- session tags


TAGS = [{"Key": "Namespace", "Value": "shop"}]


def test_session_tags_need_tag_session_in_the_trust_policy(sts: Harness) -> None:
    role = sts.role(trust())
    assert sts.refusal(role, Tags=TAGS) == denied(role, "sts:TagSession")
    both = trust(Action=["sts:AssumeRole", "sts:TagSession"])
    assert sts.assume(sts.role(both), Tags=TAGS)


def test_trust_policy_may_name_the_tags(sts: Harness) -> None:
    conditions = {
        "StringEquals": {"aws:RequestTag/Namespace": "shop"},
        "ForAllValues:StringEquals": {"aws:TagKeys": ["Namespace"]},
    }
    role = sts.role(trust(Action=["sts:AssumeRole", "sts:TagSession"], Condition=conditions))
    assert sts.assume(role, Tags=TAGS)
    assert sts.refusal(role, Tags=[{"Key": "Namespace", "Value": "other"}]) == denied(role)
    assert sts.refusal(role, Tags=[*TAGS, {"Key": "more", "Value": ""}]) == denied(role)
    assert sts.refusal(role) == denied(role)


def test_transitive_tags_are_those_of_the_next_session(sts: Harness) -> None:
    both = ["sts:AssumeRole", "sts:TagSession"]
    first = sts.role(trust(Action=both), account=ACCOUNT)
    wanted = {"StringEquals": {"aws:PrincipalTag/Namespace": "shop", "aws:RequestTag/Namespace": "shop"}}
    second = sts.role(trust(Principal={"AWS": first}, Action=both, Condition=wanted))
    passed_on = sts.session(first, Tags=TAGS, TransitiveTagKeys=["Namespace"])
    assert sts.assume(second, passed_on)
    who = f"arn:aws:sts::{ACCOUNT}:assumed-role/{first.rpartition('/')[2]}/session"
    assert sts.refusal(second, sts.session(first, Tags=TAGS)) == denied(second, who=who)
    code, text = sts.refusal(second, passed_on, Tags=[{"Key": "NAMESPACE", "Value": "other"}])
    assert (code, "conflicts with a transitive tag key" in text) == ("InvalidParameterValue", True)


@pytest.mark.parametrize(
    ("more", "code", "words"),
    [
        ({"Tags": [*TAGS, {"Key": "NAMESPACE", "Value": "x"}]}, "InvalidParameterValue", "Duplicate tag keys"),
        ({"Tags": TAGS, "TransitiveTagKeys": ["other"]}, "InvalidParameterValue", "must be included"),
        ({"Tags": [{"Key": f"k{n}", "Value": ""} for n in range(51)]}, "ValidationError", "equal to 50"),
        ({"RoleSessionName": "a:b"}, "ValidationError", "'a:b' at 'roleSessionName'"),
        ({"RoleSessionName": "s" * 65}, "ValidationError", "less than or equal to 64"),
        ({"ExternalId": "a b"}, "ValidationError", "externalId"),
        ({"DurationSeconds": 43201}, "ValidationError", "less than or equal to 43200"),
        ({"RoleArn": "arn:aws:iam::1:role/too-short"}, "ValidationError", "is invalid"),
        ({"DurationSeconds": 3601}, "ValidationError", "MaxSessionDuration set for this role"),
        ({"Policy": "{}"}, "NotEmulated", "Policy"),
    ],
)
def test_invalid_request_is_rejected(sts: Harness, more: dict[str, Any], code: str, words: str) -> None:
    role = sts.role(trust(Action=["sts:AssumeRole", "sts:TagSession"]))
    found = sts.refusal(str(more.pop("RoleArn", role)), **more)
    assert (found[0], words in found[1]) == (code, True), found


# --- sessions


def test_caller_identity_is_that_of_the_session(sts: Harness) -> None:
    role = sts.role(trust(), path="/operators/")
    session = sts.session(role, RoleSessionName="cluster-1")
    identity = sts.client("sts", session).get_caller_identity()
    name = role.rpartition("/")[2]
    assert identity["Account"] == OTHER
    assert identity["Arn"] == f"arn:aws:sts::{OTHER}:assumed-role/{name}/cluster-1"
    role_id = sts.client("iam", keys(OTHER)).get_role(RoleName=name)["Role"]["RoleId"]
    assert identity["UserId"] == f"{role_id}:cluster-1"
    assert sts.client("sts").get_caller_identity()["Arn"] == LAB


def test_caller_identity_of_a_user_is_his_own(sts: Harness) -> None:
    iam = sts.client("iam")
    user = iam.create_user(UserName=f"sts-{next(_numbers)}")["User"]
    key = iam.create_access_key(UserName=user["UserName"])["AccessKey"]
    found = {"aws_access_key_id": key["AccessKeyId"], "aws_secret_access_key": key["SecretAccessKey"]}
    identity = sts.client("sts", found).get_caller_identity()
    assert (identity["Arn"], identity["UserId"]) == (user["Arn"], user["UserId"])
    role = sts.role(trust(Principal={"AWS": user["Arn"]}))
    assert sts.assume(role, found)
    assert sts.refusal(role) == denied(role)


def test_each_account_has_its_own_resources(sts: Harness) -> None:
    here, there = sts.client("ssm"), sts.client("ssm", sts.session(sts.role(trust())))
    here.put_parameter(Name="/two/accounts", Value="here", Type="String")
    there.put_parameter(Name="/two/accounts", Value="there", Type="String", Tags=[{"Key": "k", "Value": "v"}])
    assert here.get_parameter(Name="/two/accounts")["Parameter"]["Value"] == "here"
    found = there.get_parameter(Name="/two/accounts")["Parameter"]
    assert (found["Value"], found["ARN"]) == ("there", f"arn:aws:ssm:eu-west-1:{OTHER}:parameter/two/accounts")
    same = sts.client("ssm", keys(OTHER)).get_parameter(Name="/two/accounts")["Parameter"]
    assert same["Value"] == "there"
    tagging = sts.client("resourcegroupstaggingapi", keys(OTHER))
    listed = tagging.get_resources(ResourceTypeFilters=["ssm:parameter"])["ResourceTagMappingList"]
    assert [item["ResourceARN"] for item in listed] == [found["ARN"]]
    here.delete_parameter(Name="/two/accounts")
    described = there.describe_parameters()["Parameters"]
    assert [item["Name"] for item in described] == ["/two/accounts"]
    assert ":assumed-role/" in described[0]["LastModifiedUser"]


def test_alarms_and_dashboards_belong_to_an_account(sts: Harness) -> None:
    mine, theirs = (sts.client("cloudwatch", keys(account)) for account in (ACCOUNT, OTHER))
    for client in (mine, theirs):
        client.put_metric_alarm(
            AlarmName="both", Namespace="n", MetricName="m", Statistic="Sum", Period=60, EvaluationPeriods=1, Threshold=1,
            ComparisonOperator="GreaterThanThreshold", TreatMissingData="notBreaching",
        )  # fmt: skip
        client.put_dashboard(DashboardName="both", DashboardBody='{"widgets": []}')
    arn = f"arn:aws:cloudwatch:eu-west-1:{OTHER}:alarm:both"
    theirs.put_metric_data(Namespace="n", MetricData=[{"MetricName": "m", "Value": 5}])
    changed = sts.lab.evaluate_alarms()
    assert changed[arn] == "ALARM"
    assert changed.get(arn.replace(OTHER, ACCOUNT)) != "ALARM"
    assert theirs.describe_alarms()["MetricAlarms"][0]["AlarmArn"] == arn
    mine.delete_dashboards(DashboardNames=["both"])
    assert [item["DashboardName"] for item in theirs.list_dashboards()["DashboardEntries"]] == ["both"]


def test_events_of_an_account_go_to_its_own_rules(sts: Harness) -> None:
    urls = {}
    for account in (ACCOUNT, OTHER):
        sqs, events = (sts.client(service, keys(account)) for service in ("sqs", "events"))
        arn = f"arn:aws:sqs:eu-west-1:{account}:sts-events"
        rule = f"arn:aws:events:eu-west-1:{account}:rule/sts"
        policy = {"Effect": "Allow", "Principal": {"Service": "events.amazonaws.com"}, "Action": "sqs:SendMessage"}
        document = {"Version": "2012-10-17", "Statement": [{**policy, "Resource": arn}]}
        urls[account] = sqs.create_queue(QueueName="sts-events", Attributes={"Policy": json.dumps(document)})[
            "QueueUrl"
        ]
        events.put_rule(Name="sts", EventPattern='{"source": ["aws.ssm"]}')
        events.put_targets(Rule=rule.rpartition("/")[2], Targets=[{"Id": "1", "Arn": arn}])
    sts.client("ssm", keys(OTHER)).put_parameter(Name="/sts/event", Value="1", Type="String")
    theirs = sts.client("sqs", keys(OTHER)).receive_message(QueueUrl=urls[OTHER], WaitTimeSeconds=5)["Messages"]
    event = json.loads(theirs[0]["Body"])
    assert (event["account"], event["resources"]) == (OTHER, [f"arn:aws:ssm:eu-west-1:{OTHER}:parameter/sts/event"])
    assert "Messages" not in sts.client("sqs").receive_message(QueueUrl=urls[ACCOUNT])


def test_functions_of_other_accounts_are_not_emulated_and_there_are_none(sts: Harness) -> None:
    functions, schedules, apis = (sts.client(name, keys(OTHER)) for name in ("lambda", "scheduler", "apigatewayv2"))
    assert functions.list_functions()["Functions"] == []
    assert apis.get_apis()["Items"] == []
    missing: tuple[Callable[[], Any], ...] = (
        lambda: functions.get_function(FunctionName="app"),
        lambda: schedules.get_schedule(Name="app"),
    )
    for call in missing:
        with pytest.raises(ClientError) as caught:
            call()
        assert caught.value.response["Error"]["Code"] == "ResourceNotFoundException"
    created: tuple[Callable[[], Any], ...] = (
        lambda: functions.put_function_concurrency(FunctionName="app", ReservedConcurrentExecutions=1),
        lambda: schedules.create_schedule_group(Name="app"),
        lambda: apis.create_api(Name="app", ProtocolType="HTTP"),
    )
    for call in created:
        with pytest.raises(ClientError, match="NotEmulated"):
            call()


def test_session_expires(sts: Harness) -> None:
    session = sts.session(sts.role(trust()), DurationSeconds=900)
    sts.clock.now += 899
    assert sts.client("sts", session).get_caller_identity()
    sts.clock.now += 1
    for service, call, code in (
        ("sts", "get_caller_identity", "ExpiredToken"),
        ("ssm", "describe_parameters", "ExpiredTokenException"),
    ):
        with pytest.raises(ClientError) as caught:
            getattr(sts.client(service, session), call)()
        assert caught.value.response["Error"]["Code"] == code


def test_session_of_a_session_lasts_an_hour_at_most(sts: Harness) -> None:
    first = sts.role(trust(), account=ACCOUNT, seconds=43200)
    second = sts.role(trust(Principal={"AWS": first}), seconds=43200)
    assert sts.session(second, sts.session(first, DurationSeconds=43200), DurationSeconds=3600)
    code, text = sts.refusal(second, sts.session(first), DurationSeconds=3601)
    assert (code, "1 hour session limit" in text) == ("ValidationError", True)


def test_unknown_temporary_key_is_invalid(sts: Harness) -> None:
    for service, call, code in (
        ("sts", "get_caller_identity", "InvalidClientTokenId"),
        ("ssm", "describe_parameters", "UnrecognizedClientException"),
    ):
        with pytest.raises(ClientError) as caught:
            getattr(sts.client(service, keys("ASIAUNKNOWNUNKNOWNXX")), call)()
        assert caught.value.response["Error"]["Code"] == code


def test_calls_are_also_counted_by_account(sts: Harness) -> None:
    role = sts.role(trust())
    session = sts.session(role)
    sts.lab.reset_calls()
    sts.client("ssm").describe_parameters()
    for _ in range(2):
        sts.client("ssm", session).describe_parameters()
    expected = {ACCOUNT: {"ssm.DescribeParameters": 1}, OTHER: {"ssm.DescribeParameters": 2}}
    assert sts.lab.calls() == {"ssm.DescribeParameters": 3}
    assert sts.lab.calls_by_account() == expected
    assert RemoteLab(sts.lab.control_url).calls_by_account() == expected


def test_quota_belongs_to_an_account() -> None:
    trouble = FaultInjector(lambda: 0.0)
    trouble.set(Faults(aws_quotas=True))
    put = Call("ssm", "PutParameter", "eu-west-1")
    for account in (ACCOUNT, OTHER):
        with acting_in(account):
            for _ in range(3):
                trouble.refuse(put)
            with pytest.raises(AwsError, match="Rate exceeded"):
                trouble.refuse(put)


def test_stale_read_is_that_of_the_same_account(sts: Harness) -> None:
    sts.lab.faults(Faults(stale_read_seconds=3))
    mine, theirs = (sts.client("ssm", keys(account)) for account in (ACCOUNT, OTHER))
    for client, value in ((mine, "mine"), (theirs, "theirs")):
        client.put_parameter(Name="/stale", Value=value, Type="String")
    sts.clock.now += 10
    assert mine.get_parameter(Name="/stale")["Parameter"]["Value"] == "mine"
    assert theirs.get_parameter(Name="/stale")["Parameter"]["Value"] == "theirs"
    theirs.put_parameter(Name="/stale", Value="new", Type="String", Overwrite=True)
    assert mine.get_parameter(Name="/stale")["Parameter"]["Value"] == "mine"
    assert theirs.get_parameter(Name="/stale")["Parameter"]["Value"] == "theirs"
    sts.clock.now += 10
    assert theirs.get_parameter(Name="/stale")["Parameter"]["Value"] == "new"
