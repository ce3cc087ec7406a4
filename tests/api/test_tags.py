"""Validation of tags: only tags that all AWS services in use accept."""

from typing import Any

import pytest
from pydantic import ValidationError

from dynconfig.api.spec import DynamicConfigSpec


def tagged(tags: dict[str, str], own: dict[str, str] | None = None, **more: Any) -> DynamicConfigSpec:
    parameters = [{"name": "p", "value": "1", "tags": own or {}}]
    return DynamicConfigSpec.model_validate({"path": "/app", "tags": tags, "parameters": parameters, **more})


def many(letter: str, count: int) -> dict[str, str]:
    return {f"{letter}{n}": "1" for n in range(count)}


LEGAL = {"team": "", "cost centre": "R+D", "équipe/2": "日本 = 1", "k:_.=+@-": "x" * 256, "K" * 128: "٣"}


def test_valid_tags_are_accepted() -> None:
    assert tagged(LEGAL).tags == LEGAL
    assert tagged({}, LEGAL).parameters[0].tags == LEGAL


@pytest.mark.parametrize(
    ("tags", "message"),
    [
        ({"a&b": "1"}, "tag keys must have 1 to 128 letters"),
        ({"a\nb": "1"}, "tag keys must have 1 to 128 letters"),
        ({"a": "shop & co"}, "pattern"),
        ({"": "1"}, "at least 1"),
        ({"x" * 129: "1"}, "at most 128"),
        ({"a": "x" * 257}, "at most 256"),
        ({"aws:team": "1"}, "reserved"),
        ({"AWS:team": "1"}, "reserved"),
        ({"dynconfig.dev/owner": "me"}, "reserved"),
        ({"Dynconfig.dev/Owner": "me"}, "reserved"),
    ],
)
def test_invalid_tags_are_rejected_on_objects_and_parameters(tags: dict[str, str], message: str) -> None:
    with pytest.raises(ValidationError, match=message):
        tagged(tags)
    with pytest.raises(ValidationError, match=message):
        tagged({}, tags)


def test_limit_leaves_room_for_the_owner_tag() -> None:
    assert tagged(many("t", 40), many("u", 9))
    assert tagged(many("t", 40), many("t", 40))
    with pytest.raises(ValidationError, match="more than 49 tags"):
        tagged(many("t", 40), many("u", 10))


@pytest.mark.parametrize("kind", ["String", "StringList", "SecureString", None])
def test_limit_leaves_room_for_the_mark_of_a_plaintext_secret(kind: str | None) -> None:
    reference = {"secretKeyRef": {"name": "s", "key": "k", "allowPlaintext": True}}

    def secret(count: int) -> dict[str, object]:
        parameter = {"name": "p", "valueFrom": reference, "tags": many("u", count), **({"type": kind} if kind else {})}
        return {"path": "/a/b", "tags": many("t", 40), "parameters": [parameter]}

    assert DynamicConfigSpec.model_validate(secret(8))
    if kind in ("String", "StringList"):
        with pytest.raises(ValidationError, match="takes its value from a Secret, 48"):
            DynamicConfigSpec.model_validate(secret(9))
    else:
        assert DynamicConfigSpec.model_validate(secret(9))


def test_tag_keys_differing_only_by_case_are_rejected_with_a_function() -> None:
    twins = {"team": "1", "Team": "2"}
    assert tagged(twins)
    with pytest.raises(ValidationError, match="differ only by case"):
        tagged(twins, function={})
