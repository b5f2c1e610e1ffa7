"""Environments that say which actions are allowed: no other one is ever taken or learnt from."""

import dataclasses

import gymnasium
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from handrail.api.discrete import train_dqn, train_encoder, train_prior
from handrail.api.policies import load_policy
from handrail.cli.evaluate import evaluate
from handrail.core.errors import HandrailError
from handrail.core.informed import Informed
from handrail.core.types import Transition
from handrail.equations.action_masks import allowed_values, random_allowed
from handrail.interventions.base import Intervention
from handrail.interventions.recipes import domain_prior
from handrail.interventions.substitutes import Policy, RandomAboveMean, RandomAction
from handrail.interventions.triggers import Always
from handrail.learners.base import Clock
from handrail.learners.q.agent import Actor, Exploration, QAgent
from handrail.learners.q.double_dqn import TDLoss
from handrail.learners.q.values import Direct
from handrail.methods.contrastive.settings import QLearning
from handrail.replay.ring import Ring
from handrail.safe_exploration import SafeExploration
from tests.envs.toys import Walker

LEARNING = QLearning(
    hidden=(8,), learning_starts=20, replay=200, batch=8, train_every=10, target_every=20
)
FEW = {"episode_length": 10, "steps": 80, "learning": LEARNING}
SPACE = gymnasium.spaces.Box(-1.0, 1.0, (2,), np.float32)


class Doors(gymnasium.Env):
    """One of three doors is locked, another at every step; to take the locked one is an error.

    The locked door earns most: whoever ignores the mask chooses it.
    """

    action_space = gymnasium.spaces.Discrete(3)
    observation_space = SPACE
    also: dict = {}  # noqa: RUF012

    def reset(self, *, seed=None, options=None):
        super().reset(seed=seed)
        self.count = 0
        return self.look(), self.info()

    def look(self):
        return np.array([self.count / 10, self.count % 3 - 1], np.float32)

    def mask(self):
        return np.array([self.count % 3 != door for door in range(3)], np.int8)

    def info(self):
        return {"action_mask": self.mask(), "cost": 0.0, **self.also}

    def step(self, action):
        assert self.mask()[action], "the locked door"
        self.count += 1
        return self.look(), float(action == (self.count - 1) % 3), False, False, self.info()


class Seen(Doors):
    """The mask is a part of the observation."""

    observation_space = gymnasium.spaces.Dict(
        observation=SPACE, action_mask=gymnasium.spaces.MultiBinary(3)
    )

    def look(self):
        return {"observation": Doors.look(self), "action_mask": self.mask()}

    def info(self):
        return {"cost": 0.0}


class Said(Doors):
    """Another mask than the one it goes by."""

    said = None

    def info(self):
        return {"cost": 0.0} | ({} if self.said is None else {"action_mask": self.said})


@pytest.mark.parametrize("environment", [Doors, Seen])
def test_a_dqn_never_takes_a_masked_action(environment, tmp_path):
    summary = train_dqn(environment, tmp_path, action_mask=True, evaluation_episodes=2, **FEW)
    assert summary["greedy_length"] == 10
    policy = load_policy(tmp_path / "policy.safetensors", environment)
    env = environment()
    observation, info = env.reset(seed=0)
    given = {} if environment is Seen else {"action_mask": info["action_mask"]}
    assert env.mask()[policy(observation, **given)]
    for door in range(3):  # whichever is the only one
        only = np.arange(3) == door
        assert policy(observation, action_mask=only) == door
    if environment is Doors:
        with pytest.raises(HandrailError, match="neither info nor the observation"):
            policy(observation)


def test_without_the_mask_it_would(tmp_path):
    with pytest.raises(HandrailError, match="the locked door"):
        train_dqn(Doors, tmp_path, **FEW)


def test_side_by_side_and_in_evaluate(tmp_path):
    vector = lambda: gymnasium.vector.SyncVectorEnv([Doors] * 2)
    summary = train_dqn(vector, tmp_path / "two", action_mask=True, evaluation_episodes=3, **FEW)
    assert summary["greedy_length"] == 10
    train_dqn(Doors, tmp_path / "one", action_mask=True, evaluation_episodes=1, **FEW)
    place = f"{Doors.__module__}:Doors"
    found = evaluate(tmp_path / "one", episodes=1, seed=0, environment=place)
    assert found["episodes"] == 1


