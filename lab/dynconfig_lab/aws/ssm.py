"""Parameter Store on top of moto: rejects what AWS rejects, and responds as AWS does."""

import base64
import hashlib
import re
import secrets
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Any

from moto.kms.models import kms_backends
from moto.ssm.models import ssm_backends

from dynconfig_lab.aws import accounts, ssm_describe
from dynconfig_lab.aws.answers import Answer, AwsError
from dynconfig_lab.aws.calls import Call
from dynconfig_lab.aws.ssm_public import PUBLIC_LAYERS, public_layer
from dynconfig_lab.aws.ssm_rules import (
    Stored,
    canonical,
    check_name,
    check_tags,
    check_write,
    expiration,
    removes_policies,
)

Request = dict[str, Any]
Forward = Callable[[Request], Answer]

NOT_EMULATED = ("GetServiceSetting", "UpdateServiceSetting", "ResetServiceSetting")
_SALT = secrets.token_bytes(16)


class ParameterStore:
    """Handles the calls that moto gets wrong; other calls pass through to moto."""

    def __init__(
        self, clock: Callable[[], float], recreate_delay: Callable[[], float], now: Callable[[], float] = time.time
    ) -> None:
        self._now = now
        self._clock = clock
        self._recreate_delay = recreate_delay
        self._writing: set[tuple[str, str, str]] = set()
        self._lock = threading.Lock()
        self._deleted: dict[tuple[str, str, str], float] = {}
        self._with_policies: set[tuple[str, str, str]] = set()

    def clear(self) -> None:
        """Clear all state."""
        self._deleted.clear()
        self._with_policies.clear()

    def handle(self, call: Call, request: Request, forward: Forward) -> Answer:
        """The response to a call. Raises AwsError."""
        if call.operation in NOT_EMULATED:
            raise AwsError("NotEmulated", f"The lab does not emulate ssm.{call.operation}.")
        self._delete_expired()
        handler = _HANDLERS.get(call.operation)
        if handler:
            return handler(self, call, request, forward)
        return forward({**request, "Name": canonical(request["Name"])} if "Name" in request else request)

    def put(self, call: Call, request: Request, forward: Forward) -> Answer:
        """PutParameter: one writer per name at a time, and the tier resolved."""
        check_name(request["Name"])
        name = canonical(request["Name"])
        with self._alone(call.region, name):
            self._refuse_recreation(call.region, name)
            current = _current(call.region, name)
            stored = _stored(current) if current else None
            tier = check_write({**request, "Name": name}, stored, lambda key: _has_key(call.region, key))
            wanted = {**request, "Name": name, "Tier": tier}
            kept = request.get("DataType") or getattr(current, "data_type", "text")
            if kept == "aws:ssm:integration":
                wanted["DataType"] = "text"
            if removes_policies(wanted.get("Policies", "")):
                wanted["Policies"] = "[]"
            answer = forward(wanted)
            written = _current(call.region, name)
            if answer.is_success and written:
                if "Policies" in request:
                    self._with_policies.add((accounts.current(), call.region, name))
                written.data_type = kept
                written.lab_modified_by = accounts.caller().arn
                written.last_modified_date = datetime.fromtimestamp(self._now(), UTC).replace(tzinfo=None)
        return Answer.of({**answer.document(), "Tier": tier}) if answer.is_success else answer

    def get(self, _call: Call, request: Request, forward: Forward) -> Answer:
        """GetParameter: validates the name, returns it as requested, and includes the selector."""
        asked = _name_of_arn(request["Name"])
        name, selector = _selected(asked)
        check_name(name)
        if name in PUBLIC_LAYERS:
            return Answer.of({"Parameter": public_layer(name, _call.region)})
        answer = forward({**request, "Name": canonical(name) + asked[len(name) :]})
        if not answer.is_success:
            return _unknown_label(answer, name, selector)
        parameter = answer.document()["Parameter"]
        _check_readable(_call.region, parameter, request)
        return Answer.of({"Parameter": _described(parameter, request, name, selector)})

    def get_many(self, call: Call, request: Request, forward: Forward) -> Answer:
        """GetParameters: validates the names, and returns secrets encrypted."""
        asked = {_stored_form(name): name for name in request["Names"]}
        for name in request["Names"]:
            check_name(_selected(_name_of_arn(name))[0])
        answer = self._closed(call, {**request, "Names": list(asked)}, forward)
        if not answer.is_success:
            return answer
        document = answer.document()
        forms = {
            canonical(_selected(_name_of_arn(name))[0]): _selected(_name_of_arn(name))[0] for name in asked.values()
        }
        found = [{**item, "Name": forms.get(item["Name"], item["Name"])} for item in document["Parameters"]]
        # https://docs.aws.amazon.com/systems-manager/latest/APIReference/API_Parameter.html (Selector)
        selectors = dict(_selected(_name_of_arn(name)) for name in asked.values())
        found = [_with_selector(item, selectors.get(item["Name"], "")) for item in found]
        invalid = sorted(asked.get(name, name) for name in document["InvalidParameters"])
        return Answer.of({"Parameters": sorted(found, key=lambda item: item["Name"]), "InvalidParameters": invalid})

    def get_by_path(self, call: Call, request: Request, forward: Forward) -> Answer:
        """GetParametersByPath; a path starts with a slash.

        https://docs.aws.amazon.com/systems-manager/latest/APIReference/API_GetParametersByPath.html
        """
        if not request["Path"].startswith("/"):
            raise AwsError("ValidationException", "The parameter path must begin with a forward slash.")
        ssm_describe.check_token(request.get("NextToken"))
        return self._closed(call, request, forward)

    def history(self, call: Call, request: Request, forward: Forward) -> Answer:
        """GetParameterHistory."""
        check_name(request["Name"])
        ssm_describe.check_token(request.get("NextToken"))
        name = canonical(request["Name"])
        answer = self._closed(call, {**request, "Name": name}, forward)
        if not answer.is_success:
            return answer
        document = answer.document()
        stored = {
            item.version: item for item in ssm_backends[accounts.current()][call.region]._parameters.get(name, [])
        }
        described = [
            {**item, "Policies": ssm_describe.policies(stored[item["Version"]].policies or "")}
            for item in document["Parameters"]
        ]
        return Answer.of({**document, "Parameters": described})

    def describe(self, call: Call, request: Request, _forward: Forward) -> Answer:
        """DescribeParameters, which moto limits to ten per page and scans slowly."""
        return Answer.of(ssm_describe.describe(ssm_backends[accounts.current()][call.region], request, call.region))

    def delete(self, call: Call, request: Request, forward: Forward) -> Answer:
        """DeleteParameter, by name or ARN."""
        name = canonical(_name_of_arn(request["Name"]))
        return self._noted(call, [name], forward({**request, "Name": name}))

    def delete_many(self, call: Call, request: Request, forward: Forward) -> Answer:
        """DeleteParameters: at most ten.

        https://docs.aws.amazon.com/systems-manager/latest/APIReference/API_DeleteParameters.html
        """
        if len(request["Names"]) > 10:
            raise AwsError(
                "ValidationException",
                "1 validation error detected: Value at 'names' failed to satisfy constraint: "
                "Member must have length less than or equal to 10",
            )
        answer = forward(request)
        return self._noted(call, answer.document().get("DeletedParameters", []) if answer.is_success else [], answer)

    def tag(self, call: Call, request: Request, forward: Forward) -> Answer:
        """AddTagsToResource: at most fifty, none of them reserved."""
        name = canonical(request["ResourceId"])
        if request["ResourceType"] == "Parameter" and _current(call.region, name):
            present = set(ssm_backends[accounts.current()][call.region].list_tags_for_resource("Parameter", name))
            check_tags(request["Tags"], len(present - {tag["Key"] for tag in request["Tags"]}))
        return self.tags(call, request, forward)

    def tags(self, _call: Call, request: Request, forward: Forward) -> Answer:
        """Any call about the tags of a parameter, in any form of its name."""
        is_parameter = request["ResourceType"] == "Parameter"
        return forward({**request, "ResourceId": canonical(request["ResourceId"])} if is_parameter else request)

    def _closed(self, _call: Call, request: Request, forward: Forward) -> Answer:
        answer = forward(request)
        if not answer.is_success:
            return answer
        document = answer.document()
        for item in document.get("Parameters", []):
            _check_readable(_call.region, item, request)
        described = [_described(item, request, item["Name"], "") for item in document.get("Parameters", [])]
        return Answer.of({**document, "Parameters": described})

    def _delete_expired(self) -> None:
        """Delete parameters whose Expiration has passed; AWS does so with a delay.

        https://docs.aws.amazon.com/systems-manager/latest/userguide/parameter-store-policies.html
        """
        for account, region, name in tuple(self._with_policies):
            with accounts.acting_in(account):
                current = _current(region, name)
            ends = expiration(_stored(current).policies) if current else None
            if ends is not None and ends.timestamp() <= self._now():
                ssm_backends[account][region].delete_parameter(name)
            if not current or ends is None or ends.timestamp() <= self._now():
                self._with_policies.discard((account, region, name))

    def _noted(self, call: Call, names: list[str], answer: Answer) -> Answer:
        if answer.is_success and self._recreate_delay():
            deleted = ((accounts.current(), call.region, canonical(name)) for name in names)
            self._deleted.update(dict.fromkeys(deleted, self._clock()))
        return answer

    def _refuse_recreation(self, region: str, name: str) -> None:
        # A fault that tests enable. AWS recommends to wait 30 s; that it ever rejects the call is unproved.
        at = self._deleted.get((accounts.current(), region, name))
        if at is not None and self._clock() - at < self._recreate_delay():
            raise AwsError("TooManyUpdates", f"The parameter {name} was deleted recently.")

    @contextmanager
    def _alone(self, region: str, name: str) -> Iterator[None]:
        # https://docs.aws.amazon.com/systems-manager/latest/APIReference/API_PutParameter.html
        key = (accounts.current(), region, name)
        with self._lock:
            if key in self._writing:
                raise AwsError(
                    "TooManyUpdates", "There are concurrent updates for a resource that supports one update at a time."
                )
            self._writing.add(key)
        try:
            yield
        finally:
            with self._lock:
                self._writing.discard(key)


