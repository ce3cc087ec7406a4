"""The account and region of `dynconfig iam`: those of the credentials, and no guesses."""

import json

from tests.cli.cli_harness import CliHarness
from tests.cli.shell import dynconfig


def test_account_and_region_are_those_of_the_credentials(harness: CliHarness) -> None:
    account = harness.aws("sts").get_caller_identity()["Account"]
    result = dynconfig("iam", "--path", "/shop", **{**harness.environment, "AWS_REGION": "us-east-2"})
    assert result.code == 0, result.err
    assert json.loads(result.out)["Statement"][0]["Resource"] == [f"arn:aws:ssm:us-east-2:{account}:parameter/shop/*"]


def test_account_is_required_without_credentials() -> None:
    result = dynconfig("iam", "--path", "/shop", AWS_REGION="eu-west-1")
    assert (result.code, result.out) == (1, "")
    assert result.err.startswith("error: --account is not set and cannot be determined: no AWS credentials")


def test_region_is_required_if_not_configured() -> None:
    result = dynconfig("iam", "--path", "/shop", "--account", "123456789012")
    assert (result.code, result.out) == (1, "")
    assert result.err.startswith("error: --region is not set, and there is no AWS region: set AWS_REGION")
    assert "AWS_DEFAULT_REGION" in result.err
