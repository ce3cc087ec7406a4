"""Authorization of namespaces for AWS resources, shared by the operator, plans and `dynconfig can`. Pure."""

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from dynconfig.api.allow import NAMESPACE, Grant, LabelExpression, NamespaceSelector, Operator, Policy, Usable
from dynconfig.api.function import Authorization, FunctionSpec, Mode
from dynconfig.api.spec import DynamicConfigSpec
from dynconfig.api.target import USABLE_IN_TARGET, AWSTargetSpec
from dynconfig.model.errors import NotAllowed, PathNotAllowed
from dynconfig.model.naming import Names, is_own_name, prefix_of
from dynconfig.model.resource import Owner

# Matches no path, since each path begins with a slash.
NOWHERE = ("nowhere",)
"""The paths of a namespace that may not use any. An empty tuple allows all paths."""
USABLE_BY_ALL = frozenset((Usable.PARAMETERS, Usable.ALARMS, Usable.DASHBOARD, Usable.FUNCTION))
"""The resources that a namespace may create if no rule for it lists resources."""

MAX_DENIALS_IN_MESSAGE = 5
_DOTS = frozenset((".", ".."))

IsOwnLayer = Callable[[str], bool]
"""Whether an ARN is a version of AWS's Parameters and Secrets extension."""


def is_path_allowed(path: str, allowed: tuple[str, ...]) -> bool:
    """Whether a path is one of the allowed paths, or below one of them."""
    return not allowed or any(f"{path}/".startswith(f"{prefix.rstrip('/')}/") for prefix in allowed)


def describe_paths(allowed: tuple[str, ...]) -> str:
    """Return the allowed paths as text."""
    return "none" if allowed == NOWHERE else f"paths below {', '.join(allowed)}"


class Aspect(StrEnum):
    """What is authorized. The values are the field names of a rule."""

    PATH = "paths"
    RESOURCE = "resources"
    NAME = "names"
    LAYER = "layers"
    DESTINATION = "destinations"
    TOPIC = "topics"
    REGION = "regions"


@dataclass(frozen=True, slots=True)
class Use:
    """One resource, name or ARN that an object uses."""

    field: str
    aspect: Aspect
    value: str
    is_default: bool = False
    """Whether it is the name that the object would have without the field."""


@dataclass(frozen=True, slots=True)
class Decision:
    """Whether a use is allowed, and why."""

    use: Use
    is_allowed: bool
    why: str


