"""Violations and transfer metrics from curves over epochs. Pure NumPy.

All costs and returns are undiscounted sums over an episode; steps are environment steps.
"""

import dataclasses

import numpy as np

FINAL_EPOCHS = 3  # over which final values are means
OPTIMUM = 0.95  # share of a final return that counts as reached


@dataclasses.dataclass(frozen=True)
class Curves:
    """One run, a value an epoch; NaN where no training episode ended in an epoch."""

    steps: np.ndarray  # at the ends of the epochs
    behaviour_return: np.ndarray
    behaviour_cost: np.ndarray
    target_return: np.ndarray
    target_cost: np.ndarray
    behaviour_episodes: np.ndarray
    """Training episodes that ended in an epoch."""

    @staticmethod
    def of(table: dict[str, np.ndarray]) -> "Curves":
        """From the columns of a student's `evaluations.csv`."""
        names = [field.name for field in dataclasses.fields(Curves)][1:]
        return Curves(table["step"], **{name: table[name] for name in names})

    def cost_by_steps(self, limit_steps: int) -> np.ndarray:
        """The behaviour's cost per `limit_steps` steps: of the episodes that ended in an epoch,
        over the epoch's steps. Episodes shorter than that may cost less."""
        length = np.diff(self.steps, prepend=0.0)
        known = np.where(self.behaviour_episodes > 0, self.behaviour_cost, 0.0)
        return known * self.behaviour_episodes * limit_steps / length


@dataclasses.dataclass(frozen=True)
class Transfer:
    """A method against learning from scratch; positive is better.

    `safety_jump_start`: cost-return per episode saved at the beginning. `time_to_safety`:
    interactions earlier that the behaviour's cost-return stays within the limit.
    `return_jump_start`: return per episode gained at the beginning. `time_to_optimum`:
    interactions earlier that 95 % of the best method's final return are reached. A time that a
    run never reaches counts as its whole length, so such a difference is a bound.
    """

    safety_jump_start: float
    time_to_safety: float
    return_jump_start: float
    time_to_optimum: float


def violations(curves: Curves, limit: float, limit_steps: int) -> dict[str, float]:
    """Epochs above the limit by both counts, and the worst epoch's cost.

    The papers count the mean cost of an epoch's episodes; `…_by_steps` counts its cost per
    `limit_steps` steps, the episode that the limit is meant for.
    """
    counts = {"": curves.behaviour_cost, "_by_steps": curves.cost_by_steps(limit_steps)}
    found: dict[str, float] = {"epochs": len(curves.steps)}
    for suffix, cost in counts.items():
        known = cost[np.isfinite(cost)]
        found[f"epochs_above_limit{suffix}"] = int(np.sum(known > limit))
        found[f"worst_epoch_cost{suffix}"] = float(known.max()) if known.size else float("nan")
    return found


def final(values: np.ndarray) -> float:
    """The mean over the last three epochs, those without a value left out."""
    values = values[-FINAL_EPOCHS:]
    known = values[np.isfinite(values)]
    return float(known.mean()) if known.size else float("nan")


def steps_to_safety(steps: np.ndarray, cost: np.ndarray, limit: float) -> float:
    """Interactions until the cost-return stays within the limit: the end of the last epoch
    above it. 0 if there is none; infinite if it is the last epoch of the run.
    """
    above = np.flatnonzero(cost > limit)
    if not above.size:
        return 0.0
    return float("inf") if above[-1] == len(cost) - 1 else float(steps[above[-1]])


def steps_to_return(steps: np.ndarray, returns: np.ndarray, optimum: float) -> float:
    """Interactions until the mean return of three epochs first reaches an optimum; infinite if
    never. Before the third epoch the mean is over those there are.
    """
    for end in range(1, len(returns) + 1):
        if final(returns[:end]) >= optimum:
            return float(steps[end - 1])
    return float("inf")


def share_of(optimum: float, share: float = OPTIMUM) -> float:
    """95 % of a return; of a negative one, what lies as far below it."""
    return optimum - (1 - share) * abs(optimum)


def transfer(
    method: Curves, scratch: Curves, *, limit: float, optimum: float, first: int = 1
) -> Transfer:
    """The metrics of one run against one from scratch.

    Args:
        limit: d⊙. Costs below it earn nothing: both jump-start costs are raised to the limit.
        optimum: the best method's final return; 95 % of it has to be reached.
        first: epochs that count as the beginning.
    """
    end = max(float(method.steps[-1]), float(scratch.steps[-1]))

    def begins(values: np.ndarray) -> float:
        known = values[:first][np.isfinite(values[:first])]
        return float(known.mean()) if known.size else float("nan")

    def safe(curves: Curves) -> float:
        return min(steps_to_safety(curves.steps, curves.behaviour_cost, limit), end)

    def optimal(curves: Curves) -> float:
        goal = share_of(optimum)
        return min(steps_to_return(curves.steps, curves.behaviour_return, goal), end)

    costs = [max(begins(curves.behaviour_cost), limit) for curves in (scratch, method)]
    return Transfer(
        safety_jump_start=costs[0] - costs[1],
        time_to_safety=safe(scratch) - safe(method),
        return_jump_start=begins(method.behaviour_return) - begins(scratch.behaviour_return),
        time_to_optimum=optimal(scratch) - optimal(method),
    )


def summary(curves: Curves, limit: float, limit_steps: int) -> dict[str, float]:
    """What a run's `summary.json` says of its epochs; final values are of the last three.

    `limit` is what `limit_steps` steps may cost.
    """
    finals = {
        name: final(getattr(curves, name))
        for name in ("behaviour_return", "behaviour_cost", "target_return", "target_cost")
    }
    optimum = share_of(finals["target_return"])
    return {
        **violations(curves, limit, limit_steps),
        **finals,
        "steps_to_95": steps_to_return(curves.steps, curves.target_return, optimum),
    }
