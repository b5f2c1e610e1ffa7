"""Problems whose environment is compiled, with observations that are numbers."""

from collections.abc import Callable, Sequence
from typing import Any

import jax
import jax.numpy as jnp
from jaxtyping import Array, Key, PyTree

from handrail.core.types import Action, Observation, Timestep
from handrail.envs.base import AbstractEnvironment
from handrail.envs.wrappers import RewardedBySight
from handrail.equations.pseudo_reward import pseudo_reward
from handrail.learners.base import AbstractAgent
from handrail.methods.contrastive.inputs import VectorInputs
from handrail.methods.contrastive.problem import DiscreteProblem
from handrail.methods.contrastive.settings import PriorSettings
from handrail.train.evaluate import evaluate
from handrail.train.numbers import refuse_bad_episodes


def compiled_problem(
    name: str,
    environment: AbstractEnvironment,
    example: Observation,
    first_observation: Callable[[Key[Array, ""]], Observation],
) -> DiscreteProblem:
    """A problem in a compiled environment; arguments as of `on_host.host_problem`."""

    def pseudo_rewarded(networks: Sequence[Any], settings: PriorSettings) -> RewardedBySight:
        first = first_observation(jax.random.key(settings.seed))
        return RewardedBySight(environment, _pseudo_reward(networks, first, settings))

    def test(
        agent: AbstractAgent, state: PyTree, *, episodes: int, key: Key[Array, ""]
    ) -> dict[str, float]:
        done = evaluate(environment, agent, state, episodes=episodes, key=key)
        refuse_bad_episodes(done, name)
        return done.means("greedy_")

    return DiscreteProblem(name, environment, VectorInputs(example), pseudo_rewarded, test)


def _pseudo_reward(
    networks: Sequence[Any], first: Observation, settings: PriorSettings
) -> Callable[[Observation, Action, Timestep], Array]:
    """The pseudo-reward of a step, as of `on_host.pseudo_reward_fn`."""
    discount, threshold = settings.source_learning.discount, settings.undesirable
    worth_of_end = 1.0 if settings.terminal == "reset" else 0.0

    def reward(observation: Observation, action: Action, timestep: Timestep) -> Array:
        ended = timestep.terminated
        following = jax.tree.map(
            lambda one, other: jnp.where(ended, one, other), first, timestep.observation
        )
        q = jnp.stack([network(observation) for network in networks])
        values = jnp.stack([network(following).max() for network in networks])
        values = jnp.where(ended, worth_of_end, 1.0) * values
        return pseudo_reward(q, action, values, discount=discount, threshold=threshold)

    return reward
