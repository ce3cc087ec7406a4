"""Who may assume the operator's own role on EKS and the roles of AWSTargets, and what the own role needs for that. Pure."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from dynconfig.aws.permissions import document
from dynconfig.model.target import Target

Policy = dict[str, Any]
ASSUME, TAG = "sts:AssumeRole", "sts:TagSession"


@dataclass(frozen=True, slots=True)
class ServiceAccount:
    """The operator's service account."""

    cluster: str
    """ARN of its cluster if it has a role by EKS Pod Identity, otherwise empty."""
    namespace: str
    name: str

    def tags(self, kind: str) -> dict[str, str]:
        """Return conditions on the session tags of EKS Pod Identity; `kind` is Request or Principal.

        https://docs.aws.amazon.com/eks/latest/userguide/pod-id-abac.html
        """
        return {
            f"aws:{kind}Tag/eks-cluster-arn": self.cluster,
            f"aws:{kind}Tag/kubernetes-namespace": self.namespace,
            f"aws:{kind}Tag/kubernetes-service-account": self.name,
        }


def irsa(provider: str, account: ServiceAccount) -> Policy:
    """Return the trust policy of a role for a service account; `provider` is the ARN of the cluster's OIDC provider.

    https://docs.aws.amazon.com/eks/latest/userguide/associate-service-account-role.html
    """
    issuer = provider.partition(":oidc-provider/")[2]
    subject = f"system:serviceaccount:{account.namespace}:{account.name}"
    conditions = {f"{issuer}:aud": "sts.amazonaws.com", f"{issuer}:sub": subject}
    return document(_allow(["sts:AssumeRoleWithWebIdentity"], conditions, Principal={"Federated": provider}))


def pod_identity(account: ServiceAccount) -> Policy:
    """Return the trust policy of a role for a service account with EKS Pod Identity.

    The session tags name the cluster by its ARN. AWS documents aws:SourceArn and aws:SourceAccount for the role of the cluster
    only (cross-service-confused-deputy-prevention.html), and a condition on a key that is missing denies all pods.
    https://docs.aws.amazon.com/eks/latest/userguide/pod-id-role.html
    """
    return document(_allow([ASSUME, TAG], account.tags("Request"), Principal={"Service": "pods.eks.amazonaws.com"}))


def target_role(target: Target, operator_role: str, cluster: str, account: ServiceAccount) -> Policy:
    """Return the trust policy of the role of a target. `cluster` is the ID of the cluster that session tags name.

    With EKS Pod Identity, the tags of the operator's session are transitive: they are passed to each role that it
    assumes, which requires sts:TagSession also without session tags of the target.
    https://docs.aws.amazon.com/IAM/latest/UserGuide/id_session-tags.html
    https://docs.aws.amazon.com/eks/latest/userguide/pod-id-assign-target-role.html
    https://docs.aws.amazon.com/IAM/latest/UserGuide/confused-deputy.html (external ID)
    """
    tags = {f"aws:RequestTag/{key}": value for key, value in target.session_tags(cluster)}
    conditions = {**tags, **(account.tags("Principal") if account.cluster else {})}
    external = {"sts:ExternalId": target.external_id} if target.external_id else {}
    principal = {"AWS": operator_role}
    statements = [_allow([ASSUME], {**external, **conditions}, Principal=principal)]
    if tags or account.cluster:
        statements.append(_allow([TAG], conditions, Principal=principal))
    return document(*statements)


def assume(targets: Iterable[Target], *, is_pod_identity: bool) -> list[Policy]:
    """Return the statements that the operator's own role needs for targets: one for each action, on exactly their roles."""
    chosen = [target for target in targets if target.role_arn]
    tagged = [target.role_arn for target in chosen if target.has_session_tags or is_pod_identity]
    by_action = (("Targets", ASSUME, [target.role_arn for target in chosen]), ("TargetTags", TAG, tagged))
    return [
        {"Sid": sid, **_allow([action], {}, Resource=list(dict.fromkeys(roles)))}
        for sid, action, roles in by_action
        if roles
    ]


def _allow(actions: Sequence[str], conditions: Mapping[str, str], **about: Any) -> Policy:
    condition = {"Condition": {"StringEquals": dict(conditions)}} if conditions else {}
    return {"Effect": "Allow", **about, "Action": list(actions), **condition}
