"""Where events of the function go that failed for good."""

from typing import Any

from tests.kinds import functions
from tests.kinds.cases.case import Case, Spec
from tests.kinds.workshop import Workshop

from dynconfig.engine.errors import NotFound
from dynconfig.kinds.failure_destination import FailureDestination
from dynconfig.kinds.function_value import Function

QUEUE = "arn:aws:sqs:eu-west-1:123456789012:failed"
TOPIC = "arn:aws:sns:eu-west-1:123456789012:failed"
_COUNTED: dict[str, Any] = {"MaximumRetryAttempts": 1}


def spec(destination: str = QUEUE) -> Spec:
    return {"function": {"roleName": functions.ROLE, "onFailure": destination}}


def prepare(workshop: Workshop) -> None:
    """A role, and the queue and topic; Lambda takes no destination that is not there."""
    functions.roles(workshop)
    destinations(workshop)


def destinations(workshop: Workshop) -> None:
    """The queue and the topic; both calls may be made again."""
    workshop.aws("sqs").create_queue(QueueName="failed")
    workshop.aws("sns").create_topic(Name="failed")


def redirect(workshop: Workshop) -> None:
    workshop.aws("lambda").put_function_event_invoke_config(
        FunctionName=workshop.name, DestinationConfig={"OnFailure": {"Destination": TOPIC}}
    )


def neighbour(workshop: Workshop) -> None:
    name = f"{workshop.name}-theirs"
    functions.create(workshop, name)
    workshop.aws("lambda").put_function_event_invoke_config(FunctionName=name, **_COUNTED)


def listed(workshop: Workshop) -> set[str]:
    client = workshop.session.client("lambda", "eu-west-1")
    found = set()
    for name in functions.listed(workshop):
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
    edits={"destination": spec(TOPIC)},
    tampers={"destination": redirect},
    listed=listed,
    neighbour=neighbour,
    stranger=None,
    writes=("lambda.PutFunctionEventInvokeConfig", "lambda.DeleteFunctionEventInvokeConfig"),
    busy="ResourceConflictException",
    prepare=prepare,
    is_marked=False,
)
