"""The API server refuses what the rules of an AWSTarget do not allow, exactly where the operator would."""

import json
import os
import random
import re
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

import httpx2
import pytest
import yaml
from tests.security.attacks import GROUP
from tests.upgrade.cluster import ROOT, Cluster

from dynconfig.api import names
from dynconfig.api.allow import Usable
from dynconfig.api.spec import DynamicConfigSpec
from dynconfig.api.target import USABLE_IN_TARGET, AWSTargetSpec
from dynconfig.model.naming import PREFIX, RESERVED, prefix_of
from dynconfig.model.resource import Owner
from dynconfig.validation.targets import parse_target
from dynconfig.validation.tenancy import Aspect, Use, decisions, tenant_in
from dynconfig_lab.controlplane import ControlPlane
from dynconfig_lab.processes import wait_until

pytestmark = [pytest.mark.e2e, pytest.mark.tools, pytest.mark.timeout(900)]

REQUESTS = int(os.environ.get("ACCESS_REQUESTS", "1000"))
"""10,000 take some minutes."""
TARGETS, SENDERS = 24, 6
FILES = ("dynamicconfigs.dynconfig.dev.yaml", "awstargets.dynconfig.dev.yaml", "access.yaml")
ACCOUNT = "210987654321"
REGIONS = ("eu-west-1", "us-east-1")
NAMESPACES: dict[str, dict[str, str]] = {
    "shop": {"team": "a"},
    "shop-eu": {"team": "a", "stage": "prod"},
    "shopping": {"team": "b"},
    "cart": {},
}
PATHS = ("/{namespace}", "/{namespace}/", "/", "/shop", "/shared/{namespace}", "/a.b", "/Shop", "/shop/../shop")
LEVELS = ("", "/a", "/a/b", "-eu", "ping", "/..", "/.", "/..a")
NAMES = ("{namespace}-*", "*", "fn", "*-fn", "f*n", "dynconfig-*", "a.b+c", "{namespace}")
WANTED = (
    "fn",
    "shop-x",
    "shop-eu-fn",
    "shopping",
    "f-middle-n",
    "dynconfig-shop-x",
    "dynconfig-shop-eu_x",
    "dynconfig-cart-y",
)
ROLES = (
    *WANTED,
    "a.b+c",
    "aXb+c",
    "fn-eu-west-1-function",
    "dynconfig-_fn-eu-west-1-function",
    "FN",
    "shop-x-us-east-1-function",
)
ARNS = {
    "destinations": (
        "arn:aws:sqs:{region}:{account}:{namespace}-*",
        "arn:aws:sqs:*:{account}:dead",
        "arn:aws:lambda:{region}:{account}:function:*",
    ),
    "topics": (
        "arn:aws:sns:{region}:{account}:{namespace}-*",
        "arn:aws:sns:{region}:{account}:all",
        "arn:aws:sns:*:{account}:*-x",
    ),
    "layers": (
        "arn:aws:lambda:{region}:{account}:layer:{namespace}:*",
        "arn:aws:lambda:{region}:{account}:layer:own:1",
    ),
}
USED_ARNS = {
    "destinations": (
        "arn:aws:sqs:{region}:{account}:shop-a",
        "arn:aws:sqs:{region}:{account}:dead",
        "arn:aws:lambda:{region}:{account}:function:f",
    ),
    "topics": (
        "arn:aws:sns:{region}:{account}:shop-a",
        "arn:aws:sns:{region}:{account}:all",
        "arn:aws:sns:{region}:{account}:cart-x",
    ),
    "layers": (
        "arn:aws:lambda:{region}:{account}:layer:shop:7",
        "arn:aws:lambda:{region}:{account}:layer:shop:1:2",
        "arn:aws:lambda:{region}:{account}:layer:own:1",
    ),
}


@dataclass(frozen=True)
class Request:
    namespace: str
    document: dict[str, Any]

    @property
    def spec(self) -> dict[str, Any]:
        found: dict[str, Any] = self.document["spec"]
        return found


