"""What is added to a user's own function so that it can read: layer, environment and a policy; and nothing else of it is touched.

A tag on the function says to whom the addition belongs.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from dynconfig.api.function import Architecture, FunctionSpec, Mode
from dynconfig.api.names import ATTACHED_TAG
from dynconfig.engine.arns import Arns
from dynconfig.engine.declaration import Declaration
from dynconfig.engine.errors import NotFound, NotPossible, SourceMissing
from dynconfig.engine.naming import fitting
from dynconfig.engine.resource import Owner, Resource, Scope
from dynconfig.kinds import reading, tags
from dynconfig.kinds.documents import canonical, policy
from dynconfig.kinds.tags import Pairs

if TYPE_CHECKING:
    from mypy_boto3_iam.client import IAMClient
    from mypy_boto3_lambda.client import LambdaClient

EXTENSION = ":layer:AWS-Parameters-and-Secrets-Lambda-Extension"
# https://docs.aws.amazon.com/lambda/latest/dg/gettingstarted-limits.html
LAYERS = 5
_OURS = ("DYNCONFIG_", "SSM_PARAMETER_STORE_", "PARAMETERS_SECRETS_EXTENSION_")


@dataclass(frozen=True, slots=True, kw_only=True)
class Host:
    """The user's function as it is."""

    architecture: str
    role: str
    layers: tuple[str, ...]
    variables: Mapping[str, str]


@dataclass(frozen=True, slots=True, kw_only=True)
class Attachment(Resource):
    """Our addition to the function of this name."""

    arn: str = field(default="", metadata={"compare": False})
    layer: str
    environment: Pairs
    revision: str = field(default="", metadata={"derived": True})
    policy: str
    host: Host | None = field(default=None, repr=False, metadata={"compare": False})
    architecture: str = field(default="", metadata={"compare": False})

    @property
    def variables(self) -> dict[str, str]:
        """Our part of the environment."""
        return {**dict(self.environment), **({reading.REVISION: self.revision} if self.revision else {})}


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
        names = [name for kind, name in scope.listed if kind == "Attachment"]
        if scope.blind and not scope.untouched:
            names.append(scope.names.function)
        for name in dict.fromkeys((*wanted, *names)):
            found = self._get(scope, name)
            if found is None and name in wanted:
                raise SourceMissing(
                    f"spec.function.name: function {name} does not exist in {self._arns.region}; mode Attach adds to a "
                    "function that is there. Create it, or set mode: Managed. Nothing was written"
                )
            if found is not None and found.owner:
                yield found
            elif found is not None and name in wanted:
                _check_room(wanted[name], found)

    def refuse(self, desired: Attachment, observed: Attachment | None) -> None:
        """Lambda takes 4 KB of environment, the user's and ours together."""
        if observed is not None and observed.host is not None:
            _check_fit(desired, observed.host)

    def put(self, desired: Attachment, observed: Attachment | None) -> Attachment:
        """Mark the function, let its role read, then add layer and environment to what it has."""
        current = observed or self._get(None, desired.name)
        if current is None or current.host is None:
            raise SourceMissing(f"function {desired.name} went away this moment")
        if observed is None or observed.owner != desired.owner:
            self._lambda.tag_resource(Resource=current.arn, Tags={ATTACHED_TAG: desired.owner})
        if desired.policy != current.policy:
            self._iam.put_role_policy(
                RoleName=current.host.role, PolicyName=_policy_name(desired.owner), PolicyDocument=desired.policy
            )
        answer = self._change(
            current,
            layers=(*_others(current.host), desired.layer),
            variables={**_theirs(current.host), **desired.variables},
        )
        return _written(desired, current, answer)

    def delete(self, observed: Sequence[Attachment]) -> None:
        """Take away what was added; the mark goes last."""
        for attachment in observed:
            try:
                self._detach(attachment)
            except NotFound:
                continue

    def release(self, observed: Attachment) -> None:
        """Take only the mark off."""
        self._lambda.untag_resource(Resource=observed.arn, TagKeys=[ATTACHED_TAG])

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

    def _get(self, scope: Scope | None, name: str) -> Attachment | None:
        try:
            answer = self._lambda.get_function(FunctionName=name)
        except NotFound:
            return None
        configuration = answer["Configuration"]
        host = Host(
            architecture=next(iter(configuration.get("Architectures", [Architecture.X86_64.value]))),
            role=configuration["Role"].rpartition("/")[2],
            layers=tuple(layer["Arn"] for layer in configuration.get("Layers", [])),
            variables=dict(configuration.get("Environment", {}).get("Variables", {})),
        )
        owner = answer.get("Tags", {}).get(ATTACHED_TAG, "")
        ours = {key: value for key, value in host.variables.items() if key.startswith(_OURS)}
        is_mine = scope is not None and owner == scope.owner.tag
        is_busy = configuration.get("LastUpdateStatus") == "InProgress" or configuration.get("State") == "Pending"
        return Attachment(
            name=name,
            owner=owner,
            arn=configuration["FunctionArn"],
            layer=next((arn for arn in host.layers if EXTENSION in arn), ""),
            revision=ours.pop(reading.REVISION, ""),
            environment=tags.pairs(ours),
            policy=self._policy(host.role, owner) if is_mine else "",
            host=host,
            pending="is being updated by Lambda" if is_busy and is_mine else "",
        )

    def _policy(self, role: str, owner: str) -> str:
        try:
            answer = self._iam.get_role_policy(RoleName=role, PolicyName=_policy_name(owner))
        except NotFound:
            return ""
        return canonical(answer["PolicyDocument"])

    def _change(
        self, current: Attachment, *, layers: tuple[str, ...], variables: Mapping[str, str]
    ) -> Mapping[str, Any]:
        host = current.host
        if host is not None and (layers, dict(variables)) == (host.layers, dict(host.variables)):
            return {}
        return self._lambda.update_function_configuration(
            FunctionName=current.name, Layers=list(layers), Environment={"Variables": dict(variables)}
        )

    def _detach(self, attachment: Attachment) -> None:
        host = attachment.host
        if host is None:
            return
        with suppress(NotFound):
            self._iam.delete_role_policy(RoleName=host.role, PolicyName=_policy_name(attachment.owner))
        self._change(attachment, layers=_others(host), variables=_theirs(host))
        self._lambda.untag_resource(Resource=attachment.arn, TagKeys=[ATTACHED_TAG])


