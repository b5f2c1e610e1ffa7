"""Layouts for the compiled tasks: the distribution of `layouts`, drawn with JAX keys.

The procedure is the same: objects in turn, 100 candidates each, and the layout begins anew when
none fits or when the start costs. Candidates are drawn ten at a time and the first that fits is
taken. An object with a fixed place has one candidate: all of its own lie within 1e-9 m.
"""

import dataclasses

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float, Key

from handrail.core.rng import stream
from handrail.envs.navigation.layouts import RESTARTS, TRIES, Point
from handrail.envs.navigation.tasks import NavigationTask

DRAWN = 10  # candidates drawn at a time for a layout
GOALS_DRAWN = 50  # and for a goal within an episode
_ROUNDS = 1_000_000  # of candidates, before a layout is given up


class Places(eqx.Module):
    """Where things begin; `goal` is (0, 0) in a task without one."""

    robot: Float[Array, "2"]
    heading: Float[Array, ""]
    hazards: Float[Array, "hazards 2"]
    goal: Float[Array, "2"]


@dataclasses.dataclass(frozen=True)
class _Plan:
    """The objects in the order in which they are placed, one row each."""

    kinds: list[str]
    keepouts: np.ndarray
    centres: np.ndarray  # of the square of candidates
    reaches: np.ndarray  # half the square's edge; 0: a fixed place
    rounds: np.ndarray  # of ten candidates, before the layout begins anew
    distances: np.ndarray  # [i, j]: how far i must be from j; 0: not at all

    def rows(self, kind: str) -> np.ndarray:
        return np.flatnonzero(np.array(self.kinds) == kind)


def _plan(task: NavigationTask) -> _Plan:
    hazards = task.hazards
    objects: list[tuple[str, float, Point | None]] = [("robot", task.robot_keepout, None)]
    if task.has_goal and task.goal_at:
        objects.append(("goal", task.goal_keepout, task.goal_at[0]))
    elif task.has_goal:  # this first goal only takes part in placing the hazards
        objects.append(("ghost", task.goal_keepout, None))
    objects += [("hazard", hazards.keepout, at) for at in hazards.at or (None,) * hazards.count]
    if all(at is not None for _, _, at in objects[1:]):
        # Only the robot's place is random. Placed last, it is drawn until it fits, where the
        # original begins the layout anew until it fits: the same distribution, sooner.
        objects = objects[1:] + objects[:1]
    if objects[1][0] == "ghost":  # the goal that counts, clear of everything but the first
        objects.append(("goal", task.goal_keepout, None))
    kinds = [kind for kind, _, _ in objects]
    keepouts = np.array([keepout for _, keepout, _ in objects])
    distances = np.tril(keepouts[:, None] + keepouts[None], -1)
    if "ghost" in kinds:
        distances[kinds.index("goal"), kinds.index("ghost")] = 0
    fixed = [at is not None for _, _, at in objects]
    tries = [RESTARTS if kind == "goal" else TRIES for kind in kinds]
    return _Plan(
        kinds,
        keepouts,
        np.array([(0.0, 0.0) if at is None else at for _, _, at in objects]),
        np.where(fixed, 0.0, task.extent - keepouts),
        np.where(fixed, 1, np.array(tries) // DRAWN),
        distances,
    )


def _clear(
    candidates: Float[Array, "count 2"],
    placed: Float[Array, "placed 2"],
    distances: Float[Array, " placed"],
) -> Bool[Array, " count"]:
    squared = jnp.sum((candidates[:, None] - placed[None]) ** 2, axis=-1)
    return jnp.all(squared >= distances[None] ** 2, axis=-1)


def sample_places(task: NavigationTask, *, key: Key[Array, ""]) -> Places:
    """A layout whose start does not cost."""
    plan = _plan(task)
    count, robot_row, hazard_rows = len(plan.kinds), plan.rows("robot")[0], plan.rows("hazard")
    centres, reaches = jnp.array(plan.centres, float), jnp.array(plan.reaches, float)
    distances, rounds = jnp.array(plan.distances, float), jnp.array(plan.rounds)
    draws = stream(key, "candidates")

    def place(carry):
        iteration, row, tried, placed = carry
        spread = jax.random.uniform(
            jax.random.fold_in(draws, iteration), (DRAWN, 2), minval=-1.0, maxval=1.0
        )
        candidates = centres[row][None] + reaches[row] * spread
        clear = _clear(candidates, placed, distances[row])
        fits = jnp.any(clear)
        placed = placed.at[row].set(candidates[jnp.argmax(clear)])
        hopeless = ~fits & (tried + 1 >= rounds[row])
        done = fits & (row + 1 == count)
        costs = in_hazard(placed[robot_row], placed[hazard_rows], task.hazards.size)
        row = jnp.where(hopeless | (done & costs), 0, row + fits)
        return iteration + 1, row, jnp.where(fits | hopeless, 0, tried + 1), placed

    zero = jnp.array(0)
    _, _, _, placed = jax.lax.while_loop(
        lambda carry: (carry[1] < count) & (carry[0] < _ROUNDS),
        place,
        (zero, zero, zero, jnp.zeros((count, 2))),
    )
    heading = jax.random.uniform(stream(key, "heading"), minval=-jnp.pi, maxval=jnp.pi)
    goal = placed[plan.rows("goal")[0]] if task.has_goal else jnp.zeros(2)
    return Places(placed[robot_row], heading, placed[hazard_rows], goal)


def sample_goal(
    task: NavigationTask,
    robot: Float[Array, "2"],
    hazards: Float[Array, "hazards 2"],
    wanted: Bool[Array, ""],
    *,
    key: Key[Array, ""],
) -> tuple[Float[Array, "2"], Bool[Array, ""]]:
    """A goal clear of robot and hazards, and whether there is one; nothing unless `wanted`.

    Up to 10,000 candidates, as in the original, in a loop that does not begin where no goal is
    wanted: a step pays for a new goal only when one was met, under `vmap` too.
    """
    placed = jnp.concatenate([robot[None], hazards])
    keepouts = jnp.array([task.robot_keepout] + [task.hazards.keepout] * task.hazards.count)
    reach = task.extent - task.goal_keepout
    rounds = 1 if task.goal_at else RESTARTS // GOALS_DRAWN

    def draw(carry):
        index, _, _ = carry
        if task.goal_at:
            candidates = jnp.array(task.goal_at)
        else:
            candidates = jax.random.uniform(
                stream(key, "goals", index), (GOALS_DRAWN, 2), minval=-reach, maxval=reach
            )
        clear = _clear(candidates, placed, keepouts + task.goal_keepout)
        return index + 1, candidates[jnp.argmax(clear)], jnp.any(clear)

    nothing = (jnp.array(0), jnp.zeros(2), jnp.array(False))

    def search():
        return jax.lax.while_loop(
            lambda carry: wanted & ~carry[2] & (carry[0] < rounds), draw, nothing
        )

    # The loop alone would be correct; skipping it whole makes a step a third faster on a CPU.
    _, goal, found = jax.lax.cond(wanted, search, lambda: nothing)
    return goal, found


def in_hazard(
    position: Float[Array, "2"], hazards: Float[Array, "hazards 2"], radius: float
) -> Bool[Array, ""]:
    """Whether the position costs: it lies within a hazard."""
    return jnp.any(jnp.sum((hazards - position[None]) ** 2, axis=-1) < radius**2)
