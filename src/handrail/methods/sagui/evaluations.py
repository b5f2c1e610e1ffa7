"""`evaluations.csv`: what a run's behaviour cost and earned, and how its policy tests, by epoch."""

import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Array, Key

from handrail.core.records import (
    EPISODES,
    EVALUATIONS,
    INFO,
    ONE_OF_SEVERAL,
    GrowingTable,
    read_table,
)
from handrail.envs.base import AbstractEnvironment
from handrail.envs.host import AnyEnvironment
from handrail.learners.sac.agent import SacAgent
from handrail.learners.sac.networks import OnVectors
from handrail.replay.ring import Ring
from handrail.train.evaluate import evaluate_on_host, run_greedily, sampled
from handrail.train.numbers import name_of, refuse_bad_episodes
from handrail.train.rollout.base import Episodes

STUDENT_COLUMNS = (
    "step", "behaviour_return", "behaviour_cost", "behaviour_episodes", "guide_share",
    "target_return", "target_cost", "target_length",
)  # fmt: skip
KNOWLEDGE_COLUMNS = ("step", "return", "cost", "length", "unsafe_episodes")

# Tests read the policy alone, so methods share this agent, and with it the compiled test.
_TESTER = SacAgent(replay=Ring(1))


def try_policy(
    environment: AnyEnvironment,
    policy: OnVectors,
    *,
    episodes: int,
    longest: int | None = None,
    key: Key[Array, ""],
) -> Episodes:
    """Whole episodes of a policy, sampled as the paper does, without interventions.

    On the host an episode is cut off after `longest` steps, and the environment loses the episode
    that it is in: give it one of its own.
    """
    if isinstance(environment, AbstractEnvironment):
        done = run_greedily(environment, _TESTER, policy, episodes=episodes, key=key)
        refuse_bad_episodes(done, name_of(environment))
        return done
    acting = sampled(policy)
    return evaluate_on_host(environment, acting, episodes=episodes, longest=longest, key=key)


def record(folder: Path, columns: tuple[str, ...], row: dict[str, float]) -> dict[str, np.ndarray]:
    """Adds an epoch's row and returns the whole table.

    Rows from that step on are replaced: they come from before an interruption.
    """
    table = GrowingTable(folder / EVALUATIONS, columns)
    table.cut(int(row["step"]) - 1)
    table.add([row])
    return read_table(folder / EVALUATIONS)


def reached(folder: Path, columns: tuple[str, ...], step: int) -> dict[str, np.ndarray]:
    """The table of a run that has come to this step. Rows after it are dropped: they come from
    before an interruption.
    """
    GrowingTable(folder / EVALUATIONS, columns).cut(step)
    return read_table(folder / EVALUATIONS)


def cost_columns(what: str, limits: Mapping[str, float]) -> tuple[str, ...]:
    """Columns of each cost, such as `target_cost.heat`; none where there is but one."""
    return tuple(f"{what}{ONE_OF_SEVERAL}{name}" for name in limits)


def behaviour(folder: Path, step: int, epoch: int, limits: Mapping[str, float]) -> dict[str, float]:
    """Means over the training episodes that ended in the epoch that ends at `step`.

    NaN where none ended. `guide_share` is the share of these episodes' steps that were not the
    student's. Of several costs, `behaviour_cost` is as in `tested`.
    """
    table = read_table(folder / EPISODES)
    inside = (table["step"] > step - epoch) & (table["step"] <= step)
    ended = {name: values[inside] for name, values in table.items()}
    steps = ended["length"].sum()
    row = {
        "behaviour_return": _mean(ended["return"]),
        "behaviour_cost": _mean(ended["cost"]),
        "behaviour_episodes": len(ended["step"]),
        "guide_share": float(ended["interventions"].sum() / steps) if steps else math.nan,
    }
    said = {name: values for name, values in ended.items() if name.startswith(INFO)}
    row |= {f"behaviour_{name}": _mean(values) for name, values in said.items()}
    if not limits:
        return row
    each = np.array([ended[ONE_OF_SEVERAL + name] for name in limits])
    means = each.mean(axis=1) if each.size else np.full(len(limits), np.nan)
    return row | _each("behaviour_", means, limits)


def episodes_above(folder: Path, limit: float, limits: Mapping[str, float]) -> int:
    """Training episodes that have ended and cost more than the limit; of several costs, those in
    which any exceeds its own.
    """
    table = read_table(folder / EPISODES)
    if not limits:
        return int(np.sum(table["cost"] > limit))
    each = [table[ONE_OF_SEVERAL + name] > own for name, own in limits.items()]
    return int(np.sum(np.any(each, axis=0)))


def tested(evaluation: Episodes, limits: Mapping[str, float] | None = None) -> dict[str, float]:
    """Means over the episodes of a test; returns and costs undiscounted, per episode.

    Of several costs, each with its limit, `cost` is the one nearest to its limit, or farthest
    above, as a cost on the scale of the smallest limit: `cost` ≤ the smallest limit if and only if
    every mean is within its own. Each of them has a column of its own as well.
    """
    row = {
        "return": _mean(np.asarray(evaluation.returns)),
        "cost": _mean(np.asarray(evaluation.costs)),
        "length": _mean(np.asarray(evaluation.lengths)),
    }
    if evaluation.constraints is None or not limits:
        return row
    means = np.asarray(evaluation.constraints, np.float64).mean(axis=0)
    return row | _each("", means, limits)


def evaluated(
    evaluation: Episodes, limit: float | None, limits: Mapping[str, float] | None = None
) -> dict[str, Any]:
    """What `handrail evaluate` prints of a policy with this limit: means as of `tested`, and how
    many episodes cost anything.
    """
    means = tested(evaluation, limits)
    return {
        "episodes": len(np.asarray(evaluation.costs)),
        **{f"mean_{name}": value for name, value in means.items()},
        "limit": limit,
        "within_limit": None if limit is None else bool(means["cost"] <= limit),
        "episodes_with_cost": int(np.sum(np.asarray(evaluation.costs) > 0)),
    }


def unsafe_share(evaluation: Episodes) -> float:
    """The share of a test's episodes that cost anything."""
    return float(np.mean(np.asarray(evaluation.costs) > 0))


def best(table: Mapping[str, np.ndarray], limit: float, what: str = "") -> int:
    """The evaluation to keep: the highest return within the limit; if there is none, the lowest
    cost. The earliest of equals. Columns begin with `what`, such as `target_`.
    """
    returns, costs = table[f"{what}return"], table[f"{what}cost"]
    safe = costs <= limit
    if safe.any():
        return int(np.argmax(np.where(safe, returns, -np.inf)))
    return int(np.argmin(costs))


def best_shield(table: Mapping[str, np.ndarray], limit: float) -> int:
    """The evaluation within the limit with the lowest cost in the shield test, the latest of
    equals; else as `best`.
    """
    safe = table["cost"] <= limit
    if not safe.any():
        return best(table, limit)
    costs = np.where(safe, table["shielded_cost"], np.inf)
    return int(np.flatnonzero(costs == costs.min())[-1])


def _each(what: str, means: np.ndarray, limits: Mapping[str, float]) -> dict[str, float]:
    smallest = min(limits.values())
    shares = means / np.array(list(limits.values()))
    named = dict(zip(cost_columns(what, limits), means.tolist(), strict=True))
    return {f"{what}cost": float(smallest * np.max(shares)), **named}


def _mean(values: np.ndarray) -> float:
    return float(np.mean(values, dtype=np.float64)) if values.size else math.nan
