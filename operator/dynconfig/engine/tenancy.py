"""What a namespace may use of AWS: one decision for the operator, for plans and for `dynconfig can`. Pure."""

import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from dynconfig.api.allow import NAMESPACE, AllowRule, LabelExpression, NamespaceSelector, Operator, Policy, Usable
from dynconfig.api.function import Authorization, FunctionSpec, Mode
from dynconfig.api.spec import DynamicConfigSpec
from dynconfig.engine import paths
from dynconfig.engine.errors import NotAllowed, PathNotAllowed
from dynconfig.engine.naming import Names, prefix_of
from dynconfig.engine.paths import NOWHERE

USABLE_BY_ALL = frozenset((Usable.PARAMETERS, Usable.ALARMS, Usable.DASHBOARD, Usable.FUNCTION))
"""What a namespace may make where no rule for it lists resources."""

MAX_DENIALS_IN_MESSAGE = 5

IsOwnLayer = Callable[[str], bool]
"""Answers whether an ARN is a version of AWS's Parameters and Secrets extension."""


class Aspect(StrEnum):
    """What is decided about; each but the first is a list in a rule."""

    PATH = "paths"
    RESOURCE = "resources"
    NAME = "names"
    LAYER = "layers"
    DESTINATION = "destinations"
    TOPIC = "topics"
    REGION = "regions"


@dataclass(frozen=True, slots=True)
class Use:
    """One thing that an object wants to use."""

    field: str
    aspect: Aspect
    value: str


@dataclass(frozen=True, slots=True)
class Decision:
    """Whether a namespace may use something, and why."""

    use: Use
    is_allowed: bool
    why: str


@dataclass(frozen=True, slots=True)
class Tenant:
    """A namespace with what it was granted."""

    namespace: str
    is_trusted: bool = True
    """All namespaces trust each other (DYNCONFIG_TENANCY=single): only paths are bounded, and only where they are listed."""
    paths: tuple[str, ...] = ()
    """Paths of DYNCONFIG_ALLOWED_PATHS; empty where it is not set, NOWHERE where it lists none for this namespace."""
    regions: tuple[str, ...] = ()
    """Regions of DYNCONFIG_REGIONS."""
    rules: tuple[AllowRule, ...] = field(default=(), repr=False)
    """The rules of the policy that are about this namespace."""
    is_known: bool = True
    """All that is granted to it is known; else the policy or the labels of its namespace could not be read."""

    def may_use_path(self, path: str) -> bool:
        """Whether a path is one of those that are granted, or below one."""
        return paths.is_allowed(path, self.usable_paths)

    def may_have_path(self, path: str) -> bool:
        """Whether a path is granted, or may be, as far as is known: enough to keep something in AWS, not to write it."""
        return not self.is_known or self.may_use_path(path)

    @property
    def usable_paths(self) -> tuple[str, ...]:
        """All paths that are granted; empty for any."""
        if self.is_trusted:
            return self.paths
        listed = () if self.paths == NOWHERE else self.paths
        return (*listed, *self._listed(Aspect.PATH)) or NOWHERE

    def decide(self, use: Use, is_own_layer: IsOwnLayer) -> Decision:
        """Whether the namespace may use it: what nothing grants is denied."""
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
            return Decision(use, is_allowed=True, why=f"a rule of the policy lists {granted}")
        return Decision(use, is_allowed=False, why=self._needed(use))

    def _decide_path(self, use: Use) -> Decision:
        if not self.may_use_path(use.value):
            return Decision(use, is_allowed=False, why=f"it may use {paths.told(self.usable_paths)}")
        granted = next((path for path in self.usable_paths if paths.is_allowed(use.value, (path,))), None)
        return Decision(use, is_allowed=True, why=f"{granted} is listed for it" if granted else "no paths are listed")

    def _decide_resource(self, use: Use) -> Decision:
        listed = [rule.resources for rule in self.rules if rule.resources is not None]
        usable = frozenset(found for each in listed for found in each) if listed else USABLE_BY_ALL
        source = "the rules of the policy list" if listed else "without a rule a namespace may make"
        return Decision(use, use.value in usable, f"{source} {', '.join(sorted(usable)) or 'nothing'}")

    def _usable_without_a_rule(self, use: Use, is_own_layer: IsOwnLayer) -> str:
        if use.aspect is Aspect.NAME and _is_own_name(use.value, self.namespace):
            return f"it begins with {prefix_of(self.namespace)}"
        if use.aspect is Aspect.LAYER and is_own_layer(use.value):
            return "it is AWS's own extension"
        if use.aspect is Aspect.REGION and use.value in self.regions:
            return "DYNCONFIG_REGIONS lists it"
        return ""

    def _needed(self, use: Use) -> str:
        if use.aspect is Aspect.NAME:
            return f"names that begin with {prefix_of(self.namespace)} need no rule, and no rule of the policy lists it"
        return f"no rule of the policy lists it under {use.aspect}"

    def _listed(self, aspect: Aspect) -> tuple[str, ...]:
        found = (pattern for rule in self.rules for pattern in getattr(rule, aspect.value))
        return tuple(pattern.replace(NAMESPACE, self.namespace) for pattern in found)


TenantOf = Callable[[str], Tenant]
"""Answers what a namespace, by its name, may use."""


