"""The facts of the attachment kind."""

from dynconfig.kinds.attachment.attachments import Attachments
from dynconfig.kinds.attachment.value import Attachment
from dynconfig.model.allowed import Allowed, Conditions, Grant, Statement
from dynconfig.model.arns import Arns
from dynconfig.model.facts import EventSource, Facts


def _bound(allowed: Allowed, _arns: Arns) -> Conditions:
    return {"StringEquals": {"iam:PermissionsBoundary": allowed.boundary}} if allowed.boundary else {}


def _functions(allowed: Allowed, arns: Arns) -> list[str]:
    names = (allowed.attached_functions or allowed.functions) if allowed.attached_roles else ()
    return [arns.function(name) for name in names]


def _roles(allowed: Allowed, arns: Arns) -> list[str]:
    # The Lambda console makes roles with a path, /service-role/.
    names = allowed.attached_roles if allowed.all_functions else ()
    return [arns.role(place, path="/") for name in names for place in (name, f"*/{name}")]


FACTS = Facts(
    kind=Attachment.kind,
    service="lambda",
    event_source=EventSource("lambda"),
    grants=(
        # Functions of others, to which mode Attach adds: only where roles of such functions are named.
        Grant(
            statement=Statement(sid="Attached"),
            actions=("lambda:TagResource", "lambda:UntagResource", "lambda:UpdateFunctionConfiguration"),
            resources=_functions,
        ),
        Grant(statement=Statement(sid="AttachedRoles"), actions=("iam:GetRolePolicy",), resources=_roles),
        # Within the boundary, too, where there is one.
        Grant(
            statement=Statement(sid="AttachedRolePolicies", conditions=_bound),
            actions=("iam:DeleteRolePolicy", "iam:PutRolePolicy"),
            resources=_roles,
        ),
    ),
)

build = Attachments
