"""Problems whose environment is compiled and has finitely many observations."""

import dataclasses
from collections.abc import Sequence
from typing import Any

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, Int, Key, PyTree

from handrail.envs.base import AbstractFiniteEnvironment
from handrail.envs.wrappers import Rewarded, RewardTable
from handrail.equations.pseudo_reward import pseudo_reward
from handrail.learners.base import AbstractAgent
from handrail.methods.contrastive.inputs import TableInputs, on_every_row
from handrail.methods.contrastive.problem import DiscreteProblem
from handrail.methods.contrastive.settings import PriorSettings
from handrail.train.evaluate import evaluate
from handrail.train.step_statistics import NOTHING, AbstractStepStatistics


@dataclasses.dataclass(frozen=True)
class Dynamics:
    """What is known in advance of a finite environment's steps."""

    successor: Int[Array, "rows actions"]
    """The next row."""
    ended: Bool[Array, "rows actions"]
    """Whether the step terminates the episode."""
    first_rows: Int[Array, " starts"]
    """Rows that episodes begin in."""


def finite_problem(
    name: str,
    environment: AbstractFiniteEnvironment,
    inputs: TableInputs,
    dynamics: Dynamics,
    *,
    knowledge_inputs: TableInputs | None = None,
    statistics: AbstractStepStatistics = NOTHING,
) -> DiscreteProblem:
    """A problem in a compiled environment; pseudo-rewards are known for every row in advance."""

    def pseudo_rewarded(networks: Sequence[Any], settings: PriorSettings) -> Rewarded:
        rewards = pseudo_reward_table(inputs, dynamics, networks, settings)
        return Rewarded(environment, RewardTable.of(environment, rewards))

    def test(
        agent: AbstractAgent, state: PyTree, *, episodes: int, key: Key[Array, ""]
    ) -> dict[str, float]:
        done = evaluate(environment, agent, state, episodes=episodes, key=key)
        return {
            "greedy_return": float(done.returns.mean()),
            "greedy_cost": float(done.costs.mean()),
        }

    return DiscreteProblem(
        name, environment, inputs, pseudo_rewarded, test, knowledge_inputs, statistics
    )


def pseudo_reward_table(
    inputs: TableInputs, dynamics: Dynamics, networks: Sequence[Any], settings: PriorSettings
) -> Float[Array, "rows actions"]:
    """The pseudo-reward of every row and action, from the source Q-functions.

    After a terminal step the sources are asked about the first rows of the task (their mean)
    where `terminal` is "reset", and about nothing where it is "masked".
    """
    q = jnp.stack([on_every_row(network, inputs.frames) for network in networks], axis=1)
    values = q.max(axis=-1)  # (rows, tasks)
    first = values[dynamics.first_rows].mean(axis=0)
    after_end = first if settings.terminal == "reset" else jnp.zeros_like(first)
    following = jnp.where(dynamics.ended[..., None], after_end, values[dynamics.successor])
    discount = settings.source_learning.discount

    def of_action(q, action, following):
        return pseudo_reward(
            q, action, following, discount=discount, threshold=settings.undesirable
        )

    of_row = jax.vmap(of_action, in_axes=(None, 0, 0))
    return jax.vmap(of_row, in_axes=(0, None, 0))(q, jnp.arange(q.shape[-1]), following)
