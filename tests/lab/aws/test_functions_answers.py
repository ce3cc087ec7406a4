"""What Lambda returns for functions: states that settle, revisions, and every written field."""

import base64
import hashlib
from collections.abc import Callable
from typing import Any

import pytest
from botocore.exceptions import ClientError
from tests.lab.functions.bench import ACCOUNT, EXTENSION, REGION, Bench, zipped

from dynconfig_lab.aws import AwsLab, Faults

pytestmark = pytest.mark.lab

SOURCE = "def handle(event, context):\n    return 1\n"
BUSY = "The operation cannot be performed at this time. An update is in progress for resource: "


@pytest.fixture(scope="session")
def bench(aws: Callable[[str], Any]) -> Bench:
    return Bench(aws)


@pytest.fixture
def function(aws: Callable[[str], Any]) -> Any:
    return aws("lambda")


def create(bench: Bench, function: Any, name: str, **more: Any) -> dict[str, Any]:
    """The response of CreateFunction, with a role that Lambda can assume."""
    bench.function(SOURCE)
    wanted = {
        "FunctionName": name,
        "Role": next(iter(bench.roles.values())),
        "Runtime": "python3.13",
        "Handler": "app.handle",
        "Code": {"ZipFile": zipped({"app.py": SOURCE})},
        **more,
    }
    found: dict[str, Any] = function.create_function(**wanted)
    return found


def test_new_function_is_pending_and_has_all_defaults(bench: Bench, function: Any) -> None:
    answer = create(bench, function, "fresh")
    meta = answer.pop("ResponseMetadata")
    assert meta["HTTPStatusCode"] == 201
    assert {"State", "StateReason", "StateReasonCode"} <= set(answer)
    assert (answer["State"], answer["StateReasonCode"]) == ("Pending", "Creating")
    assert answer["StateReason"] == "The function is being created."
    assert {name: answer[name] for name in ("Description", "MemorySize", "Timeout", "Version", "PackageType")} == {
        "Description": "",
        "MemorySize": 128,
        "Timeout": 3,
        "Version": "$LATEST",
        "PackageType": "Zip",
    }
    assert answer["LoggingConfig"] == {"LogFormat": "Text", "LogGroup": "/aws/lambda/fresh"}
    assert answer["EphemeralStorage"] == {"Size": 512}
    assert answer["TracingConfig"] == {"Mode": "PassThrough"}
    assert answer["SnapStart"] == {"ApplyOn": "None", "OptimizationStatus": "Off"}
    assert answer["RuntimeVersionConfig"]["RuntimeVersionArn"].startswith(f"arn:aws:lambda:{REGION}::runtime:")
    absent = {"LastUpdateStatus", "Layers", "DeadLetterConfig", "VpcConfig", "Environment", "KMSKeyArn"}
    assert absent & set(answer) == set()
    bench.settle("fresh")
    assert function.get_function_configuration(FunctionName="fresh")["LastUpdateStatus"] == "Successful"


def test_code_hash_is_that_of_its_bytes(bench: Bench, function: Any) -> None:
    content = zipped({"app.py": SOURCE})
    answer = create(bench, function, "hashed", Code={"ZipFile": content})
    assert answer["CodeSha256"] == base64.b64encode(hashlib.sha256(content).digest()).decode()


def test_every_written_field_is_returned(bench: Bench, function: Any) -> None:
    written = {
        "Description": "keeps",
        "MemorySize": 512,
        "Timeout": 30,
        "Environment": {"Variables": {"COLOUR": "red"}},
        "DeadLetterConfig": {"TargetArn": f"arn:aws:sqs:{REGION}:{ACCOUNT}:dead"},
        "TracingConfig": {"Mode": "Active"},
        "EphemeralStorage": {"Size": 1024},
        "LoggingConfig": {"LogFormat": "JSON", "LogGroup": "/mine"},
        "KMSKeyArn": f"arn:aws:kms:{REGION}:{ACCOUNT}:key/1",
    }
    name = bench.function(SOURCE, Layers=[EXTENSION], Architectures=["arm64"], Tags={"team": "shop"}, **written)
    found = function.get_function(FunctionName=name)
    about = found["Configuration"]
    assert {key: about[key] for key in written} == written
    assert [layer["Arn"] for layer in about["Layers"]] == [EXTENSION]
    assert about["Architectures"] == ["arm64"]
    assert found["Tags"] == {"team": "shop"}


