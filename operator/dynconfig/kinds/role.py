"""The IAM roles: one that the function runs as, one by which EventBridge Scheduler calls it."""

from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, ClassVar

from dynconfig.api.function import Mode
from dynconfig.api.names import OWNER_TAG
from dynconfig.engine.arns import Arns
from dynconfig.engine.declaration import Declaration
from dynconfig.engine.errors import AlreadyExists, Conflict, NotFound, NotPossible
from dynconfig.engine.resource import Resource, Scope
from dynconfig.kinds import reading, tags
from dynconfig.kinds.documents import canonical, policy
from dynconfig.kinds.tags import Pairs

if TYPE_CHECKING:
    from mypy_boto3_iam.client import IAMClient

# All inline policies of a role together, white space not counted.
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
    """A role with one inline policy; documents as canonical JSON. The boundary is empty where none is asked for."""

    declared_in: ClassVar[str] = "spec.function.roleName"
    arn: str = field(default="", metadata={"compare": False})
    trust: str
    policy: str
    boundary: str = ""
    tags: Pairs = ()


class Roles:
    """Keeps the roles of one account, each below the permissions boundary of this ARN, if there is one."""

    value = Role
    stands_alone = True

    def __init__(self, iam: "IAMClient", arns: Arns, *, boundary: str = "", ignored_tags: tuple[str, ...] = ()) -> None:
        self._iam = iam
        self._arns = arns
        self._boundary = boundary
        self._ignored = ("aws:", *ignored_tags)

    def desired(self, declaration: Declaration) -> Iterable[Role]:
        """A role for a managed function, and one for its schedule."""
        function = declaration.function
        if function is None or function.mode is Mode.ATTACH:
            return
        yield self._role(declaration, declaration.names.role, "lambda", self._function_policy(declaration))
        if function.triggers.schedule:
            call = {"Effect": "Allow", "Action": "lambda:InvokeFunction", "Resource": self._function_arn(declaration)}
            yield self._role(declaration, declaration.names.scheduler_role, "scheduler", policy(call))

    def observe(self, scope: Scope, desired: Sequence[Role]) -> Iterator[Role]:
        """Each role that is desired, listed or named after the owner."""
        names = scope.where("Role", desired, scope.names.role)
        for name in dict.fromkeys((*names, *scope.where("Role", (), scope.names.scheduler_role))):
            found = self._get(name)
            if found is not None:
                yield found

    def refuse(self, desired: Role, observed: Role | None) -> None:
        """IAM bounds the length of inline policies, and a role cannot leave its path."""
        path = _path(observed.arn) if observed else "/"
        if path != "/":
            # Functions and policies name a role by its ARN, which follows from the name only where there is no path.
            raise NotPossible(
                f"spec.function.roleName: role {desired.name} has the path {path}, as the Lambda console gives it, and "
                "roles with a path cannot be taken over; choose another name"
            )
        if len(desired.policy) > POLICY_CHARACTERS:
            raise NotPossible(f"role {desired.name}: its policy would be longer than {POLICY_CHARACTERS} characters")

    def put(self, desired: Role, observed: Role | None) -> Role:
        """Create with tags, or change what differs."""
        if observed is None:
            self._create(desired)
        else:
            self._update(desired, observed)
        if observed is None or desired.policy != observed.policy:
            self._iam.put_role_policy(
                RoleName=desired.name, PolicyName=reading.POLICY_NAME, PolicyDocument=desired.policy
            )
        return desired

    def delete(self, observed: Sequence[Role]) -> None:
        """Take off all policies, whoever put them there, and delete."""
        for role in observed:
            with suppress(NotFound):
                self._strip(role.name)
            with suppress(NotFound):
                self._iam.delete_role(RoleName=role.name)

    def release(self, observed: Role) -> None:
        """Take the owner tag off."""
        self._iam.untag_role(RoleName=observed.name, TagKeys=[OWNER_TAG])

    def _role(self, declaration: Declaration, name: str, service: str, document: dict[str, Any]) -> Role:
        trust = {"Effect": "Allow", "Principal": {"Service": f"{service}.amazonaws.com"}, "Action": "sts:AssumeRole"}
        if service == "scheduler":
            # Else another account's schedule could be made to use this role.
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
        found = [*reading.statements(declaration, self._arns), logs]
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
                self._iam.get_role_policy(RoleName=name, PolicyName=reading.POLICY_NAME)["PolicyDocument"]
            )
        except NotFound:
            inline = ""
        found = tags.of_list(role.get("Tags", []))
        return Role(
            name=name,
            owner=tags.owner_of(found),
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
            self._iam.create_role(RoleName=desired.name, AssumeRolePolicyDocument=desired.trust, Tags=labels, **bounded)
        except AlreadyExists:
            raise Conflict(f"role {desired.name} came into being this moment; looking again", delay=0.5) from None

    def _update(self, desired: Role, observed: Role) -> None:
        added, removed = tags.change(observed.tags, observed.owner, desired.tags, desired.owner)
        if added:
            labels: Any = tags.as_list(added)
            self._iam.tag_role(RoleName=desired.name, Tags=labels)
        if removed:
            self._iam.untag_role(RoleName=desired.name, TagKeys=removed)
        if desired.trust != observed.trust:
            self._iam.update_assume_role_policy(RoleName=desired.name, PolicyDocument=desired.trust)
        if desired.boundary != observed.boundary:
            self._iam.put_role_permissions_boundary(RoleName=desired.name, PermissionsBoundary=desired.boundary)

    def _strip(self, name: str) -> None:
        for policies in self._iam.get_paginator("list_attached_role_policies").paginate(RoleName=name):
            for attached in policies["AttachedPolicies"]:
                with suppress(NotFound):
                    self._iam.detach_role_policy(RoleName=name, PolicyArn=attached["PolicyArn"])
        for inline in self._iam.get_paginator("list_role_policies").paginate(RoleName=name):
            for policy_name in inline["PolicyNames"]:
                with suppress(NotFound):
                    self._iam.delete_role_policy(RoleName=name, PolicyName=policy_name)


def _path(arn: str) -> str:
    """The path of a role: one slash where it has none."""
    return "/" + "".join(arn.partition(":role/")[2].rpartition("/")[:2])


def owner_tags(iam: "IAMClient") -> Iterator[tuple[str, str]]:
    """ARN and owner tag of the roles of the account that carry one and that Lambda or Scheduler may assume.

    ListRoles answers no tags, and AWS's index of tags has no roles.
    https://docs.aws.amazon.com/IAM/latest/APIReference/API_ListRoles.html
    """
    for role in (item for page in iam.get_paginator("list_roles").paginate(PathPrefix="/") for item in page["Roles"]):
        trust = canonical(role["AssumeRolePolicyDocument"])
        if not any(f'"{service}.amazonaws.com"' in trust for service in ("lambda", "scheduler")):
            continue
        with suppress(NotFound):
            pages = iam.get_paginator("list_role_tags").paginate(RoleName=role["RoleName"])
            yield role["Arn"], tags.owner_of(tags.of_list(tag for page in pages for tag in page["Tags"]))
