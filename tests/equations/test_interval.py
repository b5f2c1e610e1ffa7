"""Bounds of a probability: exact ones."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import binom

from handrail.equations.interval import at_most


@given(st.integers(1, 2_000), st.data())
def test_the_bound_is_where_so_few_become_unlikely(of, data):
    count = data.draw(st.integers(0, of - 1))
    assert binom.cdf(count, of, at_most(count, of)) == pytest.approx(0.05, abs=1e-9)


def test_known_bounds():
    assert at_most(0, 750) == pytest.approx(1 - 0.05 ** (1 / 750))  # 0.4 %
    assert at_most(5, 5) == at_most(0, 0) == 1.0
    assert at_most(3, 100, 0.99) > at_most(3, 100)


def test_it_holds_as_often_as_it_says():
    counts = np.arange(201)
    bounds = np.array([at_most(int(count), 200) for count in counts])
    for p in (0.005, 0.03, 0.4):
        wrong = binom.pmf(counts, 200, p)[bounds < p].sum()
        assert wrong <= 0.05
