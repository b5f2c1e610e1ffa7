"""Costs and rewards of compiled steps that are no numbers to learn from, found after the steps.

Compiled steps cannot raise. A cost that was negative or not finite is marked by infinity or NaN
(`envs.jax_libraries.costs.marked`), which every sum of its episode keeps.
"""

from typing import Any

import numpy as np

from handrail.core.errors import HandrailError
from handrail.train.rollout.base import Episodes
from handrail.train.step import EpisodeSoFar

COST = "costs are finite and at least 0 at every step: look at what gives the cost"
REWARD = (
    "rewards (a guide's bonus, too) and observations are finite: look at what the environment "
    "divides by, takes the logarithm of, or never bounds"
)


def refuse_bad_numbers(so_far: EpisodeSoFar, begin: int, name: str) -> None:
    """Raises `HandrailError` for the first of the steps from `begin` on after which the sums of
    its episode are no numbers.
    """
    costs, rewards = np.asarray(so_far.cost), np.asarray(so_far.reward)
    wrong = _wrong(costs) | ~np.isfinite(rewards)
    if not wrong.any():
        return
    at = int(np.flatnonzero(wrong)[0])
    step = f"step {begin + at} of the run (step {int(np.asarray(so_far.steps)[at]) - 1} of its "
    raise HandrailError(
        f"{name}: {_said(float(costs[at]), float(rewards[at]))} at {step}episode, from 0)"
    )


def refuse_bad_episodes(done: Episodes, name: str) -> None:
    """The same for whole episodes from which nothing is learnt."""
    costs, returns = np.asarray(done.costs), np.asarray(done.returns)
    wrong = _wrong(costs) | ~np.isfinite(returns)
    if wrong.any():
        at = int(np.flatnonzero(wrong)[0])
        raise HandrailError(
            f"{name}: {_said(float(costs[at]), float(returns[at]))} in episode {at} of a test"
        )


def name_of(environment: Any) -> str:
    """What an environment, or what it is wrapped in, is called in messages."""
    while not isinstance(getattr(environment, "name", None), str):
        if not hasattr(environment, "inner"):
            return type(environment).__name__
        environment = environment.inner
    return environment.name


def _wrong(costs: np.ndarray) -> np.ndarray:
    return ~np.isfinite(costs) | (costs < 0)


def _said(cost: float, reward: float) -> str:
    if np.isnan(cost) or cost == np.inf:
        return f"the cost is not finite ({COST})"
    if cost < 0:
        return f"the cost is negative ({COST})"
    return f"the reward or an observation is not finite ({REWARD})"