@dataclass(frozen=True, slots=True)
class Tenant:
    """A namespace and its permissions."""

    namespace: str
    is_trusted: bool = True
    """All namespaces trust each other (DYNCONFIG_TENANCY=single): only paths are restricted, and only if they are configured."""
    paths: tuple[str, ...] = ()
    """Paths in DYNCONFIG_ALLOWED_PATHS; empty if it is not set, NOWHERE if it has none for this namespace."""
    regions: tuple[str, ...] = ()
    """Regions in DYNCONFIG_REGIONS, or that of the target; empty if no setting limits them."""
    rules: tuple[Grant, ...] = field(default=(), repr=False)
    """The rules of the policy or target that select this namespace."""
    is_known: bool = True
    """Whether all permissions are known. False if the policy or the labels of the namespace could not be read."""
    target: str = ""
    """The AWSTarget whose rules these are; empty for the policy."""

    def may_use_path(self, path: str) -> bool:
        """Whether a path is one of the allowed paths, or below one."""
        return is_path_allowed(path, self.usable_paths)

    def may_have_path(self, path: str) -> bool:
        """Whether a path is allowed, or may be: sufficient to retain resources in AWS, but not to write them."""
        return not self.is_known or self.may_use_path(path)

    def may_write_parameters(self, path: str, region: str = "") -> bool:
        """Whether the namespace may have parameters at a path in a region, empty for that of the operator or target."""
        if self._has_unusable_level(path) or not self.may_use_path(path):
            return False
        if not self.is_trusted and Usable.PARAMETERS not in self._usable_resources:
            return False
        return not region or self._may_use_region(region)

    def _may_use_region(self, region: str) -> bool:
        is_listed = not self.regions or region in self.regions
        return is_listed and self.decide(Use("spec.region", Aspect.REGION, region), lambda _arn: False).is_allowed

    def may_have_parameters(self, path: str, region: str = "") -> bool:
        """As `may_write_parameters`, or it may be allowed: sufficient to retain parameters in AWS, but not to write them."""
        return not self.is_known or self.may_write_parameters(path, region)

    @property
    def usable_paths(self) -> tuple[str, ...]:
        """All allowed paths; empty for any path."""
        if self.is_trusted:
            return self.paths
        listed = () if self.paths == NOWHERE else self.paths
        return (*listed, *self._listed(Aspect.PATH)) or NOWHERE

    def decide(self, use: Use, is_own_layer: IsOwnLayer) -> Decision:
        """Decide whether the namespace may use it. The default is to deny."""
        if use.aspect is Aspect.PATH:
            return self._decide_path(use)
        if self.is_trusted:
            return Decision(use, is_allowed=True, why="all namespaces trust each other (DYNCONFIG_TENANCY=single)")
        if use.aspect is Aspect.RESOURCE:
            return self._decide_resource(use)
        if why := self._usable_without_a_rule(use, is_own_layer):
            return Decision(use, is_allowed=True, why=why)
        granted = next((pattern for pattern in self._listed(use.aspect) if _matches(pattern, use.value)), None)
        if granted is not None:
            return Decision(use, is_allowed=True, why=f"a rule of {self._place} allows {granted}")
        return Decision(use, is_allowed=False, why=self._needed(use))

    @property
    def _place(self) -> str:
        return f"AWSTarget {self.target}" if self.target else "the policy"

    def _decide_path(self, use: Use) -> Decision:
        if self._has_unusable_level(use.value):
            why = "a level of . or .. is a directory for consoles and policies, although not for Parameter Store"
            return Decision(use, is_allowed=False, why=why)
        if not self.may_use_path(use.value):
            return Decision(use, is_allowed=False, why=f"it may use {describe_paths(self.usable_paths)}")
        granted = next((path for path in self.usable_paths if is_path_allowed(use.value, (path,))), None)
        return Decision(use, is_allowed=True, why=f"{granted} is allowed" if granted else "paths are not restricted")

    def _decide_resource(self, use: Use) -> Decision:
        usable = self._usable_resources
        source = self._without_a_list if self._listed_resources is None else f"the rules of {self._place} allow"
        return Decision(use, use.value in usable, f"{source} {', '.join(sorted(usable)) or 'nothing'}")

    def _has_unusable_level(self, path: str) -> bool:
        return bool(self.target) and not _DOTS.isdisjoint(path.split("/"))

    @property
    def _listed_resources(self) -> frozenset[Usable] | None:
        """The resources that rules list; None if none lists any, so that the default applies."""
        listed = [rule.resources for rule in self.rules if rule.resources is not None]
        return frozenset(found for each in listed for found in each) if listed else None

    @property
    def _usable_resources(self) -> frozenset[Usable]:
        listed = self._listed_resources
        return self._usable_by_default if listed is None else listed

    @property
    def _usable_by_default(self) -> frozenset[Usable]:
        if not self.target:
            return USABLE_BY_ALL
        return USABLE_IN_TARGET if self.rules else frozenset()

    @property
    def _without_a_list(self) -> str:
        if not self.target:
            return "without a rule, a namespace may create"
        if not self.rules:
            return f"no rule of {self._place} selects it, so it may create"
        return f"a rule of {self._place} without resources allows"

    def _usable_without_a_rule(self, use: Use, is_own_layer: IsOwnLayer) -> str:
        if use.aspect is Aspect.NAME and (use.is_default or is_own_name(use.value, self.namespace)):
            return "it is the default name" if use.is_default else f"it begins with {prefix_of(self.namespace)}"
        if use.aspect is Aspect.LAYER and is_own_layer(use.value):
            return "it is AWS's own extension"
        if use.aspect is Aspect.REGION and use.value in self.regions:
            return "DYNCONFIG_REGIONS allows it"
        return ""

    def _needed(self, use: Use) -> str:
        if use.aspect is Aspect.NAME and use.value.startswith(prefix_of(self.namespace)):
            text = "it may be a shortened name of another namespace, or has an underscore, and no rule of"
            return f"{text} {self._place} allows it"
        if use.aspect is Aspect.NAME:
            return f"it does not begin with {prefix_of(self.namespace)} and no rule of {self._place} allows it"
        # Namespaces without a rule learn nothing about a target.
        if use.aspect is Aspect.REGION and self.target and self.rules:
            return f"AWSTarget {self.target} is in {', '.join(self.regions)}"
        return f"no rule of {self._place} allows it in {use.aspect}"

    def _listed(self, aspect: Aspect) -> tuple[str, ...]:
        # The rules of a target have no regions.
        found = (pattern for rule in self.rules for pattern in getattr(rule, aspect.value, ()))
        return tuple(pattern.replace(NAMESPACE, self.namespace) for pattern in found)


