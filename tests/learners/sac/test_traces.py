"""The original loops, replayed: who is stored where, weights, bonuses, first updates."""

import dataclasses

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from handrail.core.types import Context, Decision
from handrail.learners.base import Clock
from handrail.learners.sac.agent import SacAgent, SacAgentState
from handrail.learners.sac.entropy import FixedEntropy
from handrail.learners.sac.lagrangian import SacLagrangian
from handrail.learners.sac.networks import OnVectors
from handrail.networks.gaussian import GaussianPolicy
from handrail.replay.ring import Ring
from handrail.replay.split import Split
from tests.learners.sac.original import STUDENT, actor_arrays, networks, transitions
from tests.learners.sac.recorded import whole

FIELDS = ("obs", "act", "rew", "rew1", "rho", "obs2", "done", "cost")
PARTS = {"accelerometer": slice(0, 2), "goal_lidar": slice(2, 5), "hazards_lidar": slice(5, 8)}
SAFETY = ("accelerometer", "hazards_lidar")


def traces(script):
    prefix = f"{script}/"
    everything = whole("b2_loop_traces")
    return {k.removeprefix(prefix): v for k, v in everything.items() if k.startswith(prefix)}


def start(recorded):
    """The script's initial parameters; its targets began equal to its critics."""
    initial = {k.removeprefix("init/"): v for k, v in recorded.items() if k.startswith("init/main")}
    return initial | {k.replace("main", "target"): v for k, v in initial.items()}


def guide():
    """The recorded guide, seeing the student's observation through its view."""
    recorded = whole("b2_loop_traces")
    policy = GaussianPolicy(5, 2, (16, 16), key=jax.random.key(0))
    arrays = [jnp.asarray(recorded[f"guide_policy/{name}"].T) for name in actor_arrays(policy)]
    policy = eqx.tree_at(lambda p: list(actor_arrays(p).values()), policy, arrays)
    return OnVectors(policy, lambda observation: {name: observation[name] for name in SAFETY})


def by_time(recorded, buffers):
    """What was stored, in the order of the steps, and in which buffer."""
    times = np.concatenate([recorded[f"{b}/t"] for b in buffers])
    order = np.argsort(times)
    assert np.array_equal(times[order], np.arange(360))
    where = np.concatenate([np.full(len(recorded[f"{b}/t"]), b) for b in buffers])[order]
    stored = {
        f: np.concatenate([recorded[f"{b}/{f}"] for b in buffers])[order]
        for f in FIELDS
        if f"{buffers[0]}/{f}" in recorded
    }
    return stored, where


def agent_for(script, recorded):
    if script == "guide":
        learner = SacLagrangian(cost_limit=25.0, episode_length=20, entropy=FixedEntropy(1.0))
        return SacAgent(learner, Ring(400), hidden=(16, 16), batch=8)
    replay = Split(400) if script == "cs" else Ring(400)
    learner = dataclasses.replace(STUDENT, episode_length=20)
    return SacAgent(learner, replay, guide(), hidden=(16, 16), batch=8)


def test_control_switch_routes_by_who_acted():
    recorded = traces("cs")
    agent = agent_for("cs", recorded)
    stored, where = by_time(recorded, ("buffer0", "buffer1"))
    acted = recorded["guide_acts"]
    assert np.array_equal(where == "buffer0", acted)
    items = transitions(**stored, intervened=acted, dtype=jnp.float32)
    state = SacAgentState(
        agent.learner.init(8, 2, (16, 16), key=jax.random.key(0)),
        agent.replay.init(jax.tree.map(lambda x: x[0], items)),
    )
    clock = Clock(jnp.array(0), jnp.zeros(()))

    @jax.jit
    def fill(state, items):
        def one(state, item):
            state = agent.observe(state, item, clock)
            return state, agent.replay.ready(state.replay, 8)

        return jax.lax.scan(one, state, items)

    state, ready = fill(state, items)
    for buffer, ring in (("buffer0", state.replay.guide), ("buffer1", state.replay.student)):
        for field, ours in (("obs", "observation"), ("act", "action"), ("rho", "weight")):
            slots = np.zeros((200, *recorded[f"{buffer}/{field}"].shape[1:]))
            slots[recorded[f"{buffer}/ptr"]] = recorded[f"{buffer}/{field}"]  # the last one wins
            np.testing.assert_array_equal(getattr(ring.items, ours), slots)
    # The script looked every ten steps, and first found enough of both at step 30.
    looked = np.arange(10, 360, 10)
    assert np.array_equal(looked[np.asarray(ready)[looked]], np.unique(recorded["update/t"]))


