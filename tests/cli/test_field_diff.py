"""Differences within long texts: always visible, short, by path in JSON and by line in multi-line texts."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dynconfig.cli import field_diff
from dynconfig.cli.field_diff import Part, parts
from dynconfig.model.window import LENGTH, brief

TEXTS = st.text(alphabet="ab…", max_size=300)
JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-2, 2) | st.floats(0, 1) | st.text("ab.", max_size=2),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text("ab.[", max_size=2), inner, max_size=3),
    max_leaves=8,
)


@given(TEXTS, TEXTS, TEXTS, TEXTS)
def test_differing_texts_are_shown_differently(head: str, one: str, other: str, tail: str) -> None:
    declared, observed = head + one + tail, head + other + tail
    found = brief(declared, observed)
    assert (found.declared == found.observed) == (declared == observed)
    assert max(len(found.declared), len(found.observed)) <= LENGTH
    assert bool(found.digest) == ((found.declared, found.observed) != (declared, observed))


def test_digest_distinguishes_texts_with_equal_display() -> None:
    long = "x" * 300
    assert brief(f"1{long}1", f"2{long}") != brief(f"1{long}2", f"2{long}")


@pytest.mark.parametrize(
    ("before", "after", "found"),
    [
        ('{"a": {"b": 1}}', '{"a": {"b": 2}}', [("a.b", "1", "2")]),
        ('{"a": [1, {"b": true}]}', '{"a": [1, {"b": 1}, 3]}', [("a[1].b", "true", "1"), ("a[2]", None, "3")]),
        ('{"a.b": 1, "": 2}', '{"a.b": null}', [('["a.b"]', "1", "null"), ('[""]', "2", None)]),
        ("[1]", "[1.0]", [("[0]", "1", "1.0")]),
        ('{"a": "\\ud800"}', '{"a": "é"}', [("a", '"\\ud800"', '"é"')]),
        ('{"a": {"b": 1}}', '{"a": 1}', [("a", '{"b": 1}', "1")]),
    ],
)
def test_members_of_json_are_named_by_their_path(before: str, after: str, found: list[tuple[str, str, str]]) -> None:
    assert parts(before, after) == tuple(Part(*each) for each in found)


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("{}", "[]"),
        ('{"a": 1, "a": 2}', "{}"),
        ("{", "{}"),
        ("1", "2"),
        ("•••", "•••"),
        ("[" * 9000, "[]"),
        ('{"a":1}', '{"a": 1}'),
    ],
)
def test_invalid_or_equal_json_has_no_parts(before: str, after: str) -> None:
    assert parts(before, after) == ()


@given(JSON, JSON)
def test_every_part_of_differing_json_differs(one: object, other: object) -> None:
    found = parts(json.dumps([one]), json.dumps([other]))
    assert bool(found) == (json.dumps([one], sort_keys=True) != json.dumps([other], sort_keys=True))
    assert all(part.before != part.after for part in found)


def test_differing_lines_are_shown_with_their_numbers() -> None:
    before, after = "a\nb\nc\n", "a\nx\nc\nd\n"
    assert list(field_diff.lines("value", before, after)) == [
        "value:",
        "  @@ line 2 @@",
        "  - b",
        "  + x",
        "  @@ line 4 @@",
        "  + d",
    ]


def test_many_lines_are_compared_quickly() -> None:
    before, after = "a\n" * 4000, "b\n" * 4000
    assert len(list(field_diff.lines("value", before, after))) == 8002


def test_missing_final_newline_is_shown() -> None:
    assert list(field_diff.lines("value", "a", "a\n")) == ["value: a → a\n"]