_HANDLERS: dict[str, Callable[[ParameterStore, Call, Request, Forward], Answer]] = {
    "PutParameter": ParameterStore.put,
    "GetParameter": ParameterStore.get,
    "GetParameters": ParameterStore.get_many,
    "GetParametersByPath": ParameterStore.get_by_path,
    "GetParameterHistory": ParameterStore.history,
    "DescribeParameters": ParameterStore.describe,
    "DeleteParameter": ParameterStore.delete,
    "DeleteParameters": ParameterStore.delete_many,
    "AddTagsToResource": ParameterStore.tag,
    "RemoveTagsFromResource": ParameterStore.tags,
    "ListTagsForResource": ParameterStore.tags,
}


def _described(parameter: Mapping[str, Any], request: Request, name: str, selector: str) -> dict[str, Any]:
    """A parameter in AWS's format: a secret is encrypted unless decryption was requested."""
    found = {**parameter}
    if found.get("Type") == "SecureString" and not request.get("WithDecryption"):
        found["Value"] = _closed(found)
    if canonical(found["Name"]) == canonical(name):
        found["Name"] = name.strip()
    return _with_selector(found, selector)


def _with_selector(answer: dict[str, Any], selector: str) -> dict[str, Any]:
    return {**answer, "Selector": f":{selector}"} if selector else answer


