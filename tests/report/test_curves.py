"""Curves against a definition written as a loop."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from handrail.core.errors import HandrailError
from handrail.report import curves

episodes = st.lists(st.tuples(st.integers(1, 50), st.integers(-5, 5)), max_size=30)


def naive(ends, values, t, window):
    inside = [v for e, v in zip(ends, values, strict=True) if t - window < e <= t]
    if inside:
        return np.mean(inside)
    before = [v for e, v in zip(ends, values, strict=True) if e <= t]
    return before[-1] if before else np.nan


@given(episodes, st.integers(1, 60))
def test_rolling_mean_is_its_definition(drawn, window):
    ends = np.cumsum([length for length, _ in drawn])
    values = np.asarray([value for _, value in drawn], dtype=float)
    steps = np.arange(0, 200, 7)
    expected = [naive(ends, values, t, window) for t in steps]
    np.testing.assert_allclose(curves.rolling_mean(ends, values, steps, window), expected)


@given(episodes)
def test_cumulative_ends_at_the_sum(drawn):
    ends = np.cumsum([length for length, _ in drawn])
    values = np.asarray([value for _, value in drawn], dtype=float)
    total = curves.cumulative(ends, values, [0, 10_000])
    assert total[0] == 0
    assert total[1] == pytest.approx(values.sum())


def test_window_is_half_open():
    ends, values = [10, 20], [1.0, 3.0]
    assert curves.rolling_mean(ends, values, [19, 20, 21], 10).tolist() == [1, 3, 3]
    assert curves.rolling_mean(ends, values, [20], 10.5).tolist() == [2]


def test_the_window_counts_steps_not_episodes():
    # 90 short failures and one long success in the same 1,000 steps.
    ends = np.concatenate([np.arange(1, 91), [1000]])
    values = np.concatenate([np.zeros(90), [1.0]])
    assert curves.rolling_mean(ends, values, [1000], 1000)[0] == pytest.approx(1 / 91)
    assert curves.rolling_mean(ends, values, [1000], 500)[0] == 1


def test_grid_ends_at_the_total():
    assert curves.grid(1000, 4).tolist() == [250, 500, 750, 1000]
    assert curves.grid(3, 200).tolist() == [0, 1, 2, 3]


def test_bad_input_is_refused():
    with pytest.raises(HandrailError, match="must not decrease"):
        curves.cumulative([2, 1], [0, 0], [1])
    with pytest.raises(HandrailError, match="positive"):
        curves.rolling_mean([1], [0], [1], 0)
    with pytest.raises(HandrailError, match="one value per episode"):
        curves.rolling_mean([1, 2], [0], [1], 1)
