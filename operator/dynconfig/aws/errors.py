"""The one table from what AWS and botocore say to what happens next."""

import re
from json import JSONDecodeError

from botocore import exceptions as boto
from botocore.parsers import ResponseParserError

from dynconfig.engine import errors
from dynconfig.engine.errors import DynConfigError
from dynconfig.engine.secret import MASK

_RETRY_SOON = 1.0

# SQS says them with a prefix or without, by its protocol.
_OF_QUEUES = (
    "UnsupportedOperation",
    "TooManyEntriesInBatchRequest",
    "EmptyBatchRequest",
    "BatchEntryIdsNotDistinct",
    "InvalidBatchEntryId",
)
# A test holds it against the errors that botocore's models list for the operations that are called.
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
    "ServiceException": errors.Unavailable,
    "InternalServiceError": errors.Unavailable,
    "InternalServiceFault": errors.Unavailable,
    "InternalException": errors.Unavailable,
    "ServiceFailure": errors.Unavailable,
    "ServiceUnavailableException": errors.Unavailable,
    "InternalServerException": errors.Unavailable,
    "TooManyUpdates": errors.Conflict,
    "ResourceConflictException": errors.Conflict,
    "ResourceConflict": errors.Conflict,
    "ConcurrentModification": errors.Conflict,
    "ConcurrentModificationException": errors.Conflict,
    "OperationAbortedException": errors.Conflict,
    "PreconditionFailedException": errors.Conflict,
    "DeleteConflict": errors.Conflict,
    "EntityTemporarilyUnmodifiable": errors.Conflict,
    # A listing that has to begin anew.
    "InvalidNextToken": errors.Conflict,
    "PaginationTokenExpiredException": errors.Conflict,
    "ConflictException": errors.AlreadyExists,
    "EntityAlreadyExists": errors.AlreadyExists,
    "ResourceAlreadyExistsException": errors.AlreadyExists,
    "ResourceNotFoundException": errors.NotFound,
    "NotFoundException": errors.NotFound,
    "NoSuchEntity": errors.NotFound,
    "ResourceNotFound": errors.NotFound,
    "DashboardNotFoundError": errors.NotFound,
    "RequestThrottled": errors.Throttled,
    "OverLimit": errors.QuotaExceeded,
    "InvalidAddress": errors.Refused,
    "InvalidAttributeValue": errors.Refused,
    "AWS.SimpleQueueService.NonExistentQueue": errors.NotFound,
    "QueueDoesNotExist": errors.NotFound,
    "AWS.SimpleQueueService.QueueDeletedRecently": errors.Conflict,
    "QueueDeletedRecently": errors.Conflict,
    "QueueAlreadyExists": errors.AlreadyExists,
    "QueueNameExists": errors.AlreadyExists,
    "ParameterAlreadyExists": errors.AlreadyExists,
    "ParameterNotFound": errors.NotFound,
    "InvalidResourceId": errors.NotFound,
    "ParameterMaxVersionLimitExceeded": errors.VersionLimit,
    "ParameterVersionLabelLimitExceeded": errors.LabelLimit,
    "ParameterVersionNotFound": errors.Conflict,
    "ParameterLimitExceeded": errors.QuotaExceeded,
    "TooManyTagsError": errors.QuotaExceeded,
    "TooManyTagsException": errors.QuotaExceeded,
    "PolicyLengthExceededException": errors.QuotaExceeded,
    "LimitExceeded": errors.QuotaExceeded,
    "LimitExceededException": errors.QuotaExceeded,
    "LimitExceededFault": errors.QuotaExceeded,
    "CodeStorageExceededException": errors.QuotaExceeded,
    "ServiceQuotaExceededException": errors.QuotaExceeded,
    "FunctionVersionsPerCapacityProviderLimitExceededException": errors.QuotaExceeded,
    "HierarchyTypeMismatchException": errors.NotPossible,
    "AccessDeniedException": errors.AccessDenied,
    "AccessDenied": errors.AccessDenied,
    "UnauthorizedException": errors.AccessDenied,
    "OptInRequired": errors.AccessDenied,
    "PublicPolicyException": errors.AccessDenied,
    "UnmodifiableEntity": errors.AccessDenied,
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
    "InvalidKeyId": errors.Refused,
    "InvalidResourceType": errors.Refused,
    "InvalidFilterKey": errors.Refused,
    "InvalidFilterOption": errors.Refused,
    "InvalidFilterValue": errors.Refused,
    "InvalidAttributeName": errors.Refused,
    "InvalidIdFormat": errors.Refused,
    "ReceiptHandleIsInvalid": errors.Refused,
    "InvalidSecurity": errors.Refused,
    "OperationDisabledException": errors.Refused,
    **dict.fromkeys(_OF_QUEUES, errors.Refused),
    **dict.fromkeys((f"AWS.SimpleQueueService.{code}" for code in _OF_QUEUES), errors.Refused),
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
    "InvalidParameterValueException": errors.Refused,
    "InvalidParameterValue": errors.Refused,
    "InvalidParameterInput": errors.Refused,
    "InvalidParameterCombination": errors.Refused,
    "InvalidParameterCombinationException": errors.Refused,
    "InvalidFormat": errors.Refused,
    "MissingParameter": errors.Refused,
    "DashboardInvalidInputError": errors.Refused,
    "RequestEntityTooLargeException": errors.Refused,
    "InvalidEventPatternException": errors.Refused,
    "MalformedPolicyDocument": errors.Refused,
    "PolicyNotAttachable": errors.Refused,
    "CodeVerificationFailedException": errors.Refused,
    "InvalidCodeSignatureException": errors.Refused,
    "CodeSigningConfigNotFoundException": errors.Refused,
    "ManagedRuleException": errors.Refused,
    "BadRequestException": errors.Refused,
    "InvalidInput": errors.Refused,
    "ValidationError": errors.Refused,
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

