"""The API Gateway HTTP API in front of the function: API, integration, route and stage as one resource.

API names are not unique, so the API is identified by the owner tag, whatever its name: its URL must not change. A released API
keeps a tag, so that it is found again (with the same URL) if its object is recreated.
https://docs.aws.amazon.com/apigateway/latest/developerguide/http-api-develop.html
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any, ClassVar

from dynconfig.api.function import Mode
from dynconfig.api.names import OWNER_TAG, RELEASED_TAG
from dynconfig.kinds._shared import tags
from dynconfig.kinds._shared.context import Context
from dynconfig.kinds._shared.detail_cache import DetailCache
from dynconfig.kinds._shared.tags import Pairs
from dynconfig.model import errors
from dynconfig.model.allowed import NAMED, NEW, OWN, Allowed, Grant, Statement, with_functions
from dynconfig.model.arns import Arns
from dynconfig.model.declaration import Declaration
from dynconfig.model.errors import Conflict, NotFound
from dynconfig.model.facts import EventSource, Facts, Group
from dynconfig.model.resource import Owner, Resource, Scope
from dynconfig.model.ttl_cache import TtlCache

ROUTE = "$default"
STAGE = "$default"
PAYLOAD = "2.0"
PAGE = "500"
# For this long a list without a new API counts as a stale read.
LATE_SECONDS = 10.0


Parts = tuple[tuple[Mapping[str, Any], ...], tuple[Mapping[str, Any], ...]]


@dataclass(frozen=True, slots=True, kw_only=True)
class HttpApi(Resource):
    """An HTTP API with one route. `routes` are pairs of route key and authorization, `stages` those with auto-deploy."""

    kind: ClassVar[str] = "HttpApi"
    arn: str = field(default="", metadata={"compare": False})
    url: str = field(default="", metadata={"compare": False})
    api_id: str = field(default="", metadata={"compare": False, "assigned": True})
    called: str
    """Its name in AWS."""
    integration: str
    """ARN of the integrated function, with the payload version if it is not the default."""
    routes: Pairs
    stages: tuple[str, ...] = (STAGE,)
    tags: Pairs = ()
    integrations: Pairs = field(default=(), repr=False, metadata={"compare": False})
    """Id and function of each integration in AWS."""
    route_ids: Pairs = field(default=(), repr=False, metadata={"compare": False})
    """Key and id of each route in AWS."""
    all_stages: tuple[str, ...] = field(default=(), repr=False, metadata={"compare": False})
    """All stages, including those without auto-deploy."""


class HttpApis:
    """Manage the HTTP APIs of one place."""

    value = HttpApi
    needs = ("Function",)
    is_independent = True

    def __init__(self, context: Context) -> None:
        self._apis: Any = context.client("apigatewayv2")
        self._arns = context.arns
        self._ignored = context.ignored_tags
        self._cache = DetailCache[Parts](context.clock)
        # Id of the API that was just created, by owner tag: nothing in AWS refuses a second one.
        self._created = TtlCache[str, str](LATE_SECONDS, context.clock)

    def desired(self, declaration: Declaration) -> Iterable[HttpApi]:
        """Return the API of a managed function, if one is declared."""
        function = declaration.function
        if function is None or function.mode is Mode.ATTACH or function.triggers.http_api is None:
            return
        yield HttpApi(
            name=declaration.names.http_api,
            owner=declaration.owner.tag,
            called=declaration.names.http_api,
            integration=self._arns.function(declaration.names.function),
            routes=((ROUTE, function.triggers.http_api.authorization.value),),
            tags=declaration.tags,
        )

    def observe(self, scope: Scope, desired: Sequence[HttpApi]) -> Iterator[HttpApi]:
        """Return the APIs with the owner tag; a second one (created when a response was lost) is surplus.

        If there is none, return the unowned one that an object of this name released. Raises Conflict if the list is older
        than our creation.
        """
        if not scope.where(HttpApi.kind, desired, scope.names.http_api):
            return
        found = tuple(self._all("get_apis"))
        created = self._created.get(scope.owner.tag)
        if created is not None and all(api["ApiId"] != created for api in found):
            raise Conflict(
                f"HTTP API {scope.names.http_api}: AWS does not list it right after its creation (stale read); retrying",
                delay=1.0,
            )
        ours = [api for api in found if tags.owner_of(api.get("Tags", {})) == scope.owner.tag]
        ours = ours or [api for api in found if _is_released_by(scope.owner, api)][-1:]
        for number, api in enumerate(sorted(ours, key=lambda found: (str(found["CreatedDate"]), found["ApiId"]))):
            name = scope.names.http_api if number == 0 else f"{scope.names.http_api} {api['ApiId']}"
            parts = partial(self._cache.get, name, scope, desired, partial(self._parts, api["ApiId"]))
            yield self._observed(api, name, parts)

    def refuse(self, desired: HttpApi, observed: HttpApi | None) -> None:
        """Nothing to check: the CRD validates all fields."""

    def put(self, desired: HttpApi, observed: HttpApi | None) -> HttpApi:
        """Create the API, then create or update each part that differs. Raises Conflict if it may have been created twice."""
        self._cache.forget(desired.name)
        api = self._create(desired) if observed is None else observed
        if observed is not None:
            # First: the operator's IAM policy allows writes only to resources with the owner tag.
            self._update_tags(desired, observed)
        if desired.called != api.called:
            self._apis.update_api(ApiId=api.api_id, Name=desired.called)
        integration = self._put_integration(desired, api)
        self._put_routes(desired, api, integration)
        self._put_stages(desired, api)
        return replace(desired, arn=api.arn, url=api.url, api_id=api.api_id)

    def delete(self, observed: Sequence[HttpApi]) -> None:
        """Delete the APIs with all parts."""
        for api in observed:
            self._cache.forget(api.name)
            self._created.forget([api.owner])
            try:
                self._apis.delete_api(ApiId=api.api_id)
            except NotFound:
                continue

    def release(self, observed: HttpApi) -> None:
        """Replace the owner tag with a tag by which an object of this name finds the API again."""
        owner = Owner.parse(observed.owner)
        if owner is not None:
            self._apis.tag_resource(ResourceArn=observed.arn, Tags={RELEASED_TAG: owner.without_uid})
        self._apis.untag_resource(ResourceArn=observed.arn, TagKeys=[OWNER_TAG])

    def _parts(self, api_id: str) -> "Parts":
        """Read integrations and stages; they rarely change without a route."""
        return tuple(self._all("get_integrations", ApiId=api_id)), tuple(self._all("get_stages", ApiId=api_id))

    def _all(self, method: str, **about: str) -> Iterator[Mapping[str, Any]]:
        """Return the items of all pages of a list call."""
        pages = self._apis.get_paginator(method).paginate(**about, PaginationConfig={"PageSize": PAGE})
        return (item for page in pages for item in page["Items"])

    def _observed(self, api: Mapping[str, Any], name: str, parts: "Callable[[], Parts]") -> HttpApi:
        routes = tuple(self._all("get_routes", ApiId=api["ApiId"]))
        used = {route.get("Target", "").removeprefix("integrations/") for route in routes}
        integrations, stages = parts()
        if not used <= {item["IntegrationId"] for item in integrations}:
            self._cache.forget(name)
            integrations, stages = parts()
        targets = {item["IntegrationId"]: _integration_text(item) for item in integrations}
        served = sorted(targets[name] for name in used if name in targets)
        return replace(
            self._named(api, name),
            integration=" ".join(served),
            routes=tuple(sorted((route["RouteKey"], route.get("AuthorizationType", "NONE")) for route in routes)),
            stages=tuple(sorted(stage["StageName"] for stage in stages if stage.get("AutoDeploy"))),
            tags=tags.own(api.get("Tags", {}), self._ignored),
            integrations=tuple(sorted(targets.items())),
            route_ids=tuple(sorted((item["RouteKey"], item["RouteId"]) for item in routes)),
            all_stages=tuple(sorted(stage["StageName"] for stage in stages)),
        )

    def _named(self, api: Mapping[str, Any], name: str) -> HttpApi:
        return HttpApi(
            name=name,
            called=api["Name"],
            owner=_owner(api.get("Tags", {})),
            arn=self._arns.http_api(api["ApiId"]),
            url=api.get("ApiEndpoint", ""),
            api_id=api["ApiId"],
            integration="",
            routes=(),
            stages=(),
        )

    def _create(self, desired: HttpApi) -> HttpApi:
        labels = tags.with_owner(desired.tags, desired.owner)
        api = self._apis.create_api(Name=desired.called, ProtocolType="HTTP", Tags=labels)
        self._created.put(desired.owner, api["ApiId"])
        if api["ResponseMetadata"]["RetryAttempts"]:
            raise Conflict(
                f"HTTP API {desired.called}: the first response to its creation was lost, so that it may exist twice; "
                "retrying",
                delay=1.0,
            )
        return self._named(api, desired.name)

    def _update_tags(self, desired: HttpApi, observed: HttpApi) -> None:
        added, removed = tags.change(observed.tags, observed.owner, desired.tags, desired.owner)
        if added:
            self._apis.tag_resource(ResourceArn=observed.arn, Tags=added)
        if removed:
            self._apis.untag_resource(ResourceArn=observed.arn, TagKeys=removed)

    def _put_integration(self, desired: HttpApi, api: HttpApi) -> str:
        """Return the id of the integration with the function: an existing one, else an updated or a new one."""
        about = {
            "ApiId": api.api_id,
            "IntegrationType": "AWS_PROXY",
            "IntegrationUri": desired.integration,
            "PayloadFormatVersion": PAYLOAD,
        }
        right = next((known for known, function in api.integrations if function == desired.integration), None)
        if right is not None:
            return right
        if not api.integrations:
            return str(self._apis.create_integration(**about)["IntegrationId"])
        known, _function = api.integrations[0]
        self._apis.update_integration(**about, IntegrationId=known)
        return known

    def _put_routes(self, desired: HttpApi, api: HttpApi, integration: str) -> None:
        known = dict(api.route_ids)
        for key in sorted(known.keys() - dict(desired.routes).keys()):
            self._apis.delete_route(ApiId=api.api_id, RouteId=known[key])
        for key, authorization in desired.routes:
            about = {
                "ApiId": api.api_id,
                "RouteKey": key,
                "AuthorizationType": authorization,
                "Target": f"integrations/{integration}",
            }
            if key in known:
                self._apis.update_route(**about, RouteId=known[key])
            else:
                self._apis.create_route(**about)

    def _put_stages(self, desired: HttpApi, api: HttpApi) -> None:
        for surplus in sorted(set(api.stages) - set(desired.stages)):
            self._apis.delete_stage(ApiId=api.api_id, StageName=surplus)
        for stage in sorted(set(desired.stages) - set(api.stages)):
            verb = self._apis.update_stage if stage in api.all_stages else self._apis.create_stage
            verb(ApiId=api.api_id, StageName=stage, AutoDeploy=True)


def _owner(labels: Mapping[str, str]) -> str:
    """Return the owner tag, or for a released API the releasing object without its uid."""
    released = labels.get(RELEASED_TAG, "")
    return tags.owner_of(labels) or (f"{released}/" if released else "")


def _is_released_by(owner: Owner, api: Mapping[str, Any]) -> bool:
    """Return whether an object of the same cluster, namespace and name released it, and it has no owner."""
    labels = api.get("Tags", {})
    return not tags.owner_of(labels) and labels.get(RELEASED_TAG) == owner.without_uid


def _integration_text(integration: Mapping[str, Any]) -> str:
    function, payload = integration.get("IntegrationUri", ""), integration.get("PayloadFormatVersion", PAYLOAD)
    return function if payload == PAYLOAD else f"{function} (payload {payload})"


# API Gateway's actions are the verbs of HTTP.
# https://docs.aws.amazon.com/service-authorization/latest/reference/list_amazonapigatewaymanagementv2.html
_WRITES = ("apigateway:DELETE", "apigateway:PATCH", "apigateway:POST")
# Tags are resources beside the API, of which no tag is known: anyone who may write tags of one API may write those of all.
_TAGS = Statement(sid="ApiTags", rank=9)
_PARTS = Statement(sid="ApiParts", rank=9)


def _parts(allowed: Allowed, arns: Arns) -> list[str]:
    names = ("integrations", "routes", "stages") if allowed.untagged_api_parts and allowed.functions else ()
    return [arns.http_api(f"*/{name}*") for name in names]


FACTS = Facts(
    kind=HttpApi.kind,
    service="apigatewayv2",
    noun="HTTP API",
    named_by=("Name", "ApiId"),
    event_source=EventSource("apigateway"),
    grants=(
        # AWS assigns the IDs, so they cannot be limited; the operator finds its own APIs by their tag.
        Grant(
            statement=NAMED,
            rank=3,
            actions=("apigateway:GET",),
            resources=with_functions(lambda _allowed, arns: [arns.http_apis(), arns.http_api("*")]),
        ),
        Grant(
            statement=NEW,
            rank=3,
            actions=("apigateway:POST",),
            resources=with_functions(lambda _allowed, arns: [arns.http_apis(), arns.new_http_tags()]),
        ),
        Grant(
            statement=OWN,
            rank=3,
            actions=_WRITES,
            resources=with_functions(lambda _allowed, arns: [arns.http_api("*")]),
        ),
        Grant(
            statement=_TAGS,
            actions=("apigateway:DELETE", "apigateway:POST"),
            resources=with_functions(lambda _allowed, arns: arns.http_tags()),
        ),
        Grant(statement=_PARTS, actions=_WRITES, resources=_parts),
    ),
    errors={"BadRequestException": errors.Refused},
    quotas=(
        # For all calls of an account.
        # https://docs.aws.amazon.com/apigateway/latest/developerguide/limits.html
        Group(
            "apigateway",
            (
                "apigatewayv2.CreateApi",
                "apigatewayv2.CreateIntegration",
                "apigatewayv2.CreateRoute",
                "apigatewayv2.CreateStage",
                "apigatewayv2.DeleteApi",
                "apigatewayv2.DeleteRoute",
                "apigatewayv2.DeleteStage",
                "apigatewayv2.GetApis",
                "apigatewayv2.GetIntegrations",
                "apigatewayv2.GetRoutes",
                "apigatewayv2.GetStages",
                "apigatewayv2.TagResource",
                "apigatewayv2.UntagResource",
                "apigatewayv2.UpdateApi",
                "apigatewayv2.UpdateIntegration",
                "apigatewayv2.UpdateRoute",
                "apigatewayv2.UpdateStage",
            ),
            10.0,
        ),
    ),
    indexed_as="apigateway",
)

build = HttpApis
