"""What triggers saw: one number of each quantity a step, and their means in `progress.csv`."""

import logging
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float

from handrail.core.errors import HandrailError
from handrail.core.records import PROGRESS, read_table
from handrail.core.types import Decision
from handrail.envs.base import ActionSpace, DiscreteActions
from handrail.envs.gymnasium.actions import ROUNDING
from handrail.interventions.base import AbstractSubstitute, Intervention
from handrail.interventions.ensemble import RandomAdvantageous
from handrail.interventions.substitutes import (
    FirstAvailable,
    Proposed,
    RandomAboveMean,
    RandomAction,
    RepeatedRandomAction,
)

COLUMN = "evidence/"  # and the name that a trigger gives it
NOT_FINITE = "not_finite"
DRAWN_FROM_THE_SPACE = (
    Proposed, RandomAboveMean, RandomAdvantageous, RandomAction, RepeatedRandomAction,
)  # fmt: skip
LOG = logging.getLogger(__name__)


def evidence_of(decision: Decision) -> dict[str, Float[Array, ""]]:
    """A number for each quantity: itself, or the mean of its entries.

    With triggers that look at numbers there is `not_finite`, too: 1 where one was NaN or infinite.
    """
    seen = dict(decision.evidence)
    if decision.not_finite is not None:
        seen[NOT_FINITE] = decision.not_finite
    return {name: jnp.mean(jnp.asarray(value, jnp.float32)) for name, value in seen.items()}


def may_leave(intervention: Intervention) -> bool:
    """Whether a substitute may leave the action space: those that draw from it cannot."""

    def is_substitute(node: Any) -> bool:
        return isinstance(node, AbstractSubstitute) and not isinstance(node, FirstAvailable)

    substitutes = filter(is_substitute, jax.tree.leaves(intervention, is_leaf=is_substitute))
    return any(not isinstance(one, DRAWN_FROM_THE_SPACE) for one in substitutes)


def is_outside(
    intervention: Intervention, actions: ActionSpace, decision: Decision
) -> Bool[Array, ""]:
    """Whether a substitute acted with what is no action: beyond the bounds, or not finite."""
    if not may_leave(intervention):
        return jnp.array(False)  # at no cost, in runs without a guide too
    action = decision.action
    if isinstance(actions, DiscreteActions):
        inside = (action >= 0) & (action < actions.n)
    else:
        inside = (action >= actions.low - ROUNDING) & (action <= actions.high + ROUNDING)
    return decision.intervened & ~inside.all()


def means(evidence: dict[str, Any]) -> dict[str, float]:
    """The columns of a chunk: the mean of each quantity over its steps, `not_finite` the last.

    Steps in which a quantity was not finite are left out, such as the distance to unsafe states
    before there are any; where no step is left the mean is NaN, an empty cell.
    """
    names = sorted(evidence, key=lambda name: (name == NOT_FINITE, name))
    return {COLUMN + name: _finite_mean(np.asarray(evidence[name])) for name in names}


def _finite_mean(values: np.ndarray) -> float:
    finite = values[np.isfinite(values)]
    return float(np.mean(finite, dtype=np.float64)) if finite.size else float("nan")


def refuse_outside(outside: Any, end: int, actions: ActionSpace) -> None:
    """Raises `HandrailError` where a substitute left the action space in a chunk until step `end`.

    On the host this is an error at the very step; compiled steps are looked at after each chunk.
    """
    steps = np.flatnonzero(np.asarray(outside))
    if not steps.size:
        return
    space = (
        f"the numbers from 0 to {actions.n - 1}"
        if isinstance(actions, DiscreteActions)
        else f"[{actions.low:g}, {actions.high:g}]"
    )
    raise HandrailError(
        f"the intervention acted outside of {space}, or with NaN, in {steps.size} of "
        f"{len(outside)} steps, first at step {end - len(outside) + int(steps[0])}: substitutes "
        "act in the agent's units; clip or rescale what the substitute gives"
    )


def warn_not_finite(row: dict[str, float], said: bool) -> bool:
    """Logs once that triggers step in because they do not know; whether it has been said."""
    share = row.get(COLUMN + NOT_FINITE, 0.0)
    if share > 0 and not said:
        LOG.warning(
            "until step %d a quantity that the intervention looks at was not finite in %.2g %% of "
            "the steps of a chunk, and it stepped in: look at the critic, prior, encoder or "
            "predicate that it asks (said once; see evidence/not_finite in progress.csv)",
            row["step"], 100 * share,
        )  # fmt: skip
    return said or share > 0


def steps_not_finite(folder: Path) -> dict[str, int]:
    """For the summary: in how many steps of the run triggers did not know; empty where in none."""
    steps = round(total(folder, NOT_FINITE))
    return {"not_finite_steps": steps} if steps else {}


def total(folder: Path, name: str) -> float:
    """The sum of a quantity over the steps of a run, from the means of its chunks."""
    table = read_table(folder / PROGRESS)
    if COLUMN + name not in table:
        return 0.0
    lengths = np.diff(table["step"], prepend=0.0)
    return float(np.nansum(table[COLUMN + name] * lengths))
