"""Resources of others: some with names and tags like those of the operator, which it must never change, and a function
that objects may attach to."""

import io
import json
import zipfile
from typing import Any

from tests.faults.account import OWNER_TAG, Account

from dynconfig_lab.processes import wait_until

MARK = "theirs"
"""In the name of each of them."""
ATTACHED = "attached"
"""At the end of the name of the function of this namespace, and of its role."""
TRUST = {
    "Version": "2012-10-17",
    "Statement": [{"Effect": "Allow", "Principal": {"Service": "lambda.amazonaws.com"}, "Action": "sts:AssumeRole"}],
}
# Another cluster's operator owns these.
OWNER = f"{'0' * 8}-{MARK}/team/app/{'1' * 8}"


def _name(namespace: str) -> str:
    return f"dynconfig-{namespace}-app-{MARK}"


def remove(account: Account, namespace: str, path: str) -> None:
    """Delete them, so that a list of all resources stays short."""
    name, attached = _name(namespace), f"{namespace}-{ATTACHED}"
    account.client("ssm").delete_parameters(Names=[f"{path}/{MARK}", f"{path}-{MARK}/a"])
    cloudwatch = account.client("cloudwatch")
    cloudwatch.delete_alarms(AlarmNames=[f"dynconfig/{namespace}/app/{MARK}"])
    cloudwatch.delete_dashboards(DashboardNames=[name])
    for function in (name, attached):
        account.client("lambda").delete_function(FunctionName=function)
        account.client("iam").delete_role(RoleName=function)
    account.client("logs").delete_log_group(logGroupName=f"/aws/lambda/{name}")
    account.client("events").delete_rule(Name=name)
    apis = account.client("apigatewayv2")
    for page in apis.get_paginator("get_apis").paginate():
        for api in page["Items"]:
            if api["Name"] == name:
                apis.delete_api(ApiId=api["ApiId"])
    account.client("sns").delete_topic(TopicArn=f"arn:aws:sns:eu-west-1:123456789012:{name}")
    sqs = account.client("sqs")
    sqs.delete_queue(QueueUrl=sqs.get_queue_url(QueueName=name)["QueueUrl"])


def create(account: Account, namespace: str, path: str) -> None:
    """One of each kind, beside the resources of an object of this namespace and path."""
    tags = [{"Key": OWNER_TAG, "Value": OWNER}]
    name = _name(namespace)
    ssm = account.client("ssm")
    ssm.put_parameter(Name=f"{path}/{MARK}", Value=MARK, Type="String")
    ssm.put_parameter(Name=f"{path}-{MARK}/a", Value=MARK, Type="String", Tags=tags)
    cloudwatch = account.client("cloudwatch")
    alarm: dict[str, Any] = {"Namespace": "Shop", "MetricName": "Failed", "Statistic": "Sum", "Period": 60}
    bounds = {"EvaluationPeriods": 1, "Threshold": 1.0, "ComparisonOperator": "GreaterThanThreshold"}
    cloudwatch.put_metric_alarm(AlarmName=f"dynconfig/{namespace}/app/{MARK}", **alarm, **bounds)
    text = {
        "type": "text",
        "x": 0,
        "y": 0,
        "width": 6,
        "height": 3,
        "properties": {"markdown": f"{OWNER_TAG}: {OWNER}"},
    }
    cloudwatch.put_dashboard(DashboardName=name, DashboardBody=json.dumps({"widgets": [text]}))
    role = account.client("iam").create_role(
        RoleName=name, AssumeRolePolicyDocument=json.dumps(TRUST), Path="/dynconfig/", Tags=tags
    )
    attached = f"{namespace}-{ATTACHED}"
    user = account.client("iam").create_role(RoleName=attached, AssumeRolePolicyDocument=json.dumps(TRUST))
    _function(account, name, role["Role"]["Arn"], {OWNER_TAG: OWNER})
    _function(account, attached, user["Role"]["Arn"], {"team": MARK})
    account.client("logs").create_log_group(logGroupName=f"/aws/lambda/{name}", tags={OWNER_TAG: OWNER})
    pattern = {"source": [f"shop.{MARK}"]}
    account.client("events").put_rule(Name=name, EventPattern=json.dumps(pattern), Tags=tags)
    account.client("apigatewayv2").create_api(Name=name, ProtocolType="HTTP", Tags={OWNER_TAG: OWNER})
    account.client("sns").create_topic(Name=name, Tags=tags)
    account.client("sqs").create_queue(QueueName=name, tags={OWNER_TAG: OWNER})


def _function(account: Account, name: str, role: str, tags: dict[str, str]) -> None:
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as file:
        file.writestr(zipfile.ZipInfo("app.py"), "def handler(event, context): return {}\n")
    client = account.client("lambda")
    request: dict[str, Any] = {
        "FunctionName": name,
        "Runtime": "python3.13",
        "Role": role,
        "Handler": "app.handler",
        "Code": {"ZipFile": packed.getvalue()},
        "Tags": tags,
        "Environment": {"Variables": {"THEIRS": "1"}},
    }

    def is_created() -> bool:
        # Lambda assumes a role only some time after its creation.
        # https://docs.aws.amazon.com/lambda/latest/dg/troubleshooting-deployment.html
        try:
            client.create_function(**request)
        except client.exceptions.InvalidParameterValueException:
            return False
        return True

    assert wait_until(is_created, 30), "Lambda does not assume the role"