def test_substitutes_choose_among_the_allowed(tmp_path):
    for substitute in (RandomAction(3), RandomAboveMean(lambda seen: jnp.array([1.0, 2.0, 3.0]))):
        env = SafeExploration(Doors(), Intervention(Always(), substitute), action_mask=True)
        env.reset(seed=0)
        for step in range(9):
            chosen = env.step((step + 1) % 3)[-1]["executed_action"]
            assert chosen != step % 3
    locked = Policy(lambda seen, key: (jnp.int32(0), {}))
    env = SafeExploration(Doors(), Intervention(Always(), locked), action_mask=True)
    env.reset(seed=0)
    with pytest.raises(HandrailError, match=r"action 0 is not allowed here \(.*\[1, 2\]\)"):
        env.step(1)


def test_priors_and_encoders_learn_in_masked_environments(tmp_path):
    class Costly(Doors):
        def info(self):
            return Doors.info(self) | {"cost": float(self.count == 5)}

    few = {"episode_length": 10, "action_mask": True, "steps": 60}
    prior = train_prior(
        [Doors, Doors], tmp_path / "prior", prior_steps=60, learning=LEARNING,
        prior_learning=LEARNING, **few,
    )  # fmt: skip
    assert prior.exists()
    train_encoder(Costly, tmp_path / "encoder", hidden=(4,), latent=2, acting=LEARNING, **few)
    values = lambda seen: jnp.array([3.0, 2.0, 1.0])
    train_dqn(
        Doors, tmp_path / "run", intervention=domain_prior(values), action_mask=True,
        evaluation_episodes=1, **FEW,
    )  # fmt: skip


class Given(Direct):
    """The values are what was prepared, in every observation."""

    def __call__(self, policy_snapshot, observation, *, key):
        return policy_snapshot


def test_targets_leave_out_what_is_masked():
    """A naive twin of double Q, where the masked action is worth most to both networks."""
    online, target = jnp.array([0.0, 1.0, 9.0]), jnp.array([5.0, 2.0, 7.0])
    yes, no = jnp.array(True), jnp.array(False)
    one = Transition(
        observation=jnp.zeros(1), proposed=jnp.int32(1), action=jnp.int32(1),
        reward=jnp.float32(0.5), cost=jnp.zeros(()), next_observation=jnp.zeros(1), terminated=no,
        truncated=no, intervened=no, weight=jnp.ones(()), extras={},
        allowed=jnp.array([True, True, True]), next_allowed=jnp.array([True, True, False]),
    )  # fmt: skip
    loss = TDLoss(Given(), discount=0.9)

    def error(transition):
        items = jax.tree.map(lambda leaf: leaf[None], transition)
        key = jax.random.key(0)
        return loss(online, target, items, jnp.ones(1), key=key)[1][0]

    assert error(one) == pytest.approx(0.5 + 0.9 * 2.0 - 1.0)  # online chooses 1 of 0 and 1
    unmasked = dataclasses.replace(one, allowed=None, next_allowed=None)
    assert error(unmasked) == pytest.approx(0.5 + 0.9 * 7.0 - 1.0)
    assert np.isfinite(error(dataclasses.replace(one, terminated=yes)))


def test_exploration_is_uniform_over_the_allowed():
    agent = QAgent(
        TDLoss(Given()), lambda key: None, None, Ring(2), Exploration(end=1.0, fraction=1.0), 3
    )
    mask = jnp.array([True, False, True])
    seen = Informed(jnp.zeros(1), {}, mask)
    draw = lambda key: (
        agent.propose(
            Actor(jnp.array([0.0, 9.0, 0.0]), None), seen, Clock.at(jnp.int32(0), 1), key=key
        ).action
    )
    drawn = np.asarray(jax.vmap(draw)(jax.random.split(jax.random.key(0), 2_000)))
    counts = np.bincount(drawn, minlength=3)
    assert counts[1] == 0 and abs(counts[0] - 1_000) < 150
    assert allowed_values(jnp.array([1.0, 2.0]), None).tolist() == [1.0, 2.0]
    assert int(random_allowed(jnp.array([False, False, True]), key=jax.random.key(1))) == 2


@pytest.mark.parametrize(
    ("said", "message"),
    [
        (None, "neither info nor the observation has an 'action_mask'"),
        ([1, 1], "expected 3 truths"),
        ([0.5, 1, 1], "expected 3 truths"),
        ([0, 0, 0], "allows no action, but the episode goes on"),
    ],
)
def test_odd_masks_are_one_error(said, message, tmp_path):
    class Odd(Said):
        pass

    Odd.said = said
    with pytest.raises(HandrailError, match=message):
        train_dqn(Odd, tmp_path, action_mask=True, **FEW)


def test_real_actions_have_no_mask():
    with pytest.raises(HandrailError, match="only discrete ones can be masked"):
        SafeExploration(Walker(), Intervention(Always(), RandomAction(2)), action_mask=True)
