"""Aggregates against slow twins, intervals against known coverage, comparisons against counting."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from scipy.stats import trim_mean

from handrail.core.errors import HandrailError
from handrail.report import stats

scores = hnp.arrays(
    np.float64,
    st.tuples(st.integers(1, 9), st.integers(1, 4)),
    elements=st.floats(-100, 100, width=32),
)


@given(scores)
def test_iqm_is_the_trimmed_mean(values):
    assert stats.iqm(values) == pytest.approx(trim_mean(values, 0.25, axis=None))


@given(scores)
def test_statistics_treat_leading_axes_as_a_batch(values):
    batch = np.stack([values, 2 * values])
    for statistic in (stats.iqm, stats.mean):
        expected = [statistic(values), statistic(2 * values)]
        np.testing.assert_allclose(statistic(batch), expected)


def test_an_outlier_moves_the_mean_and_not_the_iqm():
    values = np.asarray([[0.8], [0.9], [0.9], [1.0], [1000.0]])
    assert stats.mean(values) > 100
    assert stats.iqm(values) < 1


@given(scores)
def test_interval_contains_resampled_range_and_repeats(values):
    first = stats.bootstrap(values, stats.mean, resamples=100, seed=3)
    assert first == stats.bootstrap(values, stats.mean, resamples=100, seed=3)
    assert values.min() - 1e-9 <= first.low <= first.high <= values.max() + 1e-9
    if len(values) == 1:  # nothing to redraw
        assert first.low == pytest.approx(first.value) == pytest.approx(first.high)


def test_resampling_is_stratified():
    # Tasks of constant, very different scores: redrawing across tasks would widen the interval.
    interval = stats.bootstrap(np.asarray([[0.0, 100.0]] * 5), stats.mean)
    assert interval.low == interval.high == 50


def test_coverage_of_the_mean():
    rng = np.random.default_rng(0)
    hits = 0
    for trial in range(200):
        interval = stats.bootstrap(rng.normal(size=(30, 1)), stats.mean, resamples=300, seed=trial)
        hits += interval.low <= 0 <= interval.high
    assert 180 <= hits <= 198  # 95 % of 200 is 190


def test_bad_scores_are_refused():
    with pytest.raises(HandrailError, match="not finite"):
        stats.bootstrap([1.0, np.nan])
    with pytest.raises(HandrailError, match="shape"):
        stats.bootstrap(np.zeros((0, 2)))


def test_curve_bootstrap_agrees_with_the_scalar_one_and_skips_unknown_points():
    rng = np.random.default_rng(1)
    curves = rng.normal(size=(6, 3))
    curves[:, 0] = np.nan
    curves[:5, 1] = np.nan
    band = stats.bootstrap_curve(curves, resamples=4000)
    assert np.isnan(band.value[0]) and np.isnan(band.low[0])
    assert band.value[1] == band.low[1] == band.high[1] == curves[5, 1]
    scalar = stats.bootstrap(curves[:, 2], stats.mean, resamples=4000)
    assert band.value[2] == pytest.approx(scalar.value)
    assert band.low[2] == pytest.approx(scalar.low, abs=0.05)
    assert band.high[2] == pytest.approx(scalar.high, abs=0.05)


def test_a_point_is_of_the_runs_that_have_reached_it():
    """Not of these and of means that stand for the others: that would make bands too narrow."""
    curves = np.zeros((8, 2))
    curves[4:, 1] = np.nan
    curves[:4, 1] = [0, 0, 0, 100]
    band = stats.bootstrap_curve(curves, stats.iqm)
    alone = stats.bootstrap(curves[:4, 1], stats.iqm)
    assert (band.value[1], band.low[1], band.high[1]) == (alone.value, alone.low, alone.high)
    assert band.high[1] == 100


def test_interval_text():
    assert stats.Interval(1050.0, 900.0, 1200.5).text(1) == "1,050 [900.0, 1,200]"