class Some:
    """Random targets and objects."""

    def __init__(self, seed: int) -> None:
        self._random = random.Random(seed)  # noqa: S311 - the same examples in every run

    def few(self, values: Any, most: int = 3) -> list[Any]:
        return self._random.sample(list(values), self._random.randint(0, most))

    def is_so(self, share: float) -> bool:
        return self._random.random() < share

    def target(self, number: int) -> dict[str, Any]:
        region = self._random.choice(REGIONS)
        allow = [self.rule(region) for _ in range(self._random.randint(0, 3))]
        spec = {"region": region, "account": ACCOUNT, "allow": allow}
        return {
            "apiVersion": names.API_VERSION,
            "kind": names.TARGET_KIND,
            "metadata": {"name": f"t{number}"},
            "spec": spec,
        }

    def rule(self, region: str) -> dict[str, Any]:
        found: dict[str, Any] = {}
        if self.is_so(0.6):
            found["namespaces"] = self.few([*NAMESPACES, "*"]) or ["shop"]
        if "namespaces" not in found or self.is_so(0.3):
            found["namespaceSelector"] = self.selector()
        found["paths"] = self.few(PATHS)
        if self.is_so(0.7):
            found["resources"] = [str(each) for each in self.few(Usable, len(Usable))]
        if self.is_so(0.6):
            found["names"] = self.few(NAMES)
        for field, patterns in ARNS.items():
            if self.is_so(0.6):
                found[field] = [self.filled(each, region) for each in self.few(patterns, len(patterns))]
        return found

    def selector(self) -> dict[str, Any]:
        found: dict[str, Any] = {}
        if self.is_so(0.4):
            found["matchLabels"] = {"team": self._random.choice("ab")}
        if self.is_so(0.6):
            expression: dict[str, Any] = {"key": self._random.choice(["team", "stage", "none"])}
            expression["operator"] = self._random.choice(["In", "NotIn", "Exists", "DoesNotExist"])
            if expression["operator"].endswith("In"):
                expression["values"] = self.few(["a", "b", "prod"]) or ["a"]
            found["matchExpressions"] = [expression]
        return found

    def filled(self, arn: str, region: str) -> str:
        return arn.replace("{region}", region).replace("{account}", ACCOUNT)

    def request(self, targets: list[dict[str, Any]], number: int) -> Request:
        namespace, target = self._random.choice(list(NAMESPACES)), self._random.choice(targets)
        region = target["spec"]["region"]
        path = self._random.choice(PATHS).replace("{namespace}", namespace).rstrip("/") + self._random.choice(LEVELS)
        spec: dict[str, Any] = {"path": path if path.startswith("/") else "/x", "target": target["metadata"]["name"]}
        if self.is_so(0.2):
            spec["region"] = self._random.choice(REGIONS)
        if self.is_so(0.5):
            spec["parameters"] = [{"name": "a", "value": "1"}]
        if self.is_so(0.3):
            spec["alarms"] = {"defaults": False}
            if self.is_so(0.6):
                spec["alarms"]["notify"] = [
                    self.filled(each, spec.get("region", region)) for each in self.few(USED_ARNS["topics"])
                ]
        if self.is_so(0.5):
            spec["function"] = self.function(region)
            spec["dashboard"] = self.is_so(0.3)
        metadata = {"name": f"o{number}"}
        return Request(
            namespace, {"apiVersion": names.API_VERSION, "kind": names.KIND, "metadata": metadata, "spec": spec}
        )

    def function(self, region: str) -> dict[str, Any]:
        found: dict[str, Any] = {}
        if self.is_so(0.6):
            found["name"] = self._random.choice(WANTED)
        if "name" in found and self.is_so(0.3):
            return {**found, "mode": "Attach"}
        if self.is_so(0.4):
            found["roleName"] = self._random.choice(ROLES)
        if self.is_so(0.3):
            found["onFailure"] = self.filled(self._random.choice(USED_ARNS["destinations"]), region)
        if self.is_so(0.3):
            found["extension"] = {"layerArn": self.filled(self._random.choice(USED_ARNS["layers"]), region)}
        if self.is_so(0.3):
            found["triggers"] = {"httpApi": {"authorization": self._random.choice(["NONE", "AWS_IAM"])}}
        return found


def is_left_to_the_operator(use: Use, namespace: str) -> bool:
    """Whether the policy leaves a name to the operator: it is derived, or may be."""
    return use.aspect is Aspect.NAME and (
        use.value.startswith(prefix_of(namespace)) or re.search("[-_][0-9a-f]{8}$", use.value) is not None
    )


def denied_fields(request: Request, targets: dict[str, AWSTargetSpec]) -> set[str]:
    """The fields that the operator denies, but for names that the policy leaves to it."""
    name = request.spec["target"]
    target = targets[name]
    found = tenant_in(
        name, target, request.namespace, {**NAMESPACES[request.namespace], **_own_label(request.namespace)}
    )
    spec = DynamicConfigSpec.model_validate(request.spec)
    owner = Owner("c", request.namespace, request.document["metadata"]["name"], "u")
    decided = decisions(spec, found, target.region, lambda _arn: False, owner)
    return {
        each.use.field
        for each in decided
        if not each.is_allowed and not is_left_to_the_operator(each.use, request.namespace)
    }


def _own_label(namespace: str) -> dict[str, str]:
    # https://kubernetes.io/docs/reference/labels-annotations-taints/#kubernetes-io-metadata-name
    return {"kubernetes.io/metadata.name": namespace}


@pytest.fixture
def http(cluster: Cluster, plane: ControlPlane) -> Iterator[httpx2.Client]:
    for file in FILES:
        cluster.kubectl("apply", "-f", str(ROOT / "crds" / file))
    cluster.wait_served()
    for name, labels in NAMESPACES.items():
        document = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name, "labels": labels}}
        cluster.kubectl("apply", "-f", "-", stdin=json.dumps(document))
    with plane.client() as found:
        yield found
    for file in reversed(FILES[1:]):
        cluster.kubectl("delete", "-f", str(ROOT / "crds" / file))


