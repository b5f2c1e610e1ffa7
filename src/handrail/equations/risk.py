"""Critics of risk that are learnt while the task is: targets, losses, and which actions are safe.

Recovery RL (arXiv:2010.15920), SQRL (arXiv:2010.14603) and conservative safety critics
(arXiv:2010.14497). All functions are of one example.
"""

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Int

Scalar = Float[Array, ""]


def risk_target(
    cost: Scalar, terminated: Scalar, next_risks: Float[Array, " critics"], *, discount: float
) -> Scalar:
    """c + γ (1 − terminated) max Q⁻(s′, π(s′)); π is the *task* policy (Recovery RL's code).

    Args:
        cost: 1 where the step was unsafe, else 0.
        terminated: 1 at the task's own end; a time limit is not an end.
        next_risks: the target critics at the next observation.
    """
    return cost + discount * (1 - terminated) * jnp.max(next_risks)


def conservative_loss(
    value: Scalar, goal: Scalar, policy_mean: Scalar, *, conservatism: float
) -> Scalar:
    """Huber(Q − goal) + α (Q(s, a) − mean Q(s, π)): a critic that is too high where π goes.

    Its gradient lowers what was seen and raises the other actions of the policy, relative to it.

    Args:
        value: the critic at the stored action.
        policy_mean: the critic's mean over actions of the policy in the same state.
        conservatism: α.
    """
    error = jnp.abs(value - jax.lax.stop_gradient(goal))
    huber = jnp.where(error < 1, 0.5 * error**2, error - 0.5)
    return huber + conservatism * (value - policy_mean)


def first_safe(risks: Float[Array, " samples"], limit: float) -> Int[Array, ""]:
    """The first of several actions whose risk is at most the limit; none: the least risky one."""
    safe = risks <= limit
    return jnp.where(safe.any(), jnp.argmax(safe), jnp.argmin(risks))


def safe_log_weights(
    risks: Float[Array, " samples"], log_probs: Float[Array, " samples"], limit: float
) -> Float[Array, " samples"]:
    """Logarithms of the weights by which SQRL's code draws one of several samples of a policy.

    Among those whose risk is at most the limit it weighs by their density *again*, so in effect by
    its square; where none is safe, all weight is on the least risky one.
    """
    safe = risks <= limit
    least = jnp.arange(len(risks)) == jnp.argmin(risks)
    chosen = jnp.where(safe.any(), safe, least)
    return jnp.where(chosen, jnp.where(safe.any(), log_probs, 0.0), -jnp.inf)
