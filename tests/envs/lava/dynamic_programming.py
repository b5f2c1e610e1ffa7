"""Exact solutions of lava environments: the oracle for learners, priors and triggers.

All functions run in NumPy on the environment's tables. Steps are counted without a time
limit unless said otherwise.
"""

from typing import NamedTuple

import numpy as np
from jaxtyping import Bool, Float, Int

from handrail.core.errors import HandrailError
from handrail.envs.lava.environment import LavaEnvironment

UNREACHABLE = -1


class Solution(NamedTuple):
    """What a deterministic policy does from every start of every layout, without noise."""

    layout: Int[np.ndarray, " starts"]
    episode_return: Float[np.ndarray, " starts"]  # undiscounted
    cost: Float[np.ndarray, " starts"]  # per episode, undiscounted
    steps: Int[np.ndarray, " starts"]


def optimal_q(env: LavaEnvironment, discount: float) -> Float[np.ndarray, "rows actions"]:
    """The optimal action values when every goal pays 1, discounted per step.

    MiniGrid's reward falls with the step count, which a state does not show; with a constant
    reward and a discount below 1 the same shortest safe paths are optimal. An action that
    enters the goal is worth 1, one that enters lava 0. Rows of ended episodes are 0.
    """
    if not 0 <= discount <= 1:
        raise HandrailError(f"discount is {discount}; expected a number from 0 to 1")
    goal, lava = np.asarray(env.enters_goal), np.asarray(env.unsafe_table)
    successor = np.asarray(env.successor)
    goes_on = ~(goal | lava)
    goes_on[env.observations.live :] = False
    q = goal.astype(np.float64)
    while True:  # each sweep settles one more step from the goal, so this ends exactly
        better = goal + discount * goes_on * q.max(axis=1)[successor]
        if np.array_equal(better, q):
            return q
        q = better


def distances(env: LavaEnvironment) -> Int[np.ndarray, " rows"]:
    """Steps of a shortest safe path to a goal; `UNREACHABLE` (-1) where there is none."""
    goal, lava = np.asarray(env.enters_goal), np.asarray(env.unsafe_table)
    successor = np.asarray(env.successor)
    far = np.iinfo(np.int64).max // 2
    steps = np.full(len(successor), far)
    while True:
        after = np.where(goal, 0, np.where(lava, far, steps[successor]))
        after[env.observations.live :] = far
        better = np.minimum(after.min(axis=1) + 1, far)
        if np.array_equal(better, steps):
            return np.where(steps < far, steps, UNREACHABLE)
        steps = better


def safe_actions(env: LavaEnvironment) -> Bool[np.ndarray, "rows actions"]:
    """The actions that do not enter lava. Turning is always possible, so none is doomed later."""
    return ~np.asarray(env.unsafe_table)


def starts(env: LavaEnvironment) -> list[np.ndarray]:
    """The start rows of every layout."""
    counts = np.asarray(env.start_counts)
    return [rows[:count] for rows, count in zip(np.asarray(env.start_rows), counts, strict=True)]


def optimal_returns(env: LavaEnvironment) -> Float[np.ndarray, " layouts"]:
    """The highest undiscounted return of each layout, averaged over its starts.

    Exact for MiniGrid's own reward 1 - 0.9 · steps / limit: fewest steps are best, and a goal
    farther than the limit pays nothing.
    """
    steps, limit = distances(env), env.episode_length
    paid = np.where((steps >= 0) & (steps <= limit), 1 - 0.9 * (steps / limit), 0.0)
    return np.array([paid[rows].mean() for rows in starts(env)])


def shortest_path(env: LavaEnvironment, row: int) -> Int[np.ndarray, " steps"]:
    """The actions of a shortest safe path from a row to a goal (of equals, the lowest action).

    Raises `HandrailError` if no goal can be reached.
    """
    steps, successor = distances(env), np.asarray(env.successor)
    goal, lava = np.asarray(env.enters_goal), np.asarray(env.unsafe_table)
    if steps[row] == UNREACHABLE:
        raise HandrailError(f"no goal can be reached from row {row} of {env.world.name}")
    path = []
    while not goal[row].any():
        nearer = ~lava[row] & (steps[successor[row]] == steps[row] - 1)
        path.append(int(nearer.argmax()))
        row = successor[row, path[-1]]
    return np.array([*path, int(goal[row].argmax())])


def follow(env: LavaEnvironment, policy: Int[np.ndarray, " rows"]) -> Solution:
    """Plays a deterministic policy (an action per row) from every start to the episode's end."""
    successor, reward = np.asarray(env.successor), np.asarray(env.reward_after, np.float64)
    goal, lava = np.asarray(env.enters_goal), np.asarray(env.unsafe_table)
    policy = np.asarray(policy)
    row = np.concatenate(starts(env))
    layout, running = env.layout_of_row[row], np.ones(len(row), bool)
    returns, costs, steps = np.zeros(len(row)), np.zeros(len(row)), np.zeros(len(row), int)
    for step in range(1, env.episode_length + 1):
        action = policy[row]
        won, burnt = goal[row, action] & running, lava[row, action] & running
        returns += won * reward[step]
        costs += burnt
        steps[running] = step
        row = np.where(running, successor[row, action], row)
        running &= ~(won | burnt)
    return Solution(layout, returns, costs, steps)
