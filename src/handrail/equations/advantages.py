"""Advantages of the actions that a policy took: generalised advantage estimation, and their mix.

Source: arXiv:1506.02438, eq. 16 (the estimator); arXiv:1910.01708 (the mix of reward and cost).
"""

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

Steps = Float[Array, " steps"]


def generalised_advantages(
    rewards: Steps,
    values: Steps,
    next_values: Steps,
    terminated: Float[Array, " steps"],
    ended: Float[Array, " steps"],
    *,
    discount: float,
    trace: float,
) -> Steps:
    """A_t = Σ_k (γλ)^k δ_{t+k} within an episode, δ = r + γ (1 − terminated) V(s′) − V(s).

    Args:
        rewards: of consecutive steps of one environment, or their costs.
        values: V of the observation that each step was taken in.
        next_values: V of the observation that it reached, also at the end of an episode.
        terminated: 1 at the task's own end, after which nothing follows; a time limit is none.
        ended: 1 where an episode ended, for whatever reason: no sum goes on from there.
        discount: γ per step.
        trace: λ, from 0 (the error of one step) to 1 (the whole return).

    The last step of all is bootstrapped from its `next_values` like any other.
    """
    errors = rewards + discount * (1 - terminated) * next_values - values

    def one(following, step):
        error, end = step
        advantage = error + discount * trace * (1 - end) * following
        return advantage, advantage

    _, advantages = jax.lax.scan(one, jnp.zeros_like(errors[0]), (errors, ended), reverse=True)
    return advantages


def penalised_advantage(
    reward_advantage: Float[Array, ""], cost_advantage: Float[Array, ""], multiplier: float | Array
) -> Float[Array, ""]:
    """(A^r − λ A^c) / (1 + λ): what a policy with the price λ ≥ 0 of cost is to make larger."""
    return (reward_advantage - multiplier * cost_advantage) / (1 + multiplier)


def clipped_surrogate(
    ratio: Float[Array, ""], advantage: Float[Array, ""], *, clip: float
) -> Float[Array, ""]:
    """min(ρA, clip(ρ, 1 ± ε) A): gains nothing where the new policy is farther from the old one.

    Args:
        ratio: ρ, the action's density under the new policy over that under the old one.

    Source: arXiv:1707.06347, eq. 7.
    """
    return jnp.minimum(ratio * advantage, jnp.clip(ratio, 1 - clip, 1 + clip) * advantage)
