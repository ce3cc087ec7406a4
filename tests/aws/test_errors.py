"""AWS errors and their consequences."""

from json import JSONDecodeError
from typing import Any

import pytest
from botocore import exceptions as boto
from botocore.exceptions import ClientError

from dynconfig.aws.errors import is_throttling, translated, translated_locally
from dynconfig.model import errors


def answer(code: str, message: str = "words of AWS", status: int = 400) -> ClientError:
    return ClientError(
        {"Error": {"Code": code, "Message": message}, "ResponseMetadata": {"HTTPStatusCode": status}},  # type: ignore[typeddict-item]
        "PutParameter",
    )


@pytest.mark.parametrize(
    ("code", "expected"),
    [
        ("ThrottlingException", errors.Throttled),
        ("RequestLimitExceeded", errors.Throttled),
        ("InternalServerError", errors.Unavailable),
        ("TooManyUpdates", errors.Conflict),
        ("ParameterAlreadyExists", errors.AlreadyExists),
        ("ParameterNotFound", errors.NotFound),
        ("ResourceNotFound", errors.NotFound),
        ("DashboardNotFoundError", errors.NotFound),
        ("InternalServiceFault", errors.Unavailable),
        ("ResourceConflict", errors.Conflict),
        ("InvalidParameterInput", errors.Refused),
        ("InvalidParameterValue", errors.Refused),
        ("InvalidParameterCombination", errors.Refused),
        ("InvalidResourceId", errors.NotFound),
        ("ParameterMaxVersionLimitExceeded", errors.VersionLimit),
        ("ParameterLimitExceeded", errors.QuotaExceeded),
        ("HierarchyTypeMismatchException", errors.NotPossible),
        ("AccessDeniedException", errors.AccessDenied),
        ("InvalidKeyId", errors.Refused),
        ("ValidationException", errors.Refused),
        ("ParameterPatternMismatchException", errors.Refused),
        ("ExpiredTokenException", errors.CredentialsMissing),
        ("TooManyRequestsException", errors.Throttled),
        ("Throttling", errors.Throttled),
        ("ServiceException", errors.Unavailable),
        ("ServiceFailure", errors.Unavailable),
        ("ResourceConflictException", errors.Conflict),
        ("ConcurrentModification", errors.Conflict),
        ("EntityTemporarilyUnmodifiable", errors.Conflict),
        ("ConcurrentModificationException", errors.Conflict),
        ("OperationAbortedException", errors.Conflict),
        ("PreconditionFailedException", errors.Conflict),
        ("DeleteConflict", errors.Conflict),
        ("ConflictException", errors.AlreadyExists),
        ("EntityAlreadyExists", errors.AlreadyExists),
        ("NoSuchEntity", errors.NotFound),
        ("NotFoundException", errors.NotFound),
        ("CodeStorageExceededException", errors.QuotaExceeded),
        ("InvalidParameterValueException", errors.Refused),
        ("MalformedPolicyDocument", errors.Refused),
        ("InvalidEventPatternException", errors.Refused),
        ("ParameterVersionLabelLimitExceeded", errors.LabelLimit),
        ("ParameterVersionNotFound", errors.Conflict),
        ("KmsAccessDenied", errors.AccessDenied),
        ("KMS.AccessDeniedException", errors.AccessDenied),
        ("KMS.DisabledException", errors.Refused),
        ("SignatureDoesNotMatch", errors.CredentialsMissing),
        ("InvalidIdentityToken", errors.CredentialsMissing),
        ("PolicyLengthExceededException", errors.QuotaExceeded),
    ],
)
def test_each_code_has_one_meaning(code: str, expected: type[errors.DynConfigError]) -> None:
    found = translated(answer(code), "PutParameter", "parameter /a: ")
    assert type(found) is expected
    assert found.code == code
    assert "parameter /a: PutParameter" in str(found)
    assert "words of AWS" in str(found)


def test_unknown_server_error_is_retryable() -> None:
    assert isinstance(translated(answer("Odd", status=503), "PutParameter", ""), errors.Unavailable)


@pytest.mark.parametrize(
    "quoted",
    [
        'pass"word\n\tü',
        r"pass\"word\n\tü",
        r"pass\"word\n\t\u00fc",
        r'pass"word\n\tü',
    ],
    ids=["as it is", "JSON", "ASCII", "Python"],
)
@pytest.mark.parametrize("around", ["", " \n"])
def test_secret_is_masked_however_aws_quotes_it(quoted: str, around: str) -> None:
    hidden = f'{around}pass"word\n\tü{around}'
    found = translated(answer("Odd", f"value '{quoted}' is odd"), "PutParameter", "parameter /a: ", hidden)
    assert "word" not in str(found)


def test_unknown_code_is_reported_as_a_retryable_bug() -> None:
    found = translated(answer("Odd", "value hunter2 is odd"), "PutParameter", "parameter /a: ", "hunter2")
    assert isinstance(found, errors.Unexpected)
    assert "parameter /a: PutParameter failed with unexpected AWS error Odd" in str(found)
    assert "please report" in str(found)
    assert "hunter2" not in str(found)


def test_conflict_is_retried_soon() -> None:
    found = translated(answer("TooManyUpdates"), "PutParameter", "")
    assert isinstance(found, errors.Retryable)
    assert found.delay == 1.0


