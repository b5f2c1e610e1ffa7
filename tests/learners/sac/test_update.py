"""One and five updates against the original: losses, gradients, parameters."""

import dataclasses

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from handrail.core.errors import HandrailError
from handrail.equations.distillation import paper_distillation
from handrail.equations.importance import weight_outside_square
from handrail.learners.sac.entropy import FixedEntropy
from handrail.learners.sac.lagrangian import SacLagrangian
from tests.learners.sac.original import LEARNERS, STUDENT, named, networks, transitions
from tests.learners.sac.recorded import subset, whole

FIELDS = ("obs", "act", "rew", "obs2", "done", "cost")


def under(recorded, prefix):
    return {k.removeprefix(prefix): v for k, v in recorded.items() if k.startswith(prefix)}


def batches(script, recorded, dtype):
    """The five recorded batches with their noise; a guide knows neither weight nor bonus."""
    for n in range(5):
        raw = under(recorded, f"batch{n}/")
        guided = {} if script == "train-guide" else {"rew1": raw["rew1"], "rho": raw["rho"]}
        batch = transitions(**{f: raw[f] for f in FIELDS}, **guided, dtype=dtype)
        yield batch, jnp.asarray(raw["noise"], dtype), jnp.asarray(raw["noise2"], dtype)


def started(script, dtype=jnp.float64, learner=None):
    learner = LEARNERS[script] if learner is None else learner
    return networks(learner, (32, 32), under(subset(), "init/"), dtype=dtype)


@eqx.filter_jit
def update(learner, state, batch, progress, noise, next_noise):
    return learner.update_with_noise(state, batch, progress, noise, next_noise)


@eqx.filter_jit
def loss(learner, state, batch, progress, noise, next_noise):
    parameters, targets = state.parameters, state.targets
    return jax.value_and_grad(learner.loss, has_aux=True)(
        parameters, targets, batch, progress, noise, next_noise
    )


def first(script, learner=None, change=lambda batch: batch):
    """Metrics and gradients, by the original's names, before the first update."""
    batch, noise, next_noise = next(batches(script, subset(), jnp.float64))
    learner = LEARNERS[script] if learner is None else learner
    (_, metrics), gradient = loss(
        learner, started(script), change(batch), jnp.zeros(()), noise, next_noise
    )
    return metrics, named(gradient)


def five(script, learner, state, recorded, dtype=jnp.float64):
    """The states and metrics of five updates."""
    states, metrics = [], []
    for batch, noise, next_noise in batches(script, recorded, dtype):
        state, seen = update(learner, state, batch, jnp.zeros((), dtype), noise, next_noise)
        states.append(state)
        metrics.append(seen)
    return states, {name: np.array([m[name] for m in metrics]) for name in metrics[0]}


def worst(state, recorded, *, quantile=1.0, only=""):
    """How far the parameters are from the recorded ones, absolutely."""
    ours = named(state.parameters, state.targets)
    gaps = [
        np.abs(np.asarray(ours[name]) - value).ravel()
        for name, value in recorded.items()
        if name in ours and only in name
    ]
    assert gaps
    return np.quantile(np.concatenate(gaps), quantile)


@pytest.fixture(params=LEARNERS)
def script(request):
    with jax.enable_x64(True):
        yield request.param


def test_losses_before_the_first_update(script):
    f = under(subset(), f"{script}/f64/fwd/")
    ours, _ = first(script)
    expected = {
        "actor_loss": f["pi_loss"],
        "reward_critic_loss": (f["qr1_loss"] + f["qr2_loss"]) / 2,
        "cost_critic_loss": f["qc_loss"],
        "entropy_weight": f["alpha"],
        "multiplier": f["beta"],
        "damping": f["damp"],
        "entropy": f["pi_entropy"],
        "cost_value": f["qc"].mean(),
        "finite": 1.0,
    }
    for name, value in expected.items():
        assert ours[f"sac/{name}"] == pytest.approx(float(value), rel=2e-6), name


def test_gradients(script):
    recorded = subset()
    _, ours = first(script)
    norms = under(recorded, f"{script}/f64/grad_l2/")
    assert len(norms) > 25
    for name, norm in norms.items():
        assert np.linalg.norm(ours[name]) == pytest.approx(float(norm), rel=1e-5), name
    for name, value in under(whole("b1_updates"), f"{script}/f64/grad/").items():
        scale = np.abs(value).max()
        np.testing.assert_allclose(ours[name], value, rtol=1e-4, atol=1e-6 * scale, err_msg=name)


