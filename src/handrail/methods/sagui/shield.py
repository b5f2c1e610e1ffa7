"""The shield test: what does random driving cost if a guide takes over where it predicts harm?

It needs no student. Both of a guide's tasks are tried at once: to know which action is too much,
and to avert what was about to happen.
"""

from collections.abc import Mapping

import numpy as np
from jaxtyping import Array, Key

from handrail.envs.base import AbstractEnvironment
from handrail.experiments.navigation.guarded import HELD, STEPS, drive_compiled, random_driving
from handrail.methods.sagui.evaluations import cost_columns, tested
from handrail.methods.sagui.guide import Guide
from handrail.methods.sagui.problem import AnyEnvironment
from handrail.train.evaluate_copies import run_episodes

__all__ = ["HELD", "STEPS", "evaluate_shield", "shield_columns"]


def shield_columns(limits: Mapping[str, float]) -> tuple[str, ...]:
    """What `evaluate_shield` measures, where these are the limits of several costs."""
    return ("guarded_cost", "guarded_share", *cost_columns("guarded_", limits), "foreseen")


def evaluate_shield(
    environment: AnyEnvironment,
    guide: Guide,
    *,
    takeover_cost: float,
    episodes: int,
    longest: int = STEPS,
    limits: Mapping[str, float],
    per_steps: int,
    key: Key[Array, ""],
) -> dict[str, float]:
    """How random actions, each held for 30 steps, fare if the guide acts where it predicts more
    than `takeover_cost` (discounted).

    Episodes end after `longest` steps at the latest. Costs are undiscounted and of `per_steps`
    steps, like a limit; `guarded_share` is the share of the steps that were the guide's. An
    environment on the host loses the episode that it is in: give it one of its own.
    """
    if isinstance(environment, AbstractEnvironment):
        costs, lengths, taken_over = map(
            np.asarray, drive_compiled(environment, guide, episodes, key)
        )
        named: dict[str, float] = {}
    else:
        begin, taken = random_driving(guide, takeover_cost)
        done = run_episodes(environment, begin, episodes=episodes, longest=longest, key=key)
        costs, lengths = np.asarray(done.costs), np.asarray(done.lengths, np.float32)
        taken_over = np.array(taken, np.float32)
        means = tested(done, limits)
        scale = per_steps * episodes / float(lengths.sum(dtype=np.float64))
        named = {
            f"guarded_{name}": means[name] * scale for name in ("cost", *cost_columns("", limits))
        } if limits else {}  # fmt: skip
    return {
        "guarded_cost": float(per_steps * costs.sum() / lengths.sum()),
        "guarded_share": float(taken_over.sum() / lengths.sum()),
        "foreseen": takeover_cost,
        **named,
    }
