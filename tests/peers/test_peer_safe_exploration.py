"""stable-baselines3's agents learn under an intervention without knowing of it."""

import gymnasium
import jax.numpy as jnp
import numpy as np
import pytest
from stable_baselines3 import DQN, SAC
from stable_baselines3.common.callbacks import BaseCallback
from stable_baselines3.common.env_checker import check_env
from stable_baselines3.common.monitor import Monitor

from handrail.api.sb3 import ExecutedDictReplayBuffer, ExecutedReplayBuffer
from handrail.core.errors import HandrailError
from handrail.interventions.base import Intervention
from handrail.interventions.recipes import shield
from handrail.interventions.substitutes import Policy, RandomAction
from handrail.interventions.triggers import Predicate
from handrail.safe_exploration import SafeExploration

pytestmark = pytest.mark.filterwarnings("ignore")


def pendulum():
    """Braked where it swings too fast."""
    fast = shield(
        lambda c: jnp.abs(c.observation[2]) > 2,
        Policy(lambda o, key: (-jnp.sign(o[2:3]), {})),
    )
    env = gymnasium.make("Pendulum-v1")
    return SafeExploration(env, fast, cost=lambda o, a, n, i: float(abs(n[2]) > 4))


def cartpole():
    """Another action at random where the pole leans."""
    leans = Intervention(Predicate(lambda c: jnp.abs(c.observation[2]) > 0.05), RandomAction(2))
    env = gymnasium.make("CartPole-v1")
    return SafeExploration(env, leans, cost=lambda o, a, n, i: float(abs(n[2]) > 0.1))


class Infos(BaseCallback):
    """Keeps the infos of all steps."""

    def _on_training_start(self):
        self.infos = []

    def _on_step(self):
        self.infos += self.locals["infos"]
        return True


def slippery(env):
    """With an observation of named parts."""
    return gymnasium.wrappers.TransformObservation(
        env, lambda o: {"o": o}, gymnasium.spaces.Dict(o=env.observation_space)
    )


@pytest.mark.parametrize(
    ("algorithm", "make", "policy", "buffer"),
    [
        (SAC, pendulum, "MlpPolicy", ExecutedReplayBuffer),
        (DQN, cartpole, "MlpPolicy", ExecutedReplayBuffer),
        (DQN, lambda: slippery(cartpole()), "MultiInputPolicy", ExecutedDictReplayBuffer),
    ],
)
def test_what_was_executed_is_what_is_stored(algorithm, make, policy, buffer):
    seen = Infos()
    agent = algorithm(
        policy, make(), learning_starts=50, buffer_size=200, seed=0, replay_buffer_class=buffer,
        policy_kwargs={"net_arch": [8]}, device="cpu",
    )  # fmt: skip
    agent.learn(120, callback=seen)
    executed = np.array([info["executed_action"] for info in seen.infos], np.float32)
    half = 2 if algorithm is SAC else 1  # stored within [-1, 1]
    stored = agent.replay_buffer.actions[:120].reshape(executed.shape)
    np.testing.assert_allclose(stored, executed / half, atol=1e-6)
    assert any(info["intervened"] for info in seen.infos)


def test_without_a_guard_there_is_nothing_to_store():
    agent = DQN("MlpPolicy", "CartPole-v1", replay_buffer_class=ExecutedReplayBuffer, device="cpu")
    with pytest.raises(HandrailError, match=r"put a handrail\.SafeExploration around"):
        agent.learn(5)


@pytest.mark.parametrize(("algorithm", "make"), [(SAC, pendulum), (DQN, cartpole)])
def test_it_learns_and_is_overridden(algorithm, make):
    check_env(make())
    seen = Infos()
    agent = algorithm(
        "MlpPolicy", Monitor(make()), learning_starts=50, buffer_size=500, seed=0,
        policy_kwargs={"net_arch": [8]}, device="cpu",
    )  # fmt: skip
    agent.learn(250, callback=seen)
    flags = [info["intervened"] for info in seen.infos]
    assert 0 < np.mean(flags) < 1
    changed = [
        not np.array_equal(info["proposed_action"], info["executed_action"]) for info in seen.infos
    ]
    assert not any(c and not f for c, f in zip(changed, flags, strict=True)) and any(changed)
    assert {info["cost"] for info in seen.infos} <= {0.0, 1.0}
