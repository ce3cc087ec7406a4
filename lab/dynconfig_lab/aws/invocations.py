"""Lambda's Invoke on the wire.

https://docs.aws.amazon.com/lambda/latest/api/API_Invoke.html
"""

import base64
import uuid
from urllib.parse import unquote

from dynconfig_lab.aws.answers import Answer
from dynconfig_lab.aws.functions_names import LATEST
from dynconfig_lab.aws.requests import Request
from dynconfig_lab.functions.service import Functions

TAIL_BYTES = 4096


def invoke(functions: Functions, request: Request) -> Answer:
    """The result of a function, or that the event was accepted. Raises AwsError."""
    name = unquote(request.path.split("/")[3])
    qualifier = request.query.get("Qualifier", "")
    kind = request.headers.get("HTTP_X_AMZ_INVOCATION_TYPE", "RequestResponse")
    bare = name.rpartition("function:")[2]
    whole = f"{name}:{qualifier}" if qualifier and ":" not in bare else name
    invocation = functions.invoke(request.region, whole, request.body, kind)
    headers = [("Content-Type", "application/json"), ("x-amzn-RequestId", str(uuid.uuid4()))]
    if invocation.status == 200:
        headers.append(("X-Amz-Executed-Version", LATEST))
    if invocation.result.error:
        headers.append(("X-Amz-Function-Error", invocation.result.error))
    if request.headers.get("HTTP_X_AMZ_LOG_TYPE") == "Tail" and invocation.status == 200:
        tail = "\n".join(invocation.result.output).encode()[-TAIL_BYTES:]
        headers.append(("X-Amz-Log-Result", base64.b64encode(tail).decode()))
    return Answer(f"{invocation.status} Answered", tuple(headers), invocation.result.payload)
