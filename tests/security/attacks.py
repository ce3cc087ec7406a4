"""What a hostile user of one namespace may send to a shared operator: data that is small to send and expensive to
process."""

import base64
import copy
import itertools
import json
import threading
from collections.abc import Callable, Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

import httpx2

from dynconfig_lab.processes import wait_until
from dynconfig_lab.stack import Stack

GROUP = "/apis/dynconfig.dev/v1alpha1"
DEFINITION = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions/dynamicconfigs.dynconfig.dev"
SENDERS = 4
# The API server spends seconds on rules that exceed its cost limit.
PATIENCE, TRIES = 180, 5
BUSY = (429, 503, 504)
JSON = {"Content-Type": "application/json"}

Document = dict[str, Any]


@dataclass(frozen=True)
class Namespace:
    """A namespace in which the attacker may create objects."""

    stack: Stack
    http: httpx2.Client
    name: str
    senders: int = SENDERS
    """Requests at the same time."""

    def objects(self, specs: Iterable[Mapping[str, Any]], **metadata: Any) -> None:
        """Create a DynamicConfig of each spec, with further metadata."""
        named = ((f"evil-{number}", spec) for number, spec in enumerate(specs))
        documents = (configured(name, {"path": f"/{self.name}/{name}", **spec}, metadata) for name, spec in named)
        self._post(
            f"{GROUP}/namespaces/{self.name}/dynamicconfigs",
            (json.dumps(document, separators=(",", ":")) for document in documents),
        )

    def text(self, document: str) -> None:
        """Create a DynamicConfig of JSON that Python cannot encode."""
        self._post(f"{GROUP}/namespaces/{self.name}/dynamicconfigs", [document])

    def is_accepted(self, name: str, spec: Mapping[str, Any]) -> bool:
        """Whether the API server accepts a DynamicConfig with this spec."""
        url = f"{GROUP}/namespaces/{self.name}/dynamicconfigs"
        return self.http.post(url, json=configured(name, spec), timeout=PATIENCE).is_success

    def secret(self, name: str, data: Mapping[str, str]) -> None:
        """Create a Secret."""
        self.secret_of({"metadata": {"name": name}, "stringData": data})

    def secret_of(self, document: Mapping[str, Any]) -> None:
        """Create a Secret of a whole document."""
        self._post(f"/api/v1/namespaces/{self.name}/secrets", [json.dumps(document, separators=(",", ":"))])

    def config_map(self, name: str, data: Mapping[str, str]) -> None:
        """Create a ConfigMap."""
        self.config_map_of({"metadata": {"name": name}, "data": data})

    def config_map_of(self, document: Mapping[str, Any]) -> None:
        """Create a ConfigMap of a whole document."""
        self._post(f"/api/v1/namespaces/{self.name}/configmaps", [json.dumps(document, separators=(",", ":"))])

    def config_maps(self, count: int, annotation: str) -> None:
        """Create ConfigMaps with an annotation."""
        documents = (
            json.dumps({"metadata": {"name": f"noise-{number}", "annotations": {"noise": annotation}}})
            for number in range(count)
        )
        self._post(f"/api/v1/namespaces/{self.name}/configmaps", documents)

    def patch(self, plural: str, name: str, document: Mapping[str, Any]) -> None:
        """Change a Secret or ConfigMap."""
        url = f"/api/v1/namespaces/{self.name}/{plural}/{name}"
        headers = {"Content-Type": "application/merge-patch+json"}
        self.http.patch(url, json=document, headers=headers, timeout=PATIENCE).raise_for_status()

    def message(self, body: str) -> None:
        """Send a message to the operator's event queue, as with access to the account's event bus."""
        sqs = self.stack.aws("sqs")
        for url in sqs.list_queues().get("QueueUrls", []):
            sqs.send_message(QueueUrl=url, MessageBody=body)

    def _post(self, path: str, documents: Iterable[str]) -> None:
        def send(document: str) -> None:
            for _try in range(TRIES):
                answer = self.http.post(path, content=document.encode(), headers=JSON, timeout=PATIENCE)
                if answer.status_code not in BUSY:
                    break
            # A request that timed out may have succeeded all the same.
            assert answer.is_success or answer.status_code == httpx2.codes.CONFLICT, answer.text[:500]

        with ThreadPoolExecutor(self.senders) as threads:
            list(threads.map(send, documents))


