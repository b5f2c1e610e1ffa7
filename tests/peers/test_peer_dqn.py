"""The peer in `benchmarks` sees what handrail's agents see, and evaluates the same network."""

import dataclasses

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from handrail.envs.lava.layouts import fixed
from handrail.envs.registry import make
from handrail.methods.contrastive.built import QNetwork
from handrail.methods.contrastive.settings import QLearning
from handrail.tasks.lava.problems import inputs_of
from tests.networks.torch_parameters import MLP, NATURE, load

torch = pytest.importorskip("torch", reason="needs the extra `peers`")
pytest.importorskip("stable_baselines3", reason="needs the extra `peers`")

from benchmarks.minigrid_peer import make_dqn, make_minigrid

NAME, LAYOUT = "LavaCrossingS9N1", 123
OBSERVATIONS = ("symbolic", "pixels")
# (stable-baselines3's module, the name of the same layer in the original scripts)
LAYERS = {
    "symbolic": [("q_net.0", "network.0"), ("q_net.2", "network.2"), ("q_net.4", "network.4")],
    "pixels": [
        ("features_extractor.cnn.0", "network.0"),
        ("features_extractor.cnn.2", "network.2"),
        ("features_extractor.cnn.4", "network.4"),
        ("features_extractor.linear.0", "network.7"),
        ("q_net.0", "network.9"),
    ],
}


@pytest.mark.parametrize("observation", OBSERVATIONS)
def test_same_observations_rewards_and_ends(observation):
    peer = make_minigrid(NAME, observation, LAYOUT)
    ours = make(NAME, layout=fixed(LAYOUT), observation=observation)
    frames, step = ours.observations.frames, eqx.filter_jit(ours.step)
    rng = np.random.default_rng(0)
    endings = 0
    for _ in range(30):
        seen, _ = peer.reset()
        state, row = ours.reset(key=jax.random.key(0))
        assert np.array_equal(seen, frames[row])
        for _ in range(40):
            action = int(rng.integers(7))
            seen, reward, terminated, truncated, _ = peer.step(action)
            state, timestep = step(state, jnp.int32(action), key=jax.random.key(0))
            assert np.array_equal(seen, frames[timestep.observation])
            assert np.float32(reward) == timestep.reward
            assert (terminated, truncated) == (timestep.terminated, timestep.truncated)
            if terminated or truncated:
                endings += 1
                break
    assert endings > 3  # the trajectories were not all cut short


@pytest.mark.parametrize("observation", OBSERVATIONS)
def test_same_network(observation):
    env = make_minigrid(NAME, observation, LAYOUT)
    settings = dataclasses.replace(QLearning(), replay=10)
    peer = make_dqn(env, observation, settings, epsilon=0.5)
    parameters = {name: value.detach().numpy() for name, value in peer.q_net.named_parameters()}
    layers = LAYERS[observation]
    assert len(parameters) == 2 * len(layers)  # nothing besides these layers
    renamed = {
        f"{original}.{part}": parameters[f"{theirs}.{part}"]
        for theirs, original in layers
        for part in ("weight", "bias")
    }
    ours = make(NAME, layout=fixed(LAYOUT), observation=observation)
    frames = ours.observations.frames[: ours.observations.live]
    inputs = inputs_of(ours, observation)
    make_network = inputs.q_network(QNetwork.of(settings), 7)
    order = {"symbolic": MLP, "pixels": NATURE}[observation]
    network = load(make_network(key=jax.random.key(0)), renamed, order)
    ready = torch.as_tensor(frames)
    ready = ready.permute(0, 3, 1, 2) if observation == "pixels" else ready.float()
    with torch.no_grad():
        expected = peer.q_net(ready).numpy()
    found = inputs.values().prepare(network)
    np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-5)
    assert np.ptp(expected, axis=0).max() > 1e-3  # frames are told apart


@pytest.mark.parametrize("observation", OBSERVATIONS)
def test_same_settings(observation):
    settings = dataclasses.replace(QLearning(), replay=10)
    peer = make_dqn(make_minigrid(NAME, observation, LAYOUT), observation, settings, epsilon=0.5)
    assert peer.batch_size == settings.batch
    assert peer.train_freq.frequency == settings.train_every
    assert peer.target_update_interval == settings.target_every
    assert peer.learning_rate == settings.learning_rate
    assert peer.gamma == settings.discount
    assert peer.gradient_steps == 1
    assert peer.exploration_schedule(0.7) == 0.5
