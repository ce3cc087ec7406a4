"""Singular and plural forms for counts in messages. Pure."""


def counted(number: int, noun: str) -> str:
    """Return a count with its noun: no fields, 1 field, 2 fields. `noun` is singular, with a plural in s."""
    return f"{number or 'no'} {noun}{'' if number == 1 else 's'}"


def agreeing(number: int, one: str, several: str) -> str:
    """Return the verb form for a count: no fields are, 1 field is, 2 fields are."""
    return one if number == 1 else several
