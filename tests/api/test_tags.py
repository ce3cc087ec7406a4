"""Which tags may be declared: what every service takes that is given them, so that no write stops half way."""

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


def test_letters_digits_spaces_and_a_few_signs_are_taken() -> None:
    assert tagged(LEGAL).tags == LEGAL
    assert tagged({}, LEGAL).parameters[0].tags == LEGAL


@pytest.mark.parametrize(
    ("tags", "told"),
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
def test_other_tags_are_refused_of_an_object_and_of_a_parameter(tags: dict[str, str], told: str) -> None:
    with pytest.raises(ValidationError, match=told):
        tagged(tags)
    with pytest.raises(ValidationError, match=told):
        tagged({}, tags)


def test_one_of_the_fifty_tags_of_a_resource_is_the_owners() -> None:
    assert tagged(many("t", 40), many("u", 9))
    assert tagged(many("t", 40), many("t", 40))
    with pytest.raises(ValidationError, match="more than 49 tags"):
        tagged(many("t", 40), many("u", 10))


def test_tags_that_iam_does_not_tell_apart_are_refused_where_there_is_a_role() -> None:
    twins = {"team": "1", "Team": "2"}
    assert tagged(twins)
    with pytest.raises(ValidationError, match="differ only by case"):
        tagged(twins, function={})
