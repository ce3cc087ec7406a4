"""`dynconfig uninstall` does nothing that was not asked for; what it does is tested in a cluster, in tests/upgrade."""

from tests.doors.shell import dynconfig

from dynconfig.uninstalling import next_commands


def test_it_wants_to_be_told_that_aws_is_kept() -> None:
    result = dynconfig("uninstall", "--yes")
    assert (result.code, result.out) == (1, "")
    assert "--keep-aws" in result.err
    assert "kubectl delete dcfg" in result.err


def test_without_a_cluster_it_says_so() -> None:
    result = dynconfig("uninstall", "--keep-aws", "--yes", AWS_REGION="eu-west-1")
    assert result.code == 1
    assert "no Kubernetes cluster" in result.err


def test_the_definition_is_deleted_only_after_that_was_allowed() -> None:
    commands = next_commands()
    allowed = next(index for index, text in enumerate(commands) if "dynconfig.dev/allow-deletion=true" in text)
    deleted = [index for index, text in enumerate(commands) if "delete -k" in text]
    assert deleted
    assert all(index > allowed for index in deleted)
