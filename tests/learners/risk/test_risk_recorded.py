"""Critics of risk against what the code of Recovery RL, SQRL and CSC computed."""

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from handrail.core.types import Transition
from handrail.equations.risk import first_safe, safe_log_weights
from handrail.learners.risk.conservative import ConservativeRisk
from handrail.learners.risk.recovery import RecoveryPolicy, RecoveryRisk, RecoveryState
from handrail.networks.mlp import MLP
from tests.support import data, part

RECOVERY = part(data("methods"), "d_recovery")
CSC = part(data("methods"), "e_csc_sailr")


def network(arrays, names, final=None, activation=jax.nn.relu):
    """The layers with these names as one of ours."""
    sizes = [arrays[f"{names[0]}.weight"].shape[1]]
    sizes += [len(arrays[f"{name}.bias"]) for name in names]
    fresh = MLP(sizes, activation, final_activation=final, key=jax.random.key(0))
    layers = [jnp.asarray(arrays[f"{n}.{what}"]) for n in names for what in ("weight", "bias")]
    return jax.tree.unflatten(jax.tree.structure(fresh), layers)


def stacked(*networks):
    return jax.tree.map(lambda *leaves: jnp.stack(leaves), *networks)


def twins(arrays):
    return stacked(
        *(network(arrays, [f"linear{n}" for n in three], jax.nn.sigmoid)
          for three in ((1, 2, 3), (4, 5, 6)))
    )  # fmt: skip


def policy(arrays):
    mean = network(arrays, ["linear1", "linear2", "mean"])
    return RecoveryPolicy(mean, jnp.asarray(arrays["log_std"]), 2.0)


def batch(*columns):
    """Transitions from observations, actions, costs, next observations and true ends."""

    def one(seen, action, cost, following, terminated):
        never = jnp.array(False)
        return Transition(
            observation=seen, proposed=action, action=action, reward=jnp.zeros(()), cost=cost,
            next_observation=following, terminated=terminated, truncated=never, intervened=never,
            weight=jnp.ones(()), extras={},
        )  # fmt: skip

    return jax.vmap(one)(*map(jnp.asarray, columns))


def close(found, wanted, **tolerance):
    for one, other in zip(jax.tree.leaves(found), jax.tree.leaves(wanted), strict=True):
        np.testing.assert_allclose(one, other, **tolerance)


def test_an_update_is_recovery_rls():
    recorded, given = part(RECOVERY, "qrisk"), part(RECOVERY, "qrisk/in")
    after = part(recorded, "gamma0.8")
    learner = RecoveryRisk((16, 16), discount=0.8)
    start = {name: part(recorded, f"{name}0") for name in ("critic", "target", "policy")}
    fresh = learner.init(4, 2, key=jax.random.key(0))
    state = RecoveryState(
        twins(start["critic"]), twins(start["target"]), policy(start["policy"]),
        fresh.critic_moments,
        learner._adam.init(policy(start["policy"])),
    )  # fmt: skip
    steps = batch(
        given["obs"], given["act"], given["constraint"], given["obs2"], given["mask"] == 0
    )
    found, _ = eqx.filter_jit(learner.update_with)(
        state, steps, jnp.asarray(given["next_action"]), jnp.asarray(after["policy_noise"])
    )
    close(found.critics, twins(part(after, "critic_after")), atol=2e-6)
    close(found.targets, twins(part(after, "target_after")), atol=2e-6)
    slopes = jax.tree.map(lambda moment: 10 * moment, found.policy_moments[0].mu)  # after one step
    close(slopes, policy(part(after, "recovery_policy_grad")), rtol=2e-3, atol=1e-6)
    moved = jax.tree.leaves(
        jax.tree.map(lambda a, b: jnp.abs(a - b).max(), found.policy, state.policy)
    )
    assert max(map(float, moved)) > 1e-4


def test_it_steps_in_where_recovery_rl_does():
    recorded = part(RECOVERY, "takeover")
    risk = np.maximum(recorded["q1"], recorded["q2"])
    fires = (risk > recorded["eps"].astype(np.float32)) & (recorded["use_recovery"] > 0)
    np.testing.assert_array_equal(fires, recorded["decision"] > 0)


def test_samples_are_drawn_as_by_sqrl():
    recorded = part(RECOVERY, "sqrl")
    for q, log_prob, eps, said in zip(
        recorded["q"], recorded["logp"], recorded["eps"], recorded["probabilities"], strict=True
    ):
        risks = jnp.asarray(q.max(axis=0))
        weights = safe_log_weights(risks, jnp.asarray(log_prob), float(eps))
        if (q.max(axis=0) <= np.float32(eps)).any():
            np.testing.assert_allclose(jax.nn.softmax(weights), said, rtol=2e-3, atol=1e-6)
        else:
            assert jnp.argmax(weights) == q.max(axis=0).argmin()


def test_the_first_safe_sample_is_chosen_as_there():
    recorded = part(CSC, "csc_act")
    limit = float(recorded["threshold"])
    found = [int(first_safe(jnp.asarray(q), limit)) for q in recorded["q"]]
    assert found == recorded["chosen_index"].tolist()
    assert len(set(found)) > 3


@pytest.mark.parametrize("conservatism", [0.0, 0.5, 5.0])
def test_a_conservative_critic_learns_as_there(conservatism):
    recorded, given = part(CSC, "csc"), part(CSC, "csc/in")
    names = ["q.0", "q.2", "q.4"]

    def critic_of(arrays):
        return stacked(network(arrays, names, activation=jnp.tanh))

    critic, target = (critic_of(part(recorded, name)) for name in ("qc", "qc_target"))
    steps = batch(
        given["obs"], given["act"], given["cost_scaled"], given["obs2"], given["done"] > 0
    )
    backup = recorded["backup"] - given["cost_scaled"]
    following = recorded["q_next_target_mean_clamped"] * (given["done"] == 0)
    discount = float(np.median(backup[following > 0] / following[following > 0]))
    learner = ConservativeRisk((16, 16), discount=discount, conservatism=conservatism)
    (loss, values), slopes = jax.value_and_grad(learner.loss, has_aux=True)(
        critic, target, steps,
        jnp.asarray(recorded["actions_here"]), jnp.asarray(recorded["actions_next"]),
    )  # fmt: skip
    said = part(recorded, f"alpha{conservatism}")
    np.testing.assert_allclose(values, recorded["q_data"], rtol=1e-5)
    np.testing.assert_allclose(loss, said["loss"], rtol=1e-4)
    close(slopes, critic_of(part(said, "grad")), rtol=2e-3, atol=1e-5)
