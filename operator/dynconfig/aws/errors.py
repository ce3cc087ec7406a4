"""The table that maps AWS error codes and botocore exceptions to errors of the engine."""

import json
import re
from json import JSONDecodeError

from botocore import exceptions as boto
from botocore.parsers import ResponseParserError

from dynconfig.aws.facts import error_codes
from dynconfig.model import errors
from dynconfig.model.errors import DynConfigError
from dynconfig.model.regions import unknown_region
from dynconfig.model.secret import MASK

_RETRY_SOON = 1.0

# The codes of several services; kinds add their own. A test compares both with the errors in botocore's models of the
# called operations.
# https://docs.aws.amazon.com/systems-manager/latest/APIReference/CommonErrors.html
_COMMON: dict[str, type[DynConfigError]] = {
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
    "InternalServiceError": errors.Unavailable,
    "InternalException": errors.Unavailable,
    "ServiceUnavailableException": errors.Unavailable,
    "InternalServerException": errors.Unavailable,
    "ResourceConflict": errors.Conflict,
    "ConcurrentModificationException": errors.Conflict,
    # Pagination has to start again.
    "InvalidNextToken": errors.Conflict,
    "ConflictException": errors.AlreadyExists,
    "ResourceAlreadyExistsException": errors.AlreadyExists,
    "ResourceNotFoundException": errors.NotFound,
    "NotFoundException": errors.NotFound,
    "TooManyTagsException": errors.QuotaExceeded,
    "LimitExceededException": errors.QuotaExceeded,
    "ServiceQuotaExceededException": errors.QuotaExceeded,
    "AccessDeniedException": errors.AccessDenied,
    "AccessDenied": errors.AccessDenied,
    "UnauthorizedException": errors.AccessDenied,
    "OptInRequired": errors.AccessDenied,
    "KmsAccessDenied": errors.AccessDenied,
    "KmsOptInRequired": errors.AccessDenied,
    "KMS.AccessDeniedException": errors.AccessDenied,
    "KMS.OptInRequired": errors.AccessDenied,
    "KmsThrottled": errors.Throttled,
    "KMS.ThrottlingException": errors.Throttled,
    "KmsDisabled": errors.Refused,
    "KmsInvalidKeyUsage": errors.Refused,
    "KmsInvalidState": errors.Refused,
    "KmsNotFound": errors.Refused,
    "KMS.DisabledException": errors.Refused,
    "KMS.InvalidKeyUsageException": errors.Refused,
    "KMS.KMSInvalidStateException": errors.Refused,
    "KMS.NotFoundException": errors.Refused,
    "ValidationException": errors.Refused,
    "InvalidParameterException": errors.Refused,
    "InvalidParameterValueException": errors.Refused,
    "InvalidParameterValue": errors.Refused,
    "InvalidParameterCombination": errors.Refused,
    "InvalidParameterCombinationException": errors.Refused,
    "MissingParameter": errors.Refused,
    "ValidationError": errors.Refused,
    # Of STS, for the session of a role.
    "PackedPolicyTooLarge": errors.Refused,
    "RegionDisabledException": errors.Refused,
    "NotEmulated": errors.Refused,
    "ExpiredTokenException": errors.CredentialsMissing,
    "ExpiredToken": errors.CredentialsMissing,
    "RequestExpired": errors.CredentialsMissing,
    "UnrecognizedClientException": errors.CredentialsMissing,
    "InvalidClientTokenId": errors.CredentialsMissing,
    "InvalidSignatureException": errors.CredentialsMissing,
    "IncompleteSignature": errors.CredentialsMissing,
    "SignatureDoesNotMatch": errors.CredentialsMissing,
    "MissingAuthenticationToken": errors.CredentialsMissing,
    # Of STS, where a service account's token is exchanged for credentials.
    "InvalidIdentityToken": errors.CredentialsMissing,
    "IDPCommunicationError": errors.CredentialsMissing,
}
_TABLE = {**_COMMON, **error_codes()}

_OF_KMS = ("Service: AWSKMS", "may call KMS")
# Connection refused or closed, timeouts, TLS.
_UNREACHABLE = (boto.ConnectionError, boto.HTTPClientError)
# Credentials are refreshed by the first call after they expire, from any provider.
# Their files are opened then; connection errors are botocore's own exceptions.
_NO_CREDENTIALS = (
    boto.NoCredentialsError,
    boto.PartialCredentialsError,
    boto.CredentialRetrievalError,
    boto.TokenRetrievalError,
    boto.NoAuthTokenError,
    boto.SSOError,
    boto.LoginError,
    boto.ProfileNotFound,
    boto.ConfigParseError,
    boto.InvalidConfigError,
    boto.RefreshWithMFAUnsupportedError,
    boto.MetadataRetrievalError,
    JSONDecodeError,
    OSError,
)