# Connection refused or closed, timeouts, TLS.
_UNREACHABLE = (boto.ConnectionError, boto.HTTPClientError)
# Credentials are renewed with a call that finds the old ones too old, in any of the ways in which they can be had.
# The files that they come from are opened then; what goes wrong between here and AWS is botocore's own error.
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

# IAM is eventually consistent: Lambda, KMS and Scheduler hear of a new role, and of what it may do, some seconds later.
# https://docs.aws.amazon.com/lambda/latest/dg/troubleshooting-deployment.html
_ROLE_NOT_READY = (
    "cannot be assumed by Lambda",
    "execution role does not have permissions",
    "KMS key is invalid for CreateGrant",
    "The destination ARN",
    "must allow AWS EventBridge Scheduler to assume the role",
)
# EventBridge takes a moment to let go of targets that were removed, and CloudWatch to know alarms that were put.
_PASSING = ("since it has targets", "Could not save the composite alarm as alarms")
# It may pass in a second, or need a person: what is not there (yet, or any more), and what somebody still uses.
_PATIENT = ("DeleteConflict",)
# The operator may ask for it, and its owner does not share it, or has no such version: that is no permission of ours.
# Where the operator's own policy is to blame, AWS says "no identity-based policy".
_NOT_SHARED = re.compile(r"lambda:GetLayerVersion on resource: (\S+) because no resource-based policy")
# Behind these words AWS repeats the whole environment of a function.
_ECHO = "String measured"

_HINTS: dict[type[DynConfigError], str] = {
    errors.AccessDenied: "; allow the operator's role to do this, as in manifests/iam",
    errors.NotPossible: "; remove the parameter, wait 30 s, and declare it again",
    errors.QuotaExceeded: "; ask AWS for a higher quota, or remove what is not needed",
    errors.LabelLimit: "; remove one of the version's labels",
    errors.Unexpected: "; this operator does not know that answer, which is a bug in it: please report it",
}


def translated(error: boto.ClientError, operation: str, subject: str, hidden: str = "") -> DynConfigError:
    """Our error for an answer of AWS about `subject`, in AWS's words; Unexpected for a code that is in no table.

    AWS repeats a value that it refuses: `hidden` is that text, and is masked.
    """
    code = error.response.get("Error", {}).get("Code", "")
    status = error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0)
    if not code or code.isdigit():
        # Without a word of AWS botocore takes the status for the code, and the whole page for the message.
        return _not_aws(f"{subject}{operation} was answered with HTTP {status}")
    found = _TABLE.get(code) or (errors.Unavailable if status >= 500 else errors.Unexpected)
    words = (error.response.get("Error", {}).get("Message", "") or "no message").partition(_ECHO)[0]
    words = words.replace(hidden, MASK) if hidden else words
    if any(text in words for text in _ROLE_NOT_READY):
        return errors.RoleNotReady(f"{subject}{words}", delay=_RETRY_SOON, code=code)
    layer = _NOT_SHARED.search(words)
    if layer is not None:
        return errors.Refused(f"{subject}layer {layer[1]} does not exist or is not shared with this account", code=code)
    if any(text in words for text in _PASSING):
        found = errors.Conflict
    message = f"{subject}{operation} was answered with {code}: {words}{_HINTS.get(found, '')}"
    if issubclass(found, errors.Conflict) and found is not errors.NotFound and code not in _PATIENT:
        return found(message, delay=_RETRY_SOON, code=code)
    return found(message, code=code)


def translated_locally(error: Exception, operation: str, subject: str) -> DynConfigError | None:
    """Our error where no answer came at all; None for what is a bug in this operator."""
    if isinstance(error, ResponseParserError):
        # Its text repeats the page.
        return _not_aws(f"{subject}{operation} was answered")
    # Some of what does not reach AWS is an OSError as well, which is none of credentials.
    if isinstance(error, _UNREACHABLE):
        return errors.Unavailable(f"{subject}{operation}: AWS does not answer: {error}")
    if isinstance(error, _NO_CREDENTIALS):
        return without_credentials(error)
    return None


def without_credentials(error: Exception) -> errors.CredentialsMissing:
    """What it means that credentials cannot be had; the error names the file, the profile or the program."""
    if isinstance(error, JSONDecodeError):
        return errors.CredentialsMissing("no AWS credentials: the program that is asked for them gives no JSON")
    hint = "; log in with `aws sso login`" if isinstance(error, boto.SSOTokenLoadError) else ""
    return errors.CredentialsMissing(f"no AWS credentials: {str(error).strip()}{hint}")


def without_client(error: Exception, region: str) -> errors.Refused:
    """What it means that the environment makes no client of AWS."""
    if isinstance(error, boto.InvalidRegionError):
        return errors.Refused(f"{region!r} is no AWS region; correct AWS_REGION, or wherever it was named")
    return errors.Refused(
        f"no client of AWS can be made: {error}; correct AWS_ENDPOINT_URL, or the variable that says so"
    )


def _not_aws(answered: str) -> errors.Unavailable:
    return errors.Unavailable(
        f"{answered} in no words of AWS; see what answers in its place: a proxy, a firewall, a VPC endpoint"
    )
