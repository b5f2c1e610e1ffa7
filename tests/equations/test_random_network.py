"""The error of a random network against a naive twin."""

import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from handrail.equations.random_network import MOST, prediction_error, relative_novelty

numbers = st.integers(-40, 40).map(lambda n: n / 8)  # exact in float32
pairs = hnp.arrays(np.float32, (2, 4), elements=numbers)
errors = hnp.arrays(np.float32, 6, elements=st.integers(0, 80).map(lambda n: n / 8))


@given(pairs)
def test_the_error_is_the_mean_square(pair):
    wanted, predicted = pair
    expected = sum((a - b) ** 2 for a, b in zip(wanted, predicted, strict=True)) / len(wanted)
    assert float(prediction_error(jnp.array(wanted), jnp.array(predicted))) == expected


@given(errors)
def test_novelty_is_in_multiples_of_the_mean(batch):
    mean = sum(batch.tolist()) / len(batch)
    for error in batch:
        expected = min(error / mean, MOST) if mean else 0.0
        found = float(relative_novelty(jnp.float32(error), jnp.array(batch)))
        assert found == pytest.approx(expected, rel=1e-5)
