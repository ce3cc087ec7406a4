"""Numbers are found by digest, whatever else is known."""

from collections import defaultdict

from hypothesis import given
from hypothesis import strategies as st
from tests.operations import calls_of

from dynconfig.model.digest_index import MOST_IN_PART, DigestIndex
from dynconfig.model.fingerprint import fingerprint

# Few digests with many numbers, up to the highest one, and many with few.
DIGESTS = st.sampled_from([0, 1 << 32, 2**64 - 1, *(number << 54 for number in range(1, 1000))])


@given(st.lists(st.tuples(DIGESTS, st.integers(0, 9)), unique=True, max_size=50), st.randoms(use_true_random=False))
def test_numbers_of_a_digest_are_those_that_were_added_and_not_removed(
    pairs: list[tuple[int, int]], random: object
) -> None:
    index, known = DigestIndex(), defaultdict[int, set[int]](set)
    for digest, number in pairs:
        # Each pair adds more than one part.
        for each in range(number, 10 * MOST_IN_PART // 4, 10):
            index.add(digest, each)
            known[digest].add(each)
    random.shuffle(pairs)  # type: ignore[attr-defined]
    for digest, number in pairs:
        assert index.of(digest) == sorted(known[digest])
        for each in range(number, 10 * MOST_IN_PART // 4, 10):
            index.discard(digest, each)
            known[digest].remove(each)
    assert not any(index.of(digest) for digest in known)


def test_lookup_costs_the_same_whatever_else_is_known() -> None:
    costs = set()
    for count in (100, 30_000):
        index = DigestIndex()
        for number in range(count):
            index.add(fingerprint(f"/shop/{number}"), number)
        assert index.of(fingerprint("/shop/7")) == [7]
        costs.add(calls_of(lambda: index.of(fingerprint("/shop/7"))))  # noqa: B023 - called at once
    assert len(costs) == 1