def _closed(parameter: Mapping[str, Any]) -> str:
    """Resembles ciphertext, differs for each version, and contains nothing of the value."""
    seed = f"{parameter['Name']}:{parameter['Version']}:{parameter['Value']}".encode()
    return base64.b64encode(hashlib.sha512(_SALT + seed).digest() * 2).decode()


def _unknown_label(answer: Answer, name: str, selector: str) -> Answer:
    # https://docs.aws.amazon.com/systems-manager/latest/APIReference/API_GetParameter.html
    # That a label has the same error as a version is unproved.
    code = answer.document().get("__type", "")
    if selector and code.endswith("ParameterNotFound"):
        raise AwsError(
            "ParameterVersionNotFound",
            f"Systems Manager could not find version {selector} of {name}. Verify the version and try again.",
        )
    return answer


def _selected(name: str) -> tuple[str, str]:
    bare, _separator, selector = name.partition(":")
    return bare, selector


def _stored_form(name: str) -> str:
    bare, selector = _selected(_name_of_arn(name))
    return f"{canonical(bare)}:{selector}" if selector else canonical(bare)


def _name_of_arn(name: str) -> str:
    found = re.fullmatch(r"arn:[^:]*:ssm:[^:]*:\d*:parameter(/.*)", name)
    return found.group(1) if found else name


def _current(region: str, name: str) -> Any:
    versions = ssm_backends[accounts.current()][region]._parameters.get(name)
    return versions[-1] if versions else None


def _version(region: str, answer: Mapping[str, Any]) -> Any:
    """The stored version of a response: each version is encrypted with its own key."""
    versions = ssm_backends[accounts.current()][region]._parameters.get(answer["Name"], ())
    return next((item for item in versions if item.version == answer.get("Version")), None)


def _stored(parameter: Any) -> Stored:
    return Stored(
        type=parameter.parameter_type,
        tier=parameter.tier or "Standard",
        allowed_pattern=parameter.allowed_pattern or "",
        policies=parameter.policies or "",
        data_type=getattr(parameter, "data_type", "") or "text",
    )


def _check_readable(region: str, parameter: Mapping[str, Any], request: Request) -> None:
    # https://docs.aws.amazon.com/kms/latest/developerguide/services-parameter-store.html
    # Decryption with a disabled key or a key pending deletion is InvalidKeyId; the text after it is from KMS.
    if parameter.get("Type") != "SecureString" or not request.get("WithDecryption"):
        return
    key = getattr(_version(region, parameter), "keyid", None) or "alias/aws/ssm"
    if not _has_key(region, key):
        raise AwsError("InvalidKeyId", f"{key} is disabled or pending deletion.")


def _has_key(region: str, key: str) -> bool:
    if key == "alias/aws/ssm" or key.endswith(":alias/aws/ssm"):
        return True
    backend = kms_backends[accounts.current()][region]
    if "alias/" in key and not backend.alias_exists(backend.get_alias_name(key)):
        return False
    found = backend.keys.get(backend.any_id_to_key_id(key))
    return found is not None and found.key_state == "Enabled"
