"""The Lambda function that reads the configuration: managed by the operator, or an existing one that it attaches to."""

from datetime import date
from enum import StrEnum
from typing import Annotated, ClassVar, Literal

from pydantic import AfterValidator, BeforeValidator, Field

from dynconfig.api.model import Flag, Model, Rule, WholeNumber
from dynconfig.api.reserved_variables import LEGAL, LISTED, RESERVED, free

ARN = r"^arn:aws[a-z-]*:[a-z0-9-]+:[a-z0-9-]*:[0-9]*:\S+$"
FUNCTION_NAME = r"^[a-zA-Z0-9_-]+$"
# Lambda accepts an S3 bucket, too, but the function's role has no permission to write to one.
DESTINATION = r"^arn:aws[a-z-]*:(sqs|sns|lambda|events):"
ROLE_NAME = r"^[a-zA-Z0-9+=,.@_-]+$"

# https://docs.aws.amazon.com/scheduler/latest/UserGuide/schedule-types.html
SCHEDULE = (
    r"^(rate\([1-9][0-9]{0,4} (minute|minutes|hour|hours|day|days)\)"
    r"|cron\([^ ()]+( [^ ()]+){5}\)"
    r"|at\([0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}\))$"
)

# https://docs.aws.amazon.com/AmazonCloudWatchLogs/latest/APIReference/API_PutRetentionPolicy.html
_RETENTION_DAYS = Literal[
    1, 3, 5, 7, 14, 30, 60, 90, 120, 150, 180, 365, 400, 545, 731, 1096, 1827, 2192, 2557, 2922, 3288, 3653
]


def _no_boolean(days: object) -> object:
    """Reject booleans: True equals 1 in Python, but is not a number for the API server."""
    if isinstance(days, bool):
        raise ValueError("must be a whole number")  # noqa: TRY004 - pydantic reports ValueError as a validation error
    return days


RetentionDays = Annotated[_RETENTION_DAYS, BeforeValidator(_no_boolean)]

# https://docs.aws.amazon.com/lambda/latest/dg/lambda-runtimes.html (as of 2026-11)
RUNTIME_ENDS = {
    "python3.11": date(2027, 6, 30),
    "python3.12": date(2028, 10, 31),
    "python3.13": date(2029, 6, 30),
    "python3.14": date(2029, 6, 30),
}


class Mode(StrEnum):
    """Whether the operator manages the function or attaches to an existing one."""

    MANAGED = "Managed"
    ATTACH = "Attach"


class Architecture(StrEnum):
    """Instruction set architecture of the function."""

    ARM64 = "arm64"
    X86_64 = "x86_64"


class Authorization(StrEnum):
    """Who may call the HTTP API."""

    AWS_IAM = "AWS_IAM"
    NONE = "NONE"


class ExtensionSpec(Model):
    """The AWS Parameters and Secrets Lambda extension."""

    layer_arn: Annotated[str, Field(max_length=256, pattern=rf"^$|{ARN}")] = ""
    """Layer version ARN of the extension. If empty, taken from the built-in table by region and architecture."""
    max_connections: Annotated[WholeNumber, Field(ge=1, le=1000)] = 3
    """Maximum number of connections from the extension to Parameter Store."""


class HttpApiSpec(Model):
    """An API Gateway HTTP API in front of the function."""

    authorization: Authorization = Authorization.AWS_IAM
    """AWS_IAM accepts only signed requests. NONE accepts any request, but returns no values. SecureStrings are never returned."""


class TriggersSpec(Model):
    """Triggers of the function."""

    parameter_change: Flag = False
    """Invoke the function through an EventBridge rule when a parameter below path changes."""
    schedule: Annotated[str | None, Field(min_length=1, max_length=256, pattern=SCHEDULE)] = None
    """EventBridge Scheduler expression that invokes the function, for example rate(5 minutes) or cron(0 8 * * ? *)."""
    http_api: HttpApiSpec | None = None
    """Invoke the function through an API Gateway HTTP API."""

    @property
    def any(self) -> bool:
        """Whether any trigger is set."""
        return self.parameter_change or self.schedule is not None or self.http_api is not None


