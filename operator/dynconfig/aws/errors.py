"""The one table from what AWS and botocore say to what happens next."""

from botocore import exceptions as boto
from botocore.parsers import ResponseParserError

from dynconfig.engine import errors
from dynconfig.engine.errors import DynConfigError
from dynconfig.engine.secret import MASK

_RETRY_SOON = 1.0

# Codes of SSM, tagging and STS. What is in no table is a bug in this operator, and loud.
# https://docs.aws.amazon.com/systems-manager/latest/APIReference/CommonErrors.html
_TABLE: dict[str, type[DynConfigError]] = {
    "ThrottlingException": errors.Throttled,
    "Throttling": errors.Throttled,
    "ThrottledException": errors.Throttled,
    "TooManyRequestsException": errors.Throttled,
    "RequestLimitExceeded": errors.Throttled,
    "InternalServerError": errors.Unavailable,
    "InternalFailure": errors.Unavailable,
    "InternalServiceException": errors.Unavailable,
    "ServiceUnavailable": errors.Unavailable,
    "RequestTimeout": errors.Unavailable,
    "TooManyUpdates": errors.Conflict,
    "ParameterAlreadyExists": errors.AlreadyExists,
    "ParameterNotFound": errors.NotFound,
    "InvalidResourceId": errors.NotFound,
    "ParameterMaxVersionLimitExceeded": errors.VersionLimit,
    "ParameterLimitExceeded": errors.QuotaExceeded,
    "TooManyTagsError": errors.QuotaExceeded,
    "HierarchyTypeMismatchException": errors.NotPossible,
    "AccessDeniedException": errors.AccessDenied,
    "AccessDenied": errors.AccessDenied,
    "UnauthorizedException": errors.AccessDenied,
    "OptInRequired": errors.AccessDenied,
    "InvalidKeyId": errors.Refused,
    "ValidationException": errors.Refused,
    "InvalidParameterException": errors.Refused,
    "HierarchyLevelLimitExceededException": errors.Refused,
    "InvalidAllowedPatternException": errors.Refused,
    "ParameterPatternMismatchException": errors.Refused,
    "UnsupportedParameterType": errors.Refused,
    "PoliciesLimitExceededException": errors.Refused,
    "InvalidPolicyTypeException": errors.Refused,
    "InvalidPolicyAttributeException": errors.Refused,
    "IncompatiblePolicyException": errors.Refused,
    "NotEmulated": errors.Refused,
    "ExpiredTokenException": errors.CredentialsMissing,
    "ExpiredToken": errors.CredentialsMissing,
    "RequestExpired": errors.CredentialsMissing,
    "UnrecognizedClientException": errors.CredentialsMissing,
    "InvalidClientTokenId": errors.CredentialsMissing,
    "InvalidSignatureException": errors.CredentialsMissing,
    "IncompleteSignature": errors.CredentialsMissing,
}

# Connection refused or closed, timeouts, TLS; and pages of HTML where a proxy answers in place of AWS.
_UNREACHABLE = (boto.ConnectionError, boto.HTTPClientError, ResponseParserError)
_NO_CREDENTIALS = (
    boto.NoCredentialsError,
    boto.PartialCredentialsError,
    boto.CredentialRetrievalError,
    boto.TokenRetrievalError,
)

_HINTS: dict[type[DynConfigError], str] = {
    errors.AccessDenied: "; allow the operator's role to do this, as in manifests/iam",
    errors.NotPossible: "; remove the parameter, wait 30 s, and declare it again",
    errors.QuotaExceeded: "; ask AWS for a higher quota, or remove what is not needed",
}


def translated(error: boto.ClientError, operation: str, subject: str, hidden: str = "") -> DynConfigError | None:
    """Our error for an answer of AWS about `subject`, in AWS's words; None for a code that is in no table.

    AWS repeats a value that it refuses: `hidden` is that text, and is masked.
    """
    code = error.response.get("Error", {}).get("Code", "")
    status = error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0)
    found = _TABLE.get(code) or (errors.Unavailable if status >= 500 else None)
    if found is None:
        return None
    words = error.response.get("Error", {}).get("Message", "") or "no message"
    words = words.replace(hidden, MASK) if hidden else words
    message = f"{subject}{operation} was answered with {code}: {words}{_HINTS.get(found, '')}"
    if issubclass(found, errors.Conflict):
        return found(message, delay=_RETRY_SOON, code=code)
    return found(message, code=code)


def translated_locally(error: boto.BotoCoreError, operation: str, subject: str) -> DynConfigError | None:
    """Our error where no answer came at all; None for what is a bug in this operator."""
    if isinstance(error, _NO_CREDENTIALS):
        return errors.CredentialsMissing(f"{operation}: no AWS credentials: {error}")
    if isinstance(error, _UNREACHABLE):
        return errors.Unavailable(f"{subject}{operation}: AWS does not answer: {error}")
    return None
