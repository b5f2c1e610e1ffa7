"""A random walk through an environment that notes the first problem of every kind."""

import dataclasses
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from handrail.core.errors import HandrailError
from handrail.envs.base import DiscreteActions
from handrail.envs.gymnasium.actions import AbstractActionCodec
from handrail.envs.gymnasium.costs import Costs
from handrail.envs.gymnasium.numbers import one_number
from handrail.envs.gymnasium.raw import RawStep, begin_episode, finite_reward, raw_copy, read_step
from handrail.envs.gymnasium.spaces import ObservationCodec


@dataclasses.dataclass
class Walk:
    """What random actions met: the first problem of every rule, and the trajectory."""

    problems: dict[str, str] = dataclasses.field(default_factory=dict)
    trajectory: list[tuple] = dataclasses.field(default_factory=list)
    ends: list[tuple[int, bool, bool]] = dataclasses.field(default_factory=list)
    costs: list[dict[str, float]] = dataclasses.field(default_factory=list)
    resets_after_end: int = 0
    steps: int = 0
    first_states_cost: bool = False
    """Whether `info["cost"]` of a reset was not 0."""

    def attempt(self, rule: str, action: Callable[[], Any]) -> Any:
        """`action()`, or None with the problem noted; the first problem of a rule counts."""
        try:
            return action()
        except HandrailError as error:
            self.problems.setdefault(rule, f"step {self.steps}: {error}")
            return None


def random_walk(
    env: Any,
    codec: AbstractActionCodec,
    seen: ObservationCodec | None,
    costs: Costs,
    steps: int,
    seed: int,
) -> Walk:
    """Random steps; the episodes that they last for have the seeds `seed`, `seed` + 1, …"""
    walk, draws = Walk(), np.random.default_rng(seed)
    observation = walk.attempt("seeded reset", lambda: _first(walk, env, seed))
    if observation is None:
        return walk
    length = 0
    if seen is not None:
        _look(walk, env, seen, observation)
    walk.trajectory.append((observation,))
    for _ in range(steps):
        walk.steps += 1
        action = codec.to_environment(_random(codec, draws))
        raw = walk.attempt("steps", lambda action=action: read_step(env, action))
        if raw is None:
            return walk
        length += 1
        if seen is not None:
            _look(walk, env, seen, raw.observation)
            _value(walk, costs, observation, action, raw)
        observation = raw_copy(raw.observation)
        walk.trajectory.append((observation, raw.reward, raw.terminated, raw.truncated))
        if raw.terminated or raw.truncated:
            walk.ends.append((length, raw.terminated, raw.truncated))
            rule = "reset after an end"
            later = seed + len(walk.ends)
            observation = walk.attempt(rule, lambda later=later: _first(walk, env, later))
            if observation is None:
                return walk
            walk.resets_after_end += 1
            length = 0
            if seen is not None:
                _look(walk, env, seen, observation)
            walk.trajectory.append((observation,))
    return walk


def _first(walk: Walk, env: Any, seed: int) -> Any:
    """The first observation of an episode; notes whether the info that comes with it has a cost."""
    observation, info = begin_episode(env, seed=seed)
    walk.first_states_cost |= _costs_something(info.get("cost"))
    return raw_copy(observation)


def _costs_something(cost: Any) -> bool:
    """Whether a cost, or one of several named ones, is a number other than 0."""
    if isinstance(cost, Mapping):
        return any(map(_costs_something, cost.values()))
    number = one_number(cost)
    return number is not None and number != 0


def _random(codec: AbstractActionCodec, draws: np.random.Generator) -> Any:
    if isinstance(codec.actions, DiscreteActions):
        return draws.integers(codec.actions.n)
    return draws.uniform(-1, 1, codec.actions.size)


def _look(walk: Walk, env: Any, seen: ObservationCodec, observation: Any) -> None:
    walk.attempt("observation values", lambda: seen(observation))
    contains = getattr(env.observation_space, "contains", None)
    if contains is not None and "observation in its space" not in walk.problems:
        try:
            inside = contains(observation)
        except Exception:
            inside = False
        if not inside:
            walk.problems["observation in its space"] = (
                f"step {walk.steps}: {_short(observation)} is not in "
                f"{_short(env.observation_space)}; correct bounds and dtype of the space, "
                "or clip and cast what is returned"
            )


def _value(walk: Walk, costs: Costs, before: Any, action: Any, raw: RawStep) -> None:
    walk.attempt("reward", lambda: finite_reward(raw.reward))
    named = walk.attempt(
        "cost", lambda: costs.named(before, action, raw.observation, raw.info, raw.sixth)
    )
    if named is not None:
        walk.costs.append(named)


def _short(value: Any) -> str:
    text = " ".join(str(value).split())
    return text if len(text) <= 120 else text[:117] + "..."