# IAM is eventually consistent: Lambda, KMS and Scheduler see a new role and its permissions some seconds later.
# https://docs.aws.amazon.com/lambda/latest/dg/troubleshooting-deployment.html
_ROLE_NOT_READY = (
    "cannot be assumed by Lambda",
    "execution role does not have permissions",
    "KMS key is invalid for CreateGrant",
    "The destination ARN",
    "must allow AWS EventBridge Scheduler to assume the role",
)
# Removed EventBridge targets and new CloudWatch alarms take a moment to become visible.
_PASSING = ("since it has targets", "Could not save the composite alarm as alarms")
# May be transient or permanent: resources that do not exist (yet, or any more) or are still in use.
_PATIENT = ("DeleteConflict",)
# The operator may ask for it, and its owner does not share it, or has no such version: that is no permission of ours.
# Where the operator's own policy is to blame, AWS says "no identity-based policy".
_NOT_SHARED = re.compile(r"lambda:GetLayerVersion on resource: (\S+) because no resource-based policy")
# Behind these words AWS repeats the whole environment of a function.
_ECHO = "String measured"

_HINTS: dict[type[DynConfigError], str] = {
    errors.AccessDenied: "; allow this action in the operator's IAM role, see manifests/iam",
    errors.NotPossible: "; remove the parameter, wait 30 s, and declare it again",
    errors.QuotaExceeded: "; request a quota increase, or delete unused resources",
    errors.LabelLimit: "; remove a label from this version",
    errors.Unexpected: " (operator bug, please report)",
}


def translated(error: boto.ClientError, operation: str, subject: str, hidden: str = "") -> DynConfigError:
    """Return the error for an AWS error response about `subject`, with AWS's message; Unexpected for an unknown code.

    AWS quotes rejected values: `hidden` is such a value, and is masked.
    """
    code = error.response.get("Error", {}).get("Code", "")
    status = error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0)
    if not code or code.isdigit():
        # For a non-AWS response, botocore uses the HTTP status as the code, and the whole page as the message.
        return _not_aws(f"{subject}{operation} got a non-AWS response (HTTP {status})")
    found = _TABLE.get(code) or (errors.Unavailable if status >= 500 else errors.Unexpected)
    words = (error.response.get("Error", {}).get("Message", "") or "no message").partition(_ECHO)[0]
    words = _masked(words, hidden)
    if any(text in words for text in _ROLE_NOT_READY):
        return errors.RoleNotReady(f"{subject}{words}", delay=_RETRY_SOON, code=code)
    layer = _NOT_SHARED.search(words)
    if layer is not None:
        return errors.Refused(f"{subject}layer {layer[1]} does not exist or is not shared with this account", code=code)
    if any(text in words for text in _PASSING):
        found = errors.Conflict
    adjective = "unexpected AWS error " if found is errors.Unexpected else ""
    message = f"{subject}{operation} failed with {adjective}{code}: {words}{_HINTS.get(found, '')}"
    if issubclass(found, errors.Conflict) and found is not errors.NotFound and code not in _PATIENT:
        return found(message, delay=_RETRY_SOON, code=code)
    return found(message, code=code)


def _masked(words: str, hidden: str) -> str:
    """Mask a value in a message, also where it is quoted with escapes, or trimmed."""
    plain = (hidden, hidden.strip())
    quoted = (form for text in plain for form in (json.dumps(text), json.dumps(text, ensure_ascii=False), repr(text)))
    forms = {*plain, *(text[1:-1] for text in quoted)} - {""}
    for form in sorted(forms, key=len, reverse=True):
        words = words.replace(form, MASK)
    return words


def is_throttling(code: str, message: str = "") -> bool:
    """Return whether an error says that AWS throttled the calls of an operation, and not the use of a KMS key by the service.

    KMS limits requests by account and, for some kinds, by key; its message says so, whatever service passes it on. Only the
    objects that use the key have to wait then. https://docs.aws.amazon.com/kms/latest/developerguide/throttling.html
    """
    is_of_kms = code.upper().startswith("KMS") or any(words in message for words in _OF_KMS)
    return not is_of_kms and issubclass(_TABLE.get(code, DynConfigError), errors.Throttled)


def translated_locally(error: Exception, operation: str, subject: str) -> DynConfigError | None:
    """Return the error for a call without a response; None for a bug in the operator."""
    if isinstance(error, ResponseParserError):
        # Its message quotes the page.
        return _not_aws(f"{subject}{operation} got a non-AWS response")
    # Connection errors come first: some are OSErrors, too, like missing credential files.
    if isinstance(error, _UNREACHABLE):
        return errors.Unavailable(f"{subject}{operation}: AWS is unavailable: {error}")
    if isinstance(error, _NO_CREDENTIALS):
        return without_credentials(error)
    return None


def without_credentials(error: Exception) -> errors.CredentialsMissing:
    """Return the error for unavailable credentials; botocore's message names the file, profile or program."""
    if isinstance(error, JSONDecodeError):
        return errors.CredentialsMissing("no AWS credentials: the credential process returned invalid JSON")
    hint = "; log in with `aws sso login`" if isinstance(error, boto.SSOTokenLoadError) else ""
    return errors.CredentialsMissing(f"no AWS credentials: {str(error).strip()}{hint}")


def without_client(error: Exception, region: str) -> errors.Refused:
    """Return the error for an environment from which no AWS client can be created."""
    if isinstance(error, boto.InvalidRegionError):
        return errors.Refused(f"AWS_REGION or the setting that names the region: {unknown_region(region)}")
    return errors.Refused(
        f"cannot create an AWS client: {error}; correct AWS_ENDPOINT_URL or the variable that sets the endpoint"
    )


def _not_aws(message: str) -> errors.Unavailable:
    return errors.Unavailable(f"{message}; check for a proxy, a firewall or a VPC endpoint")