def configured(name: str, spec: Mapping[str, Any], metadata: Mapping[str, Any] | None = None) -> Document:
    """A DynamicConfig."""
    return {
        "apiVersion": "dynconfig.dev/v1alpha1",
        "kind": "DynamicConfig",
        "metadata": {"name": name, **(metadata or {})},
        "spec": {"path": f"/evil/{name}", **spec},
    }


def deep(levels: int) -> str:
    """A JSON Schema of this many levels as text: Python's encoder fails at a thousand."""
    return '{"not":' * levels + "true" + "}" * levels


def deep_schema(attacker: Namespace) -> None:
    """A schema that Python cannot parse, beside others that exceed the cost limit of the API server's depth check."""
    parameter = {"name": "deep", "value": "1", "schema": {"type": "json", "jsonSchema": "HERE"}}
    document = json.dumps(configured("deep", {"parameters": [parameter, *dense(100, 1000)]}))
    attacker.text(document.replace('"HERE"', deep(2000)))


def dense_schemas(attacker: Namespace) -> None:
    """Objects of one megabyte as text, and fifty in memory."""
    attacker.objects({"parameters": dense(64, 5000)} for _ in range(5))


def dense(count: int, lists: int) -> list[Document]:
    """Parameters with schemas of many empty lists."""
    schema = {"type": "json", "jsonSchema": {"enum": [[]] * lists}}
    return [{"name": f"dense-{number}", "value": "1", "schema": schema} for number in range(count)]


COUNTED = "((a*){500}){500}b"
OPTIONAL = "(a?){1000000}"
RECURSIVE = "(?R)"


def counted_patterns(attacker: Namespace) -> None:
    """Nested repetitions: an automaton of a million states, or a backtracking match that stores every step."""
    patterns = [COUNTED, OPTIONAL, RECURSIVE, "(?:a?){500}a{500}", "(a|a|aa)*c"]
    value = "a" * 8000
    parameters = [
        {
            "name": f"p{number}",
            "value": value,
            "tier": "Advanced",
            "schema": {"pattern": f"{pattern}{'b' * (number % 7)}"},
        }
        for number, pattern in enumerate(patterns * 10)
    ]
    attacker.objects({"parameters": parameters} for _ in range(4))


def large_secret(attacker: Namespace) -> None:
    """One Secret of 700 kB that a thousand parameters refer to."""
    attacker.secret("large", {"key": "x" * 700_000})
    reference = {"secretKeyRef": {"name": "large", "key": "key"}}
    spec = {"parameters": [{"name": f"p{number}", "valueFrom": reference} for number in range(1000)]}
    attacker.objects([spec] * 4)


def absent_sources(attacker: Namespace) -> None:
    """Objects that each refer to a thousand missing Secrets with long names."""
    attacker.objects(
        {
            "parameters": [
                {
                    "name": f"p{index}",
                    "valueFrom": {"secretKeyRef": {"name": f"{'absent' * 40}-{number}-{index}", "key": "key"}},
                }
                for index in range(1000)
            ]
        }
        for number in range(52)
    )


def many_keys(attacker: Namespace) -> None:
    """Objects that refer to eight ConfigMaps of 64,000 empty texts."""
    for number in range(8):
        attacker.config_map(f"keys-{number}", {f"{key:x}": "" for key in range(64_000)} | {"key": "value"})
    references = ({"configMapKeyRef": {"name": f"keys-{number}", "key": "key"}} for number in range(8))
    parameters = [{"name": f"p{number}", "valueFrom": reference} for number, reference in enumerate(references)]
    attacker.objects([{"parameters": parameters}] * 24)


def many_texts(attacker: Namespace) -> None:
    """Objects that each refer to a thousand long texts with four bytes per character in Python."""
    text = "x" * 8_100 + "😀"
    for number in range(9):
        attacker.config_map(f"texts-{number}", {f"k{key}": text for key in range(110)})
    parameters = [
        {
            "name": f"p{number}",
            "valueFrom": {"configMapKeyRef": {"name": f"texts-{number % 9}", "key": f"k{number // 9}"}},
            "tier": "Advanced",
        }
        for number in range(960)
    ]
    attacker.objects([{"parameters": parameters}] * 24)


