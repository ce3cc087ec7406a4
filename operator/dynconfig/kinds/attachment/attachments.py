"""Attach to an existing function: add the layer, environment variables and read permissions, and nothing else.

Tags on the function record the owner and what was added. Lambda changes the revision id with each tag change, and
rejects tag changes while an update is in progress.
https://docs.aws.amazon.com/lambda/latest/dg/functions-states.html
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from dynconfig.api.function import FunctionSpec, Mode
from dynconfig.engine.apply import SETTLING_SECONDS
from dynconfig.kinds._shared import environment, function_access, tags
from dynconfig.kinds._shared.context import Context
from dynconfig.kinds._shared.documents import canonical, policy
from dynconfig.kinds._shared.function_errors import naming_field
from dynconfig.kinds.attachment.tags import KEYS, AttachmentTags
from dynconfig.kinds.attachment.value import (
    Attachment,
    TargetFunction,
    addition,
    attachment_of,
    check_limits,
    check_no_conflict,
    check_unmanaged,
    comparable,
    in_transit,
    is_left_by,
    needs_layer,
    only_added,
    restored,
    target_of,
    was_attached,
    with_addition,
)
from dynconfig.model.declaration import Declaration
from dynconfig.model.errors import Conflict, NotFound, Refused, Settling, SourceMissing
from dynconfig.model.naming import fitting
from dynconfig.model.resource import Added, Scope

if TYPE_CHECKING:
    from mypy_boto3_iam.client import IAMClient
    from mypy_boto3_lambda.client import LambdaClient

_BUSY = "is being updated by Lambda"


class Attachments:
    """Manage the attachments to functions of one place."""

    value = Attachment
    needs = ("Parameter",)
    is_independent = True

    def __init__(self, context: Context) -> None:
        self._lambda: LambdaClient = context.client("lambda")
        self._iam: IAMClient = context.client("iam")
        self._arns = context.arns
        self._layers = context.layers

    def desired(self, declaration: Declaration) -> Iterable[Attachment]:
        """Return the attachment, if mode is Attach."""
        function = declaration.function
        if function is None or function.mode is not Mode.ATTACH or function.name is None:
            return
        yield self._desired(declaration, function, function.name)

    def observe(self, scope: Scope, desired: Sequence[Attachment]) -> Iterator[Attachment | Added]:
        """Return the attachments as AWS has them; check that functions without one can be attached."""
        wanted = {attachment.name: attachment for attachment in desired}
        for name in scope.where(Attachment.kind, desired, scope.names.function):
            found = self._get(name, scope.owner.tag)
            if found is None and name in wanted:
                raise SourceMissing(
                    f"spec.function.name: function {name} does not exist in {self._arns.region}; mode Attach "
                    "requires an existing function. Create it, or set mode: Managed"
                )
            if found is None or found.target is None:
                continue
            found = _restored(found, scope)
            seen = tuple(_observed(found, scope, wanted.get(name)))
            yield from seen
            if name not in wanted or found.function.managed_by:
                continue
            if not (found.owner or was_attached(found.function)):
                yield Added(only_added(self._with_layer(wanted[name], found.function), found.function))
            for attachment in seen:
                if attachment.owner == scope.owner.tag and needs_layer(wanted[name], attachment.function):
                    yield Added(self._with_layer(wanted[name], attachment.function))

    def refuse(self, desired: Attachment, observed: Attachment | None) -> None:
        """Raise NotPossible if the function conflicts with the declaration or would exceed a limit of Lambda."""
        if observed is not None and observed.target is not None:
            check_unmanaged(desired, observed.target)
            check_no_conflict(desired, observed.target)
            check_limits(desired, observed.target)

    def put(self, desired: Attachment, observed: Attachment | None) -> Attachment:
        """Tag the function, grant its role read access, then add layer and environment."""
        current = observed or self._unattached(desired)
        actual = self._with_layer(desired, _target(current))
        return replace(self._put(actual, current), layer=desired.layer)

    def delete(self, observed: Sequence[Attachment]) -> None:
        """Remove what was added; the tags last."""
        for attachment in observed:
            with suppress(NotFound):
                self._detach(attachment)

    def release(self, observed: Attachment) -> None:
        """Remove only the tags."""
        _check_at_rest(observed)
        self._lambda.untag_resource(Resource=observed.arn, TagKeys=list(KEYS))

    def _with_layer(self, desired: Attachment, target: TargetFunction) -> Attachment:
        """Set the layer to AWS's newest version if a layer has to be added."""
        is_needed = needs_layer(desired, target)
        return replace(desired, layer=self._layers.newest(desired.architecture)) if is_needed else desired

    def _put(self, desired: Attachment, current: Attachment) -> Attachment:
        target = _target(current)
        wanted = in_transit(desired, target)
        before = target.recorded.role
        if wanted != target.tagged:
            # First: tags must record what is added, even if the process dies right after adding it.
            current = self._record(current, wanted)
            target = _target(current)
        if desired.policy != current.policy:
            name = self._policy_name(desired.name)
            self._iam.put_role_policy(RoleName=target.role, PolicyName=name, PolicyDocument=desired.policy)
        if before not in ("", target.role):
            self._remove_policy(desired.name, before)
        answer = self._change(current, *with_addition(desired, target))
        result = _written(desired, current, answer)
        if result.is_remembered or result.pending:
            return result
        self._record(result, addition(desired, _target(result)))
        return replace(result, is_remembered=True)

    def _desired(self, declaration: Declaration, function: FunctionSpec, name: str) -> Attachment:
        return Attachment(
            name=name,
            owner=declaration.owner.tag,
            arn=self._arns.function(name),
            layer=function.extension.layer_arn or self._layers.oldest(function.architecture),
            environment=tags.pairs(function_access.environment(declaration, function)),
            revision=function_access.wanted_revision(declaration),
            policy=canonical(policy(*function_access.statements(declaration, self._arns))),
            architecture=function.architecture.value,
            is_layer_declared=bool(function.extension.layer_arn),
        )

    def _get(self, name: str, owner: str) -> Attachment | None:
        """Return the function as AWS has it, and its policy if it is unattached or attached by this owner."""
        try:
            answer = self._lambda.get_function(FunctionName=name)
        except NotFound:
            return None
        configuration = answer["Configuration"]
        labels = tags.of_function(answer)
        tagged = AttachmentTags.of(labels)
        target = target_of(configuration, tagged, tags.owner_of(labels))
        policy_document = self._policy(name, target.role) if tagged.owner in ("", owner) else ""
        is_busy = configuration.get("LastUpdateStatus") == "InProgress" or configuration.get("State") == "Pending"
        return attachment_of(name, configuration["FunctionArn"], target, policy_document, _BUSY if is_busy else "")

    def _unattached(self, desired: Attachment) -> Attachment:
        """Read the function again. Raises Conflict if it was deleted, attached or managed since it was observed."""
        current = self._get(desired.name, desired.owner)
        if current is None or current.owner not in ("", desired.owner) or current.function.managed_by:
            raise Conflict(f"function {desired.name} was deleted or claimed concurrently; retrying", delay=0.5)
        _check_at_rest(current)
        return current

    def _policy(self, function: str, role: str) -> str:
        try:
            answer = self._iam.get_role_policy(RoleName=role, PolicyName=self._policy_name(function))
        except NotFound:
            return ""
        return canonical(answer["PolicyDocument"])

    def _policy_name(self, function: str) -> str:
        """Return a name per function and region, since functions may share a role."""
        return fitting(f"dynconfig-{self._arns.region}-{function}")

    def _remove_policies(self, function: str, target: TargetFunction) -> None:
        for role in sorted({target.role, target.recorded.role} - {""}):
            self._remove_policy(function, role)

    def _remove_policy(self, function: str, role: str) -> None:
        with suppress(NotFound):
            self._iam.delete_role_policy(RoleName=role, PolicyName=self._policy_name(function))

    def _record(self, current: Attachment, recorded: AttachmentTags) -> Attachment:
        """Write the tags; return the function with its new revision id."""
        self._lambda.tag_resource(Resource=current.arn, Tags=recorded.tags)
        unused = [key for key in recorded.unused_keys if key in _target(current).tagged.tags]
        if unused:
            self._lambda.untag_resource(Resource=current.arn, TagKeys=unused)
        after = self._get(current.name, recorded.owner)
        if after is None or _theirs(after) != _theirs(current) or _target(after).tagged != recorded:
            raise Conflict(f"function {current.name} was changed concurrently; retrying", delay=0.5)
        _check_at_rest(after)
        return after

    def _change(
        self, current: Attachment, layers: tuple[str, ...], variables: Mapping[str, str]
    ) -> Mapping[str, Any] | None:
        """Replace layers and environment, if the function is unchanged since it was observed."""
        target = _target(current)
        if (layers, dict(variables)) == (target.layers, dict(target.variables)):
            return None
        # Lambda replaces both as a whole: concurrent changes of the user must not be lost.
        # https://docs.aws.amazon.com/lambda/latest/api/API_UpdateFunctionConfiguration.html
        guard: Any = {"RevisionId": target.revision_id} if target.revision_id else {}
        try:
            return self._lambda.update_function_configuration(
                FunctionName=current.name, Layers=list(layers), Environment={"Variables": dict(variables)}, **guard
            )
        except Refused as error:
            raise naming_field(error) from None

    def _detach(self, attachment: Attachment) -> None:
        target = _target(attachment)
        if self._get(attachment.name, attachment.owner) is None:
            # The function was deleted. Its role belongs to the user and is kept.
            self._remove_policies(attachment.name, target)
            return
        _check_at_rest(attachment)
        # The owner of the whole function manages its layers and environment.
        is_theirs = bool(target.managed_by)
        if not is_theirs and self._change(attachment, target.others, target.own_variables) is not None:
            # Tags cannot be removed until Lambda has finished the update.
            raise Settling(f"{attachment.title} {_BUSY}", delay=SETTLING_SECONDS)
        self._remove_policies(attachment.name, target)
        self._lambda.untag_resource(Resource=attachment.arn, TagKeys=list(KEYS))