def test_conventional_order(script):
    """Order B: gradients at the parameters before, then targets towards the new critics."""
    recorded = subset()
    states, metrics = five(script, LEARNERS[script], started(script), recorded)
    sums = under(recorded, f"{script}/orderB/after5_sum/")
    ours = named(states[-1].parameters, states[-1].targets)
    assert len(sums) > 40
    for name, value in sums.items():
        assert np.sum(ours[name]) == pytest.approx(float(value), rel=1e-5, abs=1e-5), name
    seen = under(recorded, f"{script}/orderB/before_update_values/")
    for ours_name, name in {
        "actor_loss": "pi_loss", "cost_critic_loss": "qc_loss", "entropy": "pi_entropy",
        "entropy_weight": "alpha", "multiplier": "beta", "damping": "damp",
    }.items():  # fmt: skip
        np.testing.assert_allclose(metrics[f"sac/{ours_name}"], seen[name], rtol=2e-5, atol=1e-6)
    everything = whole("b1_updates")
    assert worst(states[0], under(everything, f"{script}/orderB/after1/")) < 1e-6
    assert worst(states[-1], under(everything, f"{script}/orderB/after5/")) < 1e-6


def test_order_of_the_original_graph(script):
    """Order C is order B whose targets have moved once before: what usually ran."""
    recorded, learner = subset(), LEARNERS[script]
    state = started(script)
    moved = learner.smooth(state.targets, state.parameters.critics)
    state = eqx.tree_at(lambda s: s.targets, state, moved)
    states, _ = five(script, learner, state, recorded)
    if script == "sagui-cs":
        assert worst(states[-1], under(recorded, f"{script}/orderC/after5/"), only="main") < 1e-6
    everything = whole("b1_updates")
    assert worst(states[0], under(everything, f"{script}/orderC/after1/"), only="main") < 1e-6
    assert worst(states[-1], under(everything, f"{script}/orderC/after5/"), only="main") < 1e-6
    # Order B itself is told apart from it.
    states, _ = five(script, learner, started(script), recorded)
    assert worst(states[-1], under(everything, f"{script}/orderC/after5/")) > 1e-5


def test_an_actual_run_in_single_precision():
    """The original's own grouped update in float32, as far as two of its runs agree."""
    recorded, learner = whole("b1_updates"), LEARNERS["sagui-cs"]
    state = started("sagui-cs", jnp.float32)
    moved = learner.smooth(state.targets, state.parameters.critics)
    state = eqx.tree_at(lambda s: s.targets, state, moved)
    states, _ = five("sagui-cs", learner, state, recorded, jnp.float32)
    run = under(recorded, "sagui-cs/one_actual_run_f32/after5/")
    assert worst(states[-1], run, quantile=0.5, only="main") < 2e-6
    assert worst(states[-1], run, quantile=0.99, only="main") < 5e-4


def cost_and_reward_swapped(batch):
    return eqx.tree_at(lambda b: b.cost, batch, batch.reward)


def time_limits_as_deaths(batch):
    return eqx.tree_at(lambda b: b.terminated, batch, jnp.ones_like(batch.terminated))


@pytest.mark.parametrize("mistake", [cost_and_reward_swapped, time_limits_as_deaths])
def test_mistakes_in_the_batch_are_found(mistake):
    with jax.enable_x64(True):
        recorded = float(subset()["sagui-cs/f64/fwd/qc_loss"])
        assert first("sagui-cs")[0]["sac/cost_critic_loss"] == pytest.approx(recorded, rel=2e-6)
        ours, _ = first("sagui-cs", change=mistake)
        assert ours["sac/cost_critic_loss"] != pytest.approx(recorded, rel=0.05)