def many_labels(attacker: Namespace) -> None:
    """Objects with thousands of labels and slow checks, so that many are in progress at once."""
    spec = slow_spec(schemas=2)
    attacker.objects([spec] * 30, labels={f"{number:x}": "" for number in range(9_500)})


def many_lists(attacker: Namespace) -> None:
    """Objects whose schemas have almost the maximum number of lists."""
    attacker.objects([{"parameters": dense(9, 5400)}] * 30)


def annotated_config_maps(attacker: Namespace) -> None:
    """No DynamicConfig at all."""
    attacker.config_maps(500, "x" * 250_000)


def escaped_metadata(attacker: Namespace) -> None:
    """Secrets and ConfigMaps that etcd stores in 1.5 MB, and that are 9 MB as JSON; objects refer to them, so that all are
    read, too, and again after each change."""
    for number in range(8):
        metadata = {"name": f"escaped-{number}", "ownerReferences": [owner("<" * 1_450_000)]}
        if number % 2:
            attacker.config_map_of({"metadata": metadata, "data": {"key": "value"}})
        else:
            attacker.secret_of({"metadata": metadata, "stringData": {"key": "value"}})
    kinds = ("secretKeyRef", "configMapKeyRef")
    parameters = [
        {"name": f"p{number}", "valueFrom": {kinds[number % 2]: {"name": f"escaped-{number}", "key": "key"}}}
        for number in range(8)
    ]
    attacker.objects([{"parameters": parameters}] * 12)
    for number in range(8):
        plural = ("secrets", "configmaps")[number % 2]
        attacker.patch(plural, f"escaped-{number}", {"metadata": {"labels": {"edited": "again"}}})


def large_metadata(attacker: Namespace) -> None:
    """Objects that are large in metadata only, all of which one change of a ConfigMap concerns."""
    attacker.config_map("small", {"key": "1"})
    parameters = [{"name": "p", "valueFrom": {"configMapKeyRef": {"name": "small", "key": "key"}}}]
    attacker.objects([{"parameters": parameters}] * 40, ownerReferences=[owner("x" * 1_200_000)])
    attacker.patch("configmaps", "small", {"data": {"key": "2"}})


def owner(name: str) -> Document:
    """An owner reference, whose name may have any length."""
    uid = "00000000-0000-4000-8000-000000000000"
    return {"apiVersion": "v1", "kind": "ConfigMap", "name": name, "uid": uid}


def slow_validation(attacker: Namespace) -> None:
    """A hundred objects whose schemas, patterns and rules take the maximum time."""
    unique = {"type": "json", "jsonSchema": {"uniqueItems": True}}
    items = json.dumps([{"a": number} for number in range(400)])
    parameters = [
        *slow_spec(schemas=8)["parameters"],
        *({"name": f"u{number}", "value": items, "tier": "Advanced", "schema": unique} for number in range(8)),
    ]
    inner = "[1,2,3,4,5,6,7,8,9,10,11,12,13,14,15,16,17,18,19,20]"
    rule = f"{inner}.all(a, {inner}.all(b, {inner}.all(c, a + b + c > int(size(config['s0'])))))"
    rules = [{"rule": f"{rule} || {number} > 0"} for number in range(64)]
    attacker.objects({"parameters": parameters, "rules": rules} for _ in range(100))


def long_numbers(attacker: Namespace) -> None:
    """Values that are almost numbers: a pattern that backtracks takes seconds for each, and holds the interpreter."""
    parameters = [
        {"name": f"p{number}", "value": "1" * 8190 + "x", "tier": "Advanced", "schema": {"type": "number"}}
        for number in range(20)
    ]
    attacker.objects({"parameters": parameters} for _ in range(40))


def large_lists_in_rules(attacker: Namespace) -> None:
    """Rules that build a list in each iteration: the evaluator copies it, and frees nothing before the end."""
    ones = json.dumps([1] * 4_090, separators=(",", ":"))
    parameters = [{"name": "j", "value": ones, "tier": "Advanced", "schema": {"type": "json"}}]
    built = ("config.j.map(a, a)", "config.j.map(a, config.j)", "config.j.filter(a, a == 1)")
    rules = [{"rule": f"size({built[number % 3]}) + size({built[0]}) > {number}"} for number in range(64)]
    attacker.objects({"parameters": parameters, "rules": rules} for _ in range(40))