def _restored(found: Attachment, scope: Scope) -> Attachment:
    """Return the attachment with what its tags have lost and status records, if it is this owner's."""
    target, reported = found.function, scope.attached.get(found.name)
    if target.managed_by:
        return found
    # Without tags and variables, a read policy may still be left of an attachment.
    is_left = is_left_by(target, scope.owner) or (bool(found.policy) and not was_attached(target))
    is_ours = not found.owner and (Attachment.kind, found.name) in scope.reported and is_left
    return restored(found, scope.owner, reported) if is_ours or found.owner == scope.owner.tag else found


def _observed(found: Attachment, scope: Scope, wanted: Attachment | None) -> Iterator[Attachment]:
    """Yield the attachment, regardless of its owner. If there is none, check that the function can be attached."""
    target = found.function
    if target.managed_by:
        if wanted is not None:
            yield replace(found, owner=target.managed_by)
        elif found.owner == scope.owner.tag:
            yield found
    elif found.owner or (was_attached(target) and wanted is not None):
        yield comparable(found, wanted)
    elif wanted is not None:
        check_no_conflict(wanted, target)
        check_limits(wanted, target)


def _target(attachment: Attachment) -> TargetFunction:
    """Return the function for a write. Raises if its environment is not readable, since the write would lose it."""
    target = attachment.function
    environment.check_readable(attachment.name, target.environment_error)
    return target


def _theirs(attachment: Attachment) -> tuple[object, ...]:
    target = _target(attachment)
    return target.layers, dict(target.variables), target.role


def _check_at_rest(attachment: Attachment) -> None:
    """Raise Settling while Lambda applies an update: it accepts neither tags nor another update."""
    if attachment.pending:
        raise Settling(f"{attachment.title} {attachment.pending}", delay=SETTLING_SECONDS)


def _written(desired: Attachment, current: Attachment, answer: Mapping[str, Any] | None) -> Attachment:
    before = _target(current)
    if answer is None:
        return replace(
            desired, arn=current.arn, target=before, is_remembered=before.tagged == addition(desired, before)
        )
    pending = _BUSY if answer.get("LastUpdateStatus") == "InProgress" else ""
    # The response may lack the environment; it is what was sent.
    _layers, sent = with_addition(desired, before)
    target = replace(target_of(answer, before.tagged), recorded=before.recorded, variables=sent, environment_error="")
    remembered = target.tagged == addition(desired, target)
    return replace(desired, arn=current.arn, target=target, pending=pending, is_remembered=remembered)