class FunctionSpec(Model):
    """The function that reads the configuration."""

    name: Annotated[str | None, Field(min_length=1, max_length=64, pattern=FUNCTION_NAME)] = None
    """Name in AWS. Defaults to dynconfig-NAMESPACE-NAME, with _ before NAME if NAMESPACE has a dash. Required for mode Attach."""
    mode: Mode = Mode.MANAGED
    """Managed creates and updates the function. Attach adds the layer, environment variables and read permissions to
    an existing one."""
    role_name: Annotated[str | None, Field(min_length=1, max_length=64, pattern=ROLE_NAME)] = None
    """Name of the function's IAM role, created below the IAM path /dynconfig/. Defaults to the function's name and the region."""
    runtime: Literal["python3.11", "python3.12", "python3.13", "python3.14"] = "python3.13"
    """Lambda runtime of a Managed function."""
    architecture: Architecture = Architecture.ARM64
    """arm64 or x86_64. For mode Attach it must match the function."""
    memory_mib: Annotated[WholeNumber, Field(alias="memoryMiB", ge=128, le=10240)] = 256
    """Memory size of a Managed function in MiB."""
    timeout_seconds: Annotated[WholeNumber, Field(ge=1, le=900)] = 30
    """Timeout of a Managed function in seconds."""
    log_retention_days: RetentionDays = 14
    """Retention of the function's logs in CloudWatch Logs, in days."""
    environment: Annotated[
        dict[Annotated[str, Field(max_length=128), AfterValidator(free)], Annotated[str, Field(max_length=2048)]],
        Field(max_length=50),
    ] = Field(
        default_factory=dict,
        description="Additional environment variables of a Managed function. Not for secrets: everyone who can view the function "
        f"can read them. Reserved, regardless of case: {LISTED}.",
    )
    extension: ExtensionSpec = Field(default_factory=ExtensionSpec)
    """The AWS Parameters and Secrets Lambda extension."""
    on_failure: Annotated[str, Field(max_length=256, pattern=rf"^$|{ARN}")] = ""
    """ARN of an SQS queue, SNS topic, function or event bus that receives asynchronous events after all retries failed."""
    triggers: TriggersSpec = Field(default_factory=TriggersSpec)
    """Triggers of a Managed function."""

    rules: ClassVar[tuple[Rule, ...]] = (
        Rule(
            cel="self.mode == oldSelf.mode",
            message="mode is immutable; remove function first, then declare it again",
            field="mode",
        ),
        Rule(
            cel="!has(self.mode) || self.mode != 'Attach' || has(self.name)",
            message="mode Attach requires the name of an existing function",
        ),
        Rule(
            cel="!has(self.mode) || self.mode != 'Attach' || !has(self.triggers) || "
            "(!(has(self.triggers.parameterChange) && self.triggers.parameterChange) && "
            "!has(self.triggers.schedule) && !has(self.triggers.httpApi))",
            message="triggers require mode: Managed; an attached function keeps its own",
            field="triggers",
        ),
        Rule(
            cel="!has(self.mode) || self.mode != 'Attach' || ((!has(self.environment) || size(self.environment) == 0) "
            "&& (!has(self.onFailure) || self.onFailure == '') && !has(self.roleName))",
            message="environment, onFailure and roleName require mode: Managed; an attached function keeps its own",
        ),
        Rule(
            cel=f"!has(self.onFailure) || self.onFailure == '' || self.onFailure.matches('{DESTINATION}')",
            message="onFailure must be the ARN of an SQS queue, an SNS topic, a function or an event bus",
            field="onFailure",
        ),
        # The models name the variable; a messageExpression that names it exceeds the CEL cost limit of the API server.
        Rule(
            cel=f"!has(self.environment) || self.environment.all(key, key.matches('{LEGAL}') && !key.matches('{RESERVED}'))",
            message="names in environment must begin with a letter, have only letters, digits and _, and must not be reserved "
            "(they change what code the function runs or whom it trusts): PATH, PYTHON*, LD_*, AWS_*, *_PROXY, *_CA_BUNDLE and "
            "others, regardless of case; `kubectl explain dcfg.spec.function.environment` lists them",
            holds=lambda _function: True,
            field="environment",
        ),
    )
