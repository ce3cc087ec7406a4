"""A hostile namespace tries everything: no call of the operator touches what the namespace may not use."""

import random
import re
from collections.abc import Iterator, Mapping
from typing import Any

import pytest
from tests.sequences.wire import Call
from tests.sequences.world import Ground, ground

from dynconfig import wiring
from dynconfig.api.allow import Policy
from dynconfig.model.errors import InvalidSpec, NotAllowed, PathNotAllowed
from dynconfig.model.resource import Owner
from dynconfig.settings import Settings
from dynconfig.validation.declare import declare
from dynconfig.validation.tenancy import tenant
from dynconfig_lab.aws.accounts import ACCOUNT

SPECS = 10_000
REGION = "eu-west-1"
TOPIC = f"arn:aws:sns:{REGION}:{ACCOUNT}:shop-alarms"
QUEUE = f"arn:aws:sqs:{REGION}:{ACCOUNT}:shop-failed"
EXTENSION = f"arn:aws:lambda:{REGION}:015030872274:layer:AWS-Parameters-and-Secrets-Lambda-Extension-Arm64:24"
POLICY = Policy.model_validate(
    {
        "allow": [
            {"namespaces": ["shop"], "paths": ["/shop", "/common"], "topics": [TOPIC], "destinations": [QUEUE]},
            {"namespaces": ["cart"], "paths": ["/cart"], "resources": ["attach", "function"], "names": ["cart-*"]},
        ]
    }
)
OWN = ("dynconfig-shop-a", "dynconfig-shop-b")
NAMES = (
    *OWN,
    *("dynconfig-shop-eu_app", "dynconfig-cart-app", "dynconfig-shop", "dynconfig-shop-", "dynconfig-shopping-a"),
    *("cart-app", "orders", "admin", "dynconfig-operator", "dynconfig-shop_a", "dynconfig-shop-a__0123abcd", "*"),
)
PATHS = (
    "/shop",
    "/shop/a",
    "/common/x",
    "/shopping",
    "/cart",
    "/cart/shop",
    "/common-x",
    "/aws/shop",
    "/SHOP",
    "/shop/..",
)
TOPICS = (TOPIC, TOPIC.replace("shop", "cart"), TOPIC.replace(ACCOUNT, "999999999999"), TOPIC + "-x")
DESTINATIONS = (
    *(QUEUE, QUEUE.replace("shop", "cart"), QUEUE.replace(ACCOUNT, "999999999999")),
    *(f"arn:aws:lambda:{REGION}:{ACCOUNT}:function:*", f"arn:aws:lambda:{REGION}:{ACCOUNT}:function:cart-app"),
)
LAYERS = (
    *(EXTENSION, EXTENSION.replace("015030872274", "999999999999"), EXTENSION.replace(":24", ":24:x")),
    f"arn:aws:lambda:{REGION}:{ACCOUNT}:layer:mine:1",
)
ENVIRONMENTS: tuple[dict[str, str], ...] = ({}, {"LEVEL": "debug"}, {"OTHER": "cart-app"}, {"PYTHONWARNINGS": "x"})


@pytest.fixture(scope="module")
def shared() -> Iterator[Ground]:
    with ground() as found:
        yield found


def spec(dice: random.Random) -> dict[str, Any]:
    """A random spec of a hostile user: mostly allowed, so that one denied field is not hidden by another."""

    def one(choices: Any, own: int = 1) -> Any:
        return dice.choice(choices[:own] if dice.random() < 0.8 else choices)

    found: dict[str, Any] = {
        "path": one(PATHS, 3),
        "parameters": [{"name": dice.choice("abc"), "value": "1"}],
        "adoptionPolicy": dice.choice(("Never", "IfUnowned")),
        "dashboard": dice.random() < 0.3,
        "region": one((REGION, "us-east-1", "eu-central-1")),
    }
    if dice.random() < 0.4:
        found["alarms"] = {"defaults": False, "notify": [one(TOPICS)]}
    if dice.random() < 0.7:
        is_attached = dice.random() < 0.1
        function: dict[str, Any] = {"extension": {"layerArn": one(LAYERS)}} if dice.random() < 0.3 else {}
        if is_attached or dice.random() < 0.7:
            function["name"] = one(NAMES, 2)
        if is_attached:
            function["mode"] = "Attach"
        else:
            function |= {"environment": one(ENVIRONMENTS, 2), "roleName": one(NAMES, 2)}
            function["onFailure"] = one(("", *DESTINATIONS), 2)
            api = {"authorization": one(("AWS_IAM", "NONE"))}
            function["triggers"] = {"parameterChange": True, "httpApi": api if dice.random() < 0.5 else None}
        found["function"] = function
    return found


