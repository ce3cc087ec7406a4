"""Comparison of two environments; secrets are compared and never shown."""

from dynconfig.cli.comparison import UNKNOWN, Contrast, Entry, Environment, contrasts
from dynconfig.model.secret import MASK, Secret


def environment(**entries: Entry) -> Environment:
    return Environment("one", entries)


def text(value: str, type: str = "String") -> Entry:  # noqa: A002 - SSM's word
    return Entry(type, value)


def secret(value: str) -> Entry:
    return Entry("SecureString", Secret(value))


def test_equal_environments_have_no_contrasts() -> None:
    one = environment(a=text("1"), b=secret("x"))
    assert list(contrasts(one, environment(a=text("1"), b=secret("x")))) == []


def test_entry_on_one_side_only_is_a_difference() -> None:
    found = list(contrasts(environment(a=text("1")), environment(b=secret("x"))))
    assert found == [Contrast("a", "1", None), Contrast("b", None, MASK)]


def test_values_and_types_are_compared() -> None:
    found = list(contrasts(environment(a=text("1")), environment(a=text("2", "StringList"))))
    assert found == [Contrast("a (type)", "String", "StringList"), Contrast("a", "1", "2")]


def test_secrets_are_compared_without_being_shown() -> None:
    (found,) = contrasts(environment(a=secret("canary-1")), environment(a=secret("canary-2")))
    assert found == Contrast("a", MASK, MASK)
    assert "canary" not in repr(secret("canary-1"))


def test_unreadable_value_is_a_difference() -> None:
    unknown = environment(a=Entry("SecureString", None))
    assert list(contrasts(unknown, unknown)) == [Contrast("a", UNKNOWN, UNKNOWN)]


def test_settings_are_compared_if_both_sides_have_a_spec() -> None:
    one, other = (Environment("x", {}, {"spec.suspend": value}) for value in ("true", "false"))
    assert list(contrasts(one, other)) == [Contrast("spec.suspend", "true", "false")]
    assert list(contrasts(one, Environment("path", {}))) == []
