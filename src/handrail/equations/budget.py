"""A cost budget in the two units that safe reinforcement learning mixes up.

Users state a limit *per episode, undiscounted*: the expected sum of the per-step costs of one
episode. A cost critic estimates a *discounted* sum from one state on. `discounted_limit` is
the only place in the library that converts one into the other.
"""

import math
import operator

from jaxtyping import Array, Float

from handrail.core.errors import HandrailError

LIMIT_STEPS = 1000
"""Limits are the expected cost of an episode of this many steps, unless a task says otherwise."""


def discounted_limit(limit: float, discount: float, episode_length: int) -> float:
    """The value that a cost critic should show when an episode costs exactly `limit`.

    If the cost `limit / T` falls on each of the T steps, its discounted sum is
    `limit · (1 − γ^T) / (1 − γ) / T`.

    Args:
        limit: expected cost of one episode, undiscounted, ≥ 0.
        discount: γ of the cost critic, per step, in [0, 1].
        episode_length: T, the time limit of the task in steps.

    Returns:
        The limit on the discounted scale (a Python float: a constant of the run).

    Raises:
        HandrailError: a limit that is negative or not finite, a discount outside [0, 1], or an
            episode length that is not a positive whole number.

    Source: arXiv:2307.14316, Sec. 5 (the limit d) in the form of the authors' scripts.
    """
    if not isinstance(limit, (int, float)) or not math.isfinite(limit) or limit < 0:
        raise HandrailError(
            f"cost limit {limit!r}: expected a finite number ≥ 0, "
            "the expected undiscounted cost of one episode (such as 25.0)"
        )
    if not isinstance(discount, (int, float)) or not 0 <= discount <= 1:
        raise HandrailError(
            f"discount {discount!r}: expected a number in [0, 1], per step (such as 0.99)"
        )
    try:
        steps = operator.index(episode_length)
    except TypeError:
        steps = 0
    if isinstance(episode_length, bool) or steps < 1:
        raise HandrailError(
            f"episode length {episode_length!r}: expected a positive whole number of steps; "
            "it is the task's time limit (such as 1000)"
        )
    if discount == 1:
        return float(limit)
    return limit * (1 - discount**steps) / (1 - discount) / steps


def cost_scale(discount: float, episode_length: int, *, action_repeat: int = 1) -> float:
    """What turns a discounted sum of costs into the cost of an episode: T (1 − γ) / repeat.

    A critic that says q where the cost is c at every step says c / (1 − γ), and an episode of T
    steps costs T c. 1 if γ = 1. Unlike the inverse of `discounted_limit` it counts the sum as if it
    went on for ever.

    Args:
        discount: γ of the cost critic, per step, in [0, 1].
        episode_length: T in steps of the simulator.
        action_repeat: of those in a step of the agent.

    Source: SOOPER (arXiv:2601.19612), as its code has it.
    """
    discounted_limit(0.0, discount, episode_length)  # checks both
    return 1.0 if discount == 1 else episode_length * (1 - discount) / action_repeat


def predicted_total(
    cost_so_far: Float[Array, ""], predicted: Float[Array, ""], *, scale: float
) -> Float[Array, ""]:
    """Cost of the episode: C_{<t} + scale · Q^c(s, a), undiscounted (arXiv:2601.19612).

    `scale` is that of `cost_scale`.
    """
    return cost_so_far + scale * predicted
