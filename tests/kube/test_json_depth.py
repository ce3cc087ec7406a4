"""The depth of JSON text: truncated and measured as by a scan of each character, in bounded time, outside the event loop."""

import asyncio
import json
from collections.abc import Callable
from time import thread_time

import pytest
from aiohttp import web
from hypothesis import given
from hypothesis import strategies as st
from tests.cpu import cpu_time
from tests.kube.apiserver import serving, streamed
from tests.security.attacks import deep

from dynconfig.kube import json_depth
from dynconfig.kube.client import _whole
from dynconfig.kube.responses import parse_line

# The size limit of one object in etcd.
BYTES = 1_500_000


def by_character(text: str, limit: int) -> tuple[str, int]:
    """The text truncated below a level, and its lists and maps, by a scan of each character."""
    kept, level, nodes, is_string, is_escaped = "", 0, 0, False, False
    for character in text:
        before = level
        if is_string:
            is_string, is_escaped = is_escaped or character != '"', not is_escaped and character == "\\"
        elif character == '"':
            is_string = True
        else:
            level += (character in "[{") - (character in "]}")
        if before <= limit or level <= limit:
            kept += character
            nodes += level > before
    return kept, nodes


TEXTS = st.text(alphabet='[]{}"\\,a😀', max_size=6)
VALUES = st.recursive(
    TEXTS, lambda inner: st.lists(inner, max_size=4) | st.dictionaries(TEXTS, inner, max_size=3), max_leaves=60
)


@given(VALUES, st.integers(0, 5), st.integers(1, 9), st.booleans())
def test_slices_of_any_length_give_the_same(value: object, limit: int, length: int, is_ascii: bool) -> None:
    text = json.dumps([value, 1], ensure_ascii=is_ascii)
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(json_depth, "_FIRST_SLICE", length)
        patched.setattr(json_depth, "_LONGEST_SLICE", length)
        assert json_depth.cut(text, limit) == by_character(text, limit)
        assert json_depth.end(text + "]}, [", 0) == len(text)
        assert json_depth.end(text[:-1], 0) is None
    assert json_depth.cut(text, 1000)[0] == text


ARRANGED = {
    "deep lists": "[" * 9_000 + "]" * 9_000,
    "deep schemas": deep(9_000),
    "up four, down three": "[[[[]]]," * 2_000 + "1" + "]" * 2_000,
    "up six, down five": "[[[[[[]]]]]," * 2_000 + "1" + "]" * 2_000,
    "around the limit": "[" * 100 + "[[[[]]]," * 20 + "1" + "]" * 120,
    "strings of brackets": '["[[[[",' * 3_000 + "1" + "]" * 3_000,
    "strings of backslashes": '["' + "\\\\" * 9_000 + '"]',
    "names of brackets": '{"[":' * 6_000 + "1" + "}" * 6_000,
    "many of a hundred levels": "[" * 100 + "]" * 100,
    "wide": "[" + "[]," * 4_000 + "1]",
}


def arranged(name: str) -> bytes:
    """A watch line with the maximum number of parameters with such a schema."""
    schema = ARRANGED[name]
    parameter = f'{{"name":"p","value":"1","schema":{{"type":"json","jsonSchema":{schema}}}}}'
    parameters = ",".join([parameter] * (BYTES // len(parameter)))
    about = '{"namespace":"evil","name":"a","resourceVersion":"2"}'
    return f'{{"type":"ADDED","object":{{"metadata":{about},"spec":{{"parameters":[{parameters}]}}}}}}'.encode()


@pytest.mark.parametrize("name", ARRANGED)
def test_no_arrangement_of_brackets_takes_more_than_a_second(name: str) -> None:
    line = arranged(name)
    with cpu_time() as taken:
        event, _document = parse_line(line, _whole)
    assert event == "ADDED"
    # 0.05 to 0.2 s; a scan of each bracket took four to eight.
    assert taken.ordinary < 1.0


def test_end_of_an_ordinary_large_value_is_found_faster_than_it_is_parsed() -> None:
    """Each change of labels delivers the whole object."""
    text = json.dumps([{"name": f"level/{number:04}", "value": "x" * 900} for number in range(1000)])

    def seconds(work: Callable[[str], object]) -> float:
        begun = thread_time()
        work(text)
        return thread_time() - begun

    # It took forty times as long.
    ratios = [seconds(lambda value: json_depth.end(value, 0)) / seconds(json.loads) for _ in range(9)]
    assert sorted(ratios)[4] < 10


@pytest.mark.parametrize("is_listed", [False, True])
def test_event_loop_parses_no_large_document(is_listed: bool) -> None:
    line = arranged("up six, down five")
    item = line.removeprefix(b'{"type":"ADDED","object":').removesuffix(b"}")

    async def answer(request: web.Request) -> web.StreamResponse:
        if "watch" in request.query:
            return await streamed(request, line)
        return web.Response(
            body=b'{"metadata":{"resourceVersion":"1"},"items":[' + item + b"]}", content_type="application/json"
        )

    async def act() -> tuple[int, float]:
        async with serving(answer) as kube:
            with cpu_time() as taken:
                if is_listed:
                    async with kube.object_pages(None) as pages:
                        found = len([item async for page in pages async for item in page["items"]])
                else:
                    found = len([event async for event in kube.watch_objects(None, "1").changes()])
            return found, taken.ordinary

    found, seconds = asyncio.run(act())
    assert found == 1
    # The event loop's thread sent and received it, including the server's side.
    assert seconds < 0.1