def many_values_in_rules(attacker: Namespace) -> None:
    """Rules that read a thousand values of one dense JSON text: each is a thousand objects in Python and in the evaluator."""
    attacker.config_map("maps", {"key": f"[{','.join(['{}'] * 2700)}]"})
    attacker.objects([{"parameters": of_config_map("maps", {"schema": {"type": "json"}}), "rules": open_rules(64)}] * 2)


def many_values_beside_secrets(attacker: Namespace) -> None:
    """Rules that compare a Secret with a thousand long texts: what each of them asks is remembered."""
    attacker.secret("own", {"key": "y"})
    attacker.config_map("long", {"key": "x" * 8000})
    secret = {"name": "s", "valueFrom": {"secretKeyRef": {"name": "own", "key": "key"}}}
    attacker.objects([{"parameters": [secret, *of_config_map("long", {})], "rules": open_rules(64)}] * 2)


def of_config_map(name: str, more: Mapping[str, Any]) -> list[Document]:
    """As many parameters of one key as an object may have beside another one."""
    reference = {"configMapKeyRef": {"name": name, "key": "key"}}
    return [{"name": f"p{number}", "valueFrom": reference, "tier": "Advanced", **more} for number in range(999)]


def open_rules(count: int) -> list[Document]:
    """Rules that read all parameters, and are false."""
    return [{"rule": f"size(config) > {1000 + number}"} for number in range(count)]


def slow_spec(schemas: int) -> Document:
    """Parameters whose schemas take a million steps."""
    schema = {"allOf": [{"items": {"type": "integer"}}] * 450}
    value = json.dumps([1] * 2000)
    return {"parameters": [json_parameter(f"s{number}", value, schema) for number in range(schemas)]}


def json_parameter(name: str, value: str, schema: Document) -> Document:
    """A parameter of JSON with a schema."""
    return {"name": name, "value": value, "tier": "Advanced", "schema": {"type": "json", "jsonSchema": schema}}


def shared_subschemas(attacker: Namespace) -> None:
    """Definitions that refer to the next one many times: their evaluated items, and their errors with a long text."""
    items = {**references(60, {"prefixItems": [{}] * 4500}), "unevaluatedItems": False}
    texts = references(100, {"type": "number"})
    parameters = [json_parameter("items", "[]", items), json_parameter("texts", json.dumps("x" * 8100), texts)]
    attacker.objects([{"parameters": parameters}] * 4)


def references(width: int, leaf: Document) -> Document:
    """A schema with width * width references to one subschema."""
    definitions = {"a": leaf, "b": {"anyOf": [{"$ref": "#/$defs/a"}] * width}}
    return {"$defs": {**definitions, "c": {"anyOf": [{"$ref": "#/$defs/b"}] * width}}, "$ref": "#/$defs/c"}


def slashes(attacker: Namespace) -> None:
    """Messages with names of only slashes, of the maximum size of SQS."""
    event = {
        "detail-type": "Parameter Store Change",
        "region": "eu-west-1",
        "time": "2027-01-15T08:00:00Z",
        "detail": {"operation": "Update", "name": "/" * 250_000},
    }
    for _ in range(5):
        attacker.message(json.dumps(event))


def large_objects(attacker: Namespace) -> None:
    """Sixty objects of a megabyte."""
    parameters = [{"name": f"level/{number:03}", "value": "x" * 8000, "tier": "Advanced"} for number in range(130)]
    attacker.objects({"parameters": parameters, "suspend": True} for _ in range(60))


def large_reports(attacker: Namespace) -> None:
    """Objects that leave no room in etcd for their status."""
    parameters = [
        {"name": f"{number:04}-{'n' * 200}", "value": "x" * 950, "tags": {"t": "v"}, "description": "d"}
        for number in range(1000)
    ]
    attacker.objects({"parameters": parameters} for _ in range(20))


