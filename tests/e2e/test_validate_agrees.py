"""`dynconfig validate` agrees with the real API server: types, nulls, metadata, sets."""

import pytest
from tests.cli.shell import dynconfig
from tests.e2e.world import World

from dynconfig_lab.stack import CommandFailed

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(600)]

HEAD = "apiVersion: dynconfig.dev/v1alpha1\nkind: DynamicConfig\nmetadata: {name: x}\nspec:\n  path: /x\n"
ALARM = "{name: m, metric: M, namespace: Ns, statistic: Sum, comparison: GreaterThanThreshold"

REFUSED = {
    "whole number as text": f"{HEAD}  cache: {{ttlSeconds: '300'}}\n",
    "fraction for a whole number": f"{HEAD}  cache: {{ttlSeconds: 1.5}}\n",
    "boolean for a number": f"{HEAD}  cache: {{ttlSeconds: true}}\n",
    "list for a number": f"{HEAD}  cache: {{ttlSeconds: [1]}}\n",
    "boolean as text": f"{HEAD}  suspend: 'true'\n",
    "number for a boolean": f"{HEAD}  suspend: 1\n",
    "list for a map": f"{HEAD}  cache: []\n",
    "text for a map": f"{HEAD}  cache: hello\n",
    "boolean for a map": f"{HEAD}  function: {{triggers: {{httpApi: true}}}}\n",
    "texts for maps": f"{HEAD}  parameters: ['a']\n",
    "null for a map": f"{HEAD}  parameters: [null]\n",
    "number for a text": f"{HEAD}  parameters: [{{name: a, value: 1}}]\n",
    "number in an enum": f"{HEAD}  parameters: [{{name: a, value: '1', schema: {{enum: [1]}}}}]\n",
    "text for a bound": f"{HEAD}  parameters: [{{name: a, value: '1', schema: {{type: integer, minimum: '1'}}}}]\n",
    "boolean for a bound": f"{HEAD}  parameters: [{{name: a, value: '1', schema: {{type: integer, minimum: true}}}}]\n",
    "a set with a field twice": f"{HEAD}  parameters: [{{name: a, value: '1', ignore: [tags, tags]}}]\n",
    "text for a JSON Schema": f"{HEAD}  parameters: [{{name: a, value: '1', schema: {{type: json, jsonSchema: x}}}}]\n",
    "number of days as text": f"{HEAD}  function: {{logRetentionDays: '30'}}\n",
    "boolean for a number of days": f"{HEAD}  function: {{logRetentionDays: true}}\n",
    "fraction of days": f"{HEAD}  function: {{logRetentionDays: 30.5}}\n",
    "threshold as text": f"{HEAD}  alarms: {{defaults: false, custom: [{ALARM}, threshold: '1'}}]}}\n",
    "threshold that is no number": f"{HEAD}  alarms: {{defaults: false, custom: [{ALARM}, threshold: .nan}}]}}\n",
    "number for a duration": f"{HEAD}  resyncInterval: 600\n",
    "number for a rule": f"{HEAD}  rules: [{{rule: 1}}]\n",
    "unknown field deep below": f"{HEAD}  function: {{extension: {{size: 1}}}}\n",
    "unknown field beside spec": f"{HEAD}spce: {{}}\n",
    "unknown field in metadata": HEAD.replace("{name: x}", "{name: x, labls: {a: b}}"),
    "number for a label": HEAD.replace("{name: x}", "{name: x, labels: {a: 1}}"),
    "label of two words": HEAD.replace("{name: x}", "{name: x, labels: {a: 'b c'}}"),
    "key of a label of two words": HEAD.replace("{name: x}", "{name: x, labels: {'a b': c}}"),
    "number for an annotation": HEAD.replace("{name: x}", "{name: x, annotations: {a: 1}}"),
    "boolean for an annotation": HEAD.replace("{name: x}", "{name: x, annotations: {a: true}}"),
    "key of an annotation of two words": HEAD.replace("{name: x}", "{name: x, annotations: {'a b': c}}"),
    "list of annotations": HEAD.replace("{name: x}", "{name: x, annotations: [a]}"),
    "text for finalizers": HEAD.replace("{name: x}", "{name: x, finalizers: a}"),
    "number for a name": HEAD.replace("{name: x}", "{name: 5}"),
    "a final newline": HEAD.replace("/x", '"/x\\n"'),
    "digits of another script": f'{HEAD}  resyncInterval: "\uff110m"\n',
}
TAKEN = {
    "a whole number with a point": f"{HEAD}  cache: {{ttlSeconds: 300.0}}\n",
    "a power of ten": f"{HEAD}  cache: {{ttlSeconds: 1e2}}\n",
    "yes for true": f"{HEAD}  suspend: yes\n",
    "no type": f"{HEAD}  parameters: [{{name: a, value: '1', type: null}}]\n",
    "a date": f"{HEAD}  parameters: [{{name: a, value: 2024-01-01}}]\n",
    "a number as the key of a tag": f"{HEAD}  tags: {{1: a}}\n",
    "capitals in an annotation's domain": HEAD.replace("{name: x}", "{name: x, annotations: {Example.com/a: b}}"),
    "an empty label": HEAD.replace("{name: x}", "{name: x, labels: {a: ''}}"),
}


@pytest.mark.parametrize("text", REFUSED.values(), ids=REFUSED.keys())
def test_rejections_of_the_api_server_are_found_without_a_cluster(world: World, text: str) -> None:
    with pytest.raises(CommandFailed):
        world.stack.kubectl("create", "--dry-run=server", "-n", world.namespace, "-f", "-", stdin=text)
    found = dynconfig("validate", "-f", "-", stdin=text)
    assert (found.code, found.err.startswith("-:")) == (1, True)


@pytest.mark.parametrize("text", TAKEN.values(), ids=TAKEN.keys())
def test_specs_accepted_by_the_api_server_are_valid_without_a_cluster(world: World, text: str) -> None:
    world.stack.kubectl("create", "--dry-run=server", "-n", world.namespace, "-f", "-", stdin=text)
    assert dynconfig("validate", "-f", "-", stdin=text).code == 0
