"""What is known about the cost of an action before anything is learnt: a floor of its critic.

Costs are never negative, yet a cost critic that is bootstrapped from an actor which looks for low
values drifts below zero, by several times the limit on SaGui's tasks: then the limit seems kept,
the multiplier falls, and the damping pays for costs (docs/notebook/causes.md). A guide's own cost
critic is a better floor still. It comes from a source where mistakes were allowed, so it knows what
follows from actions that the student must never try; a student that goes on by itself is not
expected to suffer less than a guide that was trained to avoid harm.
"""

import abc
from collections.abc import Callable

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from handrail.core.types import Action, Observation

Values = Float[Array, " costs"]


class AbstractCostFloor(eqx.Module):
    """The least predicted cost of an action that is used, discounted."""

    @abc.abstractmethod
    def __call__(self, values: Values, observation: Observation, action: Action) -> Values:
        """The cost critics' `values` of an action, or the floor where that is higher."""

    def of_members(
        self,
        values: Float[Array, "batch members"],
        observations: Observation,
        actions: Float[Array, "batch a"],
        cost_critics: int,
    ) -> Float[Array, "batch members"]:
        """Of a batch what each of several critics of a cost says, and at least that cost's floor.

        `cost_critics` is how many there are for each cost; those of one cost follow one another.
        """
        floors = jax.vmap(self)
        if cost_critics == 1:
            return floors(values, observations, actions)
        apart = values.reshape(len(values), -1, cost_critics)
        one = jax.vmap(floors, in_axes=(2, None, None), out_axes=2)
        return one(apart, observations, actions).reshape(values.shape)


class NoFloor(AbstractCostFloor):
    """None: the critic's prediction as it is (the authors' scripts)."""

    def __call__(self, values: Values, observation: Observation, action: Action) -> Values:
        return values


class NeverNegative(AbstractCostFloor):
    """Costs are never negative, so neither are their sums. Beyond the paper."""

    def __call__(self, values: Values, observation: Observation, action: Action) -> Values:
        return jnp.maximum(values, 0.0)


class GuideCostFloor(AbstractCostFloor):
    """The prediction of a guide's critics, in observations of this task, and at least zero (beyond
    the paper).

    `predicted_costs(observation, action)` is the discounted sum of each cost, from that action on.
    """

    predicted_costs: Callable[[Observation, Action], Values]

    def __call__(self, values: Values, observation: Observation, action: Action) -> Values:
        return jnp.maximum(jnp.maximum(values, 0.0), self.predicted_costs(observation, action))
