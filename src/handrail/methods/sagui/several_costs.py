"""What epochs record of several costs: each by itself, and the one nearest to its limit."""

from collections.abc import Mapping
from pathlib import Path

import numpy as np

from handrail.methods.sagui.evaluations import behaviour, in_epoch, tested
from handrail.records import ONE_OF_SEVERAL
from handrail.train.evaluate import Evaluation


def cost_columns(what: str, limits: Mapping[str, float]) -> tuple[str, ...]:
    """Columns of each cost, such as `target_cost.heat`; none where there is but one."""
    return tuple(f"{what}{ONE_OF_SEVERAL}{name}" for name in limits)


def tested_costs(evaluation: Evaluation, limits: Mapping[str, float]) -> dict[str, float]:
    """`evaluations.tested`, with each of several costs.

    Then `cost` is the one nearest to its limit, or farthest above, as a cost on the scale of the
    smallest limit: `cost` ≤ the smallest limit if and only if every mean is within its own.
    """
    row = tested(evaluation)
    if evaluation.constraints is None:
        return row
    means = np.asarray(evaluation.constraints, np.float64).mean(axis=0)
    return row | _each("", means, limits)


def behaviour_costs(
    folder: Path, step: int, epoch: int, limits: Mapping[str, float]
) -> dict[str, float]:
    """`evaluations.behaviour`, with each of several costs, as in `tested_costs`."""
    ended = in_epoch(folder, step, epoch)
    row = behaviour(ended)
    if not limits:
        return row
    each = np.array([ended[ONE_OF_SEVERAL + name] for name in limits])
    means = each.mean(axis=1) if each.size else np.full(len(limits), np.nan)
    return row | _each("behaviour_", means, limits)


def _each(what: str, means: np.ndarray, limits: Mapping[str, float]) -> dict[str, float]:
    smallest = min(limits.values())
    shares = means / np.array(list(limits.values()))
    named = dict(zip(cost_columns(what, limits), means.tolist(), strict=True))
    return {f"{what}cost": float(smallest * np.max(shares)), **named}
