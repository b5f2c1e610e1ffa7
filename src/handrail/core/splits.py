"""Which seeds things may be chosen by, and on which they are reported.

A seed decides a run's random numbers and, in lava, its layout. Presets, thresholds and networks are
chosen by looking at development seeds alone. Test seeds follow from a rule, so that nobody picks
them, and lie outside: nothing may be chosen by what happens on them.
"""

import hashlib
import itertools
from collections.abc import Iterator

DEVELOPMENT_BELOW = 10_000
"""Every seed below this is one of development."""
_RANGE = 10_000_000


def is_test_seed(seed: int) -> bool:
    """Whether results on this seed may be reported as ones that nothing was chosen by."""
    return seed >= DEVELOPMENT_BELOW


def test_seeds() -> Iterator[int]:
    """The test seeds, in an order that never changes: the k-th comes from the SHA-256 of k."""
    for k in itertools.count():
        digest = hashlib.sha256(f"handrail test seed {k}".encode()).digest()
        yield DEVELOPMENT_BELOW + int.from_bytes(digest[:8], "big") % _RANGE


def first_test_seeds(count: int) -> tuple[int, ...]:
    """The first `count` of them."""
    return tuple(itertools.islice(test_seeds(), count))


def split_of(seeds: tuple[int, ...]) -> str:
    """What reports call these seeds: `development`, `test` or `development and test`."""
    held_out = [is_test_seed(seed) for seed in seeds]
    if all(held_out):
        return "test"
    return "development and test" if any(held_out) else "development"
