"""The rules of the mark: what is compared, what is written, and what stays masked."""

import itertools

import pytest

from dynconfig.api.names import FROM_SECRET_TAG
from dynconfig.model.secret_mark import KEPT, MARKED, UNMARKED, SecretMark


@pytest.mark.parametrize(
    ("declared", "found", "is_difference", "after"),
    [
        (UNMARKED, UNMARKED, False, UNMARKED),
        (UNMARKED, MARKED, True, UNMARKED),
        (KEPT, UNMARKED, False, UNMARKED),
        (KEPT, MARKED, False, KEPT),
        (MARKED, UNMARKED, True, MARKED),
        (MARKED, MARKED, False, MARKED),
    ],
)
def test_mark_after_a_write_is_as_declared_unless_one_is_kept(
    declared: SecretMark, found: SecretMark, is_difference: bool, after: SecretMark
) -> None:
    observed = found.compared_with(declared)
    assert (observed != declared) is is_difference
    written = declared.written_over(observed)
    assert (written.is_set, written.is_kept) == (after.is_set, after.is_kept)
    assert written == declared


@pytest.mark.parametrize(("declared", "found"), list(itertools.product((UNMARKED, KEPT, MARKED), (UNMARKED, MARKED))))
def test_comparison_never_hides_a_mark_of_aws(declared: SecretMark, found: SecretMark) -> None:
    observed = found.compared_with(declared)
    assert observed.is_masked is found.is_set
    assert observed.in_aws == found
    assert observed.in_aws.tags == ({FROM_SECRET_TAG: "true"} if found.is_set else {})