def sent(http: httpx2.Client, request: Request) -> httpx2.Response:
    url = f"{GROUP}/namespaces/{request.namespace}/dynamicconfigs?dryRun=All"
    return http.post(url, json=request.document)


def test_requests_are_refused_exactly_where_the_operator_denies_them(cluster: Cluster, http: httpx2.Client) -> None:
    some = Some(1)
    targets = [some.target(number) for number in range(TARGETS)]
    # Served last: the policy knows the others by then.
    probe = {**some.target(TARGETS), "spec": {"region": REGIONS[0], "account": ACCOUNT}}
    for each in [*targets, probe]:
        cluster.kubectl("apply", "-f", "-", stdin=json.dumps(each))
    closed = Request("cart", {**some.request([probe], 0).document, "spec": {"path": "/cart", "target": f"t{TARGETS}"}})
    assert wait_until(lambda: sent(http, closed).status_code == 403, 60), sent(http, closed).text
    by_name = {each["metadata"]["name"]: parse_target(each) for each in targets}
    requests = [some.request(targets, number) for number in range(REQUESTS)]
    with ThreadPoolExecutor(SENDERS) as threads:
        answers = list(threads.map(lambda each: sent(http, each), requests))
    counts = Counter(answer.status_code for answer in answers)
    assert set(counts) <= {201, 403, 422}, counts
    # Invalid requests, such as those whose region differs from that of a topic, say nothing about access.
    assert counts[201] > REQUESTS / 50, counts
    assert counts[403] > REQUESTS / 2, counts
    wrong = [
        (request, fields, answer.text)
        for request, answer in zip(requests, answers, strict=True)
        if answer.status_code != 422 and bool(fields := denied_fields(request, by_name)) != (answer.status_code == 403)
    ]
    assert not wrong, (len(wrong), wrong[:3])


def test_message_names_field_value_and_target(cluster: Cluster, http: httpx2.Client) -> None:
    allow = [{"namespaces": ["shop"], "paths": ["/{namespace}"]}]
    target = {**Some(0).target(0), "spec": {"region": REGIONS[0], "account": ACCOUNT, "allow": allow}}
    cluster.kubectl("apply", "-f", "-", stdin=json.dumps(target))

    def answer(**spec: Any) -> str:
        metadata = {"name": "app"}
        document = {
            "apiVersion": names.API_VERSION,
            "kind": names.KIND,
            "metadata": metadata,
            "spec": {"target": "t0", **spec},
        }
        found: str = sent(http, Request("shop", document)).json().get("message", "")
        return found

    assert wait_until(lambda: bool(answer(path="/shopping")), 60)
    assert (
        "spec.path: namespace shop may not use /shopping in AWSTarget t0. Ask its administrator for a rule in spec.allow, "
        "or change the field" in answer(path="/shopping")
    )
    assert "spec.function: namespace shop may not use it in AWSTarget t0" in answer(path="/shop", function={})
    assert answer(path="/shop", target="missing") == ""
    assert answer(path="/shop/a", parameters=[{"name": "a", "value": "1"}]) == ""


def test_object_that_its_target_no_longer_allows_can_be_released(cluster: Cluster, http: httpx2.Client) -> None:
    allow = [{"namespaces": ["shop"], "paths": ["/{namespace}"]}]
    target = {**Some(0).target(0), "spec": {"region": REGIONS[0], "account": ACCOUNT, "allow": allow}}
    cluster.kubectl("apply", "-f", "-", stdin=json.dumps(target))
    spec = {"path": "/shop", "target": "t0"}
    document = {
        "apiVersion": names.API_VERSION,
        "kind": names.KIND,
        "metadata": {"name": "app", "namespace": "shop"},
        "spec": spec,
    }
    cluster.kubectl("apply", "-f", "-", stdin=json.dumps(document))
    cluster.kubectl("patch", "awstarget", "t0", "--type=merge", "-p", json.dumps({"spec": {"allow": []}}))
    more = json.dumps({"spec": {"parameters": [{"name": "a", "value": "1"}]}})
    patched = ("patch", "-n", "shop", "dcfg", "app", "--type=merge", "-p")
    assert wait_until(lambda: cluster.tried(*patched, more, "--dry-run=server").returncode != 0, 60)
    cluster.kubectl(*patched, json.dumps({"spec": {"deletionPolicy": "Retain", "suspend": True}}))
    cluster.kubectl("delete", "-n", "shop", "dcfg", "app")


def test_policy_has_the_constants_of_the_operator() -> None:
    text = (ROOT / "crds" / "access.yaml").read_text()
    policy = next(yaml.safe_load_all(text))
    variables = {each["name"]: each["expression"] for each in policy["spec"]["variables"]}
    listed = re.findall(r"'(\w+)'", variables["resources"])
    assert listed[: len(Usable)] == [str(each) for each in Usable]
    assert sorted(listed[len(Usable) :]) == sorted(USABLE_IN_TARGET)
    assert variables["ours"].startswith(f"'{PREFIX}' + ")
    assert f"'{RESERVED}'" in variables["roles"]
