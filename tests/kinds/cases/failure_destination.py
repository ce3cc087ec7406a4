"""The on-failure destination of the function."""

from typing import Any

from tests.kinds import functions
from tests.kinds.aws_harness import AwsHarness
from tests.kinds.cases.case import Case, Spec

from dynconfig.kinds.failure_destination import FailureDestination
from dynconfig.kinds.function.value import Function
from dynconfig.model.errors import NotFound

QUEUE = "arn:aws:sqs:eu-west-1:123456789012:failed"
TOPIC = "arn:aws:sns:eu-west-1:123456789012:failed"
_COUNTED: dict[str, Any] = {"MaximumRetryAttempts": 1}


def spec(destination: str = QUEUE) -> Spec:
    return {"function": {"roleName": functions.ROLE, "onFailure": destination}}


def prepare(harness: AwsHarness) -> None:
    """A role, and the queue and topic: Lambda rejects missing destinations."""
    functions.roles(harness)
    destinations(harness)


def destinations(harness: AwsHarness) -> None:
    """The queue and the topic; both calls are idempotent."""
    harness.aws("sqs").create_queue(QueueName="failed")
    harness.aws("sns").create_topic(Name="failed")


def redirect(harness: AwsHarness) -> None:
    harness.aws("lambda").put_function_event_invoke_config(
        FunctionName=harness.name, DestinationConfig={"OnFailure": {"Destination": TOPIC}}
    )


def create_similar(harness: AwsHarness) -> None:
    name = f"{harness.name}-theirs"
    functions.create(harness, name)
    harness.aws("lambda").put_function_event_invoke_config(FunctionName=name, **_COUNTED)


def listed(harness: AwsHarness) -> set[str]:
    client = harness.session.client("lambda", "eu-west-1")
    found = set()
    for name in functions.listed(harness):
        try:
            client.get_function_event_invoke_config(FunctionName=name)
        except NotFound:
            continue
        found.add(name)
    return found


FAILURE_DESTINATION = Case(
    value=FailureDestination,
    needs=(Function,),
    base=spec(),
    feature={"function": {"onFailure": QUEUE}},
    edits={"destination": spec(TOPIC)},
    tampers={"destination": redirect},
    list_names=listed,
    create_similar=create_similar,
    create_foreign=None,
    writes=("lambda.PutFunctionEventInvokeConfig", "lambda.DeleteFunctionEventInvokeConfig"),
    busy="ResourceConflictException",
    prepare=prepare,
    is_marked=False,
)