def test_update_writes_each_field_and_keeps_omitted_ones(bench: Bench, function: Any) -> None:
    name = bench.function(SOURCE, Environment={"Variables": {"COLOUR": "red"}}, Layers=[EXTENSION], MemorySize=512)
    changes = {
        "Timeout": 10,
        "TracingConfig": {"Mode": "Active"},
        "DeadLetterConfig": {"TargetArn": f"arn:aws:sqs:{REGION}:{ACCOUNT}:dead"},
        "EphemeralStorage": {"Size": 1024},
    }
    bench.configure(name, **changes)
    about = function.get_function_configuration(FunctionName=name)
    assert {key: about[key] for key in changes} == changes
    assert about["MemorySize"] == 512
    assert about["Environment"] == {"Variables": {"COLOUR": "red"}}
    assert [layer["Arn"] for layer in about["Layers"]] == [EXTENSION]


def test_cleared_field_is_absent(bench: Bench, function: Any) -> None:
    name = bench.function(
        SOURCE,
        Environment={"Variables": {"COLOUR": "red"}},
        Layers=[EXTENSION],
        DeadLetterConfig={"TargetArn": f"arn:aws:sqs:{REGION}:{ACCOUNT}:dead"},
    )
    bench.configure(name, Environment={"Variables": {}}, Layers=[], DeadLetterConfig={"TargetArn": ""})
    about = function.get_function_configuration(FunctionName=name)
    assert {"Environment", "Layers", "DeadLetterConfig"} & set(about) == set()


def test_architecture_changes_with_the_code(bench: Bench, function: Any) -> None:
    name = bench.function(SOURCE)
    answer = function.update_function_code(
        FunctionName=name, ZipFile=zipped({"app.py": SOURCE}), Architectures=["arm64"]
    )
    assert answer["Architectures"] == ["arm64"]
    bench.settle(name)
    assert function.get_function_configuration(FunctionName=name)["Architectures"] == ["arm64"]


def test_dry_run_of_new_code_changes_nothing(bench: Bench, function: Any) -> None:
    name = bench.function(SOURCE)
    before = function.get_function_configuration(FunctionName=name)
    function.update_function_code(FunctionName=name, ZipFile=zipped({"app.py": "other"}), DryRun=True)
    after = function.get_function_configuration(FunctionName=name)
    assert (after["CodeSha256"], after["RevisionId"]) == (before["CodeSha256"], before["RevisionId"])


def test_only_one_write_at_a_time_is_allowed(bench: Bench, function: Any, lab: AwsLab) -> None:
    name = bench.function(SOURCE)
    lab.faults(Faults(settle_seconds=3600))
    answer = function.update_function_configuration(FunctionName=name, Description="again")
    assert (answer["State"], answer["LastUpdateStatus"]) == ("Active", "InProgress")
    text = f"{BUSY}arn:aws:lambda:{REGION}:{ACCOUNT}:function:{name}"
    calls: tuple[Callable[[], Any], ...] = (
        lambda: function.update_function_configuration(FunctionName=name, Timeout=5),
        lambda: function.update_function_code(FunctionName=name, ZipFile=zipped({"app.py": SOURCE})),
    )
    for call in calls:
        with pytest.raises(ClientError) as caught:
            call()
        response: Any = caught.value.response
        assert response["Error"] == {"Code": "ResourceConflictException", "Message": text}
        assert response["ResponseMetadata"]["HTTPStatusCode"] == 409
    lab.faults(Faults(settle_seconds=0))
    assert calls[0]()["Timeout"] == 5


def test_revision_changes_with_each_write_and_when_it_settles(bench: Bench, function: Any) -> None:
    first = create(bench, function, "revised")["RevisionId"]
    bench.settle("revised")
    second = function.get_function_configuration(FunctionName="revised")["RevisionId"]
    third = function.update_function_configuration(FunctionName="revised", Timeout=5)["RevisionId"]
    bench.settle("revised")
    fourth = function.get_function_configuration(FunctionName="revised")["RevisionId"]
    again = function.get_function(FunctionName="revised")["Configuration"]["RevisionId"]
    assert len({first, second, third, fourth}) == 4
    assert fourth == again


@pytest.mark.parametrize("operation", ["update_function_configuration", "update_function_code"])
def test_outdated_revision_is_rejected(bench: Bench, function: Any, operation: str) -> None:
    name = bench.function(SOURCE)
    old = function.get_function_configuration(FunctionName=name)["RevisionId"]
    bench.configure(name, Timeout=5)
    more: dict[str, Any] = {"ZipFile": zipped({"app.py": SOURCE})} if operation.endswith("code") else {"Timeout": 6}
    with pytest.raises(ClientError) as caught:
        getattr(function, operation)(FunctionName=name, RevisionId=old, **more)
    response: Any = caught.value.response
    assert (response["Error"]["Code"], response["ResponseMetadata"]["HTTPStatusCode"]) == (
        "PreconditionFailedException",
        412,
    )
    current = function.get_function_configuration(FunctionName=name)["RevisionId"]
    getattr(function, operation)(FunctionName=name, RevisionId=current, **more)