def _check_room(desired: Attachment, found: Attachment) -> None:
    """A function that is to be attached for the first time must not lose anything by it."""
    host, title = found.host, f"function {desired.name}"
    if host is None:
        return
    taken = sorted(name for name in host.variables if name.startswith(_OURS))
    if taken:
        raise NotPossible(f"{title} sets {', '.join(taken)} itself; remove it there, since it would be overwritten")
    if found.layer:
        raise NotPossible(
            f"{title} has the extension as a layer already ({found.layer}); remove it there, one is added"
        )
    if len(host.layers) >= LAYERS:
        raise NotPossible(f"{title} has {LAYERS} layers, as many as Lambda takes, so the extension cannot be added")
    if host.architecture != desired.architecture:
        raise NotPossible(f"{title} is {host.architecture}; set spec.function.architecture: {host.architecture}")
    _check_fit(desired, host)


def _check_fit(desired: Attachment, host: Host) -> None:
    length = reading.size({**_theirs(host), **desired.variables})
    if length > reading.ENVIRONMENT_BYTES:
        raise NotPossible(
            f"function {desired.name}: its environment would have {length} bytes of the {reading.ENVIRONMENT_BYTES} that "
            "Lambda takes; shorten schemas, or split the configuration"
        )


def _others(host: Host) -> tuple[str, ...]:
    return tuple(arn for arn in host.layers if EXTENSION not in arn)


def _theirs(host: Host) -> dict[str, str]:
    return {name: value for name, value in host.variables.items() if not name.startswith(_OURS)}


def _policy_name(owner: str) -> str:
    found = Owner.parse(owner)
    return fitting(f"dynconfig-{found.namespace}-{found.name}") if found else reading.POLICY_NAME


def _written(desired: Attachment, current: Attachment, answer: Mapping[str, Any]) -> Attachment:
    pending = "is being updated by Lambda" if answer.get("LastUpdateStatus") == "InProgress" else ""
    return replace(desired, arn=current.arn, host=current.host, pending=pending)
