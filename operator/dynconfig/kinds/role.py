"""The IAM roles: the function's execution role, and the role by which EventBridge Scheduler invokes it.

They have a path of their own, and no role outside of it is written to. Earlier versions created them without a path: such a
role with the owner tag is used until its successor exists, and then deleted.
"""

from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, ClassVar

from dynconfig.api.function import Mode
from dynconfig.api.names import OWNER_TAG
from dynconfig.api.spec import DynamicConfigSpec
from dynconfig.kinds._shared import function_access, tags
from dynconfig.kinds._shared.context import Context
from dynconfig.kinds._shared.documents import canonical, policy
from dynconfig.kinds._shared.tags import Pairs
from dynconfig.model import errors
from dynconfig.model.allowed import (
    NAMED,
    NEW,
    OWN,
    OWNED,
    TAGGED,
    Allowed,
    Conditions,
    Grant,
    Statement,
)
from dynconfig.model.arns import Arns
from dynconfig.model.declaration import Declaration
from dynconfig.model.errors import AlreadyExists, Conflict, NotFound, NotPossible
from dynconfig.model.facts import EventSource, Facts
from dynconfig.model.naming import ROLE_PATH, Names
from dynconfig.model.resource import Resource, Scope

if TYPE_CHECKING:
    from mypy_boto3_iam.client import IAMClient