@pytest.mark.parametrize(
    "form", ["{name}", "{account}:function:{name}", "arn:aws:lambda:{region}:{account}:function:{name}"]
)
def test_every_form_of_a_name_is_accepted(bench: Bench, function: Any, form: str) -> None:
    name = bench.function(SOURCE)
    asked = form.format(name=name, account=ACCOUNT, region=REGION)
    assert function.get_function(FunctionName=asked)["Configuration"]["FunctionName"] == name
    assert function.update_function_configuration(FunctionName=asked, Timeout=9)["Timeout"] == 9
    latest = function.get_function_configuration(FunctionName=f"{asked}:$LATEST")
    assert latest["FunctionArn"].endswith(f":function:{name}:$LATEST")


def test_functions_are_listed_in_pages(bench: Bench, function: Any) -> None:
    names = {bench.function(SOURCE) for _ in range(3)}
    pages = list(function.get_paginator("list_functions").paginate(PaginationConfig={"PageSize": 2}))
    assert all(len(page["Functions"]) <= 2 for page in pages)
    listed = [item for page in pages for item in page["Functions"]]
    assert names <= {item["FunctionName"] for item in listed}
    assert all("RevisionId" in item for item in listed)


def test_deleted_function_has_no_permissions(bench: Bench, function: Any) -> None:
    name = bench.function(SOURCE)
    function.add_permission(
        FunctionName=name, StatementId="one", Action="lambda:InvokeFunction", Principal="events.amazonaws.com"
    )
    function.delete_function(FunctionName=name)
    with pytest.raises(function.exceptions.ResourceNotFoundException):
        function.get_function(FunctionName=name)
    bench.function(SOURCE, FunctionName=name)
    with pytest.raises(function.exceptions.ResourceNotFoundException):
        function.get_policy(FunctionName=name)


def test_tags_are_stored_by_arn(bench: Bench, function: Any) -> None:
    name = bench.function(SOURCE, Tags={"team": "shop"})
    arn = function.get_function_configuration(FunctionName=name)["FunctionArn"]
    function.tag_resource(Resource=arn, Tags={"stage": "dev"})
    function.untag_resource(Resource=arn, TagKeys=["team"])
    assert function.list_tags(Resource=arn)["Tags"] == {"stage": "dev"}


def test_tag_change_changes_the_revision_and_keeps_the_environments(bench: Bench, function: Any) -> None:
    # Recorded: LocalStack, tests/aws/services/lambda_/test_lambda_api.snapshot.json, TestLambdaTags.
    name = bench.function(SOURCE)
    about = function.get_function_configuration(FunctionName=name)
    function.tag_resource(Resource=about["FunctionArn"], Tags={"stage": "dev"})
    tagged = function.get_function_configuration(FunctionName=name)["RevisionId"]
    function.untag_resource(Resource=about["FunctionArn"], TagKeys=["stage"])
    untagged = function.get_function_configuration(FunctionName=name)["RevisionId"]
    assert len({about["RevisionId"], tagged, untagged}) == 3
    with pytest.raises(function.exceptions.PreconditionFailedException):
        function.update_function_configuration(FunctionName=name, Timeout=6, RevisionId=about["RevisionId"])


@pytest.mark.parametrize("operation", ["tag_resource", "untag_resource"])
def test_tags_are_rejected_while_an_update_is_in_progress(
    bench: Bench, function: Any, lab: AwsLab, operation: str
) -> None:
    # https://docs.aws.amazon.com/lambda/latest/dg/functions-states.html
    name = bench.function(SOURCE)
    arn = function.get_function_configuration(FunctionName=name)["FunctionArn"]
    lab.faults(Faults(settle_seconds=3600))
    function.update_function_configuration(FunctionName=name, Description="again")
    request: dict[str, Any] = {"Tags": {"a": "b"}} if operation == "tag_resource" else {"TagKeys": ["a"]}
    with pytest.raises(function.exceptions.ResourceConflictException):
        getattr(function, operation)(Resource=arn, **request)
    lab.faults(Faults(settle_seconds=0))
    getattr(function, operation)(Resource=arn, **request)


def test_event_configuration_is_replaced_and_removed(bench: Bench, function: Any, aws: Callable[[str], Any]) -> None:
    name = bench.function(SOURCE)
    arns = []
    for queue in ("first", "second"):
        aws("sqs").create_queue(QueueName=f"{name}-{queue}")
        arns.append(f"arn:aws:sqs:{REGION}:{ACCOUNT}:{name}-{queue}")
        function.put_function_event_invoke_config(
            FunctionName=name, DestinationConfig={"OnFailure": {"Destination": arns[-1]}}
        )
    found = function.get_function_event_invoke_config(FunctionName=name)
    assert found["DestinationConfig"]["OnFailure"] == {"Destination": arns[1]}
    function.delete_function_event_invoke_config(FunctionName=name)
    with pytest.raises(function.exceptions.ResourceNotFoundException):
        function.get_function_event_invoke_config(FunctionName=name)
