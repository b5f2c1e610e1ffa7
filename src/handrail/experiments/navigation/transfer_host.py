"""`roll` for environments on the host: the same decisions on the same keys, step by step."""

from collections.abc import Callable, Sequence
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Key

from handrail.envs.base import action_size
from handrail.envs.host import AbstractHostEnvironment
from handrail.envs.transfer import AbstractView
from handrail.experiments.navigation.transfer_rollouts import Controller, Episodes, decide
from handrail.learners.sac_networks import observation_vector
from handrail.rng import stream

SIDE_BY_SIDE = 64
"""Environments that share one call of the guide: more would save little and take memory."""


def roll_on_host(
    environments: Sequence[AbstractHostEnvironment],
    controller: Controller,
    view: AbstractView,
    handed_over: np.ndarray,
    *,
    steps: int,
    key: Key[Array, ""],
    report: Callable[[int, int], None] = lambda done, total: None,
) -> Episodes:
    """One episode for each entry of `handed_over`, as many at a time as there are environments.

    The environments are equal; where one has ended its episode it begins the next. Episodes
    are cut off after `steps` steps, as by a time limit. `report(done, total)` counts those that
    have ended. What lies beyond the end of an episode is 0. Which environment plays an episode
    changes nothing: all that is random in it comes from the episode's own key.
    """
    count = len(handed_over)
    seats = environments[:count]
    begins, keys = jnp.asarray(handed_over, jnp.int32), jax.random.split(key, count)
    resets = list(jax.vmap(lambda one: stream(one, "reset"))(keys))
    size = action_size(environments[0].actions)
    episode, index = np.arange(len(seats)), np.zeros(len(seats), np.int32)
    playing, following = np.ones(len(seats), bool), len(seats)
    observations = [seat.reset(key=resets[at]) for at, seat in enumerate(seats)]

    width = observation_vector(view(observations[0])).size
    views = np.zeros((count, steps, width), np.float32)
    costs, foreseen, foreseen_random = (np.zeros((count, steps), np.float32) for _ in range(3))
    running, terminated = np.zeros((count, steps), bool), np.zeros(count, bool)
    while playing.any():
        decided, step_keys = _decide(
            controller, view, _stacked(observations), begins, keys, episode, index, size
        )
        seen, actions, value, random_value = (np.asarray(array) for array in decided)
        now = episode[playing], index[playing]
        views[now], running[now] = seen[playing], True
        foreseen[now], foreseen_random[now] = value[playing], random_value[playing]
        for at, step_key in enumerate(step_keys):
            if not playing[at]:
                continue
            timestep = seats[at].step(actions[at], key=step_key)
            observations[at] = timestep.observation
            costs[episode[at], index[at]] = timestep.cost
            index[at] += 1
            if not (timestep.terminated or timestep.truncated or index[at] == steps):
                continue
            terminated[episode[at]] = timestep.terminated
            playing[at] = following < count
            if playing[at]:
                observations[at] = seats[at].reset(key=resets[following])
                episode[at], index[at] = following, 0
                following += 1
            report(following - int(playing.sum()), count)
    return Episodes(
        views, costs, foreseen, foreseen_random, running,
        terminated=terminated, handed_over=np.asarray(handed_over),
    )  # fmt: skip


def _stacked(observations: list[Any]) -> Any:
    return jax.tree.map(lambda *leaves: np.stack(leaves), *observations)


@eqx.filter_jit
def _decide(controller, view, observations, begins, keys, episode, index, size: int):
    """The decisions of all seats, those without an episode included, and keys of their steps."""

    def one(observation, begins, key, index):
        decided = decide(controller, view, observation, index, begins, actions=size, key=key)
        return decided, stream(key, "step", index)

    return jax.vmap(one)(observations, begins[episode], keys[episode], index)
