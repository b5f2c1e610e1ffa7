"""Problems whose environment runs on the host, by itself or several side by side."""

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Key, PyTree

from handrail.core.informed import Informed, informed
from handrail.core.types import Observation
from handrail.envs.host import AbstractHost, HostTimestep
from handrail.envs.host_wrappers import RewardFn, rewarded
from handrail.equations.action_masks import allowed_values
from handrail.equations.pseudo_reward import pseudo_reward
from handrail.learners.base import AbstractAgent
from handrail.methods.contrastive.image_inputs import ImageInputs
from handrail.methods.contrastive.inputs import AbstractInputs, VectorInputs
from handrail.methods.contrastive.problem import DiscreteProblem
from handrail.methods.contrastive.settings import PriorSettings
from handrail.train.evaluate import evaluate_on_host


def host_problem(
    name: str,
    host: AbstractHost,
    example: Observation,
    first_observation: Callable[[Key[Array, ""]], Observation],
    *,
    trial: AbstractHost | None = None,
    longest: int | None = None,
) -> DiscreteProblem:
    """A problem in an environment on the host.

    Args:
        name: of the environment.
        host: where the agent acts.
        example: an observation of one environment.
        first_observation: what an episode with this key begins with.
        trial: another environment of the kind, for tests; by default the same.
        longest: steps after which an episode of a test is cut off.
    """

    def pseudo_rewarded(networks: Sequence[Any], settings: PriorSettings) -> Any:
        first = first_observation(jax.random.key(settings.seed))
        return rewarded(host, pseudo_reward_fn(networks, first, settings))

    def test(
        agent: AbstractAgent, state: PyTree, *, episodes: int, key: Key[Array, ""]
    ) -> dict[str, float]:
        policy_snapshot = agent.prepare(state, key=key)

        @eqx.filter_jit
        def act(policy_snapshot: Any, key: Key[Array, ""], observation: Any) -> Any:
            return agent.evaluation_action(policy_snapshot, observation, key=key)

        done = evaluate_on_host(
            host if trial is None else trial, lambda key: partial(act, policy_snapshot, key),
            episodes=episodes, longest=longest, key=key,
        )  # fmt: skip
        return done.means("greedy_")

    own = inputs_of(host, informed(example).observation)
    return DiscreteProblem(name, host, own, pseudo_rewarded, test)


def inputs_of(host: Any, example: Observation) -> AbstractInputs:
    """What networks read of an environment on the host."""
    images = getattr(host, "images", {})
    if images:
        return ImageInputs(example, images, getattr(host, "copies", 1))
    return VectorInputs(example)


def pseudo_reward_fn(
    networks: Sequence[Any], first: Observation, settings: PriorSettings
) -> RewardFn:
    """The pseudo-reward of a step, from the source Q-functions.

    After a terminal step the sources are asked about `first`, a first observation, where
    `terminal` is "reset", and about nothing where it is "masked".
    """
    discount, threshold = settings.source_learning.discount, settings.undesirable
    worth_of_end = 1.0 if settings.terminal == "reset" else 0.0

    @jax.jit
    def of(before: Informed, action: Any, after: Informed, worth: Any) -> Array:
        q = jnp.stack([_values(network, before) for network in networks])
        values = worth * jnp.stack([_values(network, after).max() for network in networks])
        return pseudo_reward(q, action, values, discount=discount, threshold=threshold)

    def reward(observation: Any, action: Any, timestep: HostTimestep) -> float:
        if timestep.terminated:
            return float(of(informed(observation), action, informed(first), worth_of_end))
        return float(of(informed(observation), action, informed(timestep.observation), 1.0))

    return reward


def _values(network: Any, seen: Informed) -> Array:
    return allowed_values(network(seen.observation), seen.allowed)
