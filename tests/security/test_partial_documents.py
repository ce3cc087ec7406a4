"""Fields that users write in any number and the operator does not use take no memory: keys, labels, owner references."""

import pytest
from tests.security.memory import peak_mib

# Text of one to four MiB that takes ten to forty times as much when parsed.
WORK = """
import json
from dynconfig.model.size import OMITTED_BYTES
from dynconfig.kube import responses
from dynconfig.kube.client import _identity, _whole
what, count = task
text = {
    "keys": lambda: {"kind": "ConfigMap", "metadata": {}, "data": {f"{n:x}": "" for n in range(100_000)} | {"key": "1"}},
    "labels": lambda: {"metadata": {"name": "n", "labels": {f"{n:x}": "" for n in range(9_500)}, "resourceVersion": "1"}},
    "managed": lambda: {"metadata": {"name": "n", "managedFields": [{f"f:{n:x}": {} for n in range(9_500)}]}},
    "owners": lambda: {"type": "ADDED", "object": {"metadata": {"name": "n", "resourceVersion": "1",
        "ownerReferences": [{"apiVersion": "v1", "kind": "K", "name": "n", "uid": f"{n:x}"} for n in range(81_000)]}}},
}[what]()
content = json.dumps(text, separators=(",", ":")).encode()
del text
parse = {
    "keys": lambda: responses.source(200, content, ["key"]),
    "labels": lambda: responses.document(200, content, _whole),
    "managed": lambda: responses.document(200, content, _whole),
    "owners": lambda: responses.parse_line(content, _identity),
}[what]
with open("/proc/self/clear_refs", "w") as refs:
    refs.write("5")  # forget the peak so far
with open("/proc/self/status") as status:
    before = int(re.findall(r"VmRSS:\\s+(\\d+) kB", status.read())[0]) / 1024
kept = [parse() for _ in range(count)]
result = before
"""
# A few copies of the text itself, which is parsed piece by piece.
MOST_MIB = 30


@pytest.mark.parametrize(("what", "count"), [("keys", 24), ("labels", 124), ("managed", 124), ("owners", 4)])
def test_large_documents_are_cached_without_unused_fields(what: str, count: int) -> None:
    peak, before = peak_mib(WORK, [what, count])
    assert peak - before <= MOST_MIB