def may(wanted: Mapping[str, Any]) -> bool:
    """An independent statement of the same: what the administrator has allowed to the namespace shop, and nothing more."""
    function, alarms = wanted.get("function") or {}, wanted.get("alarms") or {}
    named = [function[field] for field in ("name", "roleName") if field in function]
    api = (function.get("triggers") or {}).get("httpApi") or {}
    return (
        re.fullmatch(r"/(shop|common)(/.*)?", wanted["path"]) is not None
        and wanted["region"] == REGION
        and all(re.fullmatch(r"dynconfig-shop-[a-zA-Z0-9-]+", name) for name in named)
        and set(alarms.get("notify", ())) <= {TOPIC}
        and function.get("onFailure", "") in ("", QUEUE)
        and function.get("extension", {}).get("layerArn", EXTENSION) == EXTENSION
        and function.get("mode") != "Attach"
        and api.get("authorization") != "NONE"
    )


def outside(call: Call) -> list[str]:
    """What a call names that does not belong to the namespace."""
    return [text for text in _texts(call.request) if not _is_own(text)]


SUBJECTS = (
    *("Name", "Names", "ResourceId", "FunctionName", "RoleName", "Role", "AlarmName", "AlarmNames", "DashboardName"),
    *("logGroupName", "Rule", "AlarmActions", "OKActions", "Layers", "Destination", "resourceArn", "Arn", "Resource"),
    *("ResourceARN", "ApiId", "TopicArn"),
)


def _texts(request: Any, name: str = "") -> Iterator[str]:
    if isinstance(request, Mapping):
        for key, value in request.items():
            yield from _texts(value, key)
    elif isinstance(request, list | tuple):
        for value in request:
            yield from _texts(value, name)
    elif name in SUBJECTS:
        yield str(request)


def _is_own(text: str) -> bool:
    is_granted = text in (TOPIC, QUEUE) or text.startswith(EXTENSION.rpartition(":")[0])
    # API Gateway generates the ids of its APIs; the tests of that kind check their ownership.
    is_id = re.fullmatch(r"[a-z0-9]{10}|arn:aws:apigateway:\S+|arn:aws:execute-api:\S+", text) is not None
    name = re.sub(rf"^arn:aws:[a-z]+:({REGION})?:({ACCOUNT})?:(\w+[:/])?", "", text).removeprefix("/aws/lambda/")
    return (
        is_granted or is_id or re.match(r"/?(shop|common)/|(dynconfig/)?dynconfig-shop-[a-zA-Z0-9-]+", name) is not None
    )


def test_ten_thousand_specs_of_a_hostile_namespace_touch_nothing_foreign(shared: Ground) -> None:
    dice = random.Random(13)  # noqa: S311 - not a secret
    engine = wiring.engine(Settings(), account=ACCOUNT, clock=lambda: 0.0, clients=shared.clients)
    shop = tenant(POLICY, "shop", {})
    counted = {"allowed": 0, "denied": 0, "invalid": 0}
    for number in range(SPECS):
        wanted = spec(dice)
        document = {
            "metadata": {"namespace": "shop", "name": "app", "uid": f"uid-{number}", "generation": 1},
            "spec": wanted,
        }
        shared.wire.writes = []
        try:
            declaration = declare(
                document,
                owner=Owner("cluster", "shop", "app", f"uid-{number}"),
                default_region=REGION,
                read=lambda _source: None,
                tenant=shop,
                is_own_layer=wiring.is_own_layer,
            )
        except (NotAllowed, PathNotAllowed):
            counted["denied"] += 1
            assert not may(wanted), f"denied, and granted: {wanted}"
            continue
        except InvalidSpec:
            counted["invalid"] += 1
            continue
        counted["allowed"] += 1
        assert may(wanted), f"allowed, and never granted: {wanted}"
        if counted["allowed"] % 20 == 1:
            shared.lab.clear()
            engine.run(declaration)
            assert shared.wire.writes
            assert [(str(call), outside(call)) for call in shared.wire.writes if outside(call)] == []
    assert min(counted.values()) > SPECS // 20, counted