TenantOf = Callable[[str], Tenant]
"""Return the permissions of a namespace by its name."""


def tenant(
    policy: Policy,
    namespace: str,
    labels: Mapping[str, str] | None,
    allowed_paths: tuple[str, ...] = (),
    regions: tuple[str, ...] = (),
    *,
    is_current: bool = True,
) -> Tenant:
    """Return the permissions of a namespace in a shared cluster.

    If its labels are unknown (None), rules that select by labels do not apply. `is_current` is False if the policy could not be
    read again, so that the last known policy is used.
    """
    rules = tuple(rule for rule in policy.allow if _is_about(rule, namespace, labels))
    is_labelled = labels is not None or not any(rule.namespace_selector for rule in policy.allow)
    is_known = is_current and is_labelled
    return Tenant(namespace, is_trusted=False, paths=allowed_paths, regions=regions, rules=rules, is_known=is_known)


def tenant_in(
    name: str, spec: AWSTargetSpec, namespace: str, labels: Mapping[str, str] | None, *, is_current: bool = True
) -> Tenant:
    """Return the permissions of a namespace in an AWSTarget: only its rules grant, whatever policy and settings allow.

    Labels and `is_current` as for `tenant`.
    """
    rules = tuple(rule for rule in spec.allow if _is_about(rule, namespace, labels))
    is_labelled = labels is not None or not any(rule.namespace_selector for rule in spec.allow)
    return Tenant(
        namespace,
        is_trusted=False,
        paths=NOWHERE,
        regions=(spec.region,),
        rules=rules,
        is_known=is_current and is_labelled,
        target=name,
    )


def unknown_tenant(namespace: str, target: str) -> Tenant:
    """Return the permissions in a target that does not exist, or is invalid: nothing is written, and nothing given up."""
    return Tenant(namespace, is_trusted=False, paths=NOWHERE, is_known=False, target=target)


def uses(spec: DynamicConfigSpec, default_region: str, owner: Owner | None = None) -> Iterator[Use]:
    """Yield everything that an object uses and that needs authorization. Without an owner no name is its default name."""
    yield Use("spec.path", Aspect.PATH, spec.path)
    if spec.region and spec.region != default_region:
        yield Use("spec.region", Aspect.REGION, spec.region)
    if spec.parameters:
        yield Use("spec.parameters", Aspect.RESOURCE, Usable.PARAMETERS)
    if spec.dashboard:
        yield Use("spec.dashboard", Aspect.RESOURCE, Usable.DASHBOARD)
    if spec.alarms:
        yield Use("spec.alarms", Aspect.RESOURCE, Usable.ALARMS)
        for topic in spec.alarms.notify:
            yield Use("spec.alarms.notify", Aspect.TOPIC, topic)
    if spec.function:
        defaults = _default_names(spec.function, owner, spec.region or default_region) if owner else frozenset()
        yield from _uses_of_function(spec.function, defaults)


def decisions(
    spec: DynamicConfigSpec,
    tenant: Tenant,
    default_region: str,
    is_own_layer: IsOwnLayer,
    owner: Owner | None = None,
) -> list[Decision]:
    """Return the decision for each use of an object, in the order of its fields."""
    return [tenant.decide(use, is_own_layer) for use in uses(spec, default_region, owner)]


def own_names(names: Iterable[tuple[str, str]], namespace: str) -> Iterator[Decision]:
    """Yield decisions for the generated names that begin with the prefix of the namespace, which need no rule.

    `names` are pairs of the field that leads to a name, and the name.
    """
    prefix = prefix_of(namespace)
    for where, name in names:
        # Other names are derived from the name of the function, which is authorized itself.
        if name.startswith(prefix):
            yield Decision(Use(where, Aspect.NAME, name), is_allowed=True, why=f"it begins with {prefix}")


