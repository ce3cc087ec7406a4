"""The document of faults: an invalid field is named, and a valid document is returned as posted."""

import pytest

from dynconfig_lab.aws import Faults
from dynconfig_lab.aws.faults import BadFaults

pytestmark = pytest.mark.lab

NAN, INFINITY = float("nan"), float("inf")


def numbers(field: str) -> list[tuple[object, str]]:
    """Rows of invalid numbers for the field."""
    wrong: tuple[object, ...] = (-1, "5", True, None, [])
    return [({field: value}, f"{field}: has to be a number") for value in wrong]


def throttled(*wrong: object) -> list[tuple[object, str]]:
    return [({"throttle": {"ssm.X": value}}, "throttle: ssm.X has to be a number") for value in wrong]


def times(*wrong: object) -> list[tuple[object, str]]:
    return [({"errors": {"ssm.X": {"code": "Y", "times": value}}}, "errors: times of ssm.X") for value in wrong]


WRONG: tuple[tuple[object, str], ...] = (
    ([], "the body has to be a JSON object"),
    (None, "the body has to be a JSON object"),
    ("down", "the body has to be a JSON object"),
    ({"latency": 5}, "latency: no such fault; there are"),
    *numbers("error_rate"),
    *numbers("latency_ms"),
    *numbers("hang_seconds"),
    *numbers("recreate_delay_seconds"),
    *numbers("settle_seconds"),
    ({"error_rate": 1.1}, "error_rate: has to be from 0 to 1"),
    # Python's JSON parser accepts NaN and Infinity, which no clock can wait for.
    ({"error_rate": NAN}, "error_rate: "),
    ({"latency_ms": NAN}, "latency_ms: "),
    ({"latency_ms": INFINITY}, "latency_ms: "),
    ({"down": 1}, "down: has to be true or false"),
    ({"down": None}, "down: has to be true or false"),
    ({"throttle": 3}, "throttle: has to be an object"),
    *throttled(-1, "3", True, None, NAN),
    ({"errors": ["X"]}, "errors: has to be an object"),
    ({"errors": {"ssm.X": "TooManyUpdates"}}, "errors: ssm.X needs a code"),
    ({"errors": {"ssm.X": {}}}, "errors: ssm.X needs a code"),
    ({"errors": {"ssm.X": {"code": 5}}}, "errors: ssm.X needs a code"),
    *times(0, -1, 1.5, "1", True),
    # With `time` instead of `times`, an error meant to occur once would occur forever.
    ({"errors": {"ssm.X": {"code": "Y", "time": 1}}}, "errors: "),
)


@pytest.mark.parametrize(("document", "message"), WRONG, ids=[str(document) for document, _ in WRONG])
def test_invalid_document_names_its_field(document: object, message: str) -> None:
    with pytest.raises(BadFaults) as wrong:
        Faults.parse(document)
    assert str(wrong.value).startswith(message)


def test_document_is_returned_as_posted() -> None:
    document = {
        "throttle": {"ssm.PutParameter": 3.0},
        "error_rate": 0.5,
        "latency_ms": 20.0,
        "hang_seconds": 1.0,
        "recreate_delay_seconds": 30.0,
        "settle_seconds": 5.0,
        "down": True,
        "errors": {"ssm.PutParameter": {"code": "TooManyUpdates", "message": "busy", "times": 2}},
    }
    assert Faults.parse(document).to_json() == document


def test_error_needs_only_its_code() -> None:
    found = Faults.parse({"errors": {"ssm.PutParameter": {"code": "TooManyUpdates"}}})
    assert found.to_json() == {"errors": {"ssm.PutParameter": {"code": "TooManyUpdates", "message": "", "times": None}}}
    assert Faults.parse(found.to_json()) == found


def test_empty_document_has_no_faults() -> None:
    assert Faults.parse({}) == Faults()
    assert Faults().to_json() == {}


def test_settings_that_speed_up_are_returned_as_well() -> None:
    assert Faults(settle_seconds=0.0).to_json() == {"settle_seconds": 0.0}
