"""What the role of an AWSTarget needs: all that its rules allow to any namespace. Pure."""

import re
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase

from dynconfig.api.allow import NAMESPACE, Usable
from dynconfig.api.parameter import LEVEL
from dynconfig.api.target import USABLE_IN_TARGET, AWSTargetSpec, TargetRule
from dynconfig.model.allowed import Allowed
from dynconfig.model.arns import Arns
from dynconfig.model.naming import LONGEST, PREFIX, prefix_of

ANY = "*"
# A default name that is too long is cut off before a digest of this length.
_DIGEST = len("__12345678")
# One character at a time: nested repetitions would take exponential time.
_PATH = re.compile(rf"(/({LEVEL.removesuffix('+')}|{re.escape(NAMESPACE)})+)*")
# The names of functions and roles; what else a pattern contains is a wildcard for IAM, or matches no name.
_NAME = re.compile(rf"([a-zA-Z0-9_+=,.@*-]|{re.escape(NAMESPACE)})+")
# arn:aws:lambda:eu-west-1:123456789012:layer:name:1
_LAYER_FIELDS = 8


def allowed_in(spec: AWSTargetSpec, keys: Sequence[str] = (), attached_roles: Sequence[str] = ()) -> Allowed:
    """Return what the role of a target may use: the union over the namespaces of its rules.

    In a rule with a namespaceSelector, {namespace} is any text. `keys` are ARNs of KMS keys beside the default
    key of the target, `attached_roles` patterns of names beside those of its rules.
    """
    named = dict.fromkeys(name for rule in spec.allow for name in _namespaces(rule))
    access = [_Access(name, tuple(rule for rule in spec.allow if _may_select(rule, name))) for name in named]
    writing, managing, attaching = (
        [each for each in access if usable in each.resources]
        for usable in (Usable.PARAMETERS, Usable.FUNCTION, Usable.ATTACH)
    )
    with_functions = (*managing, *attaching)
    usable = {found for each in access for found in each.resources}
    return Allowed(
        paths=_without_covered((path for each in writing for path in each.paths), _covers_path),
        account=spec.account,
        region=spec.region,
        keys=[*_default_key(spec), *keys],
        functions=_patterns(name for each in managing for name in each.functions),
        alarms=Usable.ALARMS in usable,
        dashboards=Usable.DASHBOARD in usable,
        events=bool(usable),
        attached_functions=_patterns(name for each in attaching for name in each.functions),
        attached_roles=_patterns((*(name for each in attaching for name in each.names), *attached_roles)),
        own_layers=_patterns(layer for each in with_functions for layer in each.layers(spec.region)),
        boundary=(spec.permissions_boundary or "") if with_functions else "",
        operator_role=spec.assume_role.role_arn if spec.assume_role and with_functions else "",
    )


@dataclass(frozen=True, slots=True)
class _Access:
    """A namespace, or ANY for all that are not named, and the rules that select it, or may."""

    namespace: str
    rules: tuple[TargetRule, ...]

    @property
    def resources(self) -> Collection[Usable]:
        """The resources that it may create."""
        listed = frozenset(found for rule in self.rules for found in rule.resources or ())
        is_limited = any(rule.resources is not None and _selects(rule, self.namespace) for rule in self.rules)
        is_default = any(rule.resources is None for rule in self.rules) and not is_limited
        return listed | USABLE_IN_TARGET if is_default else listed

    @property
    def paths(self) -> Iterator[str]:
        """The paths that it may use."""
        found = (path.rstrip("/") for rule in self.rules for path in rule.paths)
        return (self._filled(path) or "/" for path in found if _PATH.fullmatch(path))

    @property
    def functions(self) -> Iterator[str]:
        """Patterns of the names of its functions: those that need no rule, and those of its rules."""
        yield f"{PREFIX if self.namespace == ANY else prefix_of(self.namespace)[: LONGEST - _DIGEST]}*"
        yield from self.names

    @property
    def names(self) -> Iterator[str]:
        """Patterns of the names of functions and roles in its rules."""
        found = (name for rule in self.rules for name in rule.names)
        return (self._filled(name) for name in found if _NAME.fullmatch(name))

    def layers(self, region: str) -> Iterator[str]:
        """ARNs of layer versions in a region; Lambda takes none of another one."""
        for rule in self.rules:
            for layer in rule.layers:
                fields = self._filled(layer).split(":")
                if len(fields) == _LAYER_FIELDS and fnmatchcase(region, fields[3]):
                    yield ":".join((*fields[:3], region, *fields[4:]))

    def _filled(self, pattern: str) -> str:
        return pattern.replace(NAMESPACE, self.namespace)


def _namespaces(rule: TargetRule) -> Iterable[str]:
    return (*rule.namespaces, ANY) if rule.namespace_selector is not None else rule.namespaces


def _selects(rule: TargetRule, namespace: str) -> bool:
    return namespace in rule.namespaces or ANY in rule.namespaces


def _may_select(rule: TargetRule, namespace: str) -> bool:
    return _selects(rule, namespace) or rule.namespace_selector is not None


def _default_key(spec: AWSTargetSpec) -> Iterator[str]:
    key = spec.kms_key_id
    if key:
        rest = key if key.startswith("alias/") else f"key/{key}"
        yield key if key.startswith("arn:") else Arns(spec.region, lambda: spec.account).of("kms", rest)


def _patterns(found: Iterable[str]) -> list[str]:
    return _without_covered(found, lambda pattern, text: fnmatchcase(text, pattern))


def _covers_path(path: str, other: str) -> bool:
    return fnmatchcase(f"{other.rstrip('/')}/", f"{path.rstrip('/')}/*")


def _without_covered(found: Iterable[str], covers: Callable[[str, str], bool]) -> list[str]:
    kept = list(dict.fromkeys(found))
    for text in tuple(kept):
        # Two patterns may cover each other: a* and a**.
        if any(covers(other, text) for other in kept if other != text):
            kept.remove(text)
    return kept