def check(
    spec: DynamicConfigSpec,
    tenant: Tenant,
    default_region: str,
    is_own_layer: IsOwnLayer,
    owner: Owner | None = None,
) -> None:
    """Raise PathNotAllowed or NotAllowed if an object uses something that its namespace may not use."""
    denied = [each for each in decisions(spec, tenant, default_region, is_own_layer, owner) if not each.is_allowed]
    if not denied:
        return
    first, *others = denied
    if first.use.aspect is Aspect.PATH:
        also = f"; {_denials(tenant.namespace, others)}" if others else ""
        raise PathNotAllowed(
            f"namespace {tenant.namespace} may not use path {spec.path}; {first.why}{also}. "
            "Ask the operator's administrator to allow it, or choose an allowed path"
        )
    raise NotAllowed(
        f"{_denials(tenant.namespace, (first, *others))}. Ask the operator's administrator for a rule "
        "(`dynconfig can` explains each decision), or change the field"
    )


def _denials(namespace: str, denied: Iterable[Decision]) -> str:
    found = [f"{each.use.field}: namespace {namespace} may not use {each.use.value}; {each.why}" for each in denied]
    more = len(found) - MAX_DENIALS_IN_MESSAGE
    return "; ".join(found[:MAX_DENIALS_IN_MESSAGE]) + (f"; and {more} more" if more > 0 else "")


def _default_names(function: FunctionSpec, owner: Owner, region: str) -> frozenset[tuple[str, str]]:
    without_names = Names.of(owner, region, None, None)
    without_role = Names.of(owner, region, function.name, None)
    return frozenset((("name", without_names.function), ("roleName", without_role.role)))


def _uses_of_function(function: FunctionSpec, defaults: frozenset[tuple[str, str]]) -> Iterator[Use]:
    is_attached = function.mode is Mode.ATTACH
    yield Use("spec.function", Aspect.RESOURCE, Usable.ATTACH if is_attached else Usable.FUNCTION)
    if function.name:
        is_default = ("name", function.name) in defaults
        yield Use("spec.function.name", Aspect.NAME, function.name, is_default)
    if function.role_name:
        is_default = ("roleName", function.role_name) in defaults
        yield Use("spec.function.roleName", Aspect.NAME, function.role_name, is_default)
    if function.extension.layer_arn:
        yield Use("spec.function.extension.layerArn", Aspect.LAYER, function.extension.layer_arn)
    if function.on_failure:
        yield Use("spec.function.onFailure", Aspect.DESTINATION, function.on_failure)
    http_api = function.triggers.http_api
    if http_api and http_api.authorization is Authorization.NONE:
        yield Use("spec.function.triggers.httpApi.authorization", Aspect.RESOURCE, Usable.PUBLIC_HTTP_API)


def _is_about(rule: Grant, namespace: str, labels: Mapping[str, str] | None) -> bool:
    if namespace in rule.namespaces or "*" in rule.namespaces:
        return True
    # NotIn and DoesNotExist match a namespace without labels, so unknown labels must not count as none.
    return rule.namespace_selector is not None and labels is not None and _selects(rule.namespace_selector, labels)


def _selects(selector: NamespaceSelector, labels: Mapping[str, str]) -> bool:
    has_labels = all(labels.get(key) == value for key, value in selector.match_labels.items())
    return has_labels and all(_holds(expression, labels) for expression in selector.match_expressions)


def _holds(expression: LabelExpression, labels: Mapping[str, str]) -> bool:
    match expression.operator:
        case Operator.EXISTS:
            return expression.key in labels
        case Operator.DOES_NOT_EXIST:
            return expression.key not in labels
        case Operator.IN:
            return labels.get(expression.key) in expression.values
        case Operator.NOT_IN:
            return labels.get(expression.key) not in expression.values


def _matches(pattern: str, value: str) -> bool:
    """Whether a value matches a pattern in which * matches any text without a colon."""
    fields, parts = pattern.split(":"), value.split(":")
    return len(fields) == len(parts) and all(map(_matches_field, fields, parts))


def _matches_field(pattern: str, text: str) -> bool:
    """Whether a text matches a pattern in which * matches any text. Takes linear time for each *, unlike `re`."""
    first, *inner = pattern.split("*")
    if not inner:
        return text == pattern
    last, at = inner.pop(), len(first)
    if not text.startswith(first) or not text.endswith(last):
        return False
    for piece in inner:
        found = text.find(piece, at)
        if found < 0:
            return False
        at = found + len(piece)
    return at + len(last) <= len(text)
