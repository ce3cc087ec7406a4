"""The EventBridge rule that invokes the function when a parameter of this object changes.

https://docs.aws.amazon.com/systems-manager/latest/userguide/sysman-paramstore-cwe.html
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING, Any, ClassVar

from dynconfig.api.function import Mode
from dynconfig.api.names import OWNER_TAG
from dynconfig.kinds._shared import tags
from dynconfig.kinds._shared.context import Context
from dynconfig.kinds._shared.detail_cache import DetailCache
from dynconfig.kinds._shared.documents import canonical
from dynconfig.kinds._shared.tags import Pairs
from dynconfig.model import errors
from dynconfig.model.allowed import NAMED_LIKE_OURS, OWN, Allowed, Grant
from dynconfig.model.arns import Arns
from dynconfig.model.declaration import Declaration
from dynconfig.model.errors import Conflict, NotFound
from dynconfig.model.facts import EventSource, Facts
from dynconfig.model.resource import Resource, Scope

if TYPE_CHECKING:
    from mypy_boto3_events.client import EventBridgeClient

TARGET_ID = "function"


@dataclass(frozen=True, slots=True, kw_only=True)
class Rule(Resource):
    """A rule on the default bus, with its targets by id; the pattern as canonical JSON.

    A target is its ARN, followed by any other settings as JSON.
    """

    kind: ClassVar[str] = "Rule"
    declared_in: ClassVar[str] = "spec.function.name"
    arn: str = field(default="", metadata={"compare": False})
    pattern: str
    state: str = "ENABLED"
    targets: Pairs
    tags: Pairs = ()


class Rules:
    """Manage the rules of one place."""

    value = Rule
    needs = ("Function",)
    is_independent = True

    def __init__(self, context: Context) -> None:
        self._events: EventBridgeClient = context.client("events")
        self._arns = context.arns
        self._ignored = context.ignored_tags
        self._cache = DetailCache[Mapping[str, str]](context.clock)

    def desired(self, declaration: Declaration) -> Iterable[Rule]:
        """Return the rule, if parameter changes trigger the managed function."""
        function = declaration.function
        if function is None or function.mode is Mode.ATTACH or not function.triggers.parameter_change:
            return
        name = declaration.names.rule
        yield Rule(
            name=name,
            owner=declaration.owner.tag,
            arn=self._arns.rule(name),
            pattern=canonical(pattern(declaration.path)),
            targets=((TARGET_ID, self._arns.function(declaration.names.function)),),
            tags=declaration.tags,
        )

    def observe(self, scope: Scope, desired: Sequence[Rule]) -> Iterator[Rule]:
        """Return each rule that is desired, reported or named after the owner."""
        for name in scope.where(Rule.kind, desired, *(names.rule for names in scope.names.versions)):
            try:
                rule = self._events.describe_rule(Name=name)
            except NotFound:
                continue
            targets = self._events.list_targets_by_rule(Rule=name)["Targets"]
            found = self._cache.get(name, scope, desired, partial(self._tags, rule["Arn"]))
            yield Rule(
                name=name,
                owner=tags.owner_of(found),
                arn=rule["Arn"],
                pattern=canonical(rule.get("EventPattern", "")),
                state=rule["State"],
                targets=tuple(sorted((target["Id"], _target_text(target)) for target in targets)),
                tags=tags.own(found, self._ignored),
            )

    def refuse(self, desired: Rule, observed: Rule | None) -> None:
        """Nothing to check: the CRD validates all fields."""

    def put(self, desired: Rule, observed: Rule | None) -> Rule:
        """Create or update rule and targets; PutRule ignores tags of an existing rule."""
        self._cache.forget(desired.name)
        written = (desired.pattern, desired.state)
        if observed is None or written != (observed.pattern, observed.state):
            self._put_rule(desired, is_new=observed is None)
        if observed is not None:
            added, removed = tags.change(observed.tags, observed.owner, desired.tags, desired.owner)
            if added:
                labels: Any = tags.as_list(added)
                self._events.tag_resource(ResourceARN=desired.arn, Tags=labels)
            if removed:
                self._events.untag_resource(ResourceARN=desired.arn, TagKeys=removed)
        if observed is None or desired.targets != observed.targets:
            self._put_targets(desired, observed)
        return desired

    def delete(self, observed: Sequence[Rule]) -> None:
        """Remove the targets, then delete the rule: AWS does not delete a rule with targets."""
        for rule in observed:
            self._cache.forget(rule.name)
            try:
                self._remove_targets(rule, [target for target, _arn in rule.targets])
                self._events.delete_rule(Name=rule.name)
            except NotFound:
                continue

    def release(self, observed: Rule) -> None:
        """Remove the owner tag."""
        self._cache.forget(observed.name)
        self._events.untag_resource(ResourceARN=observed.arn, TagKeys=[OWNER_TAG])

    def _tags(self, arn: str) -> Mapping[str, str]:
        return tags.of_list(self._events.list_tags_for_resource(ResourceARN=arn)["Tags"])

    def _put_rule(self, desired: Rule, *, is_new: bool) -> None:
        labels: Any = tags.as_list(tags.with_owner(desired.tags, desired.owner))
        self._events.put_rule(
            Name=desired.name,
            EventPattern=desired.pattern,
            State="ENABLED",
            Description="Calls the function when a parameter below its path changes",
            **({"Tags": labels} if is_new else {}),
        )

    def _put_targets(self, desired: Rule, observed: Rule | None) -> None:
        surplus = sorted({target for target, _arn in observed.targets} - {TARGET_ID}) if observed else []
        self._remove_targets(desired, surplus)
        # No role: with a role on a Lambda target, AWS ignores the function's resource policy.
        # https://docs.aws.amazon.com/eventbridge/latest/userguide/eb-use-resource-based.html
        answer = self._events.put_targets(
            Rule=desired.name, Targets=[{"Id": target, "Arn": arn} for target, arn in desired.targets]
        )
        _check_entries(desired, answer)

    def _remove_targets(self, rule: Rule, targets: list[str]) -> None:
        if targets:
            _check_entries(rule, self._events.remove_targets(Rule=rule.name, Ids=targets))


def _check_entries(rule: Rule, answer: Mapping[str, Any]) -> None:
    """Raise Conflict for failed entries: the call itself succeeds even if a target fails."""
    for failed in answer.get("FailedEntries", []):
        raise Conflict(
            f"rule {rule.name}: target {failed.get('TargetId', '')} was refused: {failed.get('ErrorMessage', '')}",
            delay=1.0,
        )


def _target_text(target: Mapping[str, Any]) -> str:
    more = {key: value for key, value in target.items() if key not in ("Id", "Arn")}
    return f"{target['Arn']} {canonical(more)}" if more else str(target["Arn"])


def pattern(path: str) -> dict[str, Any]:
    """Return the pattern for changes below a path; the trailing slash excludes siblings such as /myapp/config-other."""
    return {
        "source": ["aws.ssm"],
        "detail-type": ["Parameter Store Change"],
        "detail": {
            "name": [{"prefix": f"{path}/"}],
            "operation": ["Create", "Update", "Delete", "LabelParameterVersion"],
        },
    }


def _arns(allowed: Allowed, arns: Arns) -> list[str]:
    return [arns.rule(name) for name in allowed.derived]


FACTS = Facts(
    kind=Rule.kind,
    service="events",
    noun="rule",
    named_by=("Name", "Rule"),
    event_source=EventSource("events"),
    grants=(
        Grant(
            statement=NAMED_LIKE_OURS,
            rank=1,
            actions=(
                "events:DescribeRule",
                "events:ListTagsForResource",
                "events:ListTargetsByRule",
                "events:PutRule",
                "events:PutTargets",
                "events:TagResource",
            ),
            resources=_arns,
        ),
        Grant(
            statement=OWN,
            rank=1,
            actions=("events:DeleteRule", "events:RemoveTargets", "events:UntagResource"),
            resources=_arns,
        ),
    ),
    errors={
        "InvalidEventPatternException": errors.Refused,
        "ManagedRuleException": errors.Refused,
        "OperationDisabledException": errors.Refused,
    },
    indexed_as="events:rule",
)

build = Rules
