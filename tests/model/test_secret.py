"""Secrets are masked wherever they are printed."""

import copy
import json
import logging
import pickle

import pytest

from dynconfig.model.secret import MASK, SealedSecret, Secret, UnreadableSecret
from dynconfig.model.window import shown

TEXT = "canary-4711"


def test_secret_is_masked(caplog: pytest.LogCaptureFixture) -> None:
    secret = Secret(TEXT)
    with caplog.at_level(logging.INFO):
        logging.getLogger("test").info("%s %r %s", secret, secret, {"value": secret})
    for text in (str(secret), repr(secret), f"{secret}", shown(secret), repr([secret]), caplog.text):
        assert TEXT not in text
        assert MASK in text


def test_secret_cannot_be_serialized() -> None:
    with pytest.raises(TypeError):
        json.dumps({"value": Secret(TEXT)})
    with pytest.raises(TypeError, match="cannot be pickled"):
        pickle.dumps(Secret(TEXT))
    with pytest.raises(TypeError, match="cannot be pickled"):
        copy.deepcopy(Secret(TEXT))


def test_secret_compares_and_hashes_by_value() -> None:
    assert Secret("a") == Secret("a")
    assert Secret("a") != Secret("b")
    assert Secret("a") != "a"
    assert hash(Secret("a")) == hash(Secret("a"))
    assert Secret("ü") == Secret("ü")


def test_value_is_only_accessible_through_reveal() -> None:
    secret = Secret(TEXT)
    assert secret.reveal() == TEXT
    assert not hasattr(secret, "__dict__")


def test_sealed_secret_equals_only_the_same_value() -> None:
    sealed, same, others = SealedSecret.of("a"), [Secret("a"), SealedSecret.of(Secret("a"))], [Secret("b"), Secret("")]
    others += [UnreadableSecret(), SealedSecret.of("b")]
    for other in same:
        assert (sealed, hash(sealed)) == (other, hash(other))
        assert (other, hash(other)) == (sealed, hash(sealed))
    for other in others:
        assert sealed != other
        assert other != sealed
    assert sealed != "a"


def test_sealed_secret_is_masked() -> None:
    sealed = SealedSecret.of("hunter2")
    assert (str(sealed), repr(sealed)) == (MASK, MASK)
    with pytest.raises(TypeError, match="not stored"):
        sealed.reveal()
