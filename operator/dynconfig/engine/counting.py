"""Numbers of things in words: nouns and verbs that agree with them. Pure."""


def counted(number: int, noun: str) -> str:
    """A number of things: no fields, 1 field, 2 fields; `noun` is a singular that takes an s."""
    return f"{number or 'no'} {noun}{'' if number == 1 else 's'}"


def agreeing(number: int, one: str, several: str) -> str:
    """The form of a verb that goes with what `counted` says: no fields are, 1 field is, 2 fields are."""
    return one if number == 1 else several
