"""The steps of a batch, all taken by one policy, and what an update of it is given."""

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, Int

from handrail.core.types import Transition
from handrail.networks.gaussian import SquashedGaussian
from handrail.replay.base import AbstractReplayState, slots_for

EPSILON = 1e-8  # of the deviation by which advantages are divided


class BatchMemory(AbstractReplayState):
    """The steps since the last update, in their order. Whatever is older is written over."""

    items: Transition  # every leaf has a leading axis of the batch

    @staticmethod
    def init(example: Transition, size: int) -> "BatchMemory":
        """Zeros, for `size` steps like the example."""
        return BatchMemory(slots_for(example, size))

    def add(self, transition: Transition, index: Int[Array, ""]) -> "BatchMemory":
        """With this step in the place `index`."""
        write = jax.lax.dynamic_update_index_in_dim
        return BatchMemory(
            jax.tree.map(lambda all, one: write(all, one, index, 0), self.items, transition)
        )


class Excess(eqx.Module):
    """Cost above the limit of an episode, undiscounted; negative where there is room."""

    of_episode: Float[Array, ""]
    """J_C − d, the mean cost of an episode minus the limit."""
    of_step: Float[Array, ""]
    """The same over an episode's mean length: in the units of mean cost advantages."""

    @staticmethod
    def of(
        costs: Float[Array, " batch"],
        ended: Bool[Array, " batch"],
        *,
        limit: float | Float[Array, ""],
        longest: int,
    ) -> "Excess":
        """Of a batch: its costs over the episodes that ended in it.

        Episodes under way at its begin and at its end make up for each other. There are taken to
        be no fewer than if all lasted `longest` steps, the length of an episode at most.
        """
        frequency = jnp.maximum(jnp.mean(ended.astype(costs.dtype)), 1 / longest)
        of_step = jnp.mean(costs) - limit * frequency
        return Excess(of_step / frequency, of_step)


class Experience(eqx.Module):
    """A batch as an update sees it; every leaf has a leading axis of its steps."""

    observations: Float[Array, "batch n"]
    pre_squash: Float[Array, "batch a"]
    """Of the actions that the policy proposed, before the squash."""
    old: SquashedGaussian
    """The policy that took them."""
    reward_advantages: Float[Array, " batch"]
    """Of mean 0 and deviation 1."""
    cost_advantages: Float[Array, " batch"]
    """Of mean 0, in units of cost."""
    excess: Excess
    """What the policy costs above its limit."""


def standardised(values: Float[Array, " batch"]) -> Float[Array, " batch"]:
    """Of mean 0 and deviation 1."""
    return centred(values) / (jnp.std(values) + EPSILON)


def centred(values: Float[Array, " batch"]) -> Float[Array, " batch"]:
    """Of mean 0."""
    return values - jnp.mean(values)
