"""Which costs count: of a batch, of the cost critic for the multiplier, and for the actor."""

import dataclasses
from collections.abc import Callable

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from handrail.core.errors import HandrailError
from handrail.core.types import Transition

Batch = Float[Array, " batch"]
Constrained = Callable[[Batch, Batch], Batch]
"""(Q^c of the stored actions, Q^c of what the policy would do now) → those that β compares with
the limit."""
ActorCosts = Callable[[Batch], Batch]
"""Q^c of what the policy would do now → what of it the actor pays for, at the price β."""


def replay_actions(stored: Batch, present: Batch) -> Batch:
    """What was done (the authors' scripts).

    A guide that wanders safely fills the memory with steps that cost nothing, and a student that
    is dangerous by itself seems to keep the limit.
    """
    return stored


def policy_actions(stored: Batch, present: Batch) -> Batch:
    """What the policy would do now, whoever acted then. Beyond the paper.

    So an action that is vetoed counts, and a student cannot lean on its guide.
    """
    return present


def whole_cost(costs: Batch) -> Batch:
    """Every expected cost has its price (the authors' scripts)."""
    return costs


@dataclasses.dataclass(frozen=True)
class CostSlack:
    """Expected costs are free up to a tolerance (discounted). Beyond the paper.

    A critic is never quite zero where nothing can happen, and what it says of two actions there
    differs by noise. Rewards of 0.01 a step differ by less, and would be drowned.
    """

    cost_slack: float

    def __call__(self, costs: Batch) -> Batch:
        return jnp.maximum(costs - self.cost_slack, 0.0)


def scaled_costs(
    batch: Transition, constraints: tuple[tuple[str, float], ...]
) -> Float[Array, "costs batch"]:
    """What each step of a batch cost; of several costs each, on the scale of the smallest limit.

    `constraints` are their names and limits, empty for one cost.
    """
    if not constraints:
        return batch.cost[None]
    if batch.constraints is None:
        names = ", ".join(name for name, _ in constraints)
        raise HandrailError(
            f"the learner has limits for the costs {names}, but transitions have one cost; "
            "give the environment the same limits"
        )
    limits = jnp.array([limit for _, limit in constraints])
    return jax.vmap(lambda costs: costs * (limits.min() / limits))(batch.constraints).T