def patched_objects(attacker: Namespace) -> None:
    """Objects of a megabyte whose labels are patched as often as the API server can, as long as the objects exist."""
    count = 4
    attacker.objects({"parameters": dense(64, 5000), "suspend": True} for _ in range(count))

    def patch(name: str) -> None:
        url = f"{GROUP}/namespaces/{attacker.name}/dynamicconfigs/{name}"
        headers = {"Content-Type": "application/merge-patch+json"}
        for number in itertools.count():
            label = {"metadata": {"labels": {"number": str(number)}}}
            answer = attacker.http.patch(url, json=label, headers=headers, timeout=PATIENCE)
            if not answer.is_success and answer.status_code not in BUSY:
                return

    for number in range(count):
        threading.Thread(target=patch, args=(f"evil-{number}",), daemon=True).start()


def wrong_types(attacker: Namespace) -> None:
    """Objects accepted by a CRD without a schema: every field has a wrong type."""
    current: Document = attacker.http.get(DEFINITION).raise_for_status().json()
    open_one = copy.deepcopy(current)
    for version in open_one["spec"]["versions"]:
        version["schema"]["openAPIV3Schema"]["properties"]["spec"] = {
            "type": "object",
            "x-kubernetes-preserve-unknown-fields": True,
        }
    attacker.http.put(DEFINITION, json=open_one).raise_for_status()
    spec = {"path": 7, "parameters": {"a": [1]}, "suspend": "no", "function": "f", "rules": 1, "tags": [], "alarms": 0}
    assert wait_until(lambda: attacker.is_accepted("wrong", spec), 30)
    attacker.objects([spec, {**spec, "parameters": [1, None, {"name": {}}]}] * 50)
    fresh = attacker.http.get(DEFINITION).raise_for_status().json()
    attacker.http.put(DEFINITION, json={**fresh, "spec": current["spec"]}).raise_for_status()


def encoded(text: str) -> str:
    """The text in the encoding of a Secret's data."""
    return base64.b64encode(text.encode()).decode()


ATTACKS: dict[str, Callable[[Namespace], None]] = {
    "jsonSchema of 2,000 levels": deep_schema,
    "5 objects with jsonSchemas of 320,000 lists": dense_schemas,
    "patterns of nested counted repetitions, (?R)": counted_patterns,
    "1,000 references to one Secret of 700 kB": large_secret,
    "52 objects with 1,000 references to absent Secrets each": absent_sources,
    "24 objects with 8 ConfigMaps of 64,000 keys": many_keys,
    "24 objects with 960 texts of 8 KiB": many_texts,
    "30 objects with 9,500 labels": many_labels,
    "30 objects with jsonSchemas of 48,600 lists": many_lists,
    "500 ConfigMaps with large annotations": annotated_config_maps,
    "8 Secrets and ConfigMaps of 9 MB as JSON": escaped_metadata,
    "40 objects with 1.2 MB of metadata": large_metadata,
    "slow patterns, schemas and rules in 100 objects": slow_validation,
    "jsonSchemas with 10,000 references to one subschema": shared_subschemas,
    "40 objects with 20 values that are almost numbers": long_numbers,
    "40 objects with 64 rules that build lists of 4,090 items": large_lists_in_rules,
    "2 objects with 64 rules that read 999 values of 2,700 maps": many_values_in_rules,
    "2 objects with 64 rules that compare a Secret with 999 texts": many_values_beside_secrets,
    "messages of 250,000 slashes in the event queue": slashes,
    "60 objects of 1 MB": large_objects,
    "20 objects whose status does not fit": large_reports,
    "4 objects of 1 MB whose labels are patched all the time": patched_objects,
    "100 objects of wrong types": wrong_types,
}

TOGETHER: tuple[tuple[Callable[[Namespace], None], ...], ...] = (
    (deep_schema, dense_schemas, many_lists),
    (large_secret, many_texts, many_keys),
    (counted_patterns, long_numbers, slow_validation),
    (absent_sources, large_reports, large_objects),
    (large_lists_in_rules, many_values_in_rules, many_values_beside_secrets),
    (annotated_config_maps, escaped_metadata, many_labels),
    (shared_subschemas, slashes, dense_schemas),
    (many_texts, many_texts, many_texts),
    (large_metadata, large_metadata, escaped_metadata),
    # It changes the CRD, by which the documents of others would be rejected.
    (wrong_types,),
)
"""Attacks that are made at the same time, each from a namespace of its own: expensive in the same part of the operator."""