def test_split_batches_have_their_shares():
    recorded = traces("cs")
    sizes = [recorded[f"{buffer}/sample_idx"].shape[1] for buffer in ("buffer1", "buffer0")]
    assert list(Split(400).shares(8)) == sizes


@pytest.mark.parametrize("script", ["cs", "ld"])
def test_weights_and_bonuses_of_the_loop(script):
    recorded = traces(script)
    buffers = ("buffer0", "buffer1") if script == "cs" else ("buffer0",)
    stored, _ = by_time(recorded, buffers)
    agent = agent_for(script, recorded)
    learner = networks(agent.learner, (16, 16), start(recorded), dtype=jnp.float32)
    policy_snapshot = OnVectors(learner.parameters.actor)
    zero = jnp.int32(0)

    def complete(observation, action, intervened):
        named = {name: observation[part] for name, part in PARTS.items()}
        context = Context(
            observation=named, proposed=action, extras={}, step=zero, episode=zero,
            episode_step=zero, episode_cost=jnp.zeros(()), progress=jnp.zeros(()),
        )  # fmt: skip
        extras = {"pre_squash": jnp.arctanh(action)}
        return agent.annotate(policy_snapshot, context, Decision(action, intervened, {}, extras))

    observations, actions = jnp.asarray(stored["obs"]), jnp.asarray(stored["act"])
    weights, extras = jax.vmap(complete)(observations, actions, recorded["guide_acts"])
    np.testing.assert_allclose(extras["guide_log_prob"], stored["rew1"], rtol=1e-4, atol=1e-4)
    first = np.arange(360) <= 40  # the first training comes then
    np.testing.assert_allclose(weights[first], stored["rho"][first], rtol=1e-4)
    assert np.all(weights[~recorded["guide_acts"]] == 1)
    assert np.unique(stored["rho"][first]).size > 8


@pytest.mark.parametrize("script", ["guide", "cs", "ld"])
def test_first_updates_of_the_loop(script):
    """Ten evaluations before training and the first ten updates, on the batches drawn then."""
    recorded = traces(script)
    agent = agent_for(script, recorded)
    state = networks(agent.learner, (16, 16), start(recorded), dtype=jnp.float32)
    update = eqx.filter_jit(agent.learner.update_with_noise)
    buffers = ("buffer1", "buffer0") if script == "cs" else ("buffer0",)
    first = int(np.flatnonzero(recorded["update/t"] == 40)[0])
    for u in range(first - 10, first + 10):
        # The rings had not wrapped yet, so a slot is a position in the order of storing.
        raw = {
            f: np.concatenate(
                [recorded[f"{b}/{f}"][recorded[f"{b}/sample_idx"][u]] for b in buffers]
            )
            for f in FIELDS
            if f"{buffers[0]}/{f}" in recorded
        }
        batch = transitions(**raw, dtype=jnp.float32)
        noise, next_noise = recorded["update_noise_x"][u], recorded["update_noise_x2"][u]
        after, ours = update(
            state, batch, jnp.zeros(()), jnp.asarray(noise), jnp.asarray(next_noise)
        )
        if u >= first:
            state = after
        for name, theirs in {
            "actor_loss": "LossPi", "cost_critic_loss": "LossQC", "multiplier": "Beta",
            "entropy": "PiEntropy",
        }.items():  # fmt: skip
            expected = float(recorded[f"update/{theirs}"][u])
            assert ours[f"sac/{name}"] == pytest.approx(expected, rel=5e-4, abs=5e-4), (u, name)