@pytest.mark.parametrize("code", ["NoSuchEntity", "ResourceNotFoundException", "DeleteConflict"])
def test_missing_unpropagated_or_used_resource_is_retried_with_backoff(code: str) -> None:
    found = translated(answer(code), "PutRolePolicy", "role r: ")
    assert isinstance(found, errors.Retryable)
    assert found.delay is None


@pytest.mark.parametrize(
    "message",
    [
        "The role defined for the function cannot be assumed by Lambda.",
        "The provided execution role does not have permissions to call SendMessage on SQS",
        "The function's execution role does not have permissions to call SendMessage on arn:aws:sqs:eu-west-1:1:q",
        "Lambda was unable to configure access to your environment variables because the KMS key is invalid for CreateGrant.",
        "The destination ARN arn:aws:sqs:eu-west-1:1:q is invalid.",
        "The execution role you provide must allow AWS EventBridge Scheduler to assume the role.",
    ],
)
def test_role_that_iam_has_not_propagated_is_retried(message: str) -> None:
    found = translated(answer("InvalidParameterValueException", message), "CreateFunction", "function f: ")
    assert isinstance(found, errors.RoleNotReady)
    assert not isinstance(found, errors.Terminal)
    assert found.delay == 1.0
    assert message in str(found)


LAYER = "arn:aws:lambda:eu-west-1:111122223333:layer:theirs:1"


@pytest.mark.parametrize(("kind", "expected"), [("resource", errors.Refused), ("identity", errors.AccessDenied)])
def test_layer_that_is_not_shared_is_not_reported_as_missing_permission(kind: str, expected: type) -> None:
    words = (
        f"User: arn:aws:iam::1:user/u is not authorized to perform: lambda:GetLayerVersion on resource: {LAYER} "
        f"because no {kind}-based policy allows the lambda:GetLayerVersion action"
    )
    found = translated(answer("AccessDeniedException", words, 403), "CreateFunction", "function f: ")
    assert type(found) is expected
    assert ("does not exist or is not shared" in str(found)) is (kind == "resource")
    assert ("allow this action in the operator's IAM role" in str(found)) is (kind == "identity")


def test_composite_alarm_over_just_created_alarms_is_retried() -> None:
    words = "Could not save the composite alarm as alarms [f/Errors] in the alarm rule do not exist"
    assert type(translated(answer("ValidationError", words), "PutCompositeAlarm", "alarm f: ")) is errors.Conflict


def test_rule_with_targets_being_removed_is_retried() -> None:
    words = "Rule can't be deleted since it has targets."
    found = translated(answer("ValidationException", words), "DeleteRule", "rule r: ")
    assert type(found) is errors.Conflict


def test_environment_in_a_lambda_error_is_not_reported() -> None:
    words = 'you have provided exceeded the 4KB limit. String measured: {"TOKEN":"hunter2"}'
    found = translated(answer("InvalidParameterValueException", words), "CreateFunction", "function f: ")
    assert "4KB limit" in str(found)
    assert "hunter2" not in str(found)


def test_secret_in_an_aws_error_is_masked() -> None:
    found = translated(answer("ValidationException", "value hunter2 is bad"), "PutParameter", "", "hunter2")
    assert "hunter2" not in str(found)
    assert "•••" in str(found)


@pytest.mark.parametrize(
    ("error", "expected"),
    [
        (boto.EndpointConnectionError(endpoint_url="https://ssm"), errors.Unavailable),
        (boto.ReadTimeoutError(endpoint_url="https://ssm"), errors.Unavailable),
        (boto.ConnectTimeoutError(endpoint_url="https://ssm"), errors.Unavailable),
        (boto.ConnectionClosedError(endpoint_url="https://ssm"), errors.Unavailable),
        (boto.SSLError(endpoint_url="https://ssm", error=ValueError("expired")), errors.Unavailable),
        (boto.NoCredentialsError(), errors.CredentialsMissing),
        (boto.CredentialRetrievalError(provider="x", error_msg="y"), errors.CredentialsMissing),
        (boto.UnauthorizedSSOTokenError(), errors.CredentialsMissing),
        (boto.LoginRefreshRequired(), errors.CredentialsMissing),
        (boto.RefreshWithMFAUnsupportedError(), errors.CredentialsMissing),
        (FileNotFoundError(2, "No such file", "/var/run/secrets/token"), errors.CredentialsMissing),
        (JSONDecodeError("Expecting value", "canary", 0), errors.CredentialsMissing),
        (boto.UnknownServiceError(service_name="x", known_service_names="y"), None),
    ],
    ids=lambda value: type(value).__name__,
)
def test_connection_error_is_retryable_and_own_bug_is_reported(error: Any, expected: Any) -> None:
    found = translated_locally(error, "PutParameter", "")
    assert (type(found) if found else None) is expected


@pytest.mark.parametrize(
    ("code", "message", "is_of_call"),
    [
        ("ThrottlingException", "Rate exceeded", True),
        ("ThrottlingException", "You have exceeded the rate at which you may call KMS. (Service: AWSKMS; …)", False),
        ("KmsThrottled", "", False),
        ("KMS.ThrottlingException", "Rate exceeded", False),
        ("AccessDenied", "", False),
    ],
)
def test_throttling_by_kms_is_none_of_the_calls(code: str, message: str, *, is_of_call: bool) -> None:
    assert is_throttling(code, message) == is_of_call
