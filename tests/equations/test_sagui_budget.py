"""The conversion of a budget per episode to the critic's scale."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from handrail.core.errors import HandrailError
from handrail.equations.budget import discounted_limit
from tests.learners.sac.recorded import subset


def test_agrees_with_the_original():
    recorded = subset()
    ours = [discounted_limit(float(d), 0.99, 1000) for d in recorded["cost/cost_lim"]]
    np.testing.assert_allclose(ours, recorded["cost/cost_constraint"], rtol=1e-12)


@given(st.floats(0, 1e4), st.floats(0, 1), st.integers(1, 3000))
def test_is_the_discounted_sum_of_an_even_cost(limit, discount, steps):
    even = limit / steps * np.sum(discount ** np.arange(steps))
    assert discounted_limit(limit, discount, steps) == pytest.approx(even, rel=1e-6, abs=1e-9)


@pytest.mark.parametrize(
    ("limit", "discount", "steps", "word"),
    [
        (-1.0, 0.99, 1000, "cost limit"),
        (float("nan"), 0.99, 1000, "cost limit"),
        (float("inf"), 0.99, 1000, "cost limit"),
        ("25", 0.99, 1000, "cost limit"),
        (25.0, 1.01, 1000, "discount"),
        (25.0, -0.1, 1000, "discount"),
        (25.0, float("nan"), 1000, "discount"),
        (25.0, 0.99, 0, "episode length"),
        (25.0, 0.99, 999.5, "episode length"),
        (25.0, 0.99, True, "episode length"),
    ],
)
def test_nonsense_is_named(limit, discount, steps, word):
    # The annotations are not checked here: a user's call is not type-checked either.
    plain = getattr(discounted_limit, "__wrapped__", discounted_limit)
    with pytest.raises(HandrailError, match=word):
        plain(limit, discount, steps)
