"""CPO's step against recorded problems, a solver of others, and what it promises by itself."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import scipy.optimize
from hypothesis import given, settings
from hypothesis import strategies as st

from handrail.equations.trust_region import conjugate_gradients, constrained_step
from tests.learners.onpolicy.recorded import recorded
from tests.support import SOURCES


@pytest.fixture(autouse=True)
def double():
    with jax.enable_x64(True):
        yield


@jax.jit
def solved(g, b, h, excess, radius):
    """x, and how it was found, by exact solutions."""
    towards, against = jnp.linalg.solve(h, g), jnp.linalg.solve(h, b)
    found = constrained_step(g @ towards, g @ against, b @ against, excess, radius)
    return found.reward * towards + found.cost * against, found


def near(x, expected, tolerance=1e-6):
    scale = max(np.linalg.norm(expected), 1e-9)
    return np.linalg.norm(np.asarray(x) - expected) <= tolerance * scale


@pytest.mark.parametrize("source", SOURCES)
def test_it_is_the_exact_solution_of_every_recorded_problem(source):
    kept = recorded("a_cpo_dual", source)
    problems = zip(*(kept[name] for name in ("g", "b", "H", "c", "delta")), strict=True)
    for number, problem in enumerate(problems):
        x, found = solved(*problem)
        status, expected = kept["exact/status"][number], kept["exact/x"][number]
        if status == "none":  # a gradient is 0, or g ∥ b: the solution is no single point
            assert np.isfinite(x).all()
            continue
        assert near(x, expected), kept["kind"][number]
        assert bool(found.recovers) == (status == "recovery"), kept["kind"][number]


@pytest.mark.parametrize("source", SOURCES)
def test_it_has_the_recorded_multipliers(source):
    """λ and ν of the first implementation; x = H⁻¹(g − νb) / λ."""
    kept = recorded("a_cpo_dual", source)
    regular = [n for n, kind in enumerate(kept["kind"]) if not kind.startswith("edge")]
    assert len(regular) > 20
    for number in regular:
        names = ("g", "b", "H", "c", "delta")
        _, found = solved(*(kept[name][number] for name in names))
        multiplier, price = kept["openai/lambda"][number], kept["openai/nu"][number]
        if kept["openai/case"][number]:
            assert found.reward == pytest.approx(1 / multiplier, rel=1e-2)
            assert found.cost == pytest.approx(-price / multiplier, rel=2e-2, abs=1e-6)
        else:
            assert found.reward == 0 and found.cost == pytest.approx(-price, rel=1e-2)


@st.composite
def problems(draw):
    """(g, b, H, c, δ), H well-conditioned, c within and beyond what the ball can reach."""
    random = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    n = 3
    root = random.normal(size=(n, n))
    g, b = random.normal(size=(2, n))
    radius = draw(st.sampled_from([0.01, 0.1, 1.0]))
    h = root @ root.T + 0.3 * np.eye(n)
    reach = np.sqrt(2 * radius * (b @ np.linalg.solve(h, b)))
    return g, b, h, draw(st.floats(-1.5, 1.5)) * reach, radius


@settings(max_examples=60, deadline=None)
@given(problem=problems())
def test_no_step_that_keeps_the_limit_gains_more(problem):
    g, b, h, excess, radius = problem
    x, found = solved(*problem)
    x, reach = np.asarray(x), np.sqrt(2 * radius * (b @ np.linalg.solve(h, b)))
    assert 0.5 * x @ h @ x <= radius * (1 + 1e-9)
    assert bool(found.recovers) == bool(excess > reach)
    if found.recovers:  # as far down as the ball allows
        assert b @ x == pytest.approx(-reach)
        return
    assert excess + b @ x <= 1e-9 * reach
    other = scipy.optimize.minimize(
        lambda y: -g @ y, np.zeros(3), jac=lambda y: -g, method="SLSQP",
        constraints=[
            {"type": "ineq", "fun": lambda y: radius - 0.5 * y @ h @ y, "jac": lambda y: -h @ y},
            {"type": "ineq", "fun": lambda y: -excess - b @ y, "jac": lambda y: -b},
        ],
        options={"maxiter": 200, "ftol": 1e-12},
    )  # fmt: skip
    if other.success:
        allowed = 1e-5 * np.sqrt(2 * radius * (g @ np.linalg.solve(h, g)))
        assert g @ x == pytest.approx(g @ other.x, abs=allowed)


def test_without_any_gradient_nothing_moves():
    for excess in (-1.0, 0.0, 1.0):
        x, _ = solved(np.zeros(2), np.zeros(2), np.eye(2), excess, 0.1)
        assert (np.asarray(x) == 0).all()


def test_where_nothing_costs_and_the_limit_is_zero_the_reward_is_followed():
    """The dual's formulas divide 0 by 0 here."""
    x, found = solved(np.ones(2), np.zeros(2), np.eye(2), 0.0, 1.0)
    assert not found.recovers and np.asarray(x) == pytest.approx([1.0, 1.0])


@settings(max_examples=20, deadline=None)
@given(seed=st.integers(0, 2**32 - 1), size=st.integers(1, 6))
def test_conjugate_gradients_solve_linear_equations(seed, size):
    random = np.random.default_rng(seed)
    root = random.normal(size=(size, size))
    h, target = root @ root.T + np.eye(size), random.normal(size=size)
    x = conjugate_gradients(lambda v: jnp.asarray(h) @ v, jnp.asarray(target), iterations=size + 2)
    np.testing.assert_allclose(x, np.linalg.solve(h, target), rtol=1e-6, atol=1e-9)


def test_conjugate_gradients_stop_at_the_solution():
    def identity(vector):
        return vector

    for target in (jnp.zeros(3), jnp.array([1.0, -2.0, 3.0])):
        x = conjugate_gradients(identity, target, iterations=10)
        assert (np.asarray(x) == np.asarray(target)).all()
    half = conjugate_gradients(
        lambda v: jnp.diag(jnp.array([1.0, 9.0])) @ v, jnp.ones(2), iterations=1
    )
    assert not np.allclose(half, [1.0, 1 / 9])  # too few iterations are too few