@pytest.mark.parametrize(
    ("change", "name"),
    [
        ({"weighted_square": weight_outside_square}, "main/qc/dense/kernel"),
        ({"reduce_multiplier": jnp.mean}, "costpen/soft_beta"),
        ({"distillation": None}, "main/qr1/dense/kernel"),
        ({"distillation": paper_distillation()}, "main/pi/dense/kernel"),
        ({"damping_scale": 0.0}, "main/pi/dense/kernel"),
        ({"discount": 0.95}, "main/qc/dense/kernel"),
        ({"entropy": FixedEntropy(1.0)}, "main/pi/dense/kernel"),
    ],
    ids=lambda x: next(iter(x)) if isinstance(x, dict) else "",
)
def test_mistakes_in_the_settings_are_found(change, name):
    """Each changes the gradient named by far more than the tolerance above."""
    with jax.enable_x64(True):
        _, ours = first("sagui-cs", dataclasses.replace(STUDENT, **change))
        recorded = float(subset()[f"sagui-cs/f64/grad_l2/{name}"])
        assert np.linalg.norm(ours[name]) != pytest.approx(recorded, rel=1e-3)


def test_a_loss_that_is_not_finite_is_reported():
    batch, noise, next_noise = next(batches("sagui-cs", subset(), jnp.float32))
    state = started("sagui-cs", jnp.float32)
    broken = eqx.tree_at(lambda b: b.reward, batch, batch.reward.at[3].set(jnp.nan))
    for given, finite in ((batch, 1), (broken, 0)):
        _, metrics = update(STUDENT, state, given, jnp.zeros(()), noise, next_noise)
        assert metrics["sac/finite"] == finite


def test_settings_are_checked():
    with pytest.raises(HandrailError, match="cost limit"):
        SacLagrangian(cost_limit=-1.0)
    batch, noise, next_noise = next(batches("train-guide", subset(), jnp.float32))
    with pytest.raises(HandrailError, match="guide_log_prob"):
        STUDENT.update_with_noise(
            started("sagui-cs", jnp.float32), batch, jnp.zeros(()), noise, next_noise
        )


def test_a_reward_scale_multiplies_the_environments_rewards_alone():
    """Not costs, and not the pull towards the guide, which the student's learner adds to them."""
    scaled = dataclasses.replace(STUDENT, reward_scale=30.0)
    with jax.enable_x64(True):
        metrics, gradients = first("sagui-cs", scaled)
        by_hand = first("sagui-cs", change=_thirty_times)
        untouched, _ = first("sagui-cs")
    for name, value in by_hand[0].items():
        assert metrics[name] == pytest.approx(float(value), rel=1e-12), name
    for name, value in by_hand[1].items():
        np.testing.assert_allclose(gradients[name], value, rtol=1e-9, atol=1e-12)
    assert metrics["sac/reward_critic_loss"] != untouched["sac/reward_critic_loss"]
    for name in ("sac/cost_critic_loss", "sac/bonus"):
        assert metrics[name] == untouched[name]


@pytest.mark.parametrize("scale", [0.0, -1.0, float("nan"), float("inf")])
def test_a_reward_scale_that_is_no_positive_number_is_refused(scale):
    with pytest.raises(HandrailError, match=r"reward_scale is .*expected .*above 0"):
        SacLagrangian(reward_scale=scale)


@pytest.mark.parametrize(
    ("critic_reduction", "first_alone"),
    [(jnp.min, False), (jnp.mean, False), (lambda both: both[0], True)],
)
def test_only_what_is_believed_of_two_critics_counts(critic_reduction, first_alone):
    """By actor and critics, of policies and of targets: shown by a second critic that goes mad."""

    def gradient(second):
        learner = dataclasses.replace(STUDENT, critic_reduction=critic_reduction)
        state = started("sagui-cs", jnp.float32)
        mad = jax.tree.map(lambda leaf: leaf.at[1].multiply(second), state.parameters.critics)
        state = eqx.tree_at(lambda s: (s.parameters.critics, s.targets), state, (mad, mad))
        batch, noise, next_noise = next(batches("sagui-cs", subset(), jnp.float32))
        _, slope = loss(learner, state, batch, jnp.zeros(()), noise, next_noise)
        return jax.tree.leaves((slope.actor, jax.tree.map(lambda x: x[0], slope.critics)))

    for calm, mad in zip(gradient(1.0), gradient(-3.0), strict=True):
        assert np.allclose(calm, mad, rtol=1e-5, atol=1e-7) == first_alone


def _thirty_times(batch):
    return eqx.tree_at(lambda b: b.reward, batch, 30.0 * batch.reward)
