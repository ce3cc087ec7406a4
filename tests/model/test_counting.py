"""Singular and plural forms."""

import pytest

from dynconfig.model.counting import agreeing, counted


@pytest.mark.parametrize(("number", "text"), [(0, "no fields are"), (1, "1 field is"), (2, "2 fields are")])
def test_noun_and_verb_agree_with_the_number(number: int, text: str) -> None:
    assert f"{counted(number, 'field')} {agreeing(number, 'is', 'are')}" == text