# Total size of the inline policies of a role, without whitespace.
# https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_iam-quotas.html
POLICY_CHARACTERS = 10240
_DESTINATIONS = {
    "sqs": "sqs:SendMessage",
    "sns": "sns:Publish",
    "lambda": "lambda:InvokeFunction",
    "events": "events:PutEvents",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Role(Resource):
    """A role with one inline policy; documents as canonical JSON. The boundary is empty if none is configured."""

    kind: ClassVar[str] = "Role"
    declared_in: ClassVar[str] = "spec.function.roleName"
    arn: str = field(default="", metadata={"compare": False})
    trust: str
    policy: str
    boundary: str = ""
    tags: Pairs = ()


class Roles:
    """Manage the roles of one account, with the permissions boundary of this ARN, if any."""

    value = Role
    named_after = ("Function",)
    is_independent = True

    def __init__(self, context: Context) -> None:
        self._iam: IAMClient = context.client("iam")
        self._arns = context.arns
        self._boundary = context.boundary
        self._ignored = context.ignored_tags

    def desired(self, declaration: Declaration) -> Iterable[Role]:
        """Return a role for a managed function, and one for its schedule."""
        function = declaration.function
        if function is None or function.mode is Mode.ATTACH:
            return
        yield self._role(declaration, declaration.names.role, "lambda", self._function_policy(declaration))
        if function.triggers.schedule:
            call = {"Effect": "Allow", "Action": "lambda:InvokeFunction", "Resource": self._function_arn(declaration)}
            yield self._role(declaration, declaration.names.scheduler_role, "scheduler", policy(call))

    def observe(self, scope: Scope, desired: Sequence[Role]) -> Iterator[Role]:
        """Return each role that is desired, reported or named after the owner, including names of earlier versions."""
        versions = scope.names.versions
        defaults = (name for names in versions for name in (names.role, names.scheduler_role, *names.other_roles))
        for name in scope.where(Role.kind, desired, *defaults):
            found = self._get(name)
            if found is not None:
                yield found

    def refuse(self, desired: Role, observed: Role | None) -> None:
        """Raise NotPossible if the policy is too long, or the role exists at another path."""
        if observed is not None:
            _check_path(observed)
        if len(desired.policy) > POLICY_CHARACTERS:
            raise NotPossible(
                f"role {desired.name}: its policy exceeds the IAM limit of {POLICY_CHARACTERS} characters"
            )

    def put(self, desired: Role, observed: Role | None) -> Role:
        """Create the role with its tags, or update what differs. Raises NotPossible for a role at another path."""
        if observed is None:
            self._create(desired)
        else:
            _check_path(observed)
            self._update(desired, observed)
        if observed is None or desired.policy != observed.policy:
            self._iam.put_role_policy(
                RoleName=desired.name, PolicyName=function_access.POLICY_NAME, PolicyDocument=desired.policy
            )
        return desired

    def delete(self, observed: Sequence[Role]) -> None:
        """Remove all policies and delete; a role of an earlier version only if it has nothing else."""
        for role in observed:
            if path_of(role.arn) != ROLE_PATH and not self._is_all_ours(role):
                self._leave(role)
                continue
            with suppress(NotFound):
                if path_of(role.arn) == ROLE_PATH:
                    self._bound(role)
                self._strip(role.name)
            with suppress(NotFound):
                self._iam.delete_role(RoleName=role.name)

    def release(self, observed: Role) -> None:
        """Remove the owner tag."""
        self._iam.untag_role(RoleName=observed.name, TagKeys=[OWNER_TAG])

    def _role(self, declaration: Declaration, name: str, service: str, document: dict[str, Any]) -> Role:
        trust = {"Effect": "Allow", "Principal": {"Service": f"{service}.amazonaws.com"}, "Action": "sts:AssumeRole"}
        if service == "scheduler":
            # Prevents use of this role by schedules of other accounts (confused deputy).
            # https://docs.aws.amazon.com/scheduler/latest/UserGuide/cross-service-confused-deputy-prevention.html
            trust["Condition"] = {"StringEquals": {"aws:SourceAccount": self._arns.account}}
        return Role(
            name=name,
            owner=declaration.owner.tag,
            arn=self._arns.role(name),
            trust=canonical(policy(trust)),
            policy=canonical(document),
            boundary=self._boundary,
            tags=declaration.tags,
        )

    def _function_policy(self, declaration: Declaration) -> dict[str, Any]:
        group = self._arns.log_group(declaration.names.log_group)
        logs = {
            "Effect": "Allow",
            "Action": ["logs:CreateLogStream", "logs:PutLogEvents"],
            "Resource": f"{group}:*",
        }
        destination = declaration.function.on_failure if declaration.function else ""
        found = [*function_access.statements(declaration, self._arns), logs]
        if destination:
            found.append(
                {"Effect": "Allow", "Action": _DESTINATIONS[destination.split(":")[2]], "Resource": destination}
            )
        return policy(*found)

    def _function_arn(self, declaration: Declaration) -> str:
        return self._arns.function(declaration.names.function)

    def _get(self, name: str) -> Role | None:
        try:
            role = self._iam.get_role(RoleName=name)["Role"]
        except NotFound:
            return None
        try:
            inline = canonical(
                self._iam.get_role_policy(RoleName=name, PolicyName=function_access.POLICY_NAME)["PolicyDocument"]
            )
        except NotFound:
            inline = ""
        found = tags.of_list(role.get("Tags", []))
        # No version created roles at any other path, whatever their tags say.
        may_be_ours = path_of(role["Arn"]) in (ROLE_PATH, "/")
        return Role(
            name=name,
            owner=tags.owner_of(found) if may_be_ours else "",
            arn=role["Arn"],
            trust=canonical(role["AssumeRolePolicyDocument"]),
            policy=inline,
            boundary=role.get("PermissionsBoundary", {}).get("PermissionsBoundaryArn", "") if self._boundary else "",
            tags=tags.own(found, self._ignored),
        )

    def _create(self, desired: Role) -> None:
        labels: Any = tags.as_list(tags.with_owner(desired.tags, desired.owner))
        bounded: Any = {"PermissionsBoundary": desired.boundary} if desired.boundary else {}
        try:
            self._iam.create_role(
                Path=ROLE_PATH, RoleName=desired.name, AssumeRolePolicyDocument=desired.trust, Tags=labels, **bounded
            )
        except AlreadyExists:
            raise Conflict(f"role {desired.name} was created concurrently; retrying", delay=0.5) from None

    def _update(self, desired: Role, observed: Role) -> None:
        # First: the operator's IAM policy allows no other write to a role without the boundary.
        self._bound(observed)
        added, removed = tags.change(observed.tags, observed.owner, desired.tags, desired.owner)
        if added:
            labels: Any = tags.as_list(added)
            self._iam.tag_role(RoleName=desired.name, Tags=labels)
        if removed:
            self._iam.untag_role(RoleName=desired.name, TagKeys=removed)
        if desired.trust != observed.trust:
            self._iam.update_assume_role_policy(RoleName=desired.name, PolicyDocument=desired.trust)

    def _bound(self, observed: Role) -> None:
        """Restore the permissions boundary, if one is configured."""
        if observed.boundary != self._boundary:
            self._iam.put_role_permissions_boundary(RoleName=observed.name, PermissionsBoundary=self._boundary)

    def _is_all_ours(self, role: Role) -> bool:
        """Return whether a role of an earlier version has only the policy of that version. Raises Conflict."""
        current = self._get(role.name)
        if current is None:
            return True
        if (current.owner, current.arn) != (role.owner, role.arn):
            raise Conflict(f"role {role.name} was replaced or taken over concurrently; retrying", delay=0.5)
        with suppress(NotFound):
            attached = self._iam.list_attached_role_policies(RoleName=role.name)["AttachedPolicies"]
            inline = self._iam.list_role_policies(RoleName=role.name)["PolicyNames"]
            return not attached and set(inline) <= {function_access.POLICY_NAME}
        return True

    def _leave(self, role: Role) -> None:
        """Remove only the operator's policy and tag from a role that an earlier version had adopted."""
        with suppress(NotFound):
            self._iam.delete_role_policy(RoleName=role.name, PolicyName=function_access.POLICY_NAME)
        with suppress(NotFound):
            self.release(role)

    def _strip(self, name: str) -> None:
        for policies in self._iam.get_paginator("list_attached_role_policies").paginate(RoleName=name):
            for attached in policies["AttachedPolicies"]:
                with suppress(NotFound):
                    self._iam.detach_role_policy(RoleName=name, PolicyArn=attached["PolicyArn"])
        for inline in self._iam.get_paginator("list_role_policies").paginate(RoleName=name):
            for policy_name in inline["PolicyNames"]:
                with suppress(NotFound):
                    self._iam.delete_role_policy(RoleName=name, PolicyName=policy_name)


def _check_path(role: Role) -> None:
    """Raise NotPossible for a role outside of the operator's path."""
    if (path := path_of(role.arn)) != ROLE_PATH:
        raise NotPossible(
            f"spec.function.roleName: role {role.name} has the path {path}, but the operator writes only to roles below "
            f"{ROLE_PATH}. Choose another name"
        )


def path_of(arn: str) -> str:
    """Return the path of a role; a single slash if it has none.

    https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_identifiers.html
    """
    return "/" + "".join(arn.partition(":role/")[2].rpartition("/")[:2])


def owner_tags(iam: "IAMClient") -> Iterator[tuple[str, str]]:
    """Yield ARN and owner tag of the account's roles that Lambda or Scheduler may assume.

    ListRoles returns no tags, and AWS's tag index does not cover roles.
    https://docs.aws.amazon.com/IAM/latest/APIReference/API_ListRoles.html
    """
    for role in (item for page in iam.get_paginator("list_roles").paginate(PathPrefix="/") for item in page["Roles"]):
        trust = canonical(role["AssumeRolePolicyDocument"])
        if not any(f'"{service}.amazonaws.com"' in trust for service in ("lambda", "scheduler")):
            continue
        with suppress(NotFound):
            pages = iam.get_paginator("list_role_tags").paginate(RoleName=role["RoleName"])
            yield role["Arn"], tags.owner_of(tags.of_list(tag for page in pages for tag in page["Tags"]))


_CREATE = ("iam:CreateRole",)
# Not limited by the tag of the role: a new one may not be known everywhere with its tags at once.
# https://docs.aws.amazon.com/IAM/latest/UserGuide/troubleshoot.html
_PUT_POLICY = ("iam:PutRolePolicy",)
_WRITES = ("iam:DeleteRole", "iam:DeleteRolePolicy", "iam:DetachRolePolicy", "iam:UpdateAssumeRolePolicy")


def _names(spec: DynamicConfigSpec, names: Names) -> Iterator[tuple[str, str]]:
    if spec.function and spec.function.mode is Mode.MANAGED and not spec.function.role_name:
        yield "spec.function.roleName", names.role


def _arn(allowed: Allowed, arns: Arns) -> str:
    return arns.role("*") if allowed.functions else ""


def _arns(allowed: Allowed, arns: Arns) -> list[str]:
    return [arns.role("*")] if allowed.functions else []


def _if_bounded(allowed: Allowed, arns: Arns) -> str:
    return _arn(allowed, arns) if allowed.boundary else ""


def _if_unbounded(allowed: Allowed, arns: Arns) -> list[str]:
    return [] if allowed.boundary else _arns(allowed, arns)


def _without_path(allowed: Allowed, arns: Arns) -> list[str]:
    return [arns.role(name, path="/") for name in allowed.derived]


def _bound(allowed: Allowed, _arns: Arns) -> Conditions:
    return {"StringEquals": {"iam:PermissionsBoundary": allowed.boundary}}


# Where a boundary is given, it is required for all actions that AWS supports the condition for; not for TagRole, UntagRole and
# PassRole.
# https://docs.aws.amazon.com/IAM/latest/UserGuide/access_policies_boundaries.html
# https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_iam-condition-keys.html
# https://docs.aws.amazon.com/service-authorization/latest/reference/list_awsidentityandaccessmanagementiam.html
_POLICIES = Statement(sid="RolePolicies", conditions=_bound)
_NEW = Statement(sid="NewRoles", conditions=lambda allowed, arns: {**_bound(allowed, arns), **TAGGED})
_OWN = Statement(sid="OwnRoles", conditions=lambda allowed, arns: {**_bound(allowed, arns), **OWNED})
# Not by the tag of the role, which has no reliable results here.
# https://docs.aws.amazon.com/IAM/latest/UserGuide/id_roles_use_passrole.html
_PASS = Statement(
    sid="PassRole",
    conditions=lambda _allowed, _arns: {
        "StringEquals": {"iam:PassedToService": ["lambda.amazonaws.com", "scheduler.amazonaws.com"]}
    },
)

FACTS = Facts(
    kind=Role.kind,
    service="iam",
    noun="role",
    named_by=("RoleName",),
    event_source=EventSource("iam"),
    grants=(
        Grant(
            statement=NAMED,
            rank=2,
            actions=("iam:GetRole", "iam:GetRolePolicy", "iam:ListAttachedRolePolicies", "iam:ListRolePolicies"),
            resources=_arns,
        ),
        Grant(statement=NAMED, rank=4, actions=_PUT_POLICY, resources=_if_unbounded),
        Grant(statement=NEW, rank=1, actions=("iam:TagRole",), resources=_arns),
        Grant(statement=NEW, rank=4, actions=_CREATE, resources=_if_unbounded),
        Grant(statement=OWN, rank=1, actions=("iam:TagRole", "iam:UntagRole"), resources=_arns),
        Grant(statement=OWN, rank=4, actions=_WRITES, resources=_if_unbounded),
        # A role that does not exist has no path, so it is looked up by its name.
        Grant(statement=Statement(sid="Look"), actions=("iam:GetRole",), resources=_without_path),
        Grant(statement=_POLICIES, actions=_PUT_POLICY, resources=_if_bounded),
        Grant(statement=_NEW, actions=_CREATE, resources=_if_bounded),
        Grant(statement=_OWN, rank=0, actions=_WRITES, resources=_if_bounded),
        Grant(statement=_OWN, actions=("iam:PutRolePermissionsBoundary",), resources=_if_bounded),
        # Whatever other policies allow: the boundary is not removed from a role, and its text is not changed.
        Grant(
            statement=Statement(sid="Boundary", effect="Deny"),
            actions=(
                "iam:CreatePolicyVersion",
                "iam:DeletePolicy",
                "iam:DeletePolicyVersion",
                "iam:DeleteRolePermissionsBoundary",
                "iam:SetDefaultPolicyVersion",
            ),
            resources=lambda allowed, arns: "*" if _if_bounded(allowed, arns) else "",
        ),
        Grant(statement=_PASS, actions=("iam:PassRole",), resources=_arn),
        Grant(
            statement=Statement(sid="EarlierRoles", conditions=lambda _allowed, _arns: OWNED),
            actions=(
                "iam:DeleteRole",
                "iam:DeleteRolePolicy",
                "iam:DetachRolePolicy",
                "iam:GetRolePolicy",
                "iam:ListAttachedRolePolicies",
                "iam:ListRolePolicies",
                "iam:UntagRole",
            ),
            resources=lambda allowed, arns: _without_path(allowed, arns) if allowed.earlier_roles else [],
        ),
    ),
    errors={
        "ServiceFailure": errors.Unavailable,
        "ConcurrentModification": errors.Conflict,
        "DeleteConflict": errors.Conflict,
        "EntityTemporarilyUnmodifiable": errors.Conflict,
        "EntityAlreadyExists": errors.AlreadyExists,
        "NoSuchEntity": errors.NotFound,
        "LimitExceeded": errors.QuotaExceeded,
        "UnmodifiableEntity": errors.AccessDenied,
        "MalformedPolicyDocument": errors.Refused,
        "PolicyNotAttachable": errors.Refused,
        "InvalidInput": errors.Refused,
    },
    default_names=_names,
)

build = Roles
