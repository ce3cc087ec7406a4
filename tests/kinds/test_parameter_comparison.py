"""A text and a Secret of the same text are equal, whichever side is masked."""

import itertools
from dataclasses import replace

import pytest

from dynconfig.kinds.parameter.cached import CachedParameter
from dynconfig.kinds.parameter.value import Parameter, comparable
from dynconfig.model.plan import differences
from dynconfig.model.secret import Secret
from dynconfig.model.secret_mark import KEPT, SecretMark

TEXT = "same"
ANSWER = {"Value": TEXT, "decrypted": True, "unreadable": False}


def parameter(text: str, *, is_secret: bool, kind: str = "String", is_marked: bool = False) -> Parameter:
    value = Secret(text) if is_secret else text
    return Parameter(name="/app/p", type=kind, value=value, from_secret=SecretMark(is_set=is_marked))


@pytest.mark.parametrize("kind", ["String", "StringList"])
@pytest.mark.parametrize(
    ("is_wanted_secret", "is_wanted_marked", "keeps_mark", "is_secret", "is_marked"),
    list(itertools.product([True, False], repeat=5)),
)
def test_equal_texts_never_differ(
    *, kind: str, is_wanted_secret: bool, is_wanted_marked: bool, keeps_mark: bool, is_secret: bool, is_marked: bool
) -> None:
    wanted = parameter(TEXT, is_secret=is_wanted_secret, kind=kind, is_marked=is_wanted_marked)
    if keeps_mark and not is_wanted_marked:
        wanted = replace(wanted, from_secret=KEPT)
    observed = parameter(TEXT, is_secret=is_secret, kind=kind, is_marked=is_marked)
    cached = CachedParameter.of(0.0, observed)
    sources = (observed, cached.opened(cached.sealed, wanted, ANSWER), cached.opened(cached.sealed, wanted, None))
    for source in sources:
        found = comparable(source, wanted)
        assert "value" not in {item.field for item in differences(wanted, found)}
        assert found.from_secret.is_masked or not is_marked
    other = comparable(replace(observed, value=Secret("other") if is_secret else "other"), wanted)
    assert "value" in {item.field for item in differences(wanted, other)}


def test_equal_secure_strings_never_differ() -> None:
    wanted = parameter(TEXT, is_secret=True, kind="SecureString")
    cached = CachedParameter.of(0.0, wanted)
    for source in (wanted, cached.opened(cached.sealed, wanted, ANSWER), cached.opened(cached.sealed, wanted, None)):
        assert differences(wanted, comparable(source, wanted)) == ()
