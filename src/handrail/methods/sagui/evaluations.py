"""`evaluations.csv`: what a run's behaviour cost and earned, and how its policy tests, by epoch."""

import math
from pathlib import Path

import numpy as np
from jaxtyping import Array, Key

from handrail.envs.host import AbstractHostEnvironment
from handrail.experiments.navigation.environments import AnyEnvironment
from handrail.learners.sac_agent import SacAgent
from handrail.learners.sac_networks import OnVectors
from handrail.records import EPISODES, EVALUATIONS, Table, read_table
from handrail.replay.ring import Ring
from handrail.train.evaluate import Evaluation, run_greedily
from handrail.train.evaluate_host import run_on_host, sampled

CHUNK_STEPS = 10_000  # of a run between two rows of its progress
CHECKPOINT_SECONDS = 120.0  # checkpoints hold the replay, some hundred megabytes
STUDENT_COLUMNS = (
    "step", "behaviour_return", "behaviour_cost", "behaviour_episodes", "guide_share",
    "target_return", "target_cost", "target_length",
)  # fmt: skip
KNOWLEDGE_COLUMNS = ("step", "return", "cost", "length", "unsafe_episodes")
GUIDE_COLUMNS = (*KNOWLEDGE_COLUMNS, "exit_cost", "guarded_cost", "guarded_share")

# Tests read the policy alone, so methods share this agent, and with it the compiled test.
_TESTER = SacAgent(replay=Ring(1))


def try_policy(
    environment: AnyEnvironment, policy: OnVectors, *, episodes: int, key: Key[Array, ""]
) -> Evaluation:
    """Whole episodes of a policy, sampled as the paper does, without interventions.

    An environment on the host loses the episode that it is in: give it one of its own.
    """
    if isinstance(environment, AbstractHostEnvironment):
        return run_on_host(environment, sampled(policy), episodes=episodes, key=key)
    return run_greedily(environment, _TESTER, policy, episodes=episodes, key=key)


def record(folder: Path, columns: tuple[str, ...], row: dict[str, float]) -> dict[str, np.ndarray]:
    """Adds an epoch's row and returns the whole table.

    Rows from that step on are replaced: they come from before an interruption.
    """
    table = Table(folder / EVALUATIONS, columns)
    table.cut(int(row["step"]) - 1)
    table.add([row])
    return read_table(folder / EVALUATIONS)


def chunk_steps(epoch: int, block: int) -> int:
    """Steps of a chunk, so that chunks end where epochs end."""
    chunk = math.gcd(epoch, CHUNK_STEPS)
    return chunk if chunk % block == 0 else epoch


def behaviour(ended: dict[str, np.ndarray]) -> dict[str, float]:
    """Means over the training episodes of an epoch (`in_epoch`).

    NaN where none ended. `guide_share` is the share of these episodes' steps that were not the
    student's.
    """
    steps = ended["length"].sum()
    return {
        "behaviour_return": _mean(ended["return"]),
        "behaviour_cost": _mean(ended["cost"]),
        "behaviour_episodes": len(ended["step"]),
        "guide_share": float(ended["interventions"].sum() / steps) if steps else math.nan,
    }


def in_epoch(folder: Path, step: int, epoch: int) -> dict[str, np.ndarray]:
    """The training episodes that ended in the epoch that ends at `step`."""
    table = read_table(folder / EPISODES)
    inside = (table["step"] > step - epoch) & (table["step"] <= step)
    return {name: values[inside] for name, values in table.items()}


def tested(evaluation: Evaluation) -> dict[str, float]:
    """Means over the episodes of a test; returns and costs undiscounted, per episode."""
    return {
        "return": _mean(np.asarray(evaluation.returns)),
        "cost": _mean(np.asarray(evaluation.costs)),
        "length": _mean(np.asarray(evaluation.lengths)),
    }


def best(table: dict[str, np.ndarray], limit: float) -> int:
    """The evaluation to keep: the highest return within the limit; if there is none, the lowest
    cost. The earliest of equals.
    """
    safe = table["cost"] <= limit
    if safe.any():
        return int(np.argmax(np.where(safe, table["return"], -np.inf)))
    return int(np.argmin(table["cost"]))


def best_guard(table: dict[str, np.ndarray], limit: float) -> int:
    """The evaluation within the limit under whose guard random driving costs least, the latest of
    equals; else as `best`.
    """
    safe = table["cost"] <= limit
    if not safe.any():
        return best(table, limit)
    costs = np.where(safe, table["guarded_cost"], np.inf)
    return int(np.flatnonzero(costs == costs.min())[-1])


def _mean(values: np.ndarray) -> float:
    return float(np.mean(values, dtype=np.float64)) if values.size else math.nan