def tenant(
    policy: Policy,
    namespace: str,
    labels: Mapping[str, str] | None,
    allowed_paths: tuple[str, ...] = (),
    regions: tuple[str, ...] = (),
    *,
    is_current: bool = True,
) -> Tenant:
    """A namespace of a shared cluster, which may use what is granted to it and nothing else.

    If its labels are unknown (None), rules that select by labels do not apply to it. `is_current`: the policy is the one that
    is in force, and not what was read before it could no longer be read.
    """
    rules = tuple(rule for rule in policy.allow if _is_about(rule, namespace, labels))
    is_labelled = labels is not None or not any(rule.namespace_selector for rule in policy.allow)
    is_known = is_current and is_labelled
    return Tenant(namespace, is_trusted=False, paths=allowed_paths, regions=regions, rules=rules, is_known=is_known)


def uses(spec: DynamicConfigSpec, default_region: str) -> Iterator[Use]:
    """All that an object wants to use and that may be another's."""
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
        yield from _uses_of_function(spec.function)


def decisions(spec: DynamicConfigSpec, tenant: Tenant, default_region: str, is_own_layer: IsOwnLayer) -> list[Decision]:
    """What is decided about each thing that an object wants to use, in the order of its fields."""
    return [tenant.decide(use, is_own_layer) for use in uses(spec, default_region)]


def own_names(spec: DynamicConfigSpec, namespace: str, names: Names) -> Iterator[Decision]:
    """The names that an object does not give and that begin with its namespace's own prefix: they need no rule."""
    function, found = spec.function, list[tuple[str, str]]()
    if function and not function.name:
        found.append(("spec.function.name", names.function))
    if function and function.mode is Mode.MANAGED and not function.role_name:
        found.append(("spec.function.roleName", names.role))
    if spec.alarms:
        found.append(("spec.alarms", f"{names.alarms}*"))
    if spec.dashboard:
        found.append(("spec.dashboard", names.dashboard))
    prefix = prefix_of(namespace)
    for where, name in found:
        # Any other follows from the name of the function, which is decided about.
        if name.startswith(prefix):
            yield Decision(Use(where, Aspect.NAME, name), is_allowed=True, why=f"it begins with {prefix}")


def check(spec: DynamicConfigSpec, tenant: Tenant, default_region: str, is_own_layer: IsOwnLayer) -> None:
    """Raise PathNotAllowed or NotAllowed where an object wants to use what its namespace may not."""
    denied = [each for each in decisions(spec, tenant, default_region, is_own_layer) if not each.is_allowed]
    if not denied:
        return
    first, *others = denied
    if first.use.aspect is Aspect.PATH:
        also = f"; {_denials(tenant.namespace, others)}" if others else ""
        raise PathNotAllowed(
            f"namespace {tenant.namespace} may not use path {spec.path}; {first.why}{also}. "
            "Ask the operator's administrator to allow this one, or choose a path that is allowed"
        )
    raise NotAllowed(
        f"{_denials(tenant.namespace, (first, *others))}. Ask the operator's administrator for a rule "
        "(`dynconfig can` explains each decision), or change the field"
    )


def _denials(namespace: str, denied: Iterable[Decision]) -> str:
    found = [f"{each.use.field}: namespace {namespace} may not use {each.use.value}; {each.why}" for each in denied]
    more = len(found) - MAX_DENIALS_IN_MESSAGE
    return "; ".join(found[:MAX_DENIALS_IN_MESSAGE]) + (f"; and {more} more" if more > 0 else "")


def _uses_of_function(function: FunctionSpec) -> Iterator[Use]:
    is_attached = function.mode is Mode.ATTACH
    yield Use("spec.function", Aspect.RESOURCE, Usable.ATTACH if is_attached else Usable.FUNCTION)
    if function.name:
        yield Use("spec.function.name", Aspect.NAME, function.name)
    if function.role_name:
        yield Use("spec.function.roleName", Aspect.NAME, function.role_name)
    if function.extension.layer_arn:
        yield Use("spec.function.extension.layerArn", Aspect.LAYER, function.extension.layer_arn)
    if function.on_failure:
        yield Use("spec.function.onFailure", Aspect.DESTINATION, function.on_failure)
    http_api = function.triggers.http_api
    if http_api and http_api.authorization is Authorization.NONE:
        yield Use("spec.function.triggers.httpApi.authorization", Aspect.RESOURCE, Usable.PUBLIC_HTTP_API)


def _is_own_name(name: str, namespace: str) -> bool:
    """Whether no other namespace can be given this name: an underscore parts the names of namespaces with a dash."""
    prefix = prefix_of(namespace)
    return name.startswith(prefix) and re.fullmatch(r"[a-zA-Z0-9+=,.@-]+", name.removeprefix(prefix)) is not None


def _is_about(rule: AllowRule, namespace: str, labels: Mapping[str, str] | None) -> bool:
    if namespace in rule.namespaces or "*" in rule.namespaces:
        return True
    # NotIn and DoesNotExist hold for a namespace without labels: one that was not read yet must not be taken for such.
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
    """Whether a value is as a pattern says, in which * stands for any text without a colon."""
    return re.fullmatch("[^:]*".join(map(re.escape, pattern.split("*"))), value) is not None
