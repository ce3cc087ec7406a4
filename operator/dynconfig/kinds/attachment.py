"""What is added to a user's own function so that it can read: layer, environment and a policy; and nothing else of it is touched.

Tags on the function say to whom the addition belongs, and what it was.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from dynconfig.api.function import FunctionSpec, Mode
from dynconfig.api.names import ATTACHED_LAYER_TAG, ATTACHED_ROLE_TAG, ATTACHED_TAG
from dynconfig.engine.arns import Arns
from dynconfig.engine.declaration import Declaration
from dynconfig.engine.errors import Conflict, NotFound, SourceMissing
from dynconfig.engine.naming import fitting
from dynconfig.engine.resource import Scope
from dynconfig.kinds import environment, reading, tags
from dynconfig.kinds.attachment_value import (
    Attachment,
    Host,
    check_room,
    check_unspoilt,
    host_of,
    marks,
    was_ours,
)
from dynconfig.kinds.documents import canonical, policy

if TYPE_CHECKING:
    from mypy_boto3_iam.client import IAMClient
    from mypy_boto3_lambda.client import LambdaClient

_TAGS = (ATTACHED_TAG, ATTACHED_LAYER_TAG, ATTACHED_ROLE_TAG)


class Attachments:
    """Keeps additions to functions of one place."""

    value = Attachment
    stands_alone = True

    def __init__(self, client: "LambdaClient", iam: "IAMClient", arns: Arns, layer: Callable[[str], str]) -> None:
        self._lambda = client
        self._iam = iam
        self._arns = arns
        self._layer = layer

    def desired(self, declaration: Declaration) -> Iterable[Attachment]:
        """The addition, where a function is attached."""
        function = declaration.function
        if function is None or function.mode is not Mode.ATTACH or function.name is None:
            return
        yield self._desired(declaration, function, function.name)

    def observe(self, scope: Scope, desired: Sequence[Attachment]) -> Iterator[Attachment]:
        """The addition as it is; a function that has none yet is looked at whether it can take one."""
        wanted = {attachment.name: attachment for attachment in desired}
        for name in scope.where("Attachment", desired, scope.names.function):
            found = self._get(name, scope.owner.tag)
            if found is None and name in wanted:
                raise SourceMissing(
                    f"spec.function.name: function {name} does not exist in {self._arns.region}; mode Attach adds to a "
                    "function that is there. Create it, or set mode: Managed. Nothing was written"
                )
            if found is None or found.host is None:
                continue
            # A function that the operator made has the same environment, and no addition.
            if found.owner or (name in wanted and was_ours(found.host)):
                yield found
            elif name in wanted:
                check_unspoilt(wanted[name], found.host)
                check_room(wanted[name], found.host)

    def refuse(self, desired: Attachment, observed: Attachment | None) -> None:
        """What Lambda would refuse of the user's part and ours together."""
        if observed is not None and observed.host is not None:
            check_room(desired, observed.host)

    def put(self, desired: Attachment, observed: Attachment | None) -> Attachment:
        """Mark the function, let its role read, then add layer and environment to what it has."""
        current = observed or self._unattached(desired)
        host = _host(current)
        if current.owner != desired.owner:
            self._mark(desired, current, host)
        if desired.policy != current.policy:
            name = self._policy_name(desired.name)
            self._iam.put_role_policy(RoleName=host.role, PolicyName=name, PolicyDocument=desired.policy)
        if host.attached_role not in ("", host.role):
            self._remove_policy(desired.name, host.attached_role)
        layers = (*host.others(desired.layer), desired.layer)
        answer = self._change(current, layers, {**host.own_variables, **desired.variables})
        if (host.attached_layer, host.attached_role) != (desired.layer, host.role):
            # A new mark comes after what it tells of, so that the old layer is not forgotten half-way.
            self._mark(desired, current, host)
        return _written(desired, current, answer)

    def delete(self, observed: Sequence[Attachment]) -> None:
        """Take away what was added; the mark goes last."""
        for attachment in observed:
            with suppress(NotFound):
                self._detach(attachment)

    def release(self, observed: Attachment) -> None:
        """Take only the mark off."""
        self._lambda.untag_resource(Resource=observed.arn, TagKeys=list(_TAGS))

    def _desired(self, declaration: Declaration, function: FunctionSpec, name: str) -> Attachment:
        return Attachment(
            name=name,
            owner=declaration.owner.tag,
            arn=self._arns.function(name),
            layer=function.extension.layer_arn or self._layer(function.architecture),
            environment=tags.pairs(reading.environment(declaration, function)),
            revision=reading.wanted_revision(declaration),
            policy=canonical(policy(*reading.statements(declaration, self._arns))),
            architecture=function.architecture.value,
        )

    def _get(self, name: str, owner: str) -> Attachment | None:
        """The function as it is, with the policy that we gave it if it is the owner's."""
        try:
            answer = self._lambda.get_function(FunctionName=name)
        except NotFound:
            return None
        configuration, labels = answer["Configuration"], tags.of_function(answer)
        host, marked = host_of(configuration, labels), labels.get(ATTACHED_TAG, "")
        variables = host.our_variables
        is_busy = configuration.get("LastUpdateStatus") == "InProgress" or configuration.get("State") == "Pending"
        return Attachment(
            name=name,
            owner=marked,
            arn=configuration["FunctionArn"],
            layer=next(iter(host.additions()), ""),
            revision=variables.pop(reading.REVISION, ""),
            environment=tags.pairs(variables),
            policy=self._policy(name, host.role) if marked in ("", owner) else "",
            host=host,
            pending="is being updated by Lambda" if is_busy and marked == owner else "",
        )

    def _unattached(self, desired: Attachment) -> Attachment:
        """The function at this moment: nobody may have come first since it was looked at."""
        current = self._get(desired.name, desired.owner)
        if current is None or current.owner not in ("", desired.owner):
            raise Conflict(f"function {desired.name} went away or was taken this moment; looking again", delay=0.5)
        return current

    def _policy(self, function: str, role: str) -> str:
        try:
            answer = self._iam.get_role_policy(RoleName=role, PolicyName=self._policy_name(function))
        except NotFound:
            return ""
        return canonical(answer["PolicyDocument"])

    def _policy_name(self, function: str) -> str:
        """One name for each function, since functions may share a role, in several regions."""
        return fitting(f"dynconfig-{self._arns.region}-{function}")

    def _remove_policy(self, function: str, role: str) -> None:
        with suppress(NotFound):
            self._iam.delete_role_policy(RoleName=role, PolicyName=self._policy_name(function))

    def _mark(self, desired: Attachment, current: Attachment, host: Host) -> None:
        labels = {ATTACHED_TAG: desired.owner, **marks(desired.layer, host.role)}
        self._lambda.tag_resource(Resource=current.arn, Tags=labels)

    def _change(
        self, current: Attachment, layers: tuple[str, ...], variables: Mapping[str, str]
    ) -> Mapping[str, Any] | None:
        """Replace layers and environment, if the function still is what was looked at."""
        host = _host(current)
        if (layers, dict(variables)) == (host.layers, dict(host.variables)):
            return None
        # Lambda replaces both as a whole: what the user changed this moment must not be lost.
        # https://docs.aws.amazon.com/lambda/latest/api/API_UpdateFunctionConfiguration.html
        guard: Any = {"RevisionId": host.revision_id} if host.revision_id else {}
        return self._lambda.update_function_configuration(
            FunctionName=current.name, Layers=list(layers), Environment={"Variables": dict(variables)}, **guard
        )

    def _detach(self, attachment: Attachment) -> None:
        host = _host(attachment)
        self._change(attachment, host.others(), host.own_variables)
        for role in sorted({host.role, host.attached_role} - {""}):
            self._remove_policy(attachment.name, role)
        self._lambda.untag_resource(Resource=attachment.arn, TagKeys=list(_TAGS))


def _host(attachment: Attachment) -> Host:
    """The function, for a write that keeps what the user has on it."""
    assert attachment.host is not None, "what was observed has its function"  # noqa: S101 - for the type checker
    environment.check_told(attachment.name, attachment.host.untold)
    return attachment.host


def _written(desired: Attachment, current: Attachment, answer: Mapping[str, Any] | None) -> Attachment:
    if answer is None:
        return replace(desired, arn=current.arn, host=current.host)
    pending = "is being updated by Lambda" if answer.get("LastUpdateStatus") == "InProgress" else ""
    before = _host(current)
    # The answer may not tell the environment; it is what was sent.
    sent = {**before.own_variables, **desired.variables}
    host = replace(host_of(answer, marks(desired.layer, before.role)), variables=sent, untold="")
    return replace(desired, arn=current.arn, host=host, pending=pending)
